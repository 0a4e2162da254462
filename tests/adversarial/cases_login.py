# SPDX-License-Identifier: MIT
"""D, continued. Logging in under load, penalties, states, TLS, passwords, logs: cases 42 to 50."""

import base64
import subprocess
import tempfile
import time

import settings
from cases_http import tls_options, try_login
from registry import case
from xmpp import (BIND, CLIENT, SASL, SASL2, STANZA_ERRORS, Closed, Eof, Fail, Scram, Timeout, b64,
                  check, condition, message, ping_iq)

PASSWORD = settings.PASSWORD


@case(42, "300 logins at one moment: each succeeds or is told to wait, others do not notice",
      slack_mib=16)
def case_42_login_storm(rig):
    count = int(300 * rig.options.scale)
    clients = [rig.opened(source="127.0.1.%d" % (1 + i % 100), timeout=30.0) for i in range(count)]
    rig.canary.judge(1.0)
    for client in clients:
        client.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>"
                    % (SASL, b64("\0alice\0" + PASSWORD)))
    tally = {}
    for client in clients:
        answer = client.recv(30.0)
        what = condition(answer, SASL) or answer.tag.split("}")[1]
        tally[what] = tally.get(what, 0) + 1
        client.close()
    check(set(tally) <= {"success", "temporary-auth-failure"}, "answers: %s", tally)
    check(tally.get("success", 0) >= min(count, rig.limits["hash_jobs"]), "answers: %s", tally)
    rig.client("bob").close()


@case(43, "guessing is stopped by address; nobody can lock another's account",
      config={"auth_failures_per_address": 5},
      counts=("auth_failures_per_address", "auth_attempts"))
def case_43_guessing(rig):
    for _ in range(6):
        check(not try_login(rig, "wrong", "127.0.0.21"), "a wrong password is accepted")
    check(not try_login(rig, PASSWORD, "127.0.0.21"), "guessing goes on after 5 failures")
    check(try_login(rig, PASSWORD, "127.0.0.22"), "the account is locked for its owner")
    for i in range(100):
        try_login(rig, "wrong", "127.0.2.%d" % (1 + i))
    check(try_login(rig, PASSWORD, "127.0.0.22"), "100 addresses lock an account")
    with rig.opened(source="127.0.0.23") as client:  # and three attempts on one connection
        for _ in range(rig.limits["auth_attempts"]):
            answer = client.auth_plain("alice", "wrong")
            check(answer.tag == "{%s}failure" % SASL, "got %s", answer.tag)
        end = client.ending()
        check(end.close_frame, "open after %d failures: %s", rig.limits["auth_attempts"], end)


BEFORE = {
    "message": "<message xmlns='jabber:client' to='%(bob)s'><body>too early</body></message>",
    "presence": "<presence xmlns='jabber:client'/>",
    "directed presence": "<presence xmlns='jabber:client' to='%(bob)s'/>",
    "ping": "<iq xmlns='jabber:client' type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>",
    "roster": "<iq xmlns='jabber:client' type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>",
    "bind": "<iq xmlns='jabber:client' type='set' id='x'><bind xmlns='" + BIND + "'/></iq>",
    "resume": "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
    "enable": "<enable xmlns='urn:xmpp:sm:3'/>",
    "unknown element": "<x xmlns='urn:test'/>",
}


@case(44, "nothing before login, no second login, no second bind")
def case_44_order(rig):
    with rig.client("bob") as bob:
        bob.presence()
        for what, text in BEFORE.items():
            with rig.opened() as client:
                client.send(text % {"bob": bob.jid} if "%(" in text else text)
                try:
                    client.expect_stream_error("not-authorized", "unsupported-stanza-type")
                except Fail as e:
                    raise Fail("%s before login: %s" % (what, e)) from None
        with rig.connect() as client:  # before <open/> too
            client.send(BEFORE["message"] % {"bob": bob.jid})
            client.expect_stream_error("not-authorized", "invalid-namespace", "bad-format",
                                       "invalid-xml", "unsupported-stanza-type")
        with rig.connect() as client:
            client.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>"
                        % (SASL, b64("\0alice\0" + PASSWORD)))
            end = client.ending()
            check(end.errors and "{%s}success" % SASL not in [e.tag for e in end.elements],
                  "login without <open/>: %s", end)
        after_login(rig)
        with rig.client("alice") as alice:
            alice.send(message(bob.jid, "marker"))
            got = bob.wait_for(lambda e: e.tag == "{%s}message" % CLIENT)
            check("".join(got.itertext()) == "marker", "an early message was delivered")


def after_login(rig):
    with rig.connect() as client:  # logged in, not bound
        client.authenticate("alice", PASSWORD)
        client.send(message(rig.bare("bob"), "unbound"))
        client.expect_stream_error("not-authorized")
    with rig.client("alice") as client:
        client.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>"
                    % (SASL, b64("\0bob\0" + PASSWORD)))
        end = client.ending()
        check(end.errors or end.failures, "a second login is not refused: %s", end)
        check("{%s}success" % SASL not in [e.tag for e in end.elements], "logged in twice")
    with rig.client("alice") as client:
        client.send("<iq xmlns='jabber:client' type='set' id='again'><bind xmlns='%s'/></iq>"
                    % BIND)
        try:
            answer = client.recv()
            check(answer.get("type") == "error" or answer.tag.endswith("}error"),
                  "bound twice: %s", answer.attrib)
        except Closed:
            pass


@case(45, "TLS 1.3 early data is not accepted; no channel binding without TLS of our own")
def case_45_tls(rig):
    with tempfile.TemporaryDirectory() as directory:
        with rig.variant(tls_options(directory)) as other:
            address = "%s:%d" % (other.host, other.port)
            session, early = directory + "/session", directory + "/early"
            with open(early, "w") as f:
                f.write("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % settings.WS_PATH)
            s_client = ["openssl", "s_client", "-connect", address, "-tls1_3"]
            subprocess.run(s_client + ["-sess_out", session], input=b"GET / HTTP/1.1\r\n\r\n",
                           capture_output=True, timeout=20)
            run = subprocess.run(s_client + ["-sess_in", session, "-early_data", early], input=b"",
                                 capture_output=True, timeout=20)
            check(b"Early data was accepted" not in run.stdout, "early data was accepted")
            with other.opened() as client:
                check(client.mechanisms(), "no mechanisms over TLS")
    with rig.variant({"tls": "outside"}) as other:
        with other.opened() as client:
            plus = [m for m in client.mechanisms() if m.endswith("-PLUS")]
            check(not plus, "behind a proxy that ends TLS: %s", plus)
    with rig.opened() as client:
        plus = [m for m in client.mechanisms() if m.endswith("-PLUS")]
        check(not plus, "without TLS: %s", plus)


@case(46, "tokens are long, all different, and not in the data folder")
def case_46_tokens(rig):
    tokens = []
    for _ in range(24):
        with rig.opened() as client:
            tokens.append(client.take_token("alice", PASSWORD))
    check(len(set(tokens)) == len(tokens), "a token came twice")
    bytes_of = [base64.b64decode(token.partition(":")[2], validate=True) for token in tokens]
    check(all(len(raw) >= 16 for raw in bytes_of), "shorter than 128 bits")
    for values in zip(*bytes_of):
        check(len(set(values)) >= 12, "a byte of the tokens has only the values %s", sorted(set(values)))
    check(token_works(rig, "alice", tokens[-1]), "the newest token does not work: this case proves nothing")
    stored = b"".join(path.read_bytes() for path in rig.server.data.rglob("*") if path.is_file())
    check(b"fast" in stored, "nothing of tokens is stored: this case proves nothing")
    for token, raw in zip(tokens, bytes_of):
        check(token.encode() not in stored and token.partition(":")[2].encode() not in stored and raw not in stored,
              "a token is in the data folder")


def token_works(rig, user, token):
    with rig.opened() as client:
        answer = client.auth_token(user, token)
        check(answer.tag in ("{%s}success" % SASL2, "{%s}failure" % SASL2), "got %s", answer.tag)
        return answer.tag == "{%s}success" % SASL2


@case(47, "a changed password ends live sessions within a second, and tokens")
def case_47_password(rig):
    with rig.opened() as client:
        token = client.take_token("kim", PASSWORD)
    with rig.client("kim") as kim, rig.client("alice") as alice:
        kim.presence()
        begun = time.monotonic()
        rig.server.admin(*settings.ADMIN_SET_PASSWORD, rig.bare("kim"), input="another one\n")
        changed = time.monotonic()
        end = kim.ending(3.0)
        check(end.close_frame, "session not closed in order: %s", end)
        check(time.monotonic() - changed <= 1.0, "closed only %.1f s after the change",
              time.monotonic() - begun)
        alice.silent_until_ping()
    try:
        with rig.opened() as client:
            answer = client.auth_plain("kim", PASSWORD)
            check(answer.tag == "{%s}failure" % SASL, "the old password still works")
        with rig.opened() as client:
            answer = client.auth_plain("kim", "another one")
            check(answer.tag == "{%s}success" % SASL, "the new password does not work")
        check(not token_works(rig, "kim", token), "a token from before the change still works")
    finally:
        rig.server.admin(*settings.ADMIN_SET_PASSWORD, rig.bare("kim"), input=PASSWORD + "\n")
    check(not token_works(rig, "kim", token), "a token came back with the old password")


@case(50, "no secret in the debug log, and no line that a client wrote", config={"level": "debug"})
def case_50_log(rig):
    secrets = {PASSWORD, b64(PASSWORD), b64("\0alice\0" + PASSWORD), "Zq7-not-the-password",
               "resume-token-xyzzy"}
    with rig.connect() as client:
        client.open()
        client.auth_plain("alice", "Zq7-not-the-password")
        secrets.add(b64("\0alice\0Zq7-not-the-password"))
        client.auth_plain("alice", PASSWORD)
    with rig.opened() as client:
        scram = Scram("alice", PASSWORD)
        client.scram_begin(scram, "SCRAM-SHA-1")
        final = scram.final()
        client.respond(final)
        secrets |= {final, b64(final), final.rsplit("p=", 1)[1]}
    with rig.opened() as client:
        token = client.take_token("alice", PASSWORD)
        secrets |= {token, token.partition(":")[2]}
    check(token_works(rig, "alice", token), "the token does not work: it proves nothing")
    fake = "FAKE-LOG-LINE"
    with rig.connect() as client:
        try: # a control character in a resource may be refused; either way it must not be logged
            client.login("alice", PASSWORD, "log\u009b31m")
        except Fail:
            client.bind()
        client.send("<resume xmlns='urn:xmpp:sm:3' previd='resume-token-xyzzy' h='0'/>")
        client.send(ping_iq("a\n%s\x7f" % fake, rig.domain))
        client.send("<message xmlns='jabber:client' to='a&#10;%s&#13;@%s/&#10;%s'/>"
                    % (fake, rig.domain, fake))
        try:
            client.silent_until_ping()
        except (Closed, Timeout):
            pass
    with rig.ws() as ws:
        ws.wire.send(b"GET /\x1b[31m" + fake.encode() + b" HTTP/1.1\r\nHost: \x1b\r\n\r\n")
        try:
            ws.read_response()
        except (Eof, Timeout):
            pass
    log = rig.log_text()
    found = sorted(s for s in secrets if s in log)
    check(log, "nothing was logged at all: this case proves nothing")
    check(not found, "in the log: %s", found)
    check(not any(c in log for c in "\x1b\x9b\r\x7f"), "raw control characters in the log")
    check(not any(line.startswith(fake) for line in log.split("\n")), "a client wrote a log line")


ALIKE = ("ADMIN", "\uff41dmin", "\u0430dmin", "adm\u0456n", "adrnin", "admin\u200b")  # case, width, Cyrillic, shape, nothing


def register(rig, name):
    """None, or the condition of the refusal."""
    with rig.opened() as client:
        client.send("<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'><username>%s"
                    "</username><password>%s</password></query></iq>" % (name, PASSWORD))
        error = client.recv().find("{%s}error" % CLIENT)
        return None if error is None else condition(error, STANZA_ERRORS)


@case(48, "a name that looks like another, or had an owner, cannot be registered; three an hour",
      config={"registration": True, "registration_rate": 1000})
def case_48_registration(rig):
    check(register(rig, "admin") is None, "the first one is refused")
    for name in ALIKE + ("alice",):
        refused = register(rig, name)
        check(refused == "conflict", "%a: %s", name, refused)
    rig.server.admin("user", "delete", rig.bare("admin"))
    for name in ("admin",) + ALIKE:
        refused = register(rig, name)
        check(refused == "conflict", "%a, whose owner is gone: %s", name, refused)
    with rig.variant({"registration_rate": 3}) as other:
        before = other.limit_count("registration_rate")
        answers = [register(other, "user%d" % i) for i in range(4)]
        check(answers == [None] * 3 + ["resource-constraint"], "four in an hour: %s", answers)
        other.wait_counted("registration_rate", before)
    with rig.variant({"registration": False}) as other:
        check(register(other, "new") is not None, "registration that is off")
