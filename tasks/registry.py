"""Which jobs there are: one description each, from which validation, the form, the command line and the API follow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.errors import InvalidParams, NotFound

if TYPE_CHECKING:
    from accounts import Identity
    from config import Config
    from database import Database
    from tasks.context import JobContext

ParamsT = TypeVar("ParamsT", bound=BaseModel)
JobFunction = Callable[["JobContext", Any], dict[str, Any]]

MAX_BACKOFF_S = 600.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A named stage of a job. Weights are relative: a phase's share is its weight over the sum of all."""

    name: str
    title: str
    weight: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failing task is tried in all, and how long it waits: backoff_s, then doubled each time."""

    max_attempts: int = 1
    backoff_s: float = 5.0

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` has failed."""
        return float(min(self.backoff_s * 2 ** (attempt - 1), MAX_BACKOFF_S))


@dataclass(frozen=True, slots=True)
class Review:
    """What a completed task leaves for a person to decide: "34 captions wait for your review", and the page for it."""

    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Job:
    """A registered function with all that people and machines need to know to start it.

    `check` gets the parameters at every start and before every attempt; `allow` raises for a person who may not start
    with them; `audited` gives what the audit log keeps of a start, or None; `prepare` raises ConfigError at the start
    of a process whose installation cannot run the job. A job with `timeout_grace_s` keeps its limit itself and is
    ended by force only so much later. `family_for` tells from the stored parameters which tasks take about as long;
    without it all of the job's do. `forget` removes what tasks left outside their own rows, before those go.
    `review` says what a completed task, by its id and results, leaves for a person to decide, or None.
    """

    kind: str
    title: str
    description: str
    function: JobFunction
    params: type[BaseModel]
    phases: tuple[Phase, ...]
    icon: str = "play"
    verb: str = "Start"
    timeout_s: float | None = 3600.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    admin_only: bool = False
    title_for: Callable[[Any], str] | None = None
    resource_for: Callable[[Any, Config], str | None] | None = None
    check: Callable[[Any, Config], Any] | None = None
    allow: Callable[[Any, Identity, Config], None] | None = None
    audited: Callable[[Any, Config], dict[str, Any] | None] | None = None
    timeout_for: Callable[[Any, Config], float | None] | None = None
    timeout_grace_s: float = 0.0
    family_for: Callable[[Mapping[str, Any]], str] | None = None
    prepare: Callable[[Config], Any] | None = None
    forget: Callable[[Config, Database, Sequence[str]], int] | None = None
    review: Callable[[str, Mapping[str, Any]], Review | None] | None = None

    def validated(self, raw: dict[str, Any], config: Config) -> BaseModel:
        """The parameters as the job's own model, or InvalidParams with a sentence for each wrong field."""
        try:
            params = self.params.model_validate(raw)
        except ValidationError as error:
            raise InvalidParams(_problems(error)) from error
        return self.check(params, config) if self.check else params

    def title_of(self, params: BaseModel) -> str:
        """What a task of this job is called when nobody names it."""
        return (self.title_for(params) if self.title_for else self.title)[:300]

    def schema(self) -> dict[str, Any]:
        """The parameters as JSON Schema, in the order of the model."""
        return self.params.model_json_schema()


_jobs: dict[str, Job] = {}


def job(
    kind: str,
    *,
    title: str,
    params: type[ParamsT],
    description: str = "",
    phases: Sequence[Phase] = (),
    **options: Any,
) -> Callable[[Callable[[JobContext, ParamsT], dict[str, Any]]], Callable[[JobContext, ParamsT], dict[str, Any]]]:
    """Register a function as the job `kind`; `options` are the further fields of Job.

    Raises ValueError when another function has this kind already.
    """

    def register(
        function: Callable[[JobContext, ParamsT], dict[str, Any]],
    ) -> Callable[[JobContext, ParamsT], dict[str, Any]]:
        known = _jobs.get(kind)
        if known is not None and known.function.__qualname__ != function.__qualname__:
            raise ValueError(
                f"the job kind {kind!r} is taken by {known.function.__module__}.{known.function.__qualname__}"
            )
        stages = tuple(phases) or (Phase("run", title, 1),)
        _jobs[kind] = Job(kind, title, description, function, params, stages, **options)
        return function

    return register


def load_jobs(modules: Sequence[str]) -> None:
    """Import the modules that register jobs."""
    for module in modules:
        importlib.import_module(module)


def prepare_jobs(config: Config) -> None:
    """Let every job look at the installation that it is to run in. Raises ConfigError."""
    for each in _jobs.values():
        if each.prepare is not None:
            each.prepare(config)


def all_jobs() -> list[Job]:
    """Every registered job, in the order of registration."""
    return list(_jobs.values())


def jobs_for(is_admin: bool) -> list[Job]:
    """The jobs that such a person may start."""
    return [each for each in _jobs.values() if is_admin or not each.admin_only]


def find_job(kind: str) -> Job:
    """The job of this kind, or NotFound with the kinds there are."""
    try:
        return _jobs[kind]
    except KeyError:
        raise NotFound(
            f"There is no job called {kind[:100]!r}. Known are: {', '.join(sorted(_jobs)) or 'none'}."
        ) from None


def _problems(error: ValidationError) -> dict[str, str]:
    """A sentence for each wrong field, in pydantic's words but with a capital and a full stop."""
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in each["loc"]) or "params"
        text = each["msg"].removeprefix("Value error, ")
        problems.setdefault(name, text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))
    return problems
