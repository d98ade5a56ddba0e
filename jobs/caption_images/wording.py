"""From what a model said to a caption: cleaned, judged and cut, without ever inventing a word."""

from __future__ import annotations

import re

from jobs.caption_images.asking import AnswerRefused

MIN_LETTERS = 10
MIN_WORDS = 3
MOST_REPEATED = 0.5
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(
    r"\A(?:sure[,!.:]?\s*)?(?:here(?:'s| is| are)[^:\n]{0,60}:\s*)?"
    r"(?:(?:\*\*)?(?:caption|description|alt text)(?:\*\*)?:\s*)?",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[*_`#]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "„": "“", "‘": "’"}
_END = re.compile(r"[.!?…][\"”’)]?(?=\s|$)")


def caption_from(said: str, longest: int) -> str:
    """A caption of at most `longest` characters. Raises AnswerRefused for what is no sentence at all."""
    text = "".join(each if each.isprintable() else " " for each in _THOUGHTS.sub(" ", said))
    text = " ".join(text.split())
    text = _MARKS.sub("", _OPENING.sub("", text, count=1)).strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    _refuse_nonsense(text)
    return shortened(text, longest)


def _refuse_nonsense(text: str) -> None:
    words = re.findall(r"\w+", text.lower())
    letters = sum(each.isalpha() for each in text)
    if letters < MIN_LETTERS or len(words) < MIN_WORDS:
        raise AnswerRefused("The model answered with too little to be a description.")
    if "\ufffd" in text or letters < len(text) / 2:
        raise AnswerRefused("The model answered with something that is not text.")
    most = max(words.count(word) for word in set(words))
    if len(words) > 12 and most / len(words) > MOST_REPEATED:
        raise AnswerRefused("The model answered with the same word again and again.")
    if re.match(r"(i'?m sorry|i am sorry|sorry,|i cannot|i can'?t|i'?m unable|as an ai)", text.lower()):
        raise AnswerRefused(f"The model would not describe this image: {text[:120]}")


def shortened(text: str, longest: int) -> str:
    """The text, cut after its last sentence that fits, or after its last word with "…"."""
    if len(text) <= longest:
        return text
    ends = [match.end() for match in _END.finditer(text[:longest])]
    if ends and ends[-1] >= longest / 3:
        return text[: ends[-1]]
    return text[: longest - 1].rsplit(" ", 1)[0].rstrip(" ,;:–-") + "…"


def length_word(length: int, low: int, high: int, longest: int) -> str:
    """`good`, `short`, `long` or `over`: how a caption's length stands to what was wished."""
    if length > longest:
        return "over"
    return "short" if length < low else "long" if length > high else "good"
