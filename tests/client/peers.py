# SPDX-License-Identifier: MIT
"""Other people's servers, from Debian's packages: Prosody and ejabberd, each with a temporary folder of its own, on
loopback, on free ports, with the accounts romeo and juliet (password: secret)."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "harness"))
from certs import Authority  # noqa: E402
from ports import Port  # noqa: E402

START_S = 60
STOP_S = 30


class Peer:
    """`with Prosody() as server:` server.url and server.secure_url, server.ca."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-peer-"))
        self.folder.chmod(0o755)
        self.authority = Authority()
        self.ca = self.authority.ca
        self.held = []  # ports
        self.port, self.tls_port = self.take_port(), self.take_port()
        self.process = None
        self.log = self.folder / "output"

    def take_port(self):
        self.held.append(Port())
        return self.held[-1].number

    @property
    def url(self):
        return f"ws://localhost:{self.port}{self.path}"

    @property
    def secure_url(self):
        return f"wss://localhost:{self.tls_port}{self.path}"

    def certificate(self):
        cert, key = self.authority.issue("localhost", "DNS:localhost")
        for file in (cert, key):
            shutil.copy(file, self.folder / file.name)
            (self.folder / file.name).chmod(0o644)
        return self.folder / cert.name, self.folder / key.name

    def spawn(self, command, **more):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True, **more)
        end = time.monotonic() + START_S
        for port in (self.port, self.tls_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > end or self.process.poll() is not None:
                        raise AssertionError(f"{command[0]} did not start:\n{self.log.read_text()[-3000:]}") from None
                    time.sleep(0.1)

    def accounts(self):
        """Those that are made once the server runs."""

    def __enter__(self):
        try:
            self.start()
            self.accounts()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # the session that was started above
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOP_S)
        for port in self.held:
            port.close()
        if kind is not None:
            print(self.log.read_text()[-3000:])
        shutil.rmtree(self.folder, ignore_errors=True)


PROSODY = """
run_as_root = true
daemonize = false
pidfile = "{folder}/pid"
data_path = "{folder}/data"
log = {{ info = "*console" }}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "websocket", "smacks", "carbons", "presence", "message", "iq",
    "offline"{more} }}
modules_disabled = {{ "s2s" }}
certificates = "{folder}"
authentication = "internal_plain"
c2s_ports = {{ }}
s2s_ports = {{ }}
http_ports = {{ {port} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ {tls_port} }}
https_interfaces = {{ "127.0.0.1" }}
https_ssl = {{ certificate = "{cert}", key = "{key}" }}
consider_websocket_secure = true
smacks_hibernation_time = 60
http_default_host = "localhost"
VirtualHost "localhost"
    ssl = {{ certificate = "{cert}", key = "{key}" }}
"""


class Prosody(Peer):
    path = "/xmpp-websocket"

    def __init__(self, modules=()):
        super().__init__()
        self.modules = modules

    @staticmethod
    def is_there():
        return shutil.which("prosody") is not None

    def start(self):
        cert, key = self.certificate()
        accounts = self.folder / "data/localhost/accounts"
        accounts.mkdir(parents=True)
        for name in ("romeo", "juliet"):
            (accounts / f"{name}.dat").write_text('return { ["password"] = "secret"; };\n')
        config = self.folder / "prosody.cfg.lua"
        config.write_text(PROSODY.format(folder=self.folder, port=self.port, tls_port=self.tls_port, cert=cert, key=key,
                                         more="".join(f', "{m}"' for m in self.modules)))
        self.spawn(["prosody", "-F", "--config", str(config)])


EJABBERD = """
hosts: [localhost]
loglevel: warning
certfiles: ["{pem}"]
listen:
  - {{ port: {port}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{ /ws: ejabberd_http_ws }} }}
  - {{ port: {tls_port}, ip: "127.0.0.1", tls: true, module: ejabberd_http, request_handlers: {{ /ws: ejabberd_http_ws }} }}
auth_method: [internal]
auth_password_format: scram
modules:
  mod_roster: {{}}
  mod_offline: {{}}
  mod_disco: {{}}
  mod_ping: {{}}
  mod_carboncopy: {{}}
  mod_stream_mgmt: {{ resume_timeout: 60, resend_on_timeout: true }}
"""


class Ejabberd(Peer):
    path = "/ws"

    @staticmethod
    def is_there():
        return shutil.which("ejabberdctl") is not None

    def control(self, *words):
        done = subprocess.run([*self.command, *words], capture_output=True, text=True, env=self.env, check=False, timeout=120)
        if done.returncode:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}")

    def start(self):
        cert, key = self.certificate()
        pem = self.folder / "both.pem"
        pem.write_text(cert.read_text() + key.read_text())
        config = self.folder / "ejabberd.yml"
        config.write_text(EJABBERD.format(pem=pem, port=self.port, tls_port=self.tls_port))
        (self.folder / "ctl.cfg").write_text("ERL_OPTIONS='+sbwt none'\n")
        for name in ("spool", "logs"):
            (self.folder / name).mkdir()
        if os.getuid() == 0:  # ejabberdctl changes to this user
            user = pwd.getpwnam("ejabberd")
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, user.pw_uid, user.pw_gid)
        self.env = {**os.environ, "ERL_EPMD_PORT": str(self.take_port()), "ERL_EPMD_ADDRESS": "127.0.0.1", "HOME": str(self.folder)}
        self.command = ["ejabberdctl", "--config", str(config), "--ctl-config", str(self.folder / "ctl.cfg"), "--logs",
                        str(self.folder / "logs"), "--spool", str(self.folder / "spool"), "--node",
                        f"jabiru{self.port}@localhost"]
        self.spawn([*self.command, "foreground"], env=self.env)

    def __exit__(self, kind, error, trace):
        """It runs as somebody else in a session of its own: it is asked to stop, and so is its name server."""
        if self.process:
            for command in ([*self.command, "stop"], [*self.command, "stopped"], ["epmd", "-kill"]):
                subprocess.run(command, capture_output=True, env=self.env, check=False, timeout=STOP_S)
        super().__exit__(kind, error, trace)

    def accounts(self):
        for name in ("romeo", "juliet"):
            self.control("register", name, "localhost", "secret")
