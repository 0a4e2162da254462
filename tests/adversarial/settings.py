# SPDX-License-Identifier: MIT
"""Everything this suite assumes about the server's names: limits, options, addresses.

When an option of the server is renamed, this is the only file of the suite to change. Cases speak
of limits by the keys of LIMITS; the values are the server's documented defaults, and a case that
needs another value passes it as configuration.
"""

DOMAIN = "localhost"
WS_PATH = "/xmpp-websocket"
ECHO_PATH = "/echo"  # only in test builds: echoes every message, production framing code
PASSWORD = "correct horse battery"
USERS = ("alice", "bob", "canary", "kim")

# Section `limits` of the configuration file, with the documented defaults.
LIMITS = {
    "http_head_bytes": 8192,
    "http_headers": 100,
    "http_timeout_ms": 10000,
    "tls_timeout_ms": 10000,
    "auth_timeout_ms": 30000,
    "auth_attempts": 3,
    "auth_failures_per_address": 20,
    "hash_jobs": 64,
    "preauth_stanza_bytes": 16384,
    "preauth_elements": 32,
    "preauth_depth": 8,
    "stanza_bytes": 262144,
    "xml_depth": 32,
    "xml_attributes": 64,
    "xml_namespaces": 32,
    "xml_elements": 4096,
    "xml_name_bytes": 256,
    "ws_fragments": 32,
    "ws_control_rate": 10,
    "unauthenticated": 4000,
    "unauthenticated_per_address": 20,
    "connections_per_address": 200,
    "accept_rate_per_address": 50,
    "input_rate_preauth": 4096,
    "input_rate": 65536,
    "stanza_rate": 50,
    "resources": 10,
    "new_recipients_rate": 30,
    "registration_rate": 3,
    "sendq_bytes": 1048576,
    "sendq_hard_bytes": 4194304,
    "sm_queue_stanzas": 1000,
    "sm_queue_bytes": 4194304,
    "custody_stanzas": 64,
    "store_timeout_ms": 2000,
    "user_cache": 10000,
}

# Rates are raised for all cases but those that test them: the driver is one machine and faster
# than any client. None of these changes what a single connection is answered.
RELAXED = {
    "unauthenticated": 10000,
    "unauthenticated_per_address": 10000,
    "connections_per_address": 10000,
    "accept_rate_per_address": 1000000,
    "auth_failures_per_address": 1000000,
    "input_rate_preauth": 1 << 30,
    "input_rate": 1 << 30,
    "stanza_rate": 1000000,
    "new_recipients_rate": 1000000,
    "resources": 2000,
}

# Asked for in every case. Where a server offers PLAIN only on encrypted connections, this is the
# place for "tls": "outside", which counts the driver's plain connections as encrypted.
BASE = {}

# All other options a case may ask for, with the section each stands in.
OPTIONS = {
    "tls": 'listener "test"',            # a word: off, own, outside
    "proxy_protocol": 'listener "test"',
    "trusted_proxies": 'listener "test"',
    "origins": 'host "%s"' % DOMAIN,
    "anonymous": 'host "%s"' % DOMAIN,
    "registration": 'host "%s"' % DOMAIN,
    "tls_certificate": 'host "%s"' % DOMAIN,
    "tls_key": 'host "%s"' % DOMAIN,
    "deflate": "websocket",
    "level": "log",
}

# Options outside all sections. The rig gives each server a port for its metrics.
ROOT_OPTIONS = ("metrics_listen", "reactors", "conflict_policy")
METRICS_PATH = "/metrics"
# A limit that bites is counted: jabiru_limit_total{limit="xml_depth"} 3
LIMIT_METRIC = r'jabiru_limit_total\{limit="%s"\} ([0-9.e+]+)'

# How an administrator changes a password: `jabiru admin ...`, the new password on standard input.
ADMIN_SET_PASSWORD = ("user", "passwd")


def render(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(render(v) for v in value) + " }"
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def config_text(overrides):
    """The server's configuration file: the relaxed rates, then what the case asks for."""
    sections = {"": {}, "limits": dict(RELAXED)}
    for name, value in {**BASE, **overrides}.items():
        section = "" if name in ROOT_OPTIONS else "limits" if name in LIMITS else OPTIONS[name]
        sections.setdefault(section, {})[name] = value
    root = "".join("%s = %s\n" % (k, render(v)) for k, v in sections.pop("").items())
    return root + "".join("%s {\n%s}\n" % (section, "".join("    %s = %s\n" % (k, render(v))
                                                           for k, v in options.items()))
                          for section, options in sections.items())
