"""Words: cleaning what a model says, and drafts that promise no more than they know."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.caption_images.asking import AnswerRefused
from jobs.caption_images.captioners import Wished
from jobs.caption_images.classifier import Guess, load_classifier
from jobs.caption_images.draft import compose
from jobs.caption_images.lettering import _sure_words
from jobs.caption_images.wording import caption_from, length_word, shortened

pytestmark = pytest.mark.req("B9")
BOATS = "Two red boats lie on a calm lake."
WISHED = Wished(80, 200, 500)
FACTS: dict[str, Any] = {
    "width": 4032,
    "height": 2772,
    "has_holes": False,
    "camera": "Canon EOS R6",
    "distinct": None,
    "saturation": 0.4,
    "brightness": 0.5,
    "contrast": 0.2,
    "top": 0.8,
    "bottom": 0.3,
    "edges": 0.05,
    "colours": [["blue", 0.5], ["beige", 0.3], ["black", 0.05]],
    "taken": "2026:11:04 08:12:33",
    "words": "",
}


@pytest.mark.parametrize(
    "said",
    [
        BOATS,
        f"  {BOATS}\n\n",
        f'"{BOATS}"',
        f"**{BOATS}**",
        f"Caption: {BOATS}",
        f"Here is a description of the image: {BOATS}",
        f"<think>The user wants words.\nMany.</think>{BOATS}",
        f"Sure! Here's the alt text: {BOATS}",
        "Two red boats\x00 lie on a\x1b calm\tlake.",
    ],
)
def test_what_stands_around_a_description_is_taken_away(said: str) -> None:
    assert caption_from(said, 500) == BOATS


@pytest.mark.parametrize(
    "said",
    [
        "",
        "   ",
        "ok",
        "boat boat",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "the the the the the the the the the the the the the boat",
        "I'm sorry, but I cannot describe this image for you.",
        "\ufffd\ufffd\ufffd some bytes that are not text at all",
        "<think>nothing but thoughts without an end",
    ],
)
def test_nonsense_is_no_caption(said: str) -> None:
    with pytest.raises(AnswerRefused):
        caption_from(said, 500)


def test_long_texts_end_with_a_sentence_or_a_word() -> None:
    two = f"{BOATS} A jetty of grey wood leads to them."
    assert shortened(two, 50) == BOATS
    cut = shortened("word " * 40, 50)
    assert cut.endswith("word…")
    assert len(cut) <= 50
    assert len(shortened("x" * 600, 50)) <= 50
    assert shortened(BOATS, 33) == BOATS


def test_a_length_is_judged_by_its_borders() -> None:
    assert [length_word(n, 80, 200, 250) for n in (79, 80, 200, 201, 250, 251)] == [
        "short", "good", "good", "long", "long", "over",
    ]  # fmt: skip


def test_a_draft_calls_itself_one_hedges_and_keeps_the_wished_length() -> None:
    draft = compose("DSC_0412_harbour-evening.jpg", FACTS, "", (), WISHED)
    assert draft.startswith("Draft: a wide photo, mainly blue and beige, brighter at the top.")
    assert "Its file name suggests “harbour evening”." in draft
    assert "taken on 4 November 2026" in draft
    assert len(draft) <= 200
    unsure = compose("IMG_2041.png", FACTS | {"camera": "", "taken": "0000:00:00"}, "EXIT 12", (), WISHED)
    assert "probably a wide photo" in unsure
    assert "It seems to hold the text “EXIT 12”." in unsure
    assert "name" not in unsure
    assert "taken" not in unsure


def test_a_classifier_is_hedged_by_how_much_it_believes() -> None:
    def said(share: float) -> str:
        return compose("a.jpg", FACTS, "", (Guess("a pier", share), Guess("a boathouse", 0.1)), WISHED)

    assert "It probably shows: a pier." in said(0.7)
    assert "It may show: a pier." in said(0.3)
    assert "pier" not in said(0.1)


def test_a_missing_classifier_says_what_to_install_and_drafts_go_on(tmp_path: Any) -> None:
    said: list[str] = []
    assert load_classifier(None, said.append) is None
    assert said == []
    assert load_classifier(tmp_path, said.append) is None
    assert "requirements-vision.txt" in said[0] or "model.onnx" in said[0]


def test_only_words_that_the_reader_is_sure_of_are_quoted() -> None:
    head = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
    rows = [("96.1", "EXIT"), ("91", "12"), ("30", "~~|"), ("-1", ""), ("88", "x"), ("no", "number")]
    table = head + "".join(f"5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t{sure}\t{word}\n" for sure, word in rows)
    assert _sure_words(table) == "EXIT 12"
    assert _sure_words(head) == ""
