"""An optional classifier for the built-in draft: an ONNX model for 224 × 224 images, in a folder that an admin names.

The folder holds `model.onnx` and `labels.txt`, a label a line in the order of the model's classes. What it needs is in
`requirements-vision.txt`; without that, the job says so and drafts without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL, LABELS = "model.onnx", "labels.txt"
SIZE_PX = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as such models are trained
BEST = 3


class ClassifierMissing(RuntimeError):
    """It cannot be used here. The message says what to install or to put where."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A label and its share of the model's belief, from 0 to 1."""

    label: str
    share: float


def load_classifier(folder: Path | None, say: Callable[[str], None]) -> Classifier | None:
    """The classifier in this folder; None where none is set up, or where it cannot work, which is said."""
    try:
        return Classifier(folder) if folder else None
    except ClassifierMissing as error:
        say(f"{error} Drafts are made without it.")
        return None


class Classifier:
    """Runs on one thread of the processor. Raises ClassifierMissing when a part of it is not there."""

    def __init__(self, folder: Path) -> None:
        try:
            numpy: Any = importlib.import_module("numpy")
            onnxruntime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise ClassifierMissing(
                "The classifier needs more packages: pip install -r requirements-vision.txt."
            ) from error
        if not ((folder / MODEL).is_file() and (folder / LABELS).is_file()):
            raise ClassifierMissing(f"CAPTION_CLASSIFIER_DIR has to hold {MODEL} and {LABELS}.")
        self.name = folder.name
        self._numpy = numpy
        self._labels = (folder / LABELS).read_text(encoding="utf-8").splitlines()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / MODEL), options, providers=["CPUExecutionProvider"]
        )

    def guess(self, picture: Path) -> tuple[Guess, ...]:
        """The best labels for a picture that the decode child made, the likeliest first."""
        from PIL import Image, ImageOps

        numpy, wanted = self._numpy, self._session.get_inputs()[0]
        with Image.open(picture) as image:
            square = ImageOps.fit(image.convert("RGB"), (SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)
        pixels = (numpy.asarray(square, dtype="float32") / 255 - MEAN) / DEVIATION
        channels_first = len(wanted.shape) == 4 and wanted.shape[1] == 3
        batch = (pixels.transpose(2, 0, 1) if channels_first else pixels)[None].astype("float32")
        scores = self._session.run(None, {wanted.name: batch})[0].reshape(-1).astype("float64")
        shares = scores if scores.min() >= 0 and abs(scores.sum() - 1) < 0.01 else _softmax(numpy, scores)
        best = shares.argsort()[::-1][:BEST]
        return tuple(Guess(self._labels[int(n)], float(shares[n])) for n in best if n < len(self._labels))


def _softmax(numpy: Any, scores: Any) -> Any:
    raised = numpy.exp(scores - scores.max())
    return raised / raised.sum()
