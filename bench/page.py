# SPDX-License-Identifier: MIT
"""Makes docs/benchmarks.md and its plots from what script/bench measured."""
import html
import pathlib
import statistics

HERE = pathlib.Path(__file__).resolve().parent

# For each row of script/bench: its heading, what is done (with its sizes), and the figures: key, heading, factor,
# digits, whether it is drawn and compared as a ratio ("less": less is better).
SECTIONS = [
    ("pairs-closed", "Messages, as many as go",
     "{connections} sessions, two by two, one message under way in each pair: who gets one sends one.",
     [("server_cpu_us_per_message", "CPU per message, µs", 1, 1, "less"), ("messages_per_s", "messages/s", 1, 0, "more"),
      ("latency_p50_ms", "p50, ms", 1, 2, None), ("latency_p99_ms", "p99, ms", 1, 2, None),
      ("own_cpu_us_per_message", "CPU of the load, µs", 1, 1, None)]),
    ("pairs-open", "Messages at a rate that all can carry",
     "{connections} sessions, two by two, `{options}`: latency counts from when a message was due.",
     [("server_cpu_us_per_message", "CPU per message, µs", 1, 1, "less"), ("latency_p50_ms", "p50, ms", 1, 2, "less"),
      ("latency_p99_ms", "p99, ms", 1, 2, "less"), ("latency_p999_ms", "p99.9, ms", 1, 2, None),
      ("own_cpu_us_per_message", "CPU of the load, µs", 1, 1, None)]),
    ("login", "Logins", "{connections} at once: connect, SCRAM-SHA-1, resource, roster, presence, and out again.",
     [("server_cpu_us_per_login", "CPU per login, µs", 1, 0, "less"), ("logins_per_s", "logins/s", 1, 0, "more"),
      ("login_p50_ms", "p50, ms", 1, 1, None), ("login_p99_ms", "p99, ms", 1, 1, None),
      ("retries", "refused", 1, 0, None)]),
    ("login-tls", "Logins over TLS", "The same with a full TLS handshake each; certificates are EC P-256.",
     [("server_cpu_us_per_login", "CPU per login, µs", 1, 0, "less"), ("logins_per_s", "logins/s", 1, 0, "more"),
      ("login_p50_ms", "p50, ms", 1, 1, None), ("login_p99_ms", "p99, ms", 1, 1, None),
      ("retries", "refused", 1, 0, None)]),
    ("idle", "Memory of idle sessions", "{connections} sessions log in and do nothing (growth of PSS).",
     [("pss_bytes_per_session", "KiB per session", 1 / 1024, 1, "less"), ("pss_mib_before", "empty server, MiB", 1, 1, "less"),
      ("pss_mib_after", "with all, MiB", 1, 1, None), ("idle_cpu_percent", "CPU while idle, %", 1, 2, None)]),
    ("room", "A room", "{connections} people in one room, ten of them speak (`{options}`); a message counts for each who gets it.",
     [("server_cpu_us_per_message", "CPU per delivery, µs", 1, 1, "less"), ("latency_p50_ms", "p50, ms", 1, 2, "less"),
      ("latency_p99_ms", "p99, ms", 1, 2, "less"), ("server_rss_mib", "memory, MiB", 1, 0, None)]),
    ("presence", "Presence", "{connections} people, `{options}`: each change goes to all contacts.",
     [("server_cpu_us_per_message", "CPU per delivery, µs", 1, 1, "less"), ("latency_p50_ms", "p50, ms", 1, 2, "less"),
      ("latency_p99_ms", "p99, ms", 1, 2, "less")]),
    ("storm", "All come back at once", "{connections} sessions are cut together and log in again at once.",
     [("back_s", "until all are back, s", 1, 2, "less"), ("server_cpu_us_per_login", "CPU per login, µs", 1, 0, "less"),
      ("login_p50_ms", "p50, ms", 1, 0, None), ("retries", "refused", 1, 0, None)]),
    ("mix", "A day, compressed", "{connections} people for {duration:.0f} s: chats, presence, coming and going, a room where there is one.",
     [("server_cpu_us_per_message", "CPU per message, µs", 1, 1, "less"), ("latency_p50_ms", "p50, ms", 1, 2, None),
      ("latency_p99_ms", "p99, ms", 1, 2, "less"), ("messages", "messages", 1, 0, None),
      ("server_cpu", "processors used", 1, 2, None)]),
]
INTRO = """<!-- SPDX-License-Identifier: MIT -->
# Benchmarks

jabirud beside ejabberd, Prosody and jabberd2, as Debian packages them, under the same load, in one run. This
page is written by `script/bench`; what it does not flatter stands in it like the rest.
"""
READ = """
## How to read it

- Each figure is the median of {rounds} rounds, with the least and the most behind it. In a round every server runs
  each scenario once, in a fresh process, one right after the other.
- **vs jabirud** is the peer's figure divided by jabirud's of the same round (for throughput the other way round),
  so more than 1 means: jabirud needs less, or does more; the median, the least and the most of the rounds.
  Machines differ; these ratios differ less.
- **All on one machine.** Load and server share its processors and the loopback device; there is no network.
  A server that uses several processors has fewer of them here than it would have alone.
- Processor time is that of all threads and processes of the server, user and system. On loopback the
  kernel does the receiver's TCP work on the sender's account.
- At a rate, latency counts from when a message was due until the kernel has it for its recipient, by its stamp.
- The bare relay (`bench/floor.c`) speaks WebSocket but no XMPP, in one thread: what no server can go below.
- Every message is accounted for. A run in which one is lost, doubled or out of order has failed, and says so.
- "failed" is what happened here, with these versions; the reason stands below the table.

## What is left out

No compression, no federation, no cluster, one host, small messages (338 bytes), short runs, no stream management
(XEP-0198). What the servers do for the same stanza is not the same, for it is what
each does by default:

- jabirud keeps each message in the archives (XEP-0313) of both accounts, on the disk; the others keep no archive.
- ejabberd's and Prosody's modules for carbons, PubSub, push and more are loaded, as in Debian's configuration, and look
  at each stanza. jabirud does not have them yet: see `README.md`. Its figures will rise when it does.

## Settings

Production-like, with every benefit of doubt for the peers; the files stand in `bench/peers`.

- **All**: logging of warnings only, no rate limits that would throttle the load, fresh data for each run,
  accounts made before, SCRAM-SHA-1, passwords stored by each server's default.
- **ejabberd**: Debian's modules without those that count a load as an attack; Mnesia; `backlog` raised (its default of 5
  loses connections in a storm); schedulers do not busy-wait, so that idling does not count.
- **Prosody**: Debian's modules and WebSocket; the epoll backend; file storage; without the module `limits`.
- **jabberd2**: Debian's files; router, session manager and client connector together; SQLite. Its client connector
  mistakes an answer to a session that has ended for one to the new session on the same descriptor, and ends
  that: where sessions come and go it fails because of this.
- **jabirud**: the defaults (SQLite, as many reactors as processors), limits by address and rate raised. It delivers
  again what a client without stream management has had no time to confirm, about a second; in the compressed day
  everybody therefore stays for 2.5 s after his last message, with all servers.

## Again

    script/bench                    all of it, some 35 minutes; writes this page
    script/bench --quick            jabirud and the relay, a minute

It needs root or sudo to install the peers from Debian's packages (none of them is started as a service).
One run by hand: `jabiru bench pairs --help`.
"""


def values(results, key, factor):
    return [r["figures"][key] * factor for r in results if r["ok"] and key in r.get("figures", {})]


def spread(numbers, digits):
    if not numbers:
        return "–"
    middle, least, most = statistics.median(numbers), min(numbers), max(numbers)
    text = f"{middle:,.{digits}f}"
    return text if len(numbers) == 1 else f"{text} ({least:,.{digits}f} to {most:,.{digits}f})"


def ratios(results, base, key, better):
    """The peer's figure over jabirud's, round by round."""
    pairs = [(r["figures"].get(key), b["figures"].get(key)) for r, b in zip(results, base)
             if r["ok"] and b["ok"] and "figures" in r and "figures" in b]
    found = [(b / r if better == "more" else r / b) for r, b in pairs if r and b]
    return spread(found, 2)


def table(section, facts, results):
    key, _, _, figures = section
    rows, compared = results[key], [f for f in figures if f[4]]
    heads = ["server"] + [f[1] for f in figures] + [f"vs jabirud: {f[1].split(',')[0]}" for f in compared]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    notes = []
    for name, runs in rows.items():
        title = facts["titles"][name]
        skipped = facts["skipped"][key].get(name)
        if skipped and name == "floor":
            continue
        failed = [r["why"] for r in runs if not r["ok"]]
        if skipped or len(failed) == len(runs):
            cells = [skipped or "failed"] + ["–"] * (len(heads) - 2)
        else:
            cells = [spread(values(runs, f[0], f[2]), f[3]) for f in figures]
            cells += ["1" if name == "jabirud" else ratios(runs, rows.get("jabirud", []), f[0], f[4]) for f in compared]
        if failed:
            title += f" ({len(failed)} of {len(runs)} failed)" if len(failed) < len(runs) else ""
            notes.append(f"- {facts['titles'][name]} failed in {len(failed)} of {len(runs)} rounds: `{clean(failed[0])}`")
        lines.append("| " + " | ".join([title] + cells) + " |")
    return lines + ([""] + notes if notes else [])


def clean(why):
    return " ".join(why.replace("`", "'").split())[:240]


# -- plots ---------------------------------------------------------------------------------------

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .light { fill: #59636e }
.bar { fill: #8c959f } .own { fill: #1a7f64 } .whisker { stroke: #1f2328; stroke-width: 1.5 }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .light { fill: #9198a1 } .bar { fill: #6e7681 } .own { fill: #3fb68b }
.whisker { stroke: #e6edf3 } .axis { stroke: #3d444d } }
</style>"""
WIDTH, LEFT, RIGHT, ROW = 720, 110, 190, 30


def plot(title, rows):
    """Bars with their spread; rows: (name, numbers, digits)."""
    most = max((max(numbers) for _, numbers, _ in rows if numbers), default=1) or 1
    height = 50 + ROW * len(rows)
    scale = (WIDTH - LEFT - RIGHT) / most
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             f'aria-label="{html.escape(title)}">', STYLE, f'<text class="title" x="8" y="22">{html.escape(title)}</text>',
             f'<line class="axis" x1="{LEFT}" y1="36" x2="{LEFT}" y2="{height - 8}"/>']
    for i, (name, numbers, digits) in enumerate(rows):
        y = 40 + ROW * i
        parts.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{html.escape(name)}</text>')
        if not numbers:
            parts.append(f'<text class="light" x="{LEFT + 8}" y="{y + 16}">no result</text>')
            continue
        middle, least, top = statistics.median(numbers), min(numbers), max(numbers)
        kind = "own" if name == "jabirud" else "bar"
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{max(1, middle * scale):.1f}" height="20" rx="2"/>')
        if top > least:
            parts.append(f'<line class="whisker" x1="{LEFT + least * scale:.1f}" y1="{y + 12}" '
                         f'x2="{LEFT + top * scale:.1f}" y2="{y + 12}"/>')
        parts.append(f'<text x="{LEFT + top * scale + 8:.1f}" y="{y + 16}">{spread(numbers, digits)}</text>')
    return "\n".join(parts + ["</svg>", ""])


def draw(folder, section, facts, results):
    """Draws the first two figures of a section; gives the lines that show them."""
    key, heading, _, figures = section
    lines = []
    for number, (figure, words, factor, digits, _) in enumerate([f for f in figures if f[4]][:2]):
        rows = [(facts["titles"][name], values(runs, figure, factor), digits)
                for name, runs in results[key].items() if not facts["skipped"][key].get(name)]
        file = f"bench-{key}-{number + 1}.svg"
        (folder / "images" / file).write_text(plot(f"{heading}: {words}", rows), "utf-8")
        lines.append(f"![{heading}: {words}](images/{file})")
    return lines


def write_page(folder, facts, results):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = [INTRO, f"{facts['date']}; {facts['machine']}; load average {facts['load']:.1f} before. Versions: " +
             ", ".join(f"{facts['titles'][name]} {version}" for name, version in facts["versions"].items()) + ".", ""]
    for section in SECTIONS:
        key, heading, words, _ = section
        if key not in results:
            continue
        lines += [f"## {heading}", "", words.format(**facts["sizes"][key]), ""]
        lines += table(section, facts, results) + [""] + draw(folder, section, facts, results) + [""]
    lines.append(READ.format(rounds=facts["rounds"]).strip() + "\n")
    (folder / "benchmarks.md").write_text("\n".join(lines), "utf-8")
