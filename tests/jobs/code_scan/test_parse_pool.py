"""Parse children: deadlines, crashes, binary and odd text, and that none outlives anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from jobs.code_scan.facts import NODE_TYPES
from jobs.code_scan.languages import language_of
from jobs.code_scan.parse_pool import Answer, ParsePool, Work
from tests.fixtures.machine import wait_until
from tests.jobs.code_scan.scanning import SERVICE, write

OPTIONS = {"node_types": list(NODE_TYPES), "max_file_bytes": 2_000_000}
ROOT = Path(__file__).resolve().parents[3]


def work_of(folder: Path, names: Iterable[str]) -> list[Work]:
    return [
        Work(number, os.fsencode(folder.resolve() / name), name, language_of(name) or "", None)
        for number, name in enumerate(names)
    ]


def parse(folder: Path, names: list[str], deadline_s: float = 20.0, size: int = 2) -> dict[str, Answer]:
    with ParsePool(OPTIONS, deadline_s, size) as pool:
        answers = [answer for batch in pool.results(work_of(folder, names)) for answer in batch]
    assert sorted(answer.head["n"] for answer in answers) == list(range(len(names)))
    return {names[answer.head["n"]]: answer for answer in answers}


@pytest.mark.req("B4")
def test_odd_texts_are_read_or_refused_with_their_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "plain.py": SERVICE,
            "marked.py": b"\xef\xbb\xbf" + SERVICE.encode(),
            "wide.py": SERVICE.encode("utf-16"),
            "latin.py": b"# caf\xe9\n" + SERVICE.encode(),
            "binary.py": b"\x7fELF\0\0\0",
            "empty.py": b"",
            "half.py": b"\xff\xfea",
        },
    )
    found = parse(
        tmp_path, ["plain.py", "marked.py", "wide.py", "latin.py", "binary.py", "empty.py", "half.py", "gone.py"]
    )
    heads = {name: answer.head for name, answer in found.items()}
    assert heads["plain.py"]["nodes"] > 3
    assert {heads[name]["nodes"] for name in ("plain.py", "marked.py", "wide.py", "latin.py")} == {
        heads["plain.py"]["nodes"]
    }
    assert "Latin-1" in heads["latin.py"]["note"]
    assert heads["empty.py"]["status"] == "parsed"
    reasons = {name: heads[name]["reason"] for name in ("binary.py", "half.py", "gone.py")}
    assert reasons == {"binary.py": "binary", "half.py": "encoding", "gone.py": "vanished"}


@pytest.mark.req("B4")
@pytest.mark.parametrize("name", ["bomb.cs", "bomb.py", "bomb.ts"])
def test_a_file_that_takes_too_long_is_given_up_and_the_rest_is_parsed(tmp_path: Path, name: str) -> None:
    names = [f"good{number}.py" for number in range(30)]
    write(tmp_path, dict.fromkeys(names, SERVICE) | {name: "(" * 1_900_000})
    begun = time.monotonic()
    found = parse(tmp_path, [*names[:3], name, *names[3:]], deadline_s=1.0, size=1)
    assert time.monotonic() - begun < 20
    assert found[name].head["status"] == "parsed" or found[name].head["reason"] in ("deadline", "memory", "analyzer")
    assert all(found[each].head["status"] == "parsed" for each in names)


@pytest.mark.req("B4", "D11")
def test_a_link_put_in_place_of_a_listed_file_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret/a.py": SERVICE})
    (tmp_path / "a.py").symlink_to(tmp_path / "secret" / "a.py")
    (tmp_path / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe.py")
    found = parse(tmp_path, ["pipe.py"])
    assert found["pipe.py"].head["reason"] == "special"
    with ParsePool(OPTIONS, 5.0, 1) as pool:
        raw = os.fsencode(tmp_path)
        work = [Work(0, raw + b"/a.py", "a.py", "python", None), Work(1, raw + b"/folder/a.py", "b.py", "python", None)]
        heads = [answer.head for batch in pool.results(work) for answer in batch]
    assert [head["reason"] for head in heads] == ["unreadable", "symlink"]


@pytest.mark.req("B4")
def test_a_child_that_dies_costs_one_file(tmp_path: Path) -> None:
    names = [f"f{number}.py" for number in range(200)]
    write(tmp_path, dict.fromkeys(names, SERVICE))
    killed = 0
    heads = []
    with ParsePool(OPTIONS, 20.0, 1) as pool:
        for batch in pool.results(work_of(tmp_path, names)):
            heads += [answer.head for answer in batch]
            if heads and not killed:
                killed = pool.pids()[0]
                os.kill(killed, signal.SIGSEGV)
    reasons = [head["reason"] for head in heads if head["status"] != "parsed"]
    assert reasons in ([], ["crashed"])  # [] when the child had answered everything it was asked before the signal
    assert len(heads) == len(names)


def test_a_known_digest_spares_the_parsing(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": SERVICE})
    digest = parse(tmp_path, ["a.py"])["a.py"].head["digest"]
    with ParsePool(OPTIONS, 5.0, 1) as pool:
        work = [work_of(tmp_path, ["a.py"])[0]._replace(known_digest=digest)]
        answers = [answer for batch in pool.results(work) for answer in batch]
    assert [answer.head["status"] for answer in answers] == ["same"]


@pytest.mark.req("C3")
def test_stopping_in_the_midst_of_a_hostile_file_takes_half_a_second(tmp_path: Path) -> None:
    write(tmp_path, {"bomb.cs": "(" * 1_900_000})
    with ParsePool(OPTIONS, 60.0, 1) as pool:
        batches = pool.results(work_of(tmp_path, ["bomb.cs"]))
        pids: list[int] = []
        for _ in range(20):
            next(batches)
            pids = pool.pids()
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.5
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.req("C3")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    write(tmp_path, {"bomb.cs": "(" * 1_900_000})
    program = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from jobs.code_scan.parse_pool import ParsePool, Work
with ParsePool({OPTIONS!r}, 60.0, 2) as pool:
    work = [Work(n, {os.fsencode(tmp_path / "bomb.cs")!r}, "bomb.cs", "csharp", None) for n in range(40)]
    for number, _ in enumerate(pool.results(work)):
        if number == 10:
            print(*pool.pids(), flush=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert len(pids) == 2
    wait_until(lambda: not any(_runs(pid) for pid in pids), 5, "the children are gone")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
