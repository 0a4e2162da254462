# SPDX-License-Identifier: MIT
"""Short conversations in which something may fail at any moment.

Each takes a Run (torture.py) and does what a client or an administrator does. Whatever the server
confirms goes into run.confirmed: a function that, after a restart, must find it. A script may end early
with any of the errors in GIVEN_UP: that is what clients do when the server lets them down.
"""

import itertools
import pathlib
import ssl
import sys
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "adversarial"), str(HERE.parent / "wsconf")]

from world import PASSWORD  # noqa: E402
from xmpp import Closed, Fail, Xmpp, message  # noqa: E402
from wsclient import Eof, Timeout  # noqa: E402

GIVEN_UP = (Closed, Eof, Timeout, Fail, OSError, ConnectionError, ET.ParseError, ssl.SSLError, AttributeError)
SCRIPTS = {}
CONFIRMING = {"roster", "password", "admin"}  # these get an answer that promises something
ROSTER = "jabber:iq:roster"
REGISTER = "jabber:iq:register"
SM = "urn:xmpp:sm:3"
numbers = itertools.count(1)


class Quick(Xmpp):
    """Leaves without the courtesy of a closing handshake: there are thousands of these."""

    def close(self, **kw):
        self.ws.close(**kw)

    def __exit__(self, *_):
        self.close()


def script(function):
    SCRIPTS[function.__name__.replace("say_", "")] = function
    return function


def login(run, user, password=PASSWORD, **kw):
    client = Quick(run.url, "localhost", timeout=run.patience_s, **kw)
    run.clients.append(client)
    return client.login(user, password, "r")


def request(client, xml, kind="set"):
    """The answer to an iq."""
    id = f"q{next(numbers)}"
    client.send(f"<iq xmlns='jabber:client' type='{kind}' id='{id}'>{xml}</iq>")
    return client.wait_for(lambda e: e.get("id") == id)


def roster_has(run, user, contact):
    with Quick(run.url, "localhost") as client:
        client.login(user, PASSWORD, "check")
        answer = request(client, f"<query xmlns='{ROSTER}'/>", "get")
        return any(item.get("jid") == contact for item in answer.iter("{%s}item" % ROSTER))


def can_log_in(run, user, password):
    with Quick(run.url, "localhost") as client:
        client.login(user, password, "check")
        return True


@script
def say_login(run):
    """Log in, come online, ask what the server can do."""
    client = login(run, "u0")
    client.presence()
    request(client, "<query xmlns='http://jabber.org/protocol/disco#info'/>", "get")
    client.close()


@script
def say_chat(run):
    """Two people, a message each way."""
    one, two = login(run, "u0"), login(run, "u1")
    one.presence()
    two.presence()
    for a, b in ((one, two), (two, one)):
        text = f"hello {next(numbers)}"
        a.send(message(b.jid, text))
        b.wait_for(lambda e, text=text: "".join(e.itertext()) == text)


@script
def say_offline(run):
    """A message to somebody who is not there, and who comes."""
    one = login(run, "u0")
    text = f"later {next(numbers)}"
    one.send(message("u2@localhost", text))
    one.silent_until_ping()
    two = login(run, "u2")
    two.presence()
    two.wait_for(lambda e: text in "".join(e.itertext()))
    two.silent_until_ping()


@script
def say_roster(run):
    """A contact is added; the answer confirms it."""
    client = login(run, "u0")
    contact = f"c{next(numbers)}@localhost"
    answer = request(client, f"<query xmlns='{ROSTER}'><item jid='{contact}'/></query>")
    if answer.get("type") == "result":
        run.confirmed.append((f"contact {contact}", lambda: roster_has(run, "u0", contact)))
    request(client, f"<query xmlns='{ROSTER}'/>", "get")


@script
def say_password(run):
    """A password is changed; the answer confirms it."""
    client = login(run, "u3")
    new = f"new secret {next(numbers)}"
    answer = request(client, f"<query xmlns='{REGISTER}'><username>u3</username>"
                             f"<password>{new}</password></query>")
    if answer.get("type") == "result":
        run.confirmed.append(("the new password", lambda: can_log_in(run, "u3", new)))


@script
def say_admin(run):
    """An account is made by an administrator."""
    name = f"n{next(numbers)}"
    added = run.server.add_user_or_not(f"{name}@localhost", "secret")
    if added:
        run.confirmed.append((f"the account {name}", lambda: can_log_in(run, name, "secret")))


@script
def say_tls(run):
    """The same as a login, where TLS ends at the server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = login(run, "u0", tls=context)
    client.silent_until_ping()


def archived(run, token):
    return any(token in tokens for tokens in run.archive().values())


@script
def say_stream_management(run):
    """Messages to somebody who is not there; every <a/> confirms them. Then a resumption."""
    client = login(run, "u0")
    if client.features.find("{%s}sm" % SM) is None:
        return
    client.send(f"<enable xmlns='{SM}' resume='true'/>")
    enabled = client.wait_for(lambda e: e.tag in ("{%s}enabled" % SM, "{%s}failed" % SM))
    sent, refused = [], set()
    for _ in range(3):
        token = f"u0@localhost:{next(numbers)}"
        sent.append(token)
        client.send(message("u2@localhost", token, id=token))
        client.send(f"<r xmlns='{SM}'/>")
        answer = client.wait_for(lambda e: e.tag == "{%s}a" % SM or note_refusal(e, refused))
        confirm(run, sent, answer, refused)
    client.close(reset=True)
    back = Quick(run.url, "localhost", timeout=run.patience_s)
    run.clients.append(back)
    back.authenticate("u0", PASSWORD)
    back.send(f"<resume xmlns='{SM}' previd='{enabled.get('id')}' h='0'/>")
    answer = back.wait_for(lambda e: e.tag in ("{%s}resumed" % SM, "{%s}failed" % SM))
    for element in back.silent_until_ping():  # what was not delivered before comes now
        note_refusal(element, refused)
    if answer.get("h"):
        confirm(run, sent, answer, refused)


def note_refusal(element, refused):
    """An error came back for a message: nothing was promised for that one."""
    if element.get("type") == "error":
        refused.add(element.get("id"))


def confirm(run, sent, answer, refused):
    for token in sent[:int(answer.get("h"))]:
        if token in refused:
            continue
        run.confirmed.append((f"message {token}", lambda token=token: archived(run, token)))
