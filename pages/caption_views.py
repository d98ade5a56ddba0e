"""What the review page says of images and their captions, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jobs.caption_images.captioners import DRAFT, OLLAMA
from jobs.caption_images.draft import taken_at
from jobs.caption_images.models import APPROVED, FAILED, REJECTED, TO_REVIEW, CaptionImage
from jobs.caption_images.params import CaptionSettings
from jobs.caption_images.pictures import THUMB_PX, VIEW_PX
from jobs.caption_images.wording import length_word
from pages import format as words

SHOWN = ((TO_REVIEW, "To review"), (APPROVED, "Approved"), (REJECTED, "Rejected"), (FAILED, "Failed"))
FILTERS = frozenset(name for name, _ in SHOWN)
LENGTH_WORDS = {"good": "a good length", "short": "short", "long": "long", "over": "too long"}
LENGTH_ICONS = {"good": "check", "short": "silent", "long": "silent", "over": "failed"}


@dataclass(frozen=True, slots=True)
class Lengths:
    """What a run wished of its captions, in characters."""

    low: int
    high: int
    longest: int

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Lengths:
        """From a task's parameters, with the documented ones for what is not there."""
        names = ("optimal_min_length", "optimal_max_length", "max_caption_length")
        return cls(*(int(params.get(name) or CaptionSettings.model_fields[name].default) for name in names))

    def word(self, text: str) -> str:
        """`good`, `short`, `long` or `over`."""
        return length_word(len(text), self.low, self.high, self.longest)


def meter(text: str, lengths: Lengths) -> dict[str, Any]:
    """The length of a text beside what is wished: a bar, its cuts, and words."""
    word = lengths.word(text)
    return {
        "word": word,
        "icon": LENGTH_ICONS[word],
        "text": f"{words.plural(len(text), 'character')}, {LENGTH_WORDS[word]}",
        "wished": f"best {lengths.low:,} to {lengths.high:,}, limit {lengths.longest:,}",
        "value": f"{min(100.0, 100 * len(text) / lengths.longest):.1f}",
        "low": f"{100 * lengths.low / lengths.longest:.1f}%",
        "high": f"{100 * lengths.high / lengths.longest:.1f}%",
    }


def list_item(row: CaptionImage, lengths: Lengths, base: str, show: str, current: int | None) -> dict[str, Any]:
    """One line of the list: a small picture, a name, and how it stands."""
    word, icon, tone = _standing(row, lengths)
    return {
        "href": address(base, show, row.id),
        "name": row.name,
        "short": row.name.rpartition("/")[2],
        "thumb": f"{base}/pictures/{row.position}/thumb.jpg" if has_picture(row) else "",
        "size": scaled(row, THUMB_PX),
        "word": word,
        "icon": icon,
        "tone": tone,
        "current": row.id == current,
    }


def _standing(row: CaptionImage, lengths: Lengths) -> tuple[str, str, str]:
    if row.status == FAILED:
        return "Failed", "failed", "ink-fail"
    if row.status == REJECTED:
        return "Rejected", "cancelled", ""
    if row.status == APPROVED:
        return ("Decorative" if row.is_decorative else "Approved"), "check", "ink-ok"
    length = lengths.word(row.caption)
    if length != "good":
        return {"short": "Short", "long": "Long", "over": "Too long"}[length], "silent", "ink-warn"
    return ("Edited" if row.caption != row.drafted else "Draft"), "", ""


def has_picture(row: CaptionImage) -> bool:
    """Whether the file could be read, so that there are pictures of it."""
    return bool(row.facts)


def scaled(row: CaptionImage, largest: int) -> tuple[int, int]:
    """Width and height of a picture that is at most `largest` wide and high."""
    width, height = row.facts.get("width") or 1, row.facts.get("height") or 1
    factor = min(1.0, largest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def about(row: CaptionImage) -> dict[str, Any]:
    """The chosen image: its picture, what is known of it, and where its text comes from."""
    facts = row.facts
    moment = taken_at(facts.get("taken", ""))
    known = [
        f"{facts['width']:,} × {facts['height']:,}" if has_picture(row) else "",
        words.size(row.size) if row.size else "",
        facts.get("format", ""),
        f"taken {moment.day} {moment:%B %Y, %H:%M}" if moment else "",
        facts.get("camera", ""),
        ", ".join(f"{each:.4f}" for each in facts.get("place") or ()),
    ]
    tone, icon, strong, text = _origin(row)
    return {
        "view_size": scaled(row, VIEW_PX),
        "known": [each for each in known if each],
        "tone": tone,
        "icon": icon,
        "strong": strong,
        "text": text,
        "alt": row.caption if row.caption and not row.is_decorative else f"{row.name}, not described yet",
    }


def _origin(row: CaptionImage) -> tuple[str, str, str, str]:
    if row.status == FAILED:
        return "fail", "failed", "No caption.", f"{row.error or ''} Write one yourself, or leave it."
    if row.status == APPROVED:
        return "ok", "completed", "Approved.", "It needs no words: decorative." if row.is_decorative else ""
    if row.status == REJECTED:
        return "", "cancelled", "Rejected.", "The next run describes this image again."
    if row.caption != row.drafted:
        return "", "account", "Edited by a person,", "not approved yet."
    if row.captioner == DRAFT:
        return "", "info", "Draft by the built-in captioner.", "It measures and guesses. A person has not read it yet."
    server = "Ollama" if row.captioner == OLLAMA else "a model server"
    return "", "info", f"Written by {row.model} on {server}.", "A person has not read it yet."


def address(base: str, show: str, image_id: int | None = None, **more: Any) -> str:
    """The address of the review page with this filter and image."""
    asked = {"show": "" if show == TO_REVIEW else show, "image": image_id, **more}
    given = urlencode({key: value for key, value in asked.items() if value not in (None, "")})
    return f"{base}?{given}" if given else base


def neighbours(rows: Sequence[CaptionImage], chosen: CaptionImage) -> tuple[CaptionImage | None, CaptionImage | None]:
    """(previous, next) in a list, around an image that need not be in it."""
    before = [row for row in rows if row.position < chosen.position]
    after = [row for row in rows if row.position > chosen.position]
    return (before[-1] if before else None), (after[0] if after else None)


def following(rows: Sequence[CaptionImage], position: int) -> CaptionImage | None:
    """Where to go after a decision: on, and from the end back to the first that is left."""
    return next((row for row in rows if row.position > position), rows[0] if rows else None)
