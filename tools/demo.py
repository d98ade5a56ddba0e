"""`make demo`: a server of its own with empty data, a scan of this repository shown live in the terminal, and an end.

Everything goes through what users have: the command line starts the server, makes the account and the token, and runs
the job. The data is thrown away. The exit status is that of the scan.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0
READY = re.compile(r"^ready: (\S+)", re.MULTILINE)


def main() -> int:
    """Run the demonstration; its exit status."""
    with tempfile.TemporaryDirectory(prefix="taskroom-demo-") as folder:
        port = _free_port()
        environment = os.environ | {"DATA_DIR": folder, "HOST": "127.0.0.1", "PORT": str(port), "SCAN_ROOTS": str(ROOT)}
        for name in ("DATABASE_URL", "REDIS_URL"):  # the demonstration touches nobody's data
            environment.pop(name, None)
        log = Path(folder) / "serve.log"
        with log.open("wb") as output:
            server = subprocess.Popen([ROOT / "taskroom", "serve"], env=environment, stdout=output, stderr=output)
        try:
            print(f"Starting a server with empty data in {folder}", file=sys.stderr)
            environment["TASKROOM_URL"] = _wait_until_ready(server, log)
            environment["TASKROOM_TOKEN"] = _make_token(environment)
            print(f"Ready at {environment['TASKROOM_URL']}. Scanning {ROOT}", file=sys.stderr)
            return subprocess.run(
                [ROOT / "taskroom", "run", "code_scan", "-p", f"repository_path={ROOT}"], env=environment, check=False
            ).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            _end(server)


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if found := READY.search(log.read_text(errors="replace")):
            return found.group(1)
        if server.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"The server did not start. Its log:\n{log.read_text(errors='replace')[-4000:]}")


def _make_token(environment: dict[str, str]) -> str:
    password = f"{secrets.token_urlsafe(24)}\n"
    _checked(["create-admin", "--username", "demo", "--password-stdin"], environment, password)
    return _checked(["token", "create", "--user", "demo", "--name", "demo"], environment).strip()


def _checked(arguments: list[str], environment: dict[str, str], stdin: str = "") -> str:
    done = subprocess.run(
        [ROOT / "taskroom", *arguments], env=environment, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"taskroom {' '.join(arguments)} failed: {done.stderr}")
    return done.stdout


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
