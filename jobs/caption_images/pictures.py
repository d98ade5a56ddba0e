"""Where the pictures of described images lie: DATA_DIR/captions/<task>/<position>/<size>.jpg, made by the child."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = "captions"
THUMB, VIEW, MODEL = "thumb", "view", "model"
SIZES = (THUMB, VIEW, MODEL)
KEPT = (THUMB, VIEW)
THUMB_PX, VIEW_PX, MODEL_PX = 192, 1600, 1024


def folder_of(data_dir: Path, task_id: str, position: int) -> Path:
    """The folder of one image's pictures."""
    return data_dir / FOLDER / task_id / str(position)


def keep(made: Path, data_dir: Path, task_id: str, position: int) -> None:
    """Move the pictures that people look at to their place; a repeated attempt replaces them."""
    folder = folder_of(data_dir, task_id, position)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for size in KEPT:
        shutil.move(made / f"{size}.jpg", folder / f"{size}.jpg")


def picture(data_dir: Path, task_id: str, position: int, size: str) -> Path | None:
    """The file of a picture that is kept, if it is there."""
    path = folder_of(data_dir, task_id, position) / f"{size}.jpg"
    return path if size in KEPT and path.is_file() else None


def forget(data_dir: Path, task_id: str) -> None:
    """Delete all pictures of a task."""
    shutil.rmtree(data_dir / FOLDER / task_id, ignore_errors=True)
