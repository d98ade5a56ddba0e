"""The job on real images: what it saves, what it leaves out, and how it meets servers that misbehave."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from config import Config
from database import Database
from jobs.caption_images import job, retention, review
from jobs.caption_images.models import APPROVED, FAILED, TO_REVIEW
from jobs.caption_images.pictures import folder_of
from jobs.caption_images.pictures import picture as picture_of
from tasks.errors import Cancelled, JobFailed
from tests.jobs.caption_images.describing import (
    describe,
    encoded,
    fill,
    person,
    picture,
    rows,
    running_task,
    uploaded,
    zipped,
)
from tests.jobs.caption_images.model_server import SENTENCE, ModelServer, model_server
from tests.jobs.code_scan.scanning import Recorder

pytestmark = pytest.mark.req("B9")
NAMES = {
    "images_processed",
    "captions_generated",
    "errors_count",
    "skipped_existing",
    "processing_time_seconds",
    "error_details",
    "generated_image_ids",
}
SHADES = [(20 * number, 255 - 20 * number, 90) for number in range(12)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(
        tmp_path / "photos",
        lake_jpg=encoded(),
        sub__rose_png=encoded(picture((200, 30, 40)), "PNG"),
        sub__leaf_webp=encoded(picture((30, 160, 60)), "WEBP"),
    )


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def asking(make_config: Callable[..., Config], sqlite_url: str, server: ModelServer) -> Config:
    return make_config(
        DATABASE_URL=sqlite_url,
        CAPTION_OLLAMA_URL=server.url,
        CAPTION_OLLAMA_MODEL="llava:7b",
        CAPTION_OPENAI_URL=f"{server.url}/v1",
        CAPTION_OPENAI_MODEL="sees",
        CAPTION_OPENAI_KEY="sk-of-the-tests",
        CAPTION_TIMEOUT_SECONDS="1",
    )


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses before another try are short."""
    monkeypatch.setattr(job, "PAUSE_S", 0.01)
    monkeypatch.setattr(job, "LONGEST_WAIT_S", 0.05)


def test_each_image_of_a_folder_gets_a_draft_that_says_so_and_waits_for_review(
    config: Config, any_database: Database, photos: Path
) -> None:
    results, context = describe(config, any_database, path="photos")
    assert set(results) == NAMES
    saved = rows(any_database, context.task_id)
    assert results["images_processed"] == results["captions_generated"] == 3
    assert results["generated_image_ids"] == [row.id for row in saved]
    assert results["error_details"] == []
    assert [row.name for row in saved] == ["lake.jpg", "sub/leaf.webp", "sub/rose.png"]
    assert {row.status for row in saved} == {TO_REVIEW}
    assert all(row.caption.startswith("Draft: ") and len(row.caption) <= 500 for row in saved)
    assert "blue" in saved[0].caption
    assert "lake" in saved[0].caption
    assert "perhaps" in saved[0].caption or "probably" in saved[0].caption
    assert context.details == {"images_processed": 3, "captions_generated": 3, "skipped": 0, "errors": 0}
    for row in saved:
        shown = picture_of(config.data_dir, context.task_id, row.position, "view")
        assert shown is not None
        with Image.open(shown) as image:
            assert image.format == "JPEG"
            assert image.size == (row.facts["width"], row.facts["height"])
        assert not (folder_of(config.data_dir, context.task_id, row.position) / "model.jpg").exists()


def test_the_next_run_goes_on_with_the_rest_and_again_only_when_asked(
    config: Config, database: Database, tmp_path: Path
) -> None:
    fill(tmp_path / "many", **{f"i{n:02d}_png": encoded(picture(SHADES[n]), "PNG") for n in range(7)})
    first, _ = describe(config, database, path="many", max_posts_per_run=3)
    second, _ = describe(config, database, path="many", max_posts_per_run=3)
    third, _ = describe(config, database, path="many")
    assert [each["captions_generated"] for each in (first, second, third)] == [3, 3, 1]
    assert [each["skipped_existing"] for each in (first, second, third)] == [0, 3, 6]
    nothing, _ = describe(config, database, path="many")
    assert (nothing["images_processed"], nothing["skipped_existing"]) == (0, 7)
    again, _ = describe(config, database, path="many", reprocess_existing=True)
    assert (again["captions_generated"], again["skipped_existing"]) == (7, 0)


def test_a_rejected_caption_is_made_again_and_another_persons_is_no_caption_of_mine(
    config: Config, database: Database, photos: Path
) -> None:
    ada = person(database)
    _, context = describe(config, database, path="photos")
    [first, *_] = rows(database, context.task_id)
    review.decide(database, context.task_id, first.id, review.Decision("reject", ada.id))
    again, _ = describe(config, database, path="photos")
    assert (again["captions_generated"], again["skipped_existing"]) == (1, 2)
    others, _ = describe(config, database, owner=person(database, "ben"), path="photos")
    assert others["skipped_existing"] == 0


@pytest.mark.req("B4", "D11")
def test_a_file_that_is_no_image_is_one_error_and_the_run_goes_on(
    config: Config, database: Database, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(
        photos,
        a_jpg=b"no image",
        b_png=encoded(kind="PNG")[:200],
        c_gif=b"GIF89a" + b"\xff" * 50,
        d_jpg=b"<svg onload='alert(1)'/>",
    )
    (photos / "link.jpg").symlink_to("/etc/passwd")
    (photos / "elsewhere").symlink_to("/usr/share")
    os.mkfifo(photos / "pipe.jpg")
    (photos / ".hidden.jpg").write_bytes(encoded())
    Path(os.fsdecode(os.fsencode(photos) + b"/\xff\n.jpg")).write_bytes(encoded())
    results, context = describe(config, database, path="photos")
    assert (results["captions_generated"], results["errors_count"]) == (4, 4)
    assert {each["name"] for each in results["error_details"]} == {"a.jpg", "b.png", "c.gif", "d.jpg"}
    assert all(set(each) == {"image_id", "name", "error"} and each["error"] for each in results["error_details"])
    failed = [row for row in rows(database, context.task_id) if row.status == FAILED]
    assert [row.error for row in failed] == [each["error"] for each in results["error_details"]]
    names = {row.name for row in rows(database, context.task_id)} - {row.name for row in failed}
    assert names == {"lake.jpg", "sub/leaf.webp", "sub/rose.png", "\ufffd_.jpg"}


def test_a_folder_without_images_says_what_would_be_one(config: Config, database: Database, tmp_path: Path) -> None:
    fill(tmp_path / "texts", a_txt=b"x")
    with pytest.raises(JobFailed, match=r"no image .* JPEG, PNG"):
        describe(config, database, path="texts")


def test_an_upload_is_described_for_who_sent_it_and_for_admins_alone(config: Config, database: Database) -> None:
    ada = person(database)
    packed = zipped(
        {"shop/cup.jpg": encoded(picture(SHADES[3])), "shop/notes.txt": b"x", "__MACOSX/shop/._cup.jpg": b"x"}
    )
    kept = uploaded(config, ada, lake_jpg=encoded(), all_zip=packed)
    results, context = describe(config, database, owner=ada, upload_id=kept.id)
    assert results["captions_generated"] == 2
    assert [row.name for row in rows(database, context.task_id)] == ["lake.jpg", "shop/cup.jpg"]
    with pytest.raises(JobFailed, match="somebody else"):
        describe(config, database, owner=person(database, "eve"), upload_id=kept.id)
    admins, _ = describe(config, database, owner=person(database, "root", "admin"), upload_id=kept.id)
    assert admins["captions_generated"] == 2


@pytest.mark.parametrize("captioner", ["ollama", "openai"])
def test_a_model_server_is_asked_with_the_image_and_its_words_are_kept(
    asking: Config, database: Database, photos: Path, server: ModelServer, captioner: str
) -> None:
    results, context = describe(asking, database, path="photos", captioner=captioner, optimal_max_length=180)
    assert results["captions_generated"] == 3
    saved = rows(database, context.task_id)
    assert {row.caption for row in saved} == {SENTENCE}
    assert {(row.captioner, row.model) for row in saved} == {
        (captioner, "llava:7b" if captioner == "ollama" else "sees")
    }
    assert all(image.startswith(b"\xff\xd8\xff") for image in server.images)
    assert "80 to 180 characters" in str(server.questions[0]["messages"])
    sent = server.headers[0].get("Authorization")
    assert sent == (None if captioner == "ollama" else "Bearer sk-of-the-tests")


@pytest.mark.usefixtures("hasty")
def test_trouble_that_passes_costs_another_try(
    asking: Config, database: Database, tmp_path: Path, server: ModelServer
) -> None:
    troubles = ["500", "429", "cut", "html", "shape", "empty", "flood"]
    fill(tmp_path / "some", **{f"i{n}_jpg": encoded(picture(SHADES[n])) for n in range(len(troubles))})
    for trouble in troubles:
        server.plan.extend([trouble, trouble, SENTENCE])
    results, _ = describe(asking, database, path="some", captioner="openai")
    assert results["captions_generated"] == len(troubles)
    assert len(server.questions) == 3 * len(troubles)


@pytest.mark.req("D13")
@pytest.mark.usefixtures("hasty")
def test_trouble_that_stays_is_that_images_error_and_names_no_key(
    asking: Config, database: Database, tmp_path: Path, server: ModelServer
) -> None:
    names = [f"i{n}" for n in range(7)]
    fill(tmp_path / "some", **{f"{name}_jpg": encoded(picture(SHADES[n])) for n, name in enumerate(names)})
    server.plan.extend(["500"] * 3 + ["html"] * 3 + ["404", "401", "empty", "no", "ha ha ha", SENTENCE])
    results, context = describe(asking, database, path="some", captioner="openai")
    errors = [each["error"] for each in results["error_details"]]
    assert results["images_processed"] == 7
    assert results["captions_generated"] == 2
    assert [any(word in error for word in ("500", "not JSON", "404", "401", "too little")) for error in errors] == [
        True
    ] * 5
    assert len(server.questions) == 3 + 3 + 1 + 1 + 3 + 1 + 1
    told = str(results) + str(context.lines) + str([(row.error, row.facts) for row in rows(database, context.task_id)])
    assert "sk-of-the-tests" not in told
    assert "401: it does not take the key" in told


@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_gone_costs_three_tries_thrice_and_then_one_each(
    make_config: Callable[..., Config], sqlite_url: str, database: Database, tmp_path: Path
) -> None:
    with model_server() as gone:
        url = gone.url
    config = make_config(DATABASE_URL=sqlite_url, CAPTION_OLLAMA_URL=url, CAPTION_OLLAMA_MODEL="m", CAPTIONER="ollama")
    fill(tmp_path / "some", **{f"i{n}_jpg": encoded(picture(SHADES[n])) for n in range(5)})
    results, _ = describe(config, database, path="some")
    assert results["errors_count"] == 5
    assert all("nothing listens there" in each["error"] for each in results["error_details"])


@pytest.mark.usefixtures("hasty")
def test_a_server_that_hangs_is_given_up_in_time(
    asking: Config, database: Database, tmp_path: Path, server: ModelServer
) -> None:
    fill(tmp_path / "two", a_jpg=encoded(), b_jpg=encoded(picture(SHADES[2])))
    server.plan.extend(["hang"])
    results, _ = describe(asking, database, path="two", captioner="ollama")
    assert results["captions_generated"] == 2
    assert len(server.questions) == 3


@pytest.mark.req("C3")
def test_a_cancel_ends_the_run_while_the_server_hangs_and_keeps_what_was_committed(
    make_config: Callable[..., Config], sqlite_url: str, database: Database, photos: Path, server: ModelServer
) -> None:
    config = make_config(
        DATABASE_URL=sqlite_url,
        CAPTION_OLLAMA_URL=server.url,
        CAPTION_OLLAMA_MODEL="m",
        CAPTION_TIMEOUT_SECONDS="300",
    )
    server.plan.extend([SENTENCE, "hang"])
    context = Recorder(config, database, running_task(database, person(database)))
    asked_at: list[float] = []

    def cancel_when_it_hangs() -> None:
        while len(server.questions) < 2:
            time.sleep(0.01)
        asked_at.append(time.monotonic())
        context.is_cancelled = True

    threading.Thread(target=cancel_when_it_hangs, daemon=True).start()
    with pytest.raises(Cancelled):
        describe(config, database, context, path="photos", captioner="ollama")
    assert time.monotonic() - asked_at[0] < 2
    assert [row.caption for row in rows(database, context.task_id)] == [SENTENCE]


@pytest.mark.req("C3", "C8")
def test_a_repeated_attempt_goes_on_where_the_one_before_ended(
    asking: Config, database: Database, tmp_path: Path, server: ModelServer
) -> None:
    fill(tmp_path / "some", **{f"i{n}_jpg": encoded(picture(SHADES[n])) for n in range(5)})
    task_id = running_task(database, person(database))
    first = Recorder(asking, database, task_id)

    def die_after_two(context: Recorder) -> None:
        if context.details.get("captions_generated") == 2 and len(server.questions) == 2:
            raise ConnectionResetError("as if the worker had died")

    first.on_report = die_after_two
    with pytest.raises(Exception, match=r"did not answer|could not be read"):
        describe(asking, database, first, path="some", captioner="ollama", max_posts_per_run=4)
    second = Recorder(asking, database, task_id)
    results, _ = describe(asking, database, second, path="some", captioner="ollama", max_posts_per_run=4)
    saved = rows(database, task_id)
    assert [row.name for row in saved] == ["i0.jpg", "i1.jpg", "i2.jpg", "i3.jpg"]
    assert results["generated_image_ids"] == [row.id for row in saved]
    assert len(server.questions) == 4
    assert second.totals["describe"] == 4


def test_there_is_a_pause_between_images_that_a_cancel_ends(config: Config, database: Database, photos: Path) -> None:
    context = Recorder(config, database, running_task(database, person(database)))

    def cancel_in_the_pause(recorder: Recorder) -> None:
        recorder.is_cancelled = len(rows(database, recorder.task_id)) == 1

    context.on_report = cancel_in_the_pause
    started = time.monotonic()
    with pytest.raises(Cancelled):
        describe(config, database, context, path="photos", processing_delay_s=10)
    assert time.monotonic() - started < 8


def test_what_a_task_made_and_was_given_goes_with_it(config: Config, database: Database) -> None:
    ada = person(database)
    kept = uploaded(config, ada, lake_jpg=encoded())
    task_id = running_task(database, ada, {"upload_id": kept.id})
    describe(config, database, Recorder(config, database, task_id), upload_id=kept.id)
    [row] = rows(database, task_id)
    review.decide(database, task_id, row.id, review.Decision("approve", ada.id))
    assert rows(database, task_id)[0].status == APPROVED
    assert retention.forget(config, database, [task_id]) == 1
    assert rows(database, task_id) == []
    assert not kept.folder.exists()
    assert not (config.data_dir / "captions" / task_id).exists()


def test_the_job_reads_no_image_in_its_own_process(config: Config, database: Database, photos: Path) -> None:
    """What decodes strangers' bytes runs in the child alone: the job's modules do not even know Pillow."""
    import subprocess
    import sys

    code = "import sys, jobs.caption_images.job; sys.exit('PIL' in sys.modules or 'onnxruntime' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0
