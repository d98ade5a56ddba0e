"""What the job is asked to do: the model behind its form, its command line and its API; and a person's own defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator, model_validator

from config import Config
from jobs.caption_images.captioners import missing_setting
from jobs.caption_images.uploads import UploadRefused, find_upload
from jobs.repository.asked import blank_is_none
from jobs.repository.sources import SourceRefused, resolve_local
from tasks.errors import InvalidParams

CAPTIONERS: dict[str, JsonValue] = {
    "configured": "As set up here",
    "draft": "Built-in draft",
    "ollama": "Ollama",
    "openai": "OpenAI-compatible",
}


class CaptionSettings(BaseModel):
    """What a person may keep as their defaults. The best length lies inside the longest one."""

    model_config = ConfigDict(extra="forbid")

    max_posts_per_run: int = Field(
        50,
        ge=1,
        le=500,
        title="Images in one run",
        description="The next run goes on with the rest",
        json_schema_extra={"unit": "images"},
    )
    reprocess_existing: bool = Field(
        False,
        title="Describe images again that have a caption",
        description="Otherwise an image that you have a caption for, here or from an earlier run, is skipped",
    )
    optimal_min_length: int = Field(
        80,
        ge=20,
        le=200,
        title="Best length, from",
        json_schema_extra={"unit": "characters", "advanced": True},
    )
    optimal_max_length: int = Field(
        200,
        ge=100,
        le=500,
        validate_default=True,
        title="Best length, to",
        json_schema_extra={"unit": "characters", "advanced": True},
    )
    max_caption_length: int = Field(
        500,
        ge=50,
        le=1000,
        validate_default=True,
        title="Longest caption",
        description="What is longer is cut at the end of a sentence or word",
        json_schema_extra={"unit": "characters", "advanced": True},
    )
    processing_delay_s: float = Field(
        1.0,
        ge=0,
        le=10,
        title="Pause between images",
        description="Spares a model server that others use, too",
        json_schema_extra={"unit": "s", "advanced": True},
    )

    @field_validator("optimal_max_length")
    @classmethod
    def _above_the_least(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("optimal_min_length")
        if least is not None and least >= value:
            raise ValueError(f"The best length goes from less to more, so this has to be above {least}")
        return value

    @field_validator("max_caption_length")
    @classmethod
    def _holds_the_best(cls, value: int, info: ValidationInfo) -> int:
        best = info.data.get("optimal_max_length")
        if best is not None and best > value:
            raise ValueError(f"The best length goes up to {best} characters, so the longest caption cannot be shorter")
        return value

    def settings(self) -> CaptionSettings:
        """Only the settings."""
        return CaptionSettings(**{name: getattr(self, name) for name in CaptionSettings.model_fields})


class CaptionSource(BaseModel):
    """Where the images are, and who describes them."""

    path: str | None = Field(
        None,
        max_length=1000,
        title="Folder on this server",
        description="Absolute, or relative to a scan root. Folders in it count, too",
        json_schema_extra={"widget": "repository", "placeholder": "shop/photos"},
    )
    upload_id: str | None = Field(
        None,
        max_length=80,
        title="Or images from this computer",
        description="Image files, or a zip of them",
        json_schema_extra={"widget": "upload"},
    )
    captioner: Literal["configured", "draft", "ollama", "openai"] = Field(
        "configured",
        title="Described by",
        description="The built-in draft needs no model and says only what can be measured",
        json_schema_extra={"labels": CAPTIONERS},
    )
    include_location: bool = Field(
        False,
        title="Keep the place where a photo was taken",
        description="Without this, coordinates in a photo are not read",
        json_schema_extra={"advanced": True},
    )

    _blank = field_validator("path", "upload_id", mode="before")(blank_is_none)


class CaptionParams(CaptionSettings, CaptionSource):
    """A folder on this server or an upload, and how to describe what is in it."""

    @model_validator(mode="after")
    def _one_source(self) -> CaptionParams:
        if self.path and self.upload_id:
            raise ValueError("Give a folder or images of your own, not both")
        if not self.path and not self.upload_id:
            raise ValueError("Give a folder in path, or images of your own: choose files, or name an upload_id")
        return self


def check_params(params: CaptionParams, config: Config) -> CaptionParams:
    """The parameters, when source and captioner are there. Raises InvalidParams with a sentence for the field."""
    try:
        if params.upload_id:
            find_upload(config.data_dir, params.upload_id)
        else:
            resolve_local(params.path or "", config.scan_roots)
    except UploadRefused as error:
        raise InvalidParams({"upload_id": str(error)}) from error
    except SourceRefused as error:
        raise InvalidParams({"path": str(error)}) from error
    if reason := missing_setting(params.captioner, config.captions):
        raise InvalidParams({"captioner": reason})
    return params


def title_for(params: CaptionParams) -> str:
    """ "Captions for photos"."""
    if params.upload_id:
        return "Captions for uploaded images"
    return "Captions for " + ((params.path or "").rstrip("/").rpartition("/")[2] or "/")


def resource_for(params: CaptionParams, config: Config) -> str | None:
    """What only one task at a time may hold: this source."""
    if params.upload_id:
        return f"upload:{params.upload_id}"
    try:
        return f"images:{resolve_local(params.path or '', config.scan_roots)}"[:500]
    except SourceRefused:
        return None
