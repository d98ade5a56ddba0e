"""Drops captions, pictures and uploads whose tasks are gone, and uploads that nobody used in time."""

from __future__ import annotations

from collections.abc import Sequence

from config import Config
from database import Database
from jobs.caption_images import pictures, uploads
from jobs.caption_images.saving import forget_rows
from tasks.models import Task

CHUNK = 200
DAY_S = 86_400.0


def forget(config: Config, database: Database, task_ids: Sequence[str]) -> int:
    """Delete what these tasks made or were given; call it before the tasks go. Returns how many images."""
    forgotten = 0
    for start in range(0, len(task_ids), CHUNK):
        part = list(task_ids[start : start + CHUNK])
        with database.read() as session:
            used = [task.params.get("upload_id") for task_id in part if (task := session.get(Task, task_id))]
        forgotten += forget_rows(database, part)
        for task_id in part:
            pictures.forget(config.data_dir, task_id)
        for upload_id in filter(None, used):
            uploads.remove_upload(config.data_dir, upload_id)
    return forgotten


def sweep_uploads(config: Config) -> int:
    """Delete uploads older than RETENTION_DAYS, and those that broke off. Cheap; called with each new upload."""
    return uploads.sweep(config.data_dir, config.retention_days * DAY_S)
