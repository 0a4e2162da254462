# SPDX-License-Identifier: MIT
"""Makes mutants of a C file: the same text with one small mistake in it.

Works on tokens, never inside comments, strings, preprocessor lines and jb_assert(); knows just as
much C as this project's style needs.
"""
import re

TOKEN = re.compile(r"""
    (?P<space>\s+ | /\*.*?\*/ | //[^\n]* | ^[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\])*")
  | (?P<char>'(?:\\.|[^'\\])+')
  | (?P<number>\d\w*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<op>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.X | re.S | re.M)

# What an operator with something on both sides is mistaken for.
BINARY = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&",
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "&": "|", "|": "&", "^": "|", "<<": ">>", ">>": "<<",
    "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "^=": "|=",
}
# And those with one side.
UNARY = {"++": "--", "--": "++", "!": ""}
WORDS = {"true": "false", "false": "true"}
NO_OPERAND = {"return", "case", "else", "sizeof", "do"}
TYPE_WORDS = {"void", "char", "int", "unsigned", "bool", "double", "size_t"}
NOT_DELETED = {"if", "else", "for", "while", "do", "switch", "case", "default", "return", "goto", "jb_assert", "enum",
               "struct", "union", "static", "const", "extern"}
NO_TYPE = {"static", "inline", "extern", "JB_NODISCARD", "_Noreturn"}


class Token:
    """A token, and where it stands."""

    def __init__(self, match):
        self.kind, self.text = match.lastgroup, match.group()
        self.start, self.end = match.span()
        self.parens = 0  # how many are open around it
        self.function = None  # a Function, inside of its body
        self.asserted = False  # inside of jb_assert()


class Function:
    def __init__(self, name, returns):
        self.name, self.returns = name, returns


class Mutant:
    """text[start:end] of a file, replaced; `old` and `new` are the lines that differ, as one each."""

    def __init__(self, text, start, end, replacement, function):
        gap = text[start:end].count("\n") - replacement.count("\n")
        self.text = text[:start] + replacement + "\n" * gap + text[end:]  # no line moves
        self.line = text.count("\n", 0, start) + 1
        self.function = function.name if function else "-"
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
        self.old = " ".join(text[first:last].split())
        self.new = " ".join((text[first:start] + replacement + text[end:last]).split())

    def key(self):
        return self.function, self.old, self.new


def closing(tokens, at):
    """The index of what closes the bracket at `at`."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += (tokens[i].text in "([{") - (tokens[i].text in ")]}") if len(tokens[i].text) == 1 else 0
        if depth == 0:
            return i
    raise ValueError(f"nothing closes the {tokens[at].text} at {tokens[at].start}")


def tokenize(text):
    tokens = [Token(m) for m in TOKEN.finditer(text) if m.lastgroup != "space"]
    begin = 0  # of the declaration
    i = parens = 0
    while i < len(tokens):
        t = tokens[i]
        parens -= t.text == ")"
        t.parens = parens
        parens += t.text == "("
        if t.text == "{" and t.function is None:
            end = closing(tokens, i)
            if tokens[i - 1].text == ")":
                function = heading(tokens[begin:i])
                for inner in tokens[i + 1:end]:
                    inner.function = function
                begin = end + 1
        elif t.text == ";" and t.function is None:
            begin = i + 1
        elif t.text == "jb_assert":
            for inner in tokens[i:closing(tokens, i + 1)]:
                inner.asserted = True
        i += 1
    return tokens


def heading(tokens):
    """`static const char *name(...)`"""
    at = next(i for i, t in enumerate(tokens) if t.text == "(")
    returns = " ".join(t.text for t in tokens[:at - 1] if t.text not in NO_TYPE)
    return Function(tokens[at - 1].text, returns)


def is_operand(token):
    return token.kind in ("string", "char", "number") or token.text in (")", "]") or (
        token.kind == "word" and token.text not in NO_OPERAND)


def of_token(tokens, i):
    """What the token itself may be replaced by, or None."""
    t, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
    if t.kind in ("number", "char"):
        declared = before.text == "[" and after.text == "]" and is_operand(tokens[i - 2]) and (
            tokens[i - 3].kind == "word" or tokens[i - 3].text == "*")
        return None if declared or t.text == "..." else f"({t.text} + 1)"
    if t.function is None:
        return None
    if t.text in WORDS:
        return WORDS[t.text]
    if t.text in UNARY:
        return UNARY[t.text]
    if t.text not in BINARY or not is_operand(before):
        return None
    if t.text == "*" and (after.text in (")", "*") or before.text in TYPE_WORDS or before.text.endswith("_t")
                          or tokens[i - 2].text in ("struct", "union", "enum")):
        return None  # a pointer
    return BINARY[t.text]


def statement_end(tokens, i):
    """The index of the semicolon that ends the expression statement at i; None: there is none."""
    t, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
    starts = before.text in ("{", "}", ";", ")", ":", "else") and t.parens == 0 and t.function
    if not starts or t.text in NOT_DELETED | {"{", "}", ";", "?", ":"}:
        return None
    if before.text == ")" and not closes_head(tokens, i - 1):
        return None
    if before.text == ":" and not labels(tokens, i - 1):
        return None
    if t.kind == "word" and (after.kind == "word" or (after.text == "*" and tokens[i + 2].kind == "word")):
        return None  # a declaration
    while i < len(tokens) and tokens[i].text not in (";", "}"):
        i = closing(tokens, i) if tokens[i].text in ("(", "[", "{") else i
        i += 1
    return i if tokens[i].text == ";" else None


def closes_head(tokens, i):
    """Whether this parenthesis ends the head of an if, while or for."""
    depth = 0
    while True:
        depth += (tokens[i].text == ")") - (tokens[i].text == "(")
        if depth == 0:
            return tokens[i - 1].text in ("if", "while", "for", "switch")
        i -= 1


def labels(tokens, i):
    """Whether this colon belongs to a case."""
    while tokens[i].text not in (";", "{", "}", "?"):
        if tokens[i].text in ("case", "default"):
            return True
        i -= 1
    return False


def of_return(text, tokens, i):
    """(end, replacement) for a return with a value that is more than a constant."""
    end = next(j for j in range(i, len(tokens)) if tokens[j].text == ";")
    value = text[tokens[i + 1].start:tokens[end].start]
    if end == i + 1:
        return tokens[i].end, ""  # goes on instead
    returns = tokens[i].function.returns
    if returns == "bool":
        return tokens[end].start, None if value in WORDS else f"return !({value})"
    return tokens[end].start, None if value in ("0", "NULL", "JB_STR_NONE") else f"return ({returns}){{ 0 }}"


def make(text):
    """All mutants of a file, in order."""
    tokens = tokenize(text)
    found = []

    def add(start, end, replacement, function):
        if replacement is not None:
            found.append(Mutant(text, start, end, replacement, function))
    for i, t in enumerate(tokens[:-3]):
        if t.asserted or i < 3:
            continue
        add(t.start, t.end, of_token(tokens, i), t.function)
        if t.function and t.text in ("if", "while"):
            end = tokens[closing(tokens, i + 1)].start
            add(tokens[i + 1].end, end, f"!({text[tokens[i + 1].end:end]})", t.function)
        elif t.function and t.text == "return":
            add(t.start, *of_return(text, tokens, i), t.function)
        elif (end := statement_end(tokens, i)) is not None:
            add(t.start, tokens[end].start, "", t.function)
    return found
