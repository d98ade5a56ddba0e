"""Describing images as a job: find them, leave out the known ones, describe the rest one by one.

Its rule: one image's trouble is one image's error. Each caption is committed before the next image is begun, so a
cancel, a crash or a repeated attempt loses none and makes none twice.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError

from database import DatabaseBusy
from jobs.caption_images import sources, uploads
from jobs.caption_images.asking import AnswerRefused, RequestRefused, ServerAway
from jobs.caption_images.captioners import DRAFT, Captioner, Prepared, Wished, make_captioner
from jobs.caption_images.decoder import Decoder, DecoderBroken, ImageRefused
from jobs.caption_images.models import FAILED
from jobs.caption_images.params import CaptionParams, check_params, resource_for, title_for
from jobs.caption_images.retention import forget
from jobs.caption_images.saving import Described, Origin, Saver
from jobs.caption_images.sources import Fetched, Source
from jobs.caption_images.wording import caption_from
from jobs.repository.sources import SourceRefused, resolve_local
from tasks.context import JobContext
from tasks.errors import JobFailed, Retryable
from tasks.registry import Phase, RetryPolicy, Review, job

PHASES = (
    Phase("find", "Find images", 3),
    Phase("check", "Leave out known ones", 7),
    Phase("describe", "Describe", 90),
)
TRIES = 3
PAUSE_S = 1.0
LONGEST_WAIT_S = 20.0
LOST_BEFORE_HASTE = 3
TICK_S = 0.1
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def review_of(task_id: str, results: Mapping[str, Any]) -> Review | None:
    """The captions that now wait for a person."""
    number = results.get("captions_generated") or 0
    waits = f"{number:,} caption{' waits' if number == 1 else 's wait'} for your review"
    return Review(waits, f"/captions/{task_id}") if number else None


@job(
    "caption_images",
    title="Describe images",
    description="Writes a caption for each image of a folder or upload, for you to review",
    icon="image",
    verb="Start describing",
    params=CaptionParams,
    phases=PHASES,
    timeout_s=6 * 3600,
    retry=RetryPolicy(max_attempts=3, backoff_s=5),
    title_for=title_for,
    resource_for=resource_for,
    check=check_params,
    forget=forget,
    review=review_of,
)
def caption_images(ctx: JobContext, params: CaptionParams) -> dict[str, Any]:
    """Describe the images and return the sums of PROTOCOL.md section 10. Raises Retryable and JobFailed."""
    try:
        return _Run(ctx, params).run()
    except (SourceRefused, uploads.UploadRefused) as error:
        raise JobFailed(str(error)) from error
    except sources.TooManyFiles as error:
        raise JobFailed("There are more than 100,000 files. Give a folder further down.") from error
    except DecoderBroken as error:
        raise Retryable("The worker could not start the program that reads images.") from error
    except (DBAPIError, DatabaseBusy) as error:
        raise Retryable("The database did not take a caption.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Retryable("The disk of this worker is full. Free some space.") from error
        raise Retryable(f"The images could not be read: {error.strerror or 'the disk did not answer'}.") from error


class _Run:
    """One attempt."""

    def __init__(self, ctx: JobContext, params: CaptionParams) -> None:
        self._ctx = ctx
        self._params = params
        self._saver = Saver(ctx.database, ctx.task_id)
        self._wished = Wished(params.optimal_min_length, params.optimal_max_length, params.max_caption_length)
        self._done = self._saver.done()
        self._skipped = 0
        self._lost_in_a_row = 0
        self._generated = [row.id for row in self._done.values() if row.status != FAILED]
        self._errors = [_detail(row.id, row.name, row.error) for row in self._done.values() if row.status == FAILED]
        self._started_s = time.monotonic()

    def run(self) -> dict[str, Any]:
        """All phases."""
        ctx, params = self._ctx, self._params
        found = self._find()
        chosen = self._choose(found)
        ctx.phase("describe", total=len(self._done) + len(chosen), unit="images")
        ctx.update(len(self._done), **self._details())
        if self._done:
            ctx.log(f"{len(self._done):,} images were done by an earlier attempt")
        captioner = make_captioner(
            params.captioner, ctx.config.captions, ctx.check_cancelled, lambda text: ctx.log(text, "warning")
        )
        ctx.log(f"Described by {_named(captioner)}")
        position = max((row.position for row in self._done.values()), default=-1)
        with Decoder(ctx.check_cancelled) as decoder:
            for number, source in enumerate(chosen):
                if number and params.processing_delay_s:
                    self._wait(params.processing_delay_s)
                position += 1
                self._describe(position, source, decoder, captioner)
        return self._results()

    def _find(self) -> list[Source]:
        ctx, params = self._ctx, self._params
        ctx.phase("find")
        if params.upload_id:
            upload = uploads.find_upload(ctx.config.data_dir, params.upload_id)
            if not self._saver.may_use(upload):
                raise JobFailed("These images were sent by somebody else. Choose your own.")
            uploads.mark_used(upload)
            found = sources.in_upload(upload)
        else:
            root = resolve_local(params.path or "", ctx.config.scan_roots)
            ctx.log(f"Folder {root.name}")
            found = sources.in_folder(root, ctx.check_cancelled)
        if not found:
            raise JobFailed("There is no image in it that can be read: JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.")
        ctx.phase_note(f"{len(found):,} images")
        ctx.log(f"{len(found):,} images found")
        return found

    def _choose(self, found: list[Source]) -> list[Source]:
        """The images of this run: without those that are done or have a caption, and no more than wished."""
        ctx, params = self._ctx, self._params
        ctx.phase("check", total=len(found), unit="images")
        room = params.max_posts_per_run - len(self._done)
        chosen: list[Source] = []
        for source in found:
            if len(chosen) >= room:
                break
            if source.name not in self._done:
                if params.reprocess_existing or not self._is_known(source):
                    chosen.append(source)
                else:
                    self._skipped += 1
                    ctx.log(f"{source.name}: has a caption already", "debug")
            ctx.advance(step=source.name, skipped=self._skipped)
        left = len(found) - self._skipped - len(chosen) - len(self._done)
        ctx.phase_note(f"{self._skipped:,} have captions" + (f", {left:,} left for the next run" if left else ""))
        if left:
            ctx.log(f"{left:,} images are left for the next run, which goes on where this one ends")
        return chosen

    def _is_known(self, source: Source) -> bool:
        try:
            return self._saver.has_caption(sources.look(source).digest)
        except ImageRefused:
            return False  # what is wrong with it is said when it is its turn

    def _describe(self, position: int, source: Source, decoder: Decoder, captioner: Captioner) -> None:
        """One image from its bytes to its row."""
        ctx = self._ctx
        ctx.update(step=source.name)
        copy = ctx.work_dir / "image"
        fetched, facts, made = Fetched("", 0), {}, None
        try:
            fetched = sources.fetch(source, copy)
            facts = decoder.examine(copy, ctx.work_dir, self._params.include_location)
            made = ctx.work_dir
            said = self._ask(captioner, Prepared(source.name, facts, ctx.work_dir / "model.jpg"))
        except (ImageRefused, ServerAway, AnswerRefused, RequestRefused) as error:
            origin = Origin(position, source.name, fetched.digest, fetched.size)
            image_id = self._saver.add_failure(origin, str(error), facts, made, ctx.config.data_dir)
            self._errors.append(_detail(image_id, source.name, str(error)))
            ctx.log(f"{source.name}: {error}", "warning")
        else:
            origin = Origin(position, source.name, fetched.digest, fetched.size)
            described = Described(said, captioner.kind, captioner.model, facts)
            self._generated.append(self._saver.add(origin, described, ctx.work_dir, ctx.config.data_dir))
            ctx.log(f"{source.name}: {len(said)} characters", "debug")
        finally:
            copy.unlink(missing_ok=True)
        ctx.advance(step=source.name, **self._details())

    def _ask(self, captioner: Captioner, image: Prepared) -> str:
        """The caption, asked for several times where that may help; of a server that is long gone, only once."""
        tries = TRIES if self._lost_in_a_row < LOST_BEFORE_HASTE else 1
        for number in range(1, tries + 1):
            try:
                said = caption_from(captioner.describe(image, self._wished), self._wished.longest)
            except ServerAway as error:
                if number == tries:
                    self._lost_in_a_row += 1
                    raise
                self._wait(min(max(PAUSE_S * 2 ** (number - 1), error.wait_s), LONGEST_WAIT_S))
            except AnswerRefused:
                if number == tries:
                    raise
            else:
                self._lost_in_a_row = 0
                return said
        raise AssertionError("the last try returns or raises")

    def _wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._ctx.check_cancelled()
            time.sleep(min(left_s, TICK_S))

    def _details(self) -> dict[str, Any]:
        """What the page counts while the job runs."""
        return {
            "images_processed": len(self._generated) + len(self._errors),
            "captions_generated": len(self._generated),
            "skipped": self._skipped,
            "errors": len(self._errors),
        }

    def _results(self) -> dict[str, Any]:
        return {
            "images_processed": len(self._generated) + len(self._errors),
            "captions_generated": len(self._generated),
            "errors_count": len(self._errors),
            "skipped_existing": self._skipped,
            "processing_time_seconds": round(time.monotonic() - self._started_s, 3),
            "error_details": self._errors,
            "generated_image_ids": self._generated,
        }


def _detail(image_id: int, name: str, error: str | None) -> dict[str, Any]:
    return {"image_id": image_id, "name": name, "error": error or ""}


def _named(captioner: Captioner) -> str:
    if captioner.kind == DRAFT:
        return f"the built-in draft ({captioner.model})"
    return f"{captioner.kind}, model {captioner.model}"
