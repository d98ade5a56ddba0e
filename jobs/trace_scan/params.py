"""What a trace scan is asked to do: the model behind its form, its command line and its API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from config import Config
from database import Database
from jobs.repository.asked import blank_is_none
from jobs.repository.git_address import AddressRefused
from jobs.repository.sources import SourceRefused
from jobs.trace_scan import repositories
from tasks.errors import InvalidParams, NotFound


class TraceScanParams(BaseModel):
    """Either a registered repository or a folder on this server."""

    model_config = ConfigDict(extra="forbid")

    repository_id: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        title="Registered repository",
        description="The number in the address of its page. Repositories on git servers are registered first.",
        json_schema_extra={"widget": "number", "advanced": True},
    )
    repository_path: str | None = Field(
        None,
        max_length=1000,
        title="Folder on this server",
        description="Absolute, or relative to a scan root.",
        json_schema_extra={"widget": "repository", "placeholder": "acme/lab-results-portal"},
    )
    ref: str | None = Field(
        None,
        max_length=200,
        title="Branch, tag or commit",
        description="Only for a repository on a git server. Empty means the registered or the default branch.",
        json_schema_extra={"widget": "text"},
    )

    _source: str = PrivateAttr("")
    _name: str = PrivateAttr("")

    _blank = field_validator("repository_id", "repository_path", "ref", mode="before")(blank_is_none)

    @model_validator(mode="after")
    def _one_source(self) -> TraceScanParams:
        if self.repository_id and self.repository_path:
            raise ValueError("Give a registered repository or a folder, not both")
        if not self.repository_id and not self.repository_path:
            raise ValueError("Give the folder to scan in repository_path, or a registered repository in repository_id")
        return self

    @property
    def source(self) -> str:
        """The resolved folder, or `address@ref`. Known after `check_params`."""
        return self._source

    @property
    def location(self) -> str:
        """What was asked for: the folder or the address as written. Known after `check_params`."""
        return self._name if repositories.is_address(self._name) else self._source


def check_params(params: TraceScanParams, config: Config) -> TraceScanParams:
    """The parameters, when their source may be scanned; it is found out here. Raises InvalidParams."""
    try:
        if params.repository_id is None:
            params._name = params.repository_path or ""
            if repositories.is_address(params._name):
                raise SourceRefused("Register the address of a git server first, then scan the registered repository.")
            params._source = repositories.source_of(params._name, params.ref, config)
            return params
        database = Database(config.database_url, pooled=False)
        try:
            with database.read() as session:
                found = repositories.find(session, params.repository_id)
        finally:
            database.close()
        params._name = found.source
        params._source = repositories.source_of(found.source, params.ref or found.ref, config)
    except NotFound as error:
        raise InvalidParams({"repository_id": str(error)}) from error
    except AddressRefused as error:
        field = "ref" if error.field == "ref" else "repository_id" if params.repository_id else "repository_path"
        raise InvalidParams({field: str(error)}) from error
    except SourceRefused as error:
        field = "repository_id" if params.repository_id else "repository_path"
        raise InvalidParams({field: str(error)}) from error
    return params


def title_for(params: TraceScanParams) -> str:
    """ "Trace acme/lab-results-portal"."""
    path = params._name.rstrip("/").removesuffix(".git")
    name = "/".join(path.split("/")[3:]) if repositories.is_address(path) else path.rpartition("/")[2]
    return f"Trace {name or '/'}" + (f" at {params.ref}" if params.ref else "")


def resource_for(params: TraceScanParams, config: Config) -> str | None:  # noqa: ARG001
    """What only one task at a time may hold: this repository at this ref, however it was named."""
    return f"trace:{params.source}"[:500] if params.source else None
