"""Archives that lie, burst, point elsewhere or never end: nothing is written, nothing is believed."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from jobs.advisories import archive as archive_module
from jobs.advisories.archive import Entry, SourceBroken, digest_of, opened
from tests.jobs.advisories.osv import archive, simple
from tests.jobs.code_scan.scanning import write


def entries(path: Path) -> list[Entry]:
    with opened(path) as source:
        found = list(source.entries)
        assert len(found) == source.total
        return found


def troubles(path: Path) -> dict[str, str]:
    return {each.name: each.trouble for each in entries(path)}


@pytest.mark.req("B11")
def test_the_json_files_of_an_archive_are_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.zip", [simple("A-1"), simple("A-2")], {"folder/A-3.json": b"{}", "README": b"x"})
    with opened(path) as source:
        assert (source.total, source.other) == (3, 1)
        assert [each.stem for each in source.entries] == ["A-1", "A-2", "A-3"]


@pytest.mark.req("B11")
def test_a_folder_is_read_without_its_links_and_hidden_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "osv", {"2026/A-1.json": "{}", "A-2.json": "{}", ".git/A-3.json": "{}", "note.md": ""})
    write(tmp_path, {"outside.json": "{}", "elsewhere/B.json": "{}"})
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "pipe.json")
    with opened(folder) as source:
        assert [each.name for each in source.entries] == ["2026/A-1.json", "A-2.json"]
        assert source.other == 4
    before = digest_of(folder, lambda: None)
    assert digest_of(folder, lambda: None) == before
    write(folder, {"A-2.json": "{ }"})
    assert digest_of(folder, lambda: None) != before


@pytest.mark.req("B11", "D11")
def test_names_that_lead_out_and_links_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = archive(tmp_path / "in" / "all.zip", [simple("A-1")], {
        "../../evil.json": b"{}", "/etc/evil.json": b"{}", "a/../../evil.json": b"{}", "a\\..\\..\\evil.json": b"{}",
    })  # fmt: skip
    with zipfile.ZipFile(path, "a") as file:
        for name, mode in (("link.json", 0o120777), ("pipe.json", 0o010644), ("device.json", 0o060644)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, "/etc/passwd")
    before = sorted(tmp_path.rglob("*"))
    said = troubles(path)
    assert said.pop("A-1.json") == ""
    assert len(said) == 7
    assert all(said.values())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.req("B11", "D11")
def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("large.json", b"\0" * 40_000_000)
        file.writestr("lies.json", b"\0" * 40_000_000)
        file.writestr("good.json", b"{}")
    content = bytearray(path.read_bytes())
    # The directory says that the second file is small: what comes out is larger.
    position = content.rindex(b"lies.json") - 46
    content[position + 24 : position + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    tracemalloc.start()
    said = troubles(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said["large.json"] and said["lies.json"] and not said["good.json"]
    assert peak < 30_000_000
    monkeypatch.setattr(archive_module, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(SourceBroken, match="larger"):
        entries(archive(tmp_path / "sum.zip", [simple(f"A-{number}") for number in range(20)]))


@pytest.mark.req("B11", "D11")
def test_a_directory_of_endless_entries_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "many.zip", [], {f"{number}.json": b"" for number in range(3000)})
    monkeypatch.setattr(archive_module, "MAX_RECORDS", 2000)
    with pytest.raises(SourceBroken, match="more than the 2,000"):
        entries(path)
    monkeypatch.setattr(archive_module, "MAX_DIRECTORY_BYTES", 100_000)
    with pytest.raises(SourceBroken, match="more than"):
        entries(path)
    folder = write(tmp_path / "many", {f"{number}.json": "" for number in range(2001)})
    with pytest.raises(SourceBroken, match="more than the 2,000"):
        entries(folder)


@pytest.mark.req("B11", "D11")
def test_a_real_directory_of_ten_million_entries_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claims.zip"
    claimed = 470_000_000
    with path.open("wb") as file:
        file.truncate(claimed)
        file.seek(claimed)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, claimed, 0, 0))
    with pytest.raises(SourceBroken, match="more than"):
        entries(path)


@pytest.mark.req("B11", "D11")
def test_damaged_members_are_told_one_by_one_and_damaged_archives_as_a_whole(tmp_path: Path) -> None:
    whole = archive(tmp_path / "all.zip", [simple("A-1"), simple("A-2")]).read_bytes()
    broken = bytearray(whole)
    broken[60:90] = b"\0" * 30
    (tmp_path / "bits.zip").write_bytes(broken)
    said = troubles(tmp_path / "bits.zip")
    assert said["A-1.json"] and not said["A-2.json"]
    for name, content in {"cut": whole[:-40], "empty": b"", "text": b"<html>not found</html>" * 100}.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        with pytest.raises(SourceBroken, match="no whole zip"):
            entries(tmp_path / f"{name}.zip")


@pytest.mark.req("D11")
def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(SourceBroken, match="plain file"):
        entries(tmp_path / "pipe.zip")
    (tmp_path / "link.zip").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="symbolic"):
        entries(tmp_path / "link.zip")
