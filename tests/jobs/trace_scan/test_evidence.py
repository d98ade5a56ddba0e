"""Evidence is compared with its manifest, and a signature is valid only when a configured key says so."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from jobs.trace_scan import evidence
from jobs.trace_scan.documents import read_evidence
from jobs.trace_scan.found import Artifact

NAME = "OQ-SPEC-001-001-2026-02-07T11-09-35-609Z"
FOLDER = f".gxp/evidence/packages/{NAME}"
KEY = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")


def package(**changes: bytes | None) -> dict[str, bytes]:
    """The files of a sound package signed with KEY; `changes` replace or remove files, named without ending."""
    head = {"package_id": "PKG-1", "spec_id": "SPEC-001-001", "tier": "OQ", "created_at": "2026-02-07T11:09:35Z"}
    files = {
        "metadata.json": json.dumps(head | {"traced_user_story": "US-001-001"}).encode(),
        "environment.json": b'{"TOKEN": "secret"}',
        "test-output.log": b"ok\n",
        "artifacts/test-results.json": b'{"tool": "vitest", "passed": 4, "failed": 0, "skipped": 1}',
    }
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    listed = [{"path": path, "sha256": digest, "size_bytes": len(files[path])} for path, digest in digests.items()]
    manifest = head | {"files": listed, "file_count": len(listed)}
    files["manifest.json"] = json.dumps(manifest, indent=2).encode()
    files["signature.jws"] = signed(manifest)
    for name, data in changes.items():
        path = next((each for each in files if each.startswith(name)), name)
        files.pop(path, None)
        if data is not None:
            files[path] = data
    return files


def signed(payload: dict[str, Any], key: ECKey = KEY) -> bytes:
    return jws.serialize_compact({"alg": "ES256"}, json.dumps(payload).encode(), key).encode()


def checked(files: dict[str, bytes], keys: bytes = b"", folder: str = FOLDER) -> Artifact:
    facts = {f"{folder}/{path}": read_evidence(path, data) for path, data in files.items()}
    [made] = evidence.read(facts, evidence.load_keys(keys))
    return made


def codes(made: Artifact) -> list[str]:
    return [each.code for each in made.problems]


def public(*keys: ECKey) -> bytes:
    return b"\n".join(key.as_pem(private=False) for key in keys)


@pytest.mark.req("B5")
def test_a_sound_package_is_valid_only_with_its_key() -> None:
    unknown = checked(package())
    assert (unknown.fields["signature"], codes(unknown), unknown.state) == ("not checked", [], "ok")
    assert unknown.title == "OQ of SPEC-001-001: 4 passed, 0 failed, 1 skipped"
    assert [ref for _, ref, _ in unknown.refs] == ["SPEC-001-001", "US-001-001"]
    assert checked(package(), public(OTHER, KEY)).fields["signature"] == "valid"
    wrong = checked(package(), public(OTHER))
    assert (wrong.fields["signature"], codes(wrong)) == ("wrong", ["signature"])
    assert "secret" not in repr(unknown)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"test-output": None}, ["incomplete"]),
        ({"test-output": b"changed"}, ["hash"]),
        ({"more.txt": b"x"}, ["extra"]),
        ({"signature": None}, ["unsigned"]),
        ({"manifest": None}, ["incomplete"]),
        ({"manifest": b"[]"}, ["incomplete"]),
        ({"manifest": b"{"}, ["incomplete"]),
        ({"signature": b"no.signature"}, ["signature"]),
        ({"signature": signed({"package_id": "PKG-2"})}, ["signature"]),
    ],
)
def test_what_is_not_as_the_manifest_says_is_told(changes: dict[str, bytes | None], expected: list[str]) -> None:
    assert codes(checked(package(**changes))) == expected


def test_only_es256_counts_and_none_is_no_algorithm() -> None:
    token = signed({"a": 1}).decode()
    unsigned = "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."
    keys = evidence.load_keys(public(KEY))
    assert [evidence.verdict(each, keys) for each in (token, unsigned, token[:-4], "", None)] == [
        "valid", "wrong", "wrong", "wrong", "wrong",
    ]  # fmt: skip
    with pytest.raises(evidence.KeyUnusable):
        evidence.load_keys(b"no key")


def test_a_manifest_cannot_point_outside_its_package() -> None:
    files = [{"path": path, "sha256": "0"} for path in ("../../requirements/REQ-001.md", "/etc/passwd", 7)]
    manifest = json.dumps({"spec_id": "SPEC-001-001", "tier": "OQ", "files": files}).encode()
    assert codes(checked(package(manifest=manifest)))[:3] == ["manifest"] * 3


def test_a_file_that_is_too_large_to_be_read_is_not_called_absent() -> None:
    facts: dict[str, Any] = {f"{FOLDER}/{path}": read_evidence(path, data) for path, data in package().items()}
    [made] = evidence.read(facts | {f"{FOLDER}/test-output.log": None}, [])
    assert codes(made) == ["unread"]


def test_the_newest_of_several_packages_counts() -> None:
    later = FOLDER.replace("2026-02-07", "2026-03-01")
    facts = {
        f"{folder}/{path}": read_evidence(path, data)
        for folder in (later, FOLDER, FOLDER.replace("OQ-", "PQ-"))
        for path, data in package().items()
    }
    newest = {made.path: made.fields["newest"] for made in evidence.read(facts, [])}
    assert newest == {FOLDER: False, later: True, FOLDER.replace("OQ-", "PQ-"): True}


def test_single_signed_files_are_read() -> None:
    payload = {"spec_id": "SPEC-001-001", "verification_tier": "OQ", "traced_user_story": "US-001-001"}
    path = ".gxp/evidence/EV-SPEC-001-001.jws"
    [made] = evidence.read({path: read_evidence(path, signed(payload))}, evidence.load_keys(public(KEY)))
    assert (made.id, made.tier, made.fields["signature"], made.state) == ("EV-SPEC-001-001", "OQ", "valid", "ok")
    other = ".gxp/evidence/EV-SPEC-002.jws"
    [made] = evidence.read({other: read_evidence(other, signed(payload))}, [])
    assert codes(made) == ["differs"]
