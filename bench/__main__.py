"""`python -m bench`: measure, print the table, write bench/results/latest.json. See `--help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import fanout, rows
from bench.contenders import install_node, install_tqdm
from bench.machine import ROOT, cores, raise_file_limit
from bench.report import text
from bench.stage import Stage
from bench.stats import median

PARTS = ("fanout", "watched", "rooms", "unwatched", "idle", "connect", "slow", "reporter")
PINNED = ("flask-socketio", "python-socketio", "python-engineio", "eventlet")
SERVERS = ("taskroom", "stock", "node")


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about three minutes: one round, short steps, one size")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--servers", default=",".join(SERVERS), help=f"some of {','.join(SERVERS)}")
    parser.add_argument("--sizes", default="", help="members of the fan-out rooms, such as 1000 or 100,1000")
    parser.add_argument("--rounds", type=int, default=0, help="how often each is measured (3; quick: 1)")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="measure the Taskroom of another checkout")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "latest.json")
    return parser.parse_args()


def measure(stage: Stage, asked: argparse.Namespace) -> None:
    """Run the parts that were asked for, in turn."""
    quick, only = asked.quick, asked.only.split(",")
    rounds = asked.rounds or (1 if quick else 3)
    usual = (1000,) if quick else (100, 500, 1000, 2000)
    sizes = tuple(int(size) for size in asked.sizes.split(",") if size) or usual
    for part in PARTS:
        if part not in only:
            continue
        print(f"  {part} ({time.strftime('%H:%M:%S')})", flush=True)
        match part:
            case "fanout":
                fanout.measure(stage, sizes, rounds, 1.0 if quick else 1.5)
            case "watched":
                rows.watched(stage, rounds, 2.0 if quick else 6.0)
            case "rooms":
                rows.rooms_of_one(stage, rounds, 2.0 if quick else 5.0)
            case "unwatched":
                rows.unwatched(stage, rounds, 3.0 if quick else 8.0)
            case "idle":
                rows.idle(stage, 1, 500 if quick else 2000, 2.0 if quick else 11.0, 0 if quick else 10_000)
            case "connect":
                rows.connecting(stage, rounds, 300 if quick else 1000)
            case "slow":
                rows.slow_readers(stage, rounds, 4.0 if quick else 12.0, 0 if quick else 1)
            case "reporter":
                reporter(stage, rounds)


def reporter(stage: Stage, rounds: int) -> None:
    """Row `reporter`: see bench.reporter_calls; on the servers' core, while they have nothing to do."""
    path = os.pathsep.join([str(ROOT), str(install_tqdm())])
    command = [sys.executable, "-m", "bench.reporter_calls", str(stage.folder), stage.valkey.url, str(rounds)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    for line in done.stdout.splitlines():
        for server, metrics in json.loads(line).items():
            stage.results.add("reporter", server, **metrics)
    for server, metrics in stage.results.rows["reporter"].items():
        words = ", ".join(f"{name} {median(values):,.3f}" for name, values in metrics.items())
        print(f"    reporter   {server:<22} {words}", flush=True)


def about(asked: argparse.Namespace) -> dict[str, Any]:
    """Where and how it was measured."""
    split = cores()
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "quick": asked.quick,
        "cores": os.cpu_count(),
        "pinned": split is not None,
        "load_average_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "versions": {name: version(name) for name in PINNED},
        "generator": "C" if shutil.which("cc") else "Python",
    }


def main() -> int:
    """Measure; 0 when all could be measured."""
    asked = arguments()
    raise_file_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    servers = asked.servers.split(",")
    if "node" in servers:
        install_node()
    print(f"bench: {', '.join(servers)}; {'quick' if asked.quick else 'full'}", flush=True)
    began = time.monotonic()
    meta = about(asked)
    with tempfile.TemporaryDirectory(prefix="tr-bench-", dir="/tmp") as folder:
        stage = Stage(Path(folder), servers, asked.checkout.resolve())
        try:
            stage.start()
            measure(stage, asked)
        finally:
            stage.stop()
    meta["server_waited_percent"] = round(100 * stage.server_waited, 1)
    meta["minutes"] = round((time.monotonic() - began) / 60, 1)
    found = {"meta": meta, "rows": stage.results.rows, "flags": stage.results.flags}
    asked.output.parent.mkdir(exist_ok=True)
    asked.output.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{text(found)}\n\n{asked.output} has it all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
