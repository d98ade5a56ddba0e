"""Files that were made to break their readers: each ends in an answer or in words, in bounded time and memory."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from jobs.dependency_scan.confined import MAX_FILE_BYTES, read_confined
from jobs.dependency_scan.packages import MAX_NAME, Reading, Unreadable
from jobs.dependency_scan.readers import READERS

pytestmark = pytest.mark.req("B10", "D9")

MANY = 10_000_000
PNPM = "lockfileVersion: '9.0'\n"
FOLDER = '{"dependencies":{"a":'
BOMBS: dict[str, tuple[str, str]] = {
    "brackets in JSON": ("package-lock.json", "[" * 200_000),
    "objects in JSON": ("composer.lock", '{"packages":' * 100_000),
    "brackets in TOML": ("uv.lock", "a = " + "[" * 100_000),
    "tables in TOML": ("Cargo.lock", "[" + "a." * 50_000 + "a]\n"),
    "dots in TOML": ("poetry.lock", ".".join(["a"] * 50_000) + " = 1\n"),
    "flows in YAML": ("pnpm-lock.yaml", PNPM + "a: " + "[" * 100_000),
    "indents in YAML": ("pnpm-lock.yaml", "".join(" " * n + "a:\n" for n in range(3_000))),
    "laughter in YAML": (
        "pnpm-lock.yaml",
        PNPM + "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    ),
    "objects as YAML tags": ("pnpm-lock.yaml", PNPM + "packages: !!python/object/apply:os.system [id]\n"),
    "folders in npm": ("package-lock.json", FOLDER * 300 + "{}" + "}}" * 300),
    "a line for yarn": ("yarn.lock", "# yarn lockfile v1\n\n" + '"' + "a" * MANY + '"'),
    "specs for yarn": ("yarn.lock", "# yarn lockfile v1\n\n" + '"a@1",' * 100_000 + "b@1:\n"),
    "a line for Gemfile.lock": ("Gemfile.lock", "GEM\n  specs:\n    " + "a" * MANY),
    "a line for go.sum": ("go.sum", "a" * MANY),
    "a line for go.mod": ("go.mod", "module m\nrequire " + "a" * MANY),
    "a line for requirements": ("requirements.txt", "a" * MANY + "==1"),
    "brackets in a requirement": ("requirements.txt", "a; " + "(" * 3_900 + "\n"),
    "continued requirements": ("requirements.txt", "a \\\n" * 200_000),
    "spaces in requirements": ("requirements.txt", "a" + " " * MANY + "#"),
    "a line for dpkg": ("dpkg", "Package: a\nStatus: install ok installed\nVersion: 1" + "0" * MANY),
    "a space for every key": ("package-lock.json", '{"packages": {}}' + " \n" * 2_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_in_words_or_in_packages_that_are_not_evaluated(name: str, tmp_path: Path) -> None:
    reader, text = BOMBS[name]
    path = tmp_path / "lock"
    path.write_text(text)
    begun = time.monotonic()
    try:
        reading = read_confined(os.fsencode(path), reader, deadline_s=20)
    except Unreadable as refused:
        assert 5 < len(str(refused)) < 300
    else:
        assert all(len(each.name) <= MAX_NAME for each in reading.packages)
        assert all(each.reason for each in reading.packages)
    assert time.monotonic() - begun < 20


def test_what_takes_too_long_is_ended_and_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text('{"packages": {' + ",".join(f'"node_modules/p{n}": {{}}' for n in range(100_000)) + "}}")
    before = set(psutil.Process().children())
    with pytest.raises(Unreadable, match="took longer"):
        read_confined(os.fsencode(path), "package-lock.json", deadline_s=0.01)
    assert set(psutil.Process().children()) <= before


def test_a_wish_to_stop_ends_the_child(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("a==1\n" * 100_000)

    def stop() -> None:
        raise KeyboardInterrupt

    before = set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt):
        read_confined(os.fsencode(path), "requirements.txt", stop)
    assert set(psutil.Process().children()) <= before


def test_a_reader_that_dies_or_wants_too_much_memory_is_the_files_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.dependency_scan.readers import gemfile, golang

    path = tmp_path / "lock"
    path.write_text("x")
    monkeypatch.setattr(gemfile, "read_gemfile", lambda _text: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(Unreadable, match="broke its reader"):
        read_confined(os.fsencode(path), "Gemfile.lock")
    monkeypatch.setattr(golang, "read_go_sum", lambda _text: bytearray(10**11))
    with pytest.raises(Unreadable, match="broke its reader"):
        read_confined(os.fsencode(path), "go.sum")
    monkeypatch.setattr(golang, "read_go_mod", lambda _text: 1 / 0)
    with pytest.raises(Unreadable, match="ZeroDivisionError"):
        read_confined(os.fsencode(path), "go.mod")


def test_odd_files_are_refused_in_words(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_text("a==1\n")
    (tmp_path / "link").symlink_to(good)
    (tmp_path / "binary").write_bytes(b"a==1\0\n")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for name, words in {
        "link": "cannot be read", "binary": "is not text", "pipe": "is not an ordinary file",
        "large": "is larger than", "missing": "is gone",
    }.items():  # fmt: skip
        with pytest.raises(Unreadable, match=words):
            read_confined(os.fsencode(tmp_path / name), "requirements.txt")


def test_encodings_are_told_apart_from_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for raw in ("\ufefféa==1\n".encode(), "a==1\n".encode("utf-16"), "# é\na==1\n".encode("latin-1")):
        path.write_bytes(raw)
        assert [each.version for each in read_confined(os.fsencode(path), "requirements.txt").packages][-1:] in (
            ["1"],
            [None],
        )
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(Unreadable, match="encoding"):
        read_confined(os.fsencode(path), "requirements.txt")


def test_names_are_printable_bounded_and_never_evaluated_when_they_were_changed() -> None:
    lock = {"packages": {f"node_modules/{name}": {"version": "1.0.0"} for name in ("ok", "a\u202eb", "c" * 500, "")}}
    packages = READERS["package-lock.json"].load()(json.dumps(lock)).packages
    assert [each.reason for each in packages] == [None, "entry", "entry", "entry"]
    assert all(each.name.isprintable() and 0 < len(each.name) <= MAX_NAME for each in packages)


def test_a_cycle_and_a_long_chain_of_packages_are_walked_once() -> None:
    entries = {"": {"dependencies": {"p0": "*"}}}
    for number in range(6_000):
        entries[f"node_modules/p{number}"] = {"version": "1.0.0", "dependencies": {f"p{(number + 1) % 6_000}": "*"}}  # type: ignore[dict-item]
    packages = READERS["package-lock.json"].load()(json.dumps({"packages": entries})).packages
    assert len(packages) == 6_000
    assert max(len(each.via) for each in packages) <= 13
    assert packages[-1].via[0] == "p0"


def test_a_reading_survives_the_way_out_of_the_child() -> None:
    reading = READERS["requirements.txt"].load()('a==1 ; python_version > "3"\n-r more.txt\n')
    plain = json.loads(json.dumps(reading.as_plain()))
    assert Reading.from_plain(plain) == reading
