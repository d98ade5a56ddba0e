"""Deciding about captions: every decision counts once, can be taken back, and leaves in three forms."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from database import Database, utc_now
from jobs.caption_images import exports, review
from jobs.caption_images.models import CaptionImage
from jobs.caption_images.review import Decision
from tasks.errors import Conflict, InvalidParams, NotFound
from tests.jobs.caption_images.describing import person, rows, running_task

pytestmark = pytest.mark.req("B9")
DRAFTED = "Draft: a wide photo, mainly blue."


def captioned(database: Database, *names: str, **fields: object) -> str:
    """A task with an image of each name, waiting for review."""
    owner = person(database)
    task_id = running_task(database, owner)
    with database.write() as session:
        for position, name in enumerate(names):
            values = {
                "task_id": task_id,
                "owner_id": owner.id,
                "position": position,
                "name": name,
                "digest": f"{position:064d}",
                "status": "review",
                "caption": DRAFTED,
                "drafted": DRAFTED,
                "is_decorative": False,
                "captioner": "draft",
                "model": "measured",
                "size": 5000,
                "facts": {"width": 30, "height": 20, "format": "JPEG"},
                "revision": 1,
                "made_at": utc_now(),
            }
            session.add(CaptionImage(**(values | fields)))
    return task_id


def test_decisions_change_one_image_and_are_undone_one_by_one(any_database: Database) -> None:
    database = any_database
    task_id, ada = captioned(database, "a.jpg", "b.jpg"), person(database).id
    first, second = rows(database, task_id)
    review.decide(database, task_id, first.id, Decision("save", ada, "A  lake \n with boats."))
    review.decide(database, task_id, first.id, Decision("approve", ada))
    review.decide(database, task_id, second.id, Decision("decorative", ada))
    states = [(row.caption, row.status, row.is_decorative) for row in rows(database, task_id)]
    assert states == [("A lake with boats.", "approved", False), (DRAFTED, "approved", True)]
    undone = [review.undo(database, task_id, ada)[0].name for _ in range(3)]
    assert undone == ["b.jpg", "a.jpg", "a.jpg"]
    assert [(row.caption, row.status, row.is_decorative) for row in rows(database, task_id)] == [
        (DRAFTED, "review", False)
    ] * 2
    with pytest.raises(NotFound):
        review.undo(database, task_id, ada)
    with database.read() as session:
        assert review.counts(session, task_id) == {"review": 2, "approved": 0, "rejected": 0, "failed": 0, "total": 2}


def test_what_somebody_changed_meanwhile_is_not_overwritten_nor_undone(database: Database) -> None:
    task_id = captioned(database, "a.jpg")
    ada, root = person(database).id, person(database, "root", "admin").id
    [row] = rows(database, task_id)
    review.decide(database, task_id, row.id, Decision("approve", ada, "Mine.", row.revision))
    with pytest.raises(Conflict, match="changed since you opened it"):
        review.decide(database, task_id, row.id, Decision("reject", root, None, row.revision))
    review.decide(database, task_id, row.id, Decision("reject", root))
    with pytest.raises(Conflict, match="changed by somebody else"):
        review.undo(database, task_id, ada)
    assert rows(database, task_id)[0].status == "rejected"


def test_a_decision_that_changes_nothing_is_nothing_to_undo(database: Database) -> None:
    task_id, ada = captioned(database, "a.jpg"), person(database).id
    [row] = rows(database, task_id)
    for _ in range(2):
        review.decide(database, task_id, row.id, Decision("approve", ada))
    assert rows(database, task_id)[0].revision == 2
    review.undo(database, task_id, ada)
    with pytest.raises(NotFound):
        review.undo(database, task_id, ada)


def test_a_text_has_to_be_there_and_to_fit(database: Database) -> None:
    task_id, ada = captioned(database, "a.jpg"), person(database).id
    [row] = rows(database, task_id)
    for text, words in (("  \n ", "Write what the image shows"), ("x" * 51, "at most 50")):
        with pytest.raises(InvalidParams) as caught:
            review.decide(database, task_id, row.id, Decision("approve", ada, text, longest=50))
        assert words in caught.value.problems["caption"]
    review.decide(database, task_id, row.id, Decision("decorative", ada, ""))


def test_an_image_that_failed_can_be_described_by_hand(database: Database) -> None:
    task_id = captioned(database, "a.jpg", status="failed", caption="", drafted="", error="No luck.", facts={})
    ada = person(database).id
    [row] = rows(database, task_id)
    with pytest.raises(InvalidParams):
        review.decide(database, task_id, row.id, Decision("approve", ada))
    review.decide(database, task_id, row.id, Decision("approve", ada, "A lake with boats."))
    [row] = rows(database, task_id)
    assert (row.status, exports.entry(row)["error"]) == ("approved", None)
    assert review.undo(database, task_id, ada)[0].status == "failed"


def test_an_image_of_another_task_is_not_found(database: Database) -> None:
    task_id, other, ada = captioned(database, "a.jpg"), captioned(database, "b.jpg"), person(database).id
    [row] = rows(database, other)
    for image_id in (row.id, 0, -1, 2**40):
        with pytest.raises(NotFound):
            review.decide(database, task_id, image_id, Decision("approve", ada))


@pytest.mark.req("B15", "D9")
def test_exports_hold_what_was_decided_and_no_cell_is_a_formula(database: Database) -> None:
    task_id, ada = captioned(database, "=cmd|calc.jpg", "b/ü.png"), person(database).id
    first, second = rows(database, task_id)
    review.decide(database, task_id, first.id, Decision("approve", ada, "@SUM(1) is written on the wall."))
    review.decide(database, task_id, second.id, Decision("decorative", ada))
    saved = rows(database, task_id)
    table = list(csv.DictReader(io.StringIO(exports.as_csv(saved).decode("utf-8-sig"))))
    assert [(row["name"], row["caption"], row["decorative"], row["edited"]) for row in table] == [
        ("'=cmd|calc.jpg", "'@SUM(1) is written on the wall.", "no", "yes"),
        ("b/ü.png", "", "yes", "no"),
    ]
    document = json.loads(exports.as_json(saved, task_id))
    assert [each["caption"] for each in document["captions"]] == ["@SUM(1) is written on the wall.", ""]
    assert document["task_id"] == task_id


@pytest.mark.req("B15", "D11")
def test_sidecars_stand_beside_their_names_and_never_outside(database: Database) -> None:
    names = ("shop/cup.jpg", "shop/cup.png", "shop/mug.jpg", "../../x.jpg", "/etc/y.jpg", "C:\\z.jpg", "noending")
    task_id = captioned(database, *names)
    with zipfile.ZipFile(io.BytesIO(exports.as_sidecars(rows(database, task_id)))) as packed:
        assert packed.namelist() == [
            "shop/cup.jpg.txt", "shop/cup.png.txt", "shop/mug.txt", "x.txt", "etc/y.txt", "C__z.txt", "noending.txt",
        ]  # fmt: skip
        assert packed.read("shop/mug.txt").decode() == f"{DRAFTED}\n"


def test_a_persons_settings_are_their_own(database: Database) -> None:
    ada, ben = person(database).id, person(database, "ben").id
    review.keep_defaults(database, ada, {"max_posts_per_run": 9, "optimal_min_length": 30})
    review.keep_defaults(database, ada, {"max_posts_per_run": 12})
    with database.read() as session:
        assert review.defaults_of(session, ada).model_dump()["max_posts_per_run"] == 12
        assert review.defaults_of(session, ada).optimal_min_length == 80
        assert review.defaults_of(session, ben).max_posts_per_run == 50
