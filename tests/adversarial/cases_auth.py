# SPDX-License-Identifier: MIT
"""D. SASL itself: cases 34 to 39."""

import base64
import time

import settings
from registry import case
from stats import distinguishable, sample
from xmpp import SASL, Fail, Scram, b64, check, condition, message

SUCCESS, FAILURE, CHALLENGE = ("{%s}%s" % (SASL, tag) for tag in ("success", "failure",
                                                                  "challenge"))
PASSWORD = settings.PASSWORD


def refusal(what, answer, *conditions):
    """The answer is a SASL failure with one of `conditions` (none given: with any)."""
    check(answer.tag == FAILURE, "%s: answered %s", what, answer.tag)
    got = condition(answer, SASL)
    check(not conditions or got in conditions, "%s: %s, not %s", what, got, "/".join(conditions))
    return got


def scram_mechanism(client):
    offered = client.mechanisms()
    for name, hash in (("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")):
        if name in offered:
            return name, hash
    raise Fail("no SCRAM among %s" % offered)


@case(34, "nobody becomes another user through authzid; malformed PLAIN and SCRAM are refused")
def case_34_authzid(rig):
    bob = rig.bare("bob")
    plain = {
        "authzid of another user": (bob + "\0alice\0" + PASSWORD, ("invalid-authzid",)),
        "authzid of nobody": ("x@%s\0alice\0%s" % (rig.domain, PASSWORD), ("invalid-authzid",)),
        "authzid without host": ("bob\0alice\0" + PASSWORD, ("invalid-authzid",)),
        "authzid of another host": ("alice@evil.example\0alice\0" + PASSWORD, ("invalid-authzid",)),
        "no NUL": ("alice", ()), "one NUL": ("alice\0" + PASSWORD, ()),
        "three NULs": ("\0alice\0%s\0x" % PASSWORD, ()), "empty": ("", ()),
        "no user": ("\0\0" + PASSWORD, ()), "no password": ("\0alice\0", ()),
        "NUL only": ("\0\0", ()), "user with host": ("\0%s\0%s" % (bob, "wrong"), ()),
        "not UTF-8": (b"\0al\xffice\0" + PASSWORD.encode(), ()),
        "long": ("\0" + "a" * 5000 + "\0x", ()),
    }
    for what, (initial, conditions) in plain.items():
        with rig.opened() as client:
            if "PLAIN" not in client.mechanisms():
                raise Fail("PLAIN is not offered on a loopback listener")
            answer = client.auth("PLAIN", initial)
            refusal(what, answer, *(conditions or ("malformed-request", "not-authorized",
                                                   "invalid-authzid")))
            client.send(message(bob, "after " + what))
            client.expect_stream_error("not-authorized")
    for what, text in (("broken base64", "!!!!"), ("cut base64", "AGE"), ("space", "AGFs aWNl")):
        with rig.opened() as client:
            client.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (SASL, text))
            refusal(what, client.recv(), "incorrect-encoding", "malformed-request")
    with rig.opened() as client:  # one's own address is allowed
        check(client.auth_plain("alice", PASSWORD, rig.bare("alice")).tag == SUCCESS,
              "own authzid refused")
    with rig.opened() as client:
        mechanism, hash = scram_mechanism(client)
        scram = Scram("alice", PASSWORD, hash, gs2="n,a=%s," % bob)
        answer = client.auth(mechanism, scram.first())
        if answer.tag == CHALLENGE:
            scram.challenge(base64.b64decode(answer.text).decode())
            answer = client.respond(scram.final())
        refusal("SCRAM authzid of another user", answer, "invalid-authzid", "not-authorized")


@case(35, "mechanisms that were not offered are refused")
def case_35_mechanisms(rig):
    names = ["ANONYMOUS", "EXTERNAL", "plain", "scram-sha-1", "SCRAM-SHA-1-PLUS",
             "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "", " PLAIN", "PLAIN ", "X" * 300,
             "X-\u00e9", "DIGEST-MD5", "CRAM-MD5", "LOGIN",
             "GSSAPI", "OAUTHBEARER", "HT-SHA-256-NONE"]
    for name in names:
        with rig.opened() as client:
            if name in client.mechanisms():
                check("PLUS" not in name, "%s offered without TLS", name)
                continue
            refusal("mechanism %r" % name, client.auth(name, "\0alice\0" + PASSWORD),
                    "invalid-mechanism", "malformed-request")
    with rig.opened() as client:  # no mechanism at all
        client.send("<auth xmlns='%s'/>" % SASL)
        refusal("no mechanism", client.recv(), "invalid-mechanism", "malformed-request")


@case(36, "an identity belongs to its host; unknown hosts are refused")
def case_36_hosts(rig):
    for to in ("evil.example", "localhost.evil.example", "@" + rig.domain, rig.bare("alice"),
               rig.domain + "/x", "sub." + rig.domain):
        with rig.connect() as client:
            client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>"
                        % to)
            stream_refused(client, "open to %r" % to)
        with rig.opened() as client:
            check(client.auth_plain("alice", PASSWORD).tag == SUCCESS, "login refused")
            client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>"
                        % to)
            stream_refused(client, "open to %r after login" % to)
    with rig.connect() as client:
        client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>")
        stream_refused(client, "open without to")


def stream_refused(client, what):
    try:
        client.expect_stream_error("host-unknown", "improper-addressing")
    except Fail as e:
        raise Fail("%s: %s" % (what, e)) from None


def scram_start(rig, user):
    """(seconds, challenge) for the first half of SCRAM, on a connection of its own."""
    with rig.opened() as client:
        mechanism, hash = scram_mechanism(client)
        scram = Scram(user, PASSWORD, hash)
        first = scram.first()
        begun = time.monotonic()
        parts = client.auth(mechanism, first)
        took = time.monotonic() - begun
        check(parts.tag == CHALLENGE, "%s: %s %s", user, parts.tag, condition(parts, SASL))
        return took, scram.challenge(base64.b64decode(parts.text).decode())


def scram_failure(rig, user):
    """(seconds, answer text) for a wrong proof."""
    with rig.opened() as client:
        mechanism, hash = scram_mechanism(client)
        scram = Scram(user, "wrong", hash)
        client.scram_begin(scram, mechanism)
        size = {"sha1": 20, "sha256": 32}[hash]
        client.send("<response xmlns='%s'>%s</response>"
                    % (SASL, b64(scram.final(proof=b"\0" * size))))
        begun = time.monotonic()
        text = client.text()
        return time.monotonic() - begun, text


@case(37, "an unknown user looks like a known one in SCRAM, also in time (n = 400)", slack_mib=8)
def case_37_unknown_user(rig):
    _, known = scram_start(rig, "alice")
    _, first = scram_start(rig, "no-such-user")
    for _ in range(20):
        _, again = scram_start(rig, "no-such-user")
        check(again["s"] == first["s"], "the salt of an unknown user changes")
    _, other = scram_start(rig, "no-such-user-2")
    check(other["s"] != first["s"], "all unknown users share one salt")
    for part in ("i",):
        check(known[part] == first[part], "iterations differ: %s, %s", known[part], first[part])
    check(len(known["s"]) == len(first["s"]), "salt lengths differ")
    texts = {scram_failure(rig, user)[1] for user in ("alice", "no-such-user", "no-such-user-2")}
    check(len(texts) == 1, "different failures: %s", texts)
    count = int(400 * rig.options.scale)
    for what, probe in (("first answer", scram_start), ("failure", scram_failure)):
        kinds = (lambda: probe(rig, "alice")[0], lambda: probe(rig, "no-such-user")[0])
        a, b = sample(kinds, count)
        why = distinguishable(a, b)
        check(why is None, "%s: known and unknown users differ: %s", what, why)


def plain_failure(rig, password):
    with rig.opened() as client:
        begun = time.monotonic()
        refusal("wrong password", client.auth_plain("alice", password), "not-authorized")
        return time.monotonic() - begun


def proof_failure(rig, flip):
    """Time to refuse a proof that is right but for the byte `flip`."""
    with rig.opened() as client:
        mechanism, hash = scram_mechanism(client)
        scram = Scram("alice", PASSWORD, hash)
        client.scram_begin(scram, mechanism)
        proof = bytearray(scram.proof("c=%s,r=%s" % (b64(scram.gs2), scram.server_nonce)))
        proof[flip] ^= 1
        begun = time.monotonic()
        refusal("wrong proof", client.respond(scram.final(proof=bytes(proof))), "not-authorized")
        return time.monotonic() - begun


@case(38, "secrets are compared in constant time, as far as a socket shows (n = 300)", slack_mib=8)
def case_38_constant_time(rig):
    count = int(300 * rig.options.scale)
    pairs = {"proof wrong in its first or last byte": (lambda: proof_failure(rig, 0),
                                                       lambda: proof_failure(rig, -1)),
             "password wrong in its first or last letter": (
                 lambda: plain_failure(rig, "X" + PASSWORD[1:]),
                 lambda: plain_failure(rig, PASSWORD[:-1] + "X"))}
    for what, kinds in pairs.items():
        why = distinguishable(*sample(kinds, count))
        check(why is None, "%s: %s", what, why)


TAMPERED = {
    "nonce changed": lambda s: s.final(nonce=s.server_nonce[:-1] + "#"),
    "only our part of the nonce": lambda s: s.final(nonce=s.nonce),
    "nonce longer": lambda s: s.final(nonce=s.server_nonce + "x"),
    "wrong binding": lambda s: s.final(binding=b64("y,,")),
    "binding with data": lambda s: s.final(binding=b64("n,,x")),
    "binding not base64": lambda s: s.final(binding="!"),
    "no binding": lambda s: s.final().split(",", 1)[1],
    "no nonce": lambda s: ",".join(p for p in s.final().split(",") if not p.startswith("r=")),
    "no proof": lambda s: s.final().rsplit(",", 1)[0],
    "empty proof": lambda s: s.final(proof=b""),
    "short proof": lambda s: s.final(proof=b"\0" * 19),
    "long proof": lambda s: s.final(proof=b"\0" * 64),
    "zero proof": lambda s: s.final(proof=b"\0" * 20),
    "extension m=": lambda s: "m=x," + s.final(),
    "empty message": lambda s: "",
    "NUL": lambda s: s.final() + "\0",
}


@case(39, "tampered, replayed and downgraded SCRAM never succeeds")
def case_39_scram(rig):
    for what, tamper in TAMPERED.items():
        with rig.opened() as client:
            mechanism, hash = scram_mechanism(client)
            scram = Scram("alice", PASSWORD, hash)
            client.scram_begin(scram, mechanism)
            refusal(what, client.respond(tamper(scram)))
            # The connection is still good for an honest attempt.
            check(client.auth_plain("alice", PASSWORD).tag == SUCCESS,
                  "%s: no second attempt allowed", what)
    first = {"p=unknown": "p=tls-nonsense,,", "p without name": "p=,,", "no gs2": "",
             "bad flag": "x,,", "extension m=": "n,,m=x,", "empty user": "n,,"}
    for what, gs2 in first.items():
        user = "" if what == "empty user" else "alice"
        with rig.opened() as client:
            mechanism, hash = scram_mechanism(client)
            scram = Scram(user, PASSWORD, hash, gs2)
            refusal(what, client.auth(mechanism, scram.first()))
    replay(rig)


def replay(rig):
    """The exact bytes of an exchange that succeeded, sent again."""
    with rig.opened() as client:
        mechanism, hash = scram_mechanism(client)
        scram = Scram("alice", PASSWORD, hash)
        client.scram_begin(scram, mechanism)
        final = scram.final()
        check(client.respond(final).tag == SUCCESS, "honest login refused")
    with rig.opened() as client:
        again = Scram("alice", PASSWORD, hash, nonce=scram.nonce)
        client.scram_begin(again, mechanism)
        check(again.server_nonce != scram.server_nonce, "the server's nonce repeats")
        refusal("replayed final message", client.respond(final))
