-- SPDX-License-Identifier: MIT
-- What Debian's prosody.cfg.lua does, for one host on loopback, with WebSocket and a service of
-- rooms, which it only proposes. Left out: the module `limits` (10 kB/s for each client would
-- throttle the load), invitations, dialback and administration, which have no part in it.
admins = { }
pidfile = "@FOLDER@/prosody.pid"
data_path = "@FOLDER@/data"
network_backend = "epoll"
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls";
	"blocklist"; "bookmarks"; "carbons"; "pep"; "private"; "smacks"; "vcard4"; "vcard_legacy"; "csi_simple";
	"ping"; "register"; "time"; "uptime"; "version";
	"posix"; "websocket";
}
modules_disabled = { "s2s" }
s2s_ports = { }
c2s_ports = { }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_websocket_secure = true
authentication = "internal_hashed"
storage = "internal"
log = { warn = "@FOLDER@/prosody.log" }
interfaces = { "127.0.0.1" }
http_ports = { @PORT@ }
http_interfaces = { "127.0.0.1" }
https_ports = { @TLS_PORT@ }
https_interfaces = { "127.0.0.1" }
https_ssl = { certificate = "@FOLDER@/cert.pem"; key = "@FOLDER@/cert.pem" }
http_default_host = "bench.example"
http_host = "127.0.0.1"
VirtualHost "bench.example"
	ssl = { certificate = "@FOLDER@/cert.pem"; key = "@FOLDER@/cert.pem" }
Component "conference.bench.example" "muc"
