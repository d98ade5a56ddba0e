"""Checks evidence: packages (a manifest, its signature, the files it lists) and the older single signed files.

A signature is verified only with a configured public key, and only ES256; without a key it is "not checked". That a
signed text is not the manifest beside it can be told without any key.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from jobs.trace_scan import words
from jobs.trace_scan.found import Artifact, Problem
from jobs.trace_scan.ids import MAX_ID

PACKAGE = re.compile(r"(IQ|OQ|PQ)-(SPEC(?:-[A-Z0-9]+)+?)-(\d{4}-?\d{2}-?\d{2}T[0-9-]{6,15}Z?)")
SINGLE = re.compile(r"EV-(SPEC(?:-[A-Z0-9]+)+)\.jws")
MANIFEST = "manifest.json"
SIGNATURES = ("signature.jws", "manifest.jws")
NOT_CHECKED = "not checked"
VERIFIED = "valid"
WRONG = "wrong"
MAX_KEY_BYTES = 64_000

Facts = Mapping[str, Any]


class KeyUnusable(ValueError):
    """The configured key file holds no public keys that can be used."""


def key_file(path: Path | None) -> bytes:
    """The configured public keys as they are written; nothing when none are configured. Raises KeyUnusable."""
    try:
        return path.read_bytes()[:MAX_KEY_BYTES] if path else b""
    except OSError as error:
        raise KeyUnusable("The file that TRACE_PUBLIC_KEYS names cannot be read. Check its permissions.") from error


def load_keys(text: bytes) -> list[Any]:
    """The public keys in PEM, of which there may be several. Raises KeyUnusable."""
    if not text:
        return []
    from joserfc.jwk import ECKey

    try:
        parts = re.findall(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", text, re.DOTALL)
        keys = [ECKey.import_key(part) for part in parts]
    except (ValueError, TypeError) as error:
        raise KeyUnusable("The file that TRACE_PUBLIC_KEYS names holds a key that is none of P-256 in PEM.") from error
    if not keys:
        raise KeyUnusable("The file that TRACE_PUBLIC_KEYS names holds no public key in PEM.")
    return keys


def verdict(token: str | None, keys: Sequence[Any]) -> str:
    """VERIFIED, WRONG or NOT_CHECKED for a compact signature."""
    if not keys:
        return NOT_CHECKED
    from joserfc import jws
    from joserfc.errors import JoseError

    for key in keys:
        try:
            jws.deserialize_compact(token or "", key, algorithms=["ES256"])
            return VERIFIED
        except (JoseError, ValueError):
            continue
    return WRONG


def payload(token: str | None) -> dict[str, Any] | None:
    """What a compact signature signs, unverified; None when it is no JSON object."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        value = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    return value if isinstance(value, dict) else None


def read(files: Mapping[str, Facts | None], keys: Sequence[Any]) -> list[Artifact]:
    """An artifact for each package and each single file below the evidence folder.

    `files` are the facts of every file there by path; None for one that could not be read.
    """
    packages: dict[str, dict[str, Facts | None]] = defaultdict(dict)
    found: list[Artifact] = []
    for path, facts in files.items():
        parts = path.split("/")
        at = next((n for n, part in enumerate(parts[:-1]) if PACKAGE.fullmatch(part)), None)
        if at is not None:
            packages["/".join(parts[: at + 1])]["/".join(parts[at + 1 :])] = facts
        elif SINGLE.fullmatch(parts[-1]):
            found.append(_single(path, facts, keys))
    made = [_package(path, content, keys) for path, content in sorted(packages.items())]
    newest = {(each.fields["spec_id"], each.tier): each for each in sorted(made, key=lambda each: each.fields["time"])}
    for each in made:
        each.fields["newest"] = newest[each.fields["spec_id"], each.tier] is each
    return made + found


def _package(path: str, content: Mapping[str, Facts | None], keys: Sequence[Any]) -> Artifact:
    name = path.rpartition("/")[2]
    parts = PACKAGE.fullmatch(name)
    tier, spec, time = parts.groups() if parts else ("", "", "")
    made = Artifact(words.EVIDENCE, name[:MAX_ID], path, tier=tier)
    metadata, manifest = _json(content, "metadata.json"), _json(content, MANIFEST)
    results = _json(content, "artifacts/test-results.json") or {}
    made.fields = {"spec_id": spec, "tier": tier, "time": re.sub(r"\D", "", time), "files": len(content)}
    made.fields |= {name: results[name] for name in ("tool", "passed", "failed", "skipped") if name in results}
    made.fields |= {name: metadata[name] for name in ("git_commit", "created_at") if metadata and name in metadata}
    made.title = _title(tier, spec, results)
    for about, value in (("metadata.json", metadata), (MANIFEST, manifest)):
        if value is not None and (value.get("spec_id"), value.get("tier")) != (spec, tier):
            _say(
                made,
                "differs",
                f"The file {about} names {value.get('spec_id')} {value.get('tier')}, not {spec} {tier}.",
            )
    _check_manifest(made, content, manifest)
    _check_signature(made, content, manifest, keys)
    made.refs.append((words.EVIDENCES, spec, 1))
    story = (metadata or {}).get("traced_user_story")
    if isinstance(story, str) and story:
        made.refs.append((words.EVIDENCES, story[:MAX_ID], 1))
    made.state = words.INVALID if made.problems else words.OK
    return made


def _title(tier: str, spec: str, results: Facts) -> str:
    counts = [
        f"{results[name]} {name}" for name in ("passed", "failed", "skipped") if isinstance(results.get(name), int)
    ]
    return f"{tier} of {spec}" + (f": {', '.join(counts)}" if counts else "")


def _json(content: Mapping[str, Facts | None], name: str) -> dict[str, Any] | None:
    value = (content.get(name) or {}).get("json")
    return value if isinstance(value, dict) else None


def _say(made: Artifact, code: str, message: str, severity: str = words.ERROR) -> None:
    made.problems.append(Problem(severity, "", 1, message[:500], code))


def _check_manifest(made: Artifact, content: Mapping[str, Facts | None], manifest: dict[str, Any] | None) -> None:
    if manifest is None:
        _say(made, "incomplete", f"There is no readable {MANIFEST}, so nothing can be compared.")
        return
    listed = manifest.get("files")
    seen: set[str] = set()
    for each in listed if isinstance(listed, list) else []:
        name = each.get("path") if isinstance(each, dict) else None
        if not isinstance(name, str) or name.startswith("/") or posixpath.normpath(name) != name or ".." in name:
            _say(made, "manifest", "The manifest lists a path that is none inside the package.")
            continue
        seen.add(name)
        if name not in content:
            _say(
                made, "incomplete", f"The manifest lists {name}, which is absent. An ignore rule may have kept it out."
            )
        elif (facts := content[name]) is None:
            _say(made, "unread", f"The file {name} could not be read, so it is not compared.", words.WARNING)
        elif facts["sha256"] != str(each.get("sha256", "")).lower():
            _say(made, "hash", f"The file {name} is not what the manifest lists: its SHA-256 differs.")
    if not seen:
        _say(made, "manifest", "The manifest lists no files.")
    for name in sorted(content.keys() - seen - {MANIFEST, *SIGNATURES}):
        _say(made, "extra", f"The file {name} is not listed in the manifest.", words.WARNING)


def _check_signature(
    made: Artifact, content: Mapping[str, Facts | None], manifest: dict[str, Any] | None, keys: Sequence[Any]
) -> None:
    name = next((each for each in SIGNATURES if each in content), None)
    if name is None:
        made.fields["signature"] = "absent"
        _say(made, "unsigned", "The manifest is not signed: there is no signature.jws.", words.WARNING)
        return
    token = (content[name] or {}).get("jws")
    signed = payload(token)
    made.fields["signature"] = verdict(token, keys)
    if signed is None or (manifest is not None and any(signed.get(key) != manifest[key] for key in manifest)):
        made.fields["signature"] = WRONG
        _say(made, "signature", f"What {name} signs is not the manifest beside it.")
    elif made.fields["signature"] == WRONG:
        _say(made, "signature", f"The signature {name} does not verify with the configured keys.")


def _single(path: str, facts: Facts | None, keys: Sequence[Any]) -> Artifact:
    name = path.rpartition("/")[2]
    spec = name.removeprefix("EV-").removesuffix(".jws")
    token = (facts or {}).get("jws")
    signed = payload(token)
    made = Artifact(
        words.EVIDENCE, name.removesuffix(".jws")[:MAX_ID], path, fields={"signature": verdict(token, keys)}
    )
    if signed is None:
        _say(made, "malformed", "It holds no readable signed text.")
        made.title, made.state = name, words.MALFORMED
        return made
    results = signed.get("test_results")
    results = results if isinstance(results, dict) else {}
    tier = signed.get("verification_tier")
    made.tier = tier if tier in words.TIERS else None
    made.title = _title(made.tier or "Test", spec, results)
    made.fields |= {key: signed[key] for key in ("git_commit", "timestamp") if isinstance(signed.get(key), str)}
    made.fields |= {key: results[key] for key in ("tool", "passed", "failed", "skipped") if key in results}
    made.fields["spec_id"] = spec
    if signed.get("spec_id") != spec:
        _say(made, "differs", f"It is called after {spec} and speaks of {str(signed.get('spec_id'))[:60]}.")
    if made.fields["signature"] == WRONG:
        _say(made, "signature", "Its signature does not verify with the configured keys.")
    made.refs.append((words.EVIDENCES, spec, 1))
    story = signed.get("traced_user_story")
    if isinstance(story, str) and story:
        made.refs.append((words.EVIDENCES, story[:MAX_ID], 1))
    made.state = words.INVALID if made.problems else words.OK
    return made
