#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Manual pages of the client library from its headers: gen-client-man.py INCLUDE_DIR OUT_DIR VERSION

One page for each header (jabiru_client.3: synopsis, what the header says of itself, a section for each function with
ownership, threads and returns), and libjabiru.3, the way in. --list prints the names of the files."""
import pathlib
import re
import sys

HEADERS = ("jabiru", "client", "event", "element", "writer", "error", "memory")
DATE = "November 29, 2026"
FUNCTION = re.compile(r"/\*\*\n(?P<text>.*?)\*/\n(?P<proto>JB_API[^;{]*?\b(?P<name>jb_\w+)\([^;]*\);)", re.S)
LABELS = ("Ownership:", "Threads:", "Returns:")


def escape(line):
    line = line.replace("\\", "\\e")
    return "\\&" + line if line[:1] in ".'" else line


def strip(comment):
    """The lines of a comment without its stars."""
    return [re.sub(r"^ \* ?", "", line).rstrip() for line in comment.split("\n")]


def sentences(text):
    """Each on a line of its own, as mdoc wants it."""
    return [escape(part) for part in re.split(r"(?<=[.!?])\s+", text) if part]


def body(lines):
    """Paragraphs, indented code and lists, as mdoc."""
    out, paragraph, literal = [], [], []

    def flush():
        if literal:
            while not literal[-1]:
                literal.pop()
            out.extend([".Bd -literal -offset indent", *literal, ".Ed"])
        elif paragraph:
            out.extend(sentences(" ".join(paragraph)))
        literal.clear()
        paragraph.clear()

    for line in lines:
        if line.startswith("    "):
            if paragraph:
                flush()
            literal.append(escape(line[4:]))
        elif not line and literal:
            literal.append("")
        elif not line:
            flush()
            out.append(".Pp")
        else:
            if literal or line.startswith(" - "):
                flush()
                out.append(".Pp")
            paragraph.append(line.strip())
    flush()
    text = re.sub(r"(?:\.Pp\n)+(?=\.Pp\n|\.Bd)", "", "\n".join(out) + "\n")
    return re.sub(r"(?:\.Pp\n)+$", "", text).rstrip("\n").split("\n")


def labelled(lines):
    """Splits a comment into its text and {label: text}."""
    text, parts, label = [], {}, None
    for line in lines:
        found = next((known for known in LABELS if line.startswith(known)), None)
        if found:
            label = found
            parts[label] = [line[len(found):].strip()]
        elif label and line:
            parts[label].append(line if line.startswith("  JB_") else line.strip())
        elif not label:
            text.append(line)
    return text, parts


def page(name, title, summary):
    return [".\\\" SPDX-License-Identifier: MIT", ".\\\" Made from the headers by script/gen-client-man.py.", f".Dd {DATE}",
            f".Dt {title.upper()} 3", ".Os", ".Sh NAME", f".Nm {name}", f".Nd {escape(summary)}", ".Sh LIBRARY",
            "libjabiru (pkg-config libjabiru)"]


def synopsis(header, functions):
    out = [".Sh SYNOPSIS", f".In jabiru/{header}.h"]
    if functions:
        out.append(".Bd -literal")
        for f in functions:
            out.append(escape(re.sub(r"\s+", " ", f["proto"].replace("JB_API ", "").replace("JB_NODISCARD ", ""))))
        out.append(".Ed")
    return out


def table(text):
    """Enumerations and the lists they are made of: constants with their comments."""
    out = []
    for row in re.findall(r"X\((\w+), (\d+), (\d+), (\d+),[\s\\]*\"([^\"]*)\"\)", text):
        out += [f".It JB_SETTING_{row[0]}", escape(f"{row[4]} (default {row[1]}, from {row[2]} to {row[3]})")]
    for row in re.findall(r"^    X\((JB_E\w+), (-\d+), \"([^\"]*)\"\)", text, re.M):
        out += [f".It {row[0]} ({row[1]})", escape(row[2])]
    for name, words in re.findall(r"^    (JB_[A-Z_]+),\s+/\* (.*?) \*/", text, re.M | re.S):
        out += [f".It {name}", escape(re.sub(r"\s+", " ", words))]
    return [".Sh CONSTANTS", ".Bl -tag -width Ds", *out, ".El"] if out else []


def contract(lines):
    """What stands behind a label: words, then perhaps codes, one a line."""
    words = [line for line in lines if not line.startswith("  JB_")]
    codes = [line.strip() for line in lines if line.startswith("  JB_")]
    return sentences(" ".join(words)) + [part for code in codes for part in (".br", escape(code))]


def make(header, text):
    intro = strip(re.search(r"\*/\n/\* ?(.*?)\*/", text, re.S).group(1))
    functions = [m.groupdict() for m in FUNCTION.finditer(text)]
    name = "libjabiru" if header == "jabiru" else f"jabiru_{header}"
    summary = re.split(r"(?<=\.)(?:\s|$)", " ".join(intro), maxsplit=1)[0].rstrip(".")
    out = page(name, name, summary) + synopsis(header, functions) + [".Sh DESCRIPTION"] + body(intro)
    for f in functions:
        words, parts = labelled(strip(f["text"]))
        out += [f".Ss {f['name']}"] + body(words)
        out += [".Bl -tag -width Ownership:"]
        for label in LABELS:
            if label in parts:
                out += [f".It {label}"] + contract(parts[label])
        out += [".El"]
    others = sorted(f".Xr {'libjabiru' if h == 'jabiru' else 'jabiru_' + h} 3" for h in HEADERS if h != header)
    out += table(text) + [".Sh SEE ALSO", " ,\n".join(others)]
    return name, "\n".join(line for line in out if line is not None) + "\n"


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join("libjabiru.3" if h == "jabiru" else f"jabiru_{h}.3" for h in HEADERS))
        return 0
    include, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for header in HEADERS:
        name, text = make(header, (include / "jabiru" / f"{header}.h").read_text(encoding="utf-8"))
        (out / f"{name}.3").write_text(text, encoding="utf-8")
    return 0


sys.exit(main())
