#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The first minute with Jabiru: script/server is started, the link that it prints is opened, Ctrl-C ends it."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
START_S = 400  # it may have to build everything
LINK = re.compile(r"http://localhost:(\d+)/claim/\w+")


def fetch(url):
    with urllib.request.urlopen(url.replace("localhost", "127.0.0.1"), timeout=20) as answer:
        return answer.status, answer.read().decode("utf-8")


def spend_it(folder):
    """Raises AssertionError with what was wrong."""
    process = subprocess.Popen(["script/server", "--data", folder, "--listen", "127.0.0.1:0"], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    watchdog = threading.Timer(START_S, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        said, link = [], None
        for line in process.stdout:
            said.append(line)
            link = LINK.search(line)
            if link:
                break
        assert link, "it printed no link, but:\n" + "".join(said)
        status, page = fetch(link.group(0))
        assert status == 200 and "Jabiru" in page, f"behind the link: {status}\n{page[:500]}"
        status, page = fetch(f"http://localhost:{link.group(1)}/")
        assert status == 200 and "Jabiru" in page, f"the page: {status}\n{page[:500]}"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said += process.stdout
        assert process.wait() == 0, f"Ctrl-C: status {process.returncode}\n" + "".join(said)
        assert (pathlib.Path(folder) / "jabiru.db").exists(), "nothing was kept"
    finally:
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def main():
    with tempfile.TemporaryDirectory(prefix="jabiru-first-") as folder:
        data = pathlib.Path(folder) / "data"
        data.parent.chmod(0o755)  # root's server becomes another user, who must get there
        try:
            spend_it(str(data))
        except (AssertionError, OSError) as error:
            print(f"not ok - the first minute: {error}\n0 passed, 1 failed")
            return 1
    print("ok - the first minute: script/server, the link, the page, Ctrl-C\n1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
