"""The built-in captioner: says what can be measured without a model, calls it a draft, and guesses nothing unhedged.

Measured before (32 photographs): composed drafts were right or near in half of the cases, and wrong without a hedge in
seven. So each draft says that it is one, hedges whatever is not measured, and always needs a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from jobs.caption_images.captioners import DRAFT, Prepared, Wished
from jobs.caption_images.classifier import Classifier, Guess
from jobs.caption_images.lettering import read_text
from jobs.caption_images.wording import shortened

SURE, MAYBE = 0.5, 0.2
MANY_COLOURS = 3
FEW_COLOURS, FEW_GREYS = 400, 40
SHOWN_TEXT_CHARS = 90
_CAMERA_WORDS = {"img", "dsc", "dscn", "dscf", "pict", "pxl", "mvimg", "screenshot", "image", "photo", "scan", "copy", "final", "jpg", "jpeg", "png"}  # fmt: skip  # noqa: E501


class Draft:
    """Needs no network. With tesseract it quotes text, with a classifier it names what an image may show."""

    kind = DRAFT

    def __init__(self, classifier: Classifier | None, check: Callable[[], None]) -> None:
        self._classifier = classifier
        self._check = check
        self.model = "measured" if self._classifier is None else f"measured, {self._classifier.name}"

    def describe(self, image: Prepared, wished: Wished) -> str:
        """See Captioner. Never raises but for a cancel."""
        text = read_text(image.jpeg, self._check)
        guesses = self._classifier.guess(image.jpeg) if self._classifier else ()
        return compose(image.name, image.facts, text, guesses, wished)


def compose(name: str, facts: dict[str, Any], text: str, guesses: Sequence[Guess], wished: Wished) -> str:
    """The draft from what is known, as many sentences as the best length holds, the most telling ones first."""
    head = f"Draft: {_what(facts)}, {_colours(facts)}{_light(facts)}."
    telling = [_shows(guesses), _words(text), _named(name, facts), _taken(facts), _place(facts)]
    filling = [_detail(facts), f"It measures {facts['width']:,} × {facts['height']:,} pixels."]
    said = head
    for sentence in filter(None, telling):
        if len(said) + 1 + len(sentence) <= wished.optimal_max:
            said += f" {sentence}"
    for sentence in filter(None, filling):
        if len(said) < wished.optimal_min and len(said) + 1 + len(sentence) <= wished.optimal_max:
            said += f" {sentence}"
    return shortened(said, wished.longest)


def _what(facts: dict[str, Any]) -> str:
    width, height = facts["width"], facts["height"]
    ratio = width / height
    form = "panoramic" if ratio > 2 else "wide" if ratio > 1.1 else "tall" if ratio < 0.9 else "square"
    grey = "black-and-white " if facts["saturation"] < 0.04 else ""
    if facts["has_holes"]:
        return f"probably a {form} {grey}graphic with a transparent ground"
    if facts["camera"]:
        return f"a {form} {grey}photo"
    if facts["distinct"] is None:
        return f"probably a {form} {grey}photo"
    few = FEW_GREYS if grey else FEW_COLOURS  # a grey photo has no more than 256 of them
    if facts["distinct"] < few:
        return f"probably a {form} {grey}drawing, diagram or screenshot"
    return f"a {form} {grey}picture, perhaps a photo"


def _colours(facts: dict[str, Any]) -> str:
    named = [name for name, share in facts["colours"] if share >= 0.12][:MANY_COLOURS]
    if not named:
        return "in many colours"
    if facts["colours"][0][1] >= 0.6:
        return f"mostly {named[0]}" + (f" with some {named[1]}" if len(named) > 1 else "")
    return "mainly " + (" and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0])


def _light(facts: dict[str, Any]) -> str:
    if facts["top"] - facts["bottom"] > 0.2:
        return ", brighter at the top"
    if facts["bottom"] - facts["top"] > 0.2:
        return ", brighter at the bottom"
    return ", dark as a whole" if facts["brightness"] < 0.22 else ", very bright" if facts["brightness"] > 0.85 else ""


def _detail(facts: dict[str, Any]) -> str:
    if facts["edges"] > 0.1:
        return "It has much fine detail."
    return "It has large plain areas." if facts["edges"] < 0.03 else ""


def _shows(guesses: Sequence[Guess]) -> str:
    """Hedged always: a classifier knows a thousand words and takes the nearest."""
    likely = [each.label for each in guesses if each.share >= MAYBE][:2]
    if not likely:
        return ""
    return f"It {'probably shows' if guesses[0].share >= SURE else 'may show'}: {' or '.join(likely)}."


def _words(text: str) -> str:
    return f"It seems to hold the text “{shortened(text, SHOWN_TEXT_CHARS)}”." if text else ""


def _named(name: str, facts: dict[str, Any]) -> str:
    told = facts.get("words", "")
    if told and any(each.islower() for each in told):
        return f"The file describes itself as “{shortened(told, SHOWN_TEXT_CHARS)}”."
    stem = name.rpartition("/")[2].rpartition(".")[0] or name
    words = [each for each in re.findall(r"[^\W\d_]+", stem) if len(each) > 1 and each.lower() not in _CAMERA_WORDS]
    if sum(map(len, words)) < 4:
        return ""
    return f"Its file name suggests “{' '.join(words[:6])}”."


def _taken(facts: dict[str, Any]) -> str:
    moment = taken_at(facts.get("taken", ""))
    if moment is None:
        return ""
    return f"By its own data it was taken on {moment.day} {moment:%B %Y}."


def taken_at(text: str) -> datetime | None:
    """The moment that a camera wrote, without a zone; None for what is no date, or for a clock that was never set."""
    try:
        moment = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    return moment if moment.year > 1990 else None


def _place(facts: dict[str, Any]) -> str:
    place = facts.get("place")
    return f"It was taken at about {place[0]:.3f}, {place[1]:.3f}." if place else ""
