#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decides from the clients' logs and the archive whether the server kept its promises.

    checker.py LOGS DATABASE     LOGS: a folder of logs, USER@HOST.jsonl each; the server is stopped

A client writes down what it did and saw, one JSON list a line, in order:

    ["enabled", ID, FIRST]   stream management was enabled; both counters begin at 0, or at FIRST
    ["sent", TOKEN, TO]      a stanza was handed to the socket; TOKEN null: one that is not stored
    ["acked", H]             <a h='H'/>
    ["resumed", H]           <resumed h='H'/>; what is sent from here on follows stanza H
    ["failed", H]            <failed h='H'/> in answer to a resumption; null: it had no h
    ["refused", TOKEN]       it came back as an error: its sender knows that it was not stored
    ["received", TOKEN, FROM, ORIGIN, STANZA]   a message, with its origin-id and its own stanza-id
    ["shown", TOKEN, FROM]   the same, when it was none that had been there before

TOKEN is USER@HOST of the sender, a colon and a number that grows with each message. It is the
message's body and its origin-id, and so is found in the archive too.

The rules, each with its name in what judge() returns:

    kept       what is acknowledged is in the archives of both sides, or its sender was told otherwise
    all        what an archive has from others was delivered, or is said to be undelivered; and
               what was delivered is in the archive (or was refused: delivery does not wait for it)
    once       no archive has a message twice; no client shows one twice; what is delivered again
               is told apart by nothing: same sender, same ids (another stanza-id only when its
               sender, too, sent it again: the first one may not have come as far as the disk)
    order      messages of one sender are shown, and archived, in the order in which they were sent
    count      an `h` is never lower than one before, nor higher than what was sent; what <failed/>
               and <resumed/> say covers every <a/> before, and nothing that it does not cover
               was stored (unless it was sent once more)
"""

import collections
import json
import pathlib
import re
import sqlite3
import sys

WRAP = 1 << 32
TOKEN = re.compile(rb"<body>([^<:]+@[^<:]+:[0-9]+)</body>")
MOST_WORDS = 20  # of one rule; the rest is only counted

Finding = collections.namedtuple("Finding", "rule words")


def sender_of(token):
    return token.rpartition(":")[0]


def number_of(token):
    return int(token.rpartition(":")[2])


# ---- what a client's log says ----


class Outbox:
    """Follows the counter of what one client sent, and tells what the server's `h` covers."""

    def __init__(self, user):
        self.user = user
        self.findings = []
        self.acked = set()         # tokens that some h covered
        self.to = {}               # token -> recipient
        self.refused = set()       # tokens that came back as an error
        self.times = collections.Counter()  # token -> how often it was sent
        self.uncovered = {}        # token -> number of the session whose h did not cover it
        self.session = 0
        self.queue = collections.deque()  # (number, token) sent and not covered
        self.sent = 0              # highest number of this session, not wrapped
        self.h = 0                 # highest h heard in it, not wrapped

    def complain(self, words):
        self.findings.append(Finding("count", f"{self.user}: {words}"))

    def unwrap(self, h):
        """The number not far from the last one that is h modulo 2^32."""
        return self.h + (h - self.h) % WRAP if (h - self.h) % WRAP < WRAP // 2 else self.h - (self.h - h) % WRAP

    def cover(self, h, what):
        number = self.unwrap(h)
        if number < self.h:
            self.complain(f"{what} h={h} after an h of {self.h % WRAP}")
            return
        if number > self.sent:
            self.complain(f"{what} h={h}, but {self.sent % WRAP} stanzas were sent")
            number = self.sent
        self.h = number
        while self.queue and self.queue[0][0] <= number:
            token = self.queue.popleft()[1]
            if token is not None:
                self.acked.add(token)

    def enabled(self, _id=None, first=0):
        self.queue.clear()
        self.session += 1
        self.sent = self.h = first

    def give_up(self):
        """The server has said how far it came: what follows is not stored."""
        for _, token in self.queue:
            if token is not None:
                self.uncovered[token] = self.session
        self.queue.clear()

    def add(self, token, to):
        self.sent += 1
        self.queue.append((self.sent, token))
        if token is not None:
            self.to[token] = to
            self.times[token] += 1
            self.uncovered.pop(token, None)

    def resumed(self, h):
        self.cover(h, "<resumed/>")
        # The rest is sent again, with the same numbers.
        self.sent = self.h
        self.give_up()

    def failed(self, h):
        if h is None:
            self.complain("<failed/> without h")
            return
        self.cover(h, "<failed/>")
        self.give_up()


class Inbox:
    """What one client received."""

    def __init__(self, user):
        self.user = user
        self.findings = []
        self.received = {}                # token -> (from, origin-id)
        self.stanza_ids = {}              # token -> the first stanza-id
        self.renamed = {}                 # token -> another one
        self.shown = collections.Counter()
        self.highest = {}                 # sender -> number

    def complain(self, rule, words):
        self.findings.append(Finding(rule, f"{self.user}: {words}"))

    def receive(self, token, sender, origin, stanza):
        first = self.received.setdefault(token, (sender, origin))
        if first != (sender, origin):
            self.complain("once", f"{token} came as {first} and again as {(sender, origin)}")
        if self.stanza_ids.setdefault(token, stanza) != stanza:
            self.renamed[token] = stanza

    def show(self, token, sender):
        self.shown[token] += 1
        if self.shown[token] > 1:
            self.complain("once", f"{token} is shown {self.shown[token]} times")
            return
        before, number = self.highest.get(sender, -1), number_of(token)
        if number < before:
            self.complain("order", f"{token} is shown after {sender}:{before}")
        self.highest[sender] = max(before, number)


def read_log(user, events):
    out, inbox = Outbox(user), Inbox(user)
    actions = {
        "enabled": out.enabled, "sent": out.add, "resumed": out.resumed, "failed": out.failed,
        "acked": lambda h: out.cover(h, "<a/>"), "received": inbox.receive, "shown": inbox.show,
        "refused": out.refused.add,
    }
    for name, *arguments in events:
        if name in actions:
            actions[name](*arguments)
    return out, inbox


# ---- what the archive says ----


def read_archive(database):
    """{user: [token, ...]} in the order of the archive, from the SQLite file."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    rows = db.execute("SELECT space.owner, log.bytes FROM log JOIN space ON space.id = log.space"
                      " WHERE space.store = CAST('messages' AS BLOB) ORDER BY log.space, log.id")
    archive = collections.defaultdict(list)
    for owner, data in rows:
        found = TOKEN.search(data)
        if found:
            archive[owner.decode()].append(found.group(1).decode())
    db.close()
    return dict(archive)


# ---- judging ----


def judge_kept(outs, archive):
    have = {user: set(tokens) for user, tokens in archive.items()}
    for user, out in outs.items():
        for token in sorted(out.acked, key=number_of):
            for owner in {user, out.to[token]} if token not in out.refused else ():
                if token not in have.get(owner, ()):
                    yield Finding("kept", f"{token} is acknowledged and not in the archive of {owner}")


def judge_all(outs, inboxes, archive, undelivered):
    refused = set().union(*(out.refused for out in outs.values()))
    for user, inbox in inboxes.items():
        stored = {token for token in archive.get(user, ()) if sender_of(token) != user}
        reached = set(inbox.received) | set(undelivered.get(user, ()))
        for token in sorted(stored - reached):
            yield Finding("all", f"{token} is in the archive of {user}, but neither delivered nor undelivered")
        for token in sorted(set(inbox.received) - stored - refused):
            yield Finding("all", f"{token} was delivered to {user} and is not in the archive")


def judge_renamed(outs, inboxes):
    for user, inbox in inboxes.items():
        for token, stanza in inbox.renamed.items():
            out = outs.get(sender_of(token))
            if out is None or out.times[token] < 2:
                yield Finding("once", f"{token} came to {user} with the id {inbox.stanza_ids[token]}, then {stanza}")


def judge_archive(archive):
    for user, tokens in archive.items():
        highest = {}
        seen = set()
        for token in tokens:
            if token in seen:
                yield Finding("once", f"{token} stands twice in the archive of {user}")
                continue
            seen.add(token)
            sender = sender_of(token)
            if number_of(token) < highest.get(sender, -1):
                yield Finding("order", f"{token} stands behind {sender}:{highest[sender]} in the archive of {user}")
            highest[sender] = max(number_of(token), highest.get(sender, -1))


def judge_uncovered(outs, archive):
    """What a session's last h did not cover, and nobody sent again, must not be stored."""
    for user, out in outs.items():
        stored = set(archive.get(user, ()))
        for token, session in out.uncovered.items():
            if token in stored and token not in out.acked:
                yield Finding("count", f"{token} is stored, but no h of session {session} covered it")


def judge(logs, archive, undelivered=None):
    """`logs`: {user: events}, `archive`: {user: tokens}, `undelivered` likewise. Returns what is wrong."""
    outs, inboxes = {}, {}
    for user, events in logs.items():
        outs[user], inboxes[user] = read_log(user, events)
    findings = [finding for box in (*outs.values(), *inboxes.values()) for finding in box.findings]
    findings += judge_kept(outs, archive)
    findings += judge_all(outs, inboxes, archive, undelivered or {})
    findings += judge_archive(archive)
    findings += judge_renamed(outs, inboxes)
    findings += judge_uncovered(outs, archive)
    return findings


def figures(logs, archive):
    """What there was to judge: a run in which nothing happened proves nothing."""
    kinds = collections.Counter(event[0] for events in logs.values() for event in events)
    acked = sum(len(read_log(user, events)[0].acked) for user, events in logs.items())
    return {"sent": sum(1 for e in logs.values() for event in e if event[0] == "sent" and event[1]),
            "acknowledged": acked, "archived": sum(map(len, archive.values())),
            "shown": kinds["shown"], "again": kinds["received"] - kinds["shown"],
            "resumed": kinds["resumed"], "failed": kinds["failed"]}


def report(findings):
    """One paragraph for each rule that was broken."""
    by_rule = collections.defaultdict(list)
    for finding in findings:
        by_rule[finding.rule].append(finding.words)
    lines = []
    for rule, words in sorted(by_rule.items()):
        lines.append(f"{rule}: {len(words)} findings")
        lines += [f"    {word}" for word in words[:MOST_WORDS]]
    return "\n".join(lines)


def save_logs(folder, logs):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for user, events in logs.items():
        text = "".join(json.dumps(event) + "\n" for event in events)
        (folder / f"{user}.jsonl").write_text(text, encoding="utf-8")


def load_logs(folder):
    return {path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for path in pathlib.Path(folder).glob("*.jsonl")}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    logs, archive = load_logs(sys.argv[1]), read_archive(sys.argv[2])
    findings = judge(logs, archive)
    print(" ".join(f"{name}={value}" for name, value in figures(logs, archive).items()))
    if findings:
        print(report(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
