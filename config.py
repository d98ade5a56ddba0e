"""The settings of this installation: read once from the environment, checked, and frozen.

Nothing else in Taskroom reads `os.environ`. A setting that cannot work is refused by its name, with what was
expected and what was found; secrets are never repeated in such a message.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

CHECKOUT = Path(__file__).resolve().parent
MIN_SECRET_LENGTH = 32
GIVEN = "TASKROOM__GIVEN"
"""in the environment of a child process: what somebody had set, apart from what `serve` has filled in"""
# Parts of secrets that stand in tutorials and templates. Seven letters or more: they do not come up by chance.
SAMPLE_SECRETS = (
    "changeme", "changethis", "replaceme", "secretkey", "yoursecret", "topsecret", "supersecret", "verysecret",
    "insecure", "development", "password", "example", "placeholder", "notsecret", "mysecret",
)  # fmt: skip

T = TypeVar("T")


class ConfigError(Exception):
    """A setting has a value that cannot work. The message names it, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Captions:
    """How images are described, and how much may be sent: the operator's part. The key is never shown."""

    captioner: str
    ollama_url: str | None
    ollama_model: str | None
    openai_url: str | None
    openai_model: str | None
    openai_key: str | None = field(repr=False)
    timeout_s: float
    classifier_dir: Path | None
    upload_bytes: int


@dataclass(frozen=True, slots=True)
class Mail:
    """Through which server mail is sent. `security` is `tls` (from the first byte), `starttls` or `none`."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    security: str
    sender: str


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, checked. Durations are seconds; paths are absolute."""

    secret_key: str
    database_url: str
    redis_url: str | None
    host: str
    port: int
    data_dir: Path
    allowed_origins: tuple[str, ...]
    trusted_proxies: int
    scan_roots: tuple[Path, ...]
    git_hosts: tuple[str, ...]
    advisory_hosts: tuple[str, ...]
    workers: int
    progress_max_hz: float
    poll_fallback_seconds: int
    retention_days: int
    default_visibility: str
    log_format: str
    redis_prefix: str
    max_concurrent_tasks: int
    max_user_tasks: int
    cancel_grace_s: float
    lease_s: float
    async_mode: str
    fanout: str
    job_modules: tuple[str, ...]
    advisory_max_age_days: int
    commands_file: Path
    free_commands: bool
    trace_public_keys: Path | None
    captions: Captions
    public_url: str | None
    webhook_hosts: tuple[str, ...]
    mail: Mail | None
    given: frozenset[str] = frozenset()
    """the variables that somebody has set; the others have their defaults"""

    @classmethod
    def from_env(
        cls,
        env: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Config:
        """Read and check all settings.

        `env` defaults to the process environment; `data_dir` overrides DATA_DIR, and `overrides` any variable.
        Creates the data directory (mode 0700) and, when SECRET_KEY is unset, a secret of its own there (mode 0600).

        Raises ConfigError for the first setting that cannot work.
        """
        reader = _Reader({**(os.environ if env is None else env), **(overrides or {})})
        directory = (data_dir or Path(reader.text("DATA_DIR", str(CHECKOUT / "data")))).expanduser().resolve()
        _make_private_directory(directory)
        return cls(
            secret_key=reader.secret(directory),
            database_url=reader.checked(
                "DATABASE_URL",
                f"sqlite:///{directory / 'taskroom.db'}",
                _database_url,
                "a sqlite:/// or postgresql:// address",
            ),
            redis_url=reader.checked("REDIS_URL", None, _redis_url, "a redis://, rediss:// or unix:// address"),
            host=reader.text("HOST", "127.0.0.1"),
            port=reader.number("PORT", 8080, 0, 65535, int),
            data_dir=directory,
            allowed_origins=reader.origins(),
            trusted_proxies=reader.number("TRUSTED_PROXIES", 0, 0, 10, int),
            scan_roots=reader.directories("SCAN_ROOTS", CHECKOUT),
            git_hosts=tuple(host.lower() for host in reader.words("GIT_ALLOWED_HOSTS")),
            advisory_hosts=tuple(host.lower() for host in reader.words("ADVISORY_ALLOWED_HOSTS")),
            workers=reader.number("WORKERS", max(2, os.cpu_count() or 2), 0, 256, int),
            progress_max_hz=reader.number("PROGRESS_MAX_HZ", 10.0, 0.1, 100.0, float),
            poll_fallback_seconds=reader.number("POLL_FALLBACK_SECONDS", 15, 0, 3600, int),
            retention_days=reader.number("RETENTION_DAYS", 90, 1, 36500, int),
            default_visibility=reader.choice("DEFAULT_VISIBILITY", "private", ("private", "everyone")),
            log_format=reader.choice("LOG_FORMAT", "text", ("text", "json")),
            redis_prefix=reader.checked(
                "REDIS_PREFIX", "taskroom:", _redis_prefix, "letters, digits, '-', '_' and ':', not empty"
            ),
            max_concurrent_tasks=reader.number("MAX_CONCURRENT_TASKS", 64, 1, 100_000, int),
            max_user_tasks=reader.number("MAX_USER_TASKS", 16, 1, 100_000, int),
            cancel_grace_s=reader.number("CANCEL_GRACE_SECONDS", 10.0, 0.0, 600.0, float),
            lease_s=reader.number("LEASE_SECONDS", 15.0, 2.0, 600.0, float),
            async_mode=reader.choice("ASYNC_MODE", "eventlet", ("eventlet", "threading")),
            fanout=reader.choice("FANOUT", "direct", ("direct", "stock")),
            job_modules=("jobs", *reader.words("JOB_MODULES")),
            advisory_max_age_days=reader.number("ADVISORY_MAX_AGE_DAYS", 7, 1, 3650, int),
            commands_file=reader.checked(
                "COMMANDS_FILE", directory / "commands.toml", _existing_file, "the path of an existing file"
            ),
            free_commands=reader.choice("FREE_COMMANDS", "off", ("off", "admins")) == "admins",
            trace_public_keys=reader.checked(
                "TRACE_PUBLIC_KEYS", None, _existing_file, "the path of an existing PEM file"
            ),
            captions=reader.captions(),
            public_url=reader.checked("PUBLIC_URL", None, _public_url, "an http:// or https:// address without a path"),
            webhook_hosts=reader.webhook_hosts(),
            mail=reader.mail(),
            given=reader.given(),
        )

    def with_redis(self, redis_url: str) -> Config:
        """The same settings on this Redis: for the embedded server, whose address is known once it runs."""
        return replace(self, redis_url=redis_url)

    @property
    def log_dir(self) -> Path:
        """Where processes keep their newest log lines."""
        return self.data_dir / "logs"

    @property
    def backup_dir(self) -> Path:
        """Where the job `backup` puts its files."""
        return self.data_dir / "backups"

    @property
    def own_url(self) -> str:
        """Where people find this server, for links that leave it."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def requires_redis_url(self) -> str:
        """The Redis address, for the parts that cannot work without one."""
        if self.redis_url is None:
            raise ConfigError(
                "REDIS_URL: expected the address of a running Redis (only `serve` starts its own), got nothing"
            )
        return self.redis_url

    def environment(self) -> dict[str, str]:
        """The whole environment of a child process: this process's, changed so that it reads these same settings."""
        return {
            **os.environ,
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": self.database_url,
            **({"REDIS_URL": self.redis_url} if self.redis_url else {}),
            "HOST": self.host,
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "WORKERS": str(self.workers),
            GIVEN: " ".join(sorted(self.given)) or "-",
        }


@dataclass(frozen=True, slots=True)
class Client:
    """Where the commands `run`, `watch` and `cancel` find a server, and as whom they speak to it."""

    url: str
    token: str | None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Client:
        """TASKROOM_URL (default: the local server on PORT) and TASKROOM_TOKEN."""
        reader = _Reader(os.environ if env is None else env)
        return cls(
            reader.text("TASKROOM_URL", f"http://127.0.0.1:{reader.text('PORT', '8080')}").rstrip("/"),
            reader.raw("TASKROOM_TOKEN"),
        )


class _Reader:
    """Reads one variable at a time and says in one sentence what is wrong with it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._asked: set[str] = set()

    def given(self) -> frozenset[str]:
        """The variables among those that were asked for that are set. `serve` tells its children what it was given."""
        told = self.raw(GIVEN)
        names = set(self._asked) if told is None else self._asked & set(told.split())
        return frozenset(name for name in names - {GIVEN} if self.raw(name) is not None)

    def raw(self, name: str) -> str | None:
        self._asked.add(name)
        return self._env.get(name, "").strip() or None

    def text(self, name: str, default: str) -> str:
        return self.raw(name) or default

    def words(self, name: str) -> list[str]:
        return [word for word in (self.raw(name) or "").replace(",", " ").split() if word]

    def checked(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        value = self.raw(name)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            shown = "" if "://" in value else f" {value!r}"
            raise ConfigError(f"{name}: expected {expected}, got{shown or ' something else'}") from error

    def number(self, name: str, default: float, low: float, high: float, kind: type[T]) -> T:
        def parse(value: str) -> T:
            number = kind(value)  # type: ignore[call-arg]
            if not low <= number <= high:  # type: ignore[operator]
                raise ValueError
            return number

        word = "a whole number" if kind is int else "a number"
        return self.checked(name, kind(default), parse, f"{word} from {low:g} to {high:g}")  # type: ignore[call-arg]

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        def parse(value: str) -> str:
            if value not in allowed:
                raise ValueError
            return value

        return self.checked(name, default, parse, " or ".join(allowed))

    def secret(self, data_dir: Path) -> str:
        value = self.raw("SECRET_KEY")
        if value is None:
            return _kept_secret(data_dir / "secret_key")
        if reason := weak_secret_reason(value):
            raise ConfigError(
                f"SECRET_KEY: expected at least {MIN_SECRET_LENGTH} random characters, got one that {reason}"
            )
        return value

    def origins(self) -> tuple[str, ...]:
        origins = self.words("ALLOWED_ORIGINS")
        for origin in origins:
            parts = urlsplit(origin)
            if (
                origin == "*"
                or parts.scheme not in ("http", "https")
                or not parts.netloc
                or parts.path not in ("", "/")
            ):
                raise ConfigError(
                    f"ALLOWED_ORIGINS: expected origins like https://tasks.example.org, never '*', got {origin!r}"
                )
        return tuple(origin.rstrip("/") for origin in origins)

    def captions(self) -> Captions:
        address = "an http:// or https:// address without a user, a query or a fragment"
        captioner = self.choice("CAPTIONER", "draft", ("draft", "ollama", "openai"))
        found = Captions(
            captioner=captioner,
            ollama_url=self.checked("CAPTION_OLLAMA_URL", None, _model_server, address),
            ollama_model=self.raw("CAPTION_OLLAMA_MODEL"),
            openai_url=self.checked("CAPTION_OPENAI_URL", None, _model_server, address),
            openai_model=self.raw("CAPTION_OPENAI_MODEL"),
            openai_key=self.raw("CAPTION_OPENAI_KEY"),
            timeout_s=self.number("CAPTION_TIMEOUT_SECONDS", 60.0, 1.0, 600.0, float),
            classifier_dir=self.directory("CAPTION_CLASSIFIER_DIR"),
            upload_bytes=self.number("UPLOAD_MAX_MB", 256, 1, 8192, int) * 2**20,
        )
        for kind, url, model in (
            ("ollama", found.ollama_url, found.ollama_model),
            ("openai", found.openai_url, found.openai_model),
        ):
            names = (f"CAPTION_{kind.upper()}_URL", f"CAPTION_{kind.upper()}_MODEL")
            for name, value in zip(names, (url, model), strict=True):
                if value is None and (captioner == kind or url or model):
                    raise ConfigError(f"{name}: expected a value, since {kind} is set up as a captioner, got nothing")
        return found

    def webhook_hosts(self) -> tuple[str, ...]:
        hosts = tuple(host.lower().rstrip("/") for host in self.words("WEBHOOK_ALLOWED_HOSTS"))
        for host in hosts:
            plain = host.removeprefix("https://").removeprefix("http://")
            if not plain or any(mark in plain for mark in ("/", "@", "*", "?", "#")):
                raise ConfigError(
                    "WEBHOOK_ALLOWED_HOSTS: expected hosts like hooks.example.org, hooks.example.org:9000 or "
                    f"http://localhost:9000, got {host!r}"
                )
        return hosts

    def mail(self) -> Mail | None:
        url = self.checked("SMTP_URL", None, _smtp_url, "smtp://user:password@host:port or smtps://…")
        host = self.raw("SMTP_HOST")
        if url is not None and host is not None:
            raise ConfigError("SMTP_URL: expected either it or SMTP_HOST, got both")
        if url is None and host is None:
            return None
        starttls = self.choice("SMTP_STARTTLS", "on", ("on", "off")) == "on"
        security = "tls" if url is not None and url.scheme == "smtps" else "starttls" if starttls else "none"
        user, password = self.raw("SMTP_USER"), self.raw("SMTP_PASSWORD")
        if url is not None:
            user, password = (unquote(part) if part else None for part in (url.username, url.password))
            port = url.port or (465 if security == "tls" else 587)
        else:
            port = self.number("SMTP_PORT", 587, 1, 65535, int)
        if user and not password:
            raise ConfigError("SMTP_PASSWORD: expected a value, since there is a user, got nothing")
        if not f"{user}{password}".isascii():  # what smtplib can send
            raise ConfigError("SMTP_PASSWORD: expected user and password of ASCII characters, got others")
        for name, value in (("MAIL_FROM", self.raw("MAIL_FROM")), ("PUBLIC_URL", self.raw("PUBLIC_URL"))):
            if value is None:
                raise ConfigError(f"{name}: expected a value, since mail is set up, got nothing")
        sender = self.checked("MAIL_FROM", "", _mail_address, "an address like taskroom@example.org")
        return Mail((url.hostname if url is not None else host) or "", port, user, password, security, sender)

    def directory(self, name: str) -> Path | None:
        value = self.raw(name)
        if value is not None and not Path(value).expanduser().is_dir():
            raise ConfigError(f"{name}: expected an existing folder, got {value!r}")
        return Path(value).expanduser().resolve() if value else None

    def directories(self, name: str, default: Path) -> tuple[Path, ...]:
        value = self.raw(name)
        folders = [Path(part).expanduser() for part in value.split(os.pathsep) if part] if value else [default]
        for folder in folders:
            if not folder.is_dir():
                raise ConfigError(f"{name}: expected existing folders separated by {os.pathsep!r}, got {str(folder)!r}")
        return tuple(folder.resolve() for folder in folders)


def weak_secret_reason(key: str) -> str | None:
    """Why this secret must not be used, or None. Length, variety and well-known samples are looked at."""
    if len(key) < MIN_SECRET_LENGTH:
        return "is too short"
    pairs = list(pairwise(key))
    if len(set(key)) < 8 or len(set(pairs)) < len(pairs) * 0.6:
        return "repeats itself"
    if sum(abs(ord(second) - ord(first)) == 1 for first, second in pairs) > len(pairs) / 2:
        return "is a row of characters"
    letters = "".join(character for character in key.lower() if character.isalnum())
    if any(sample in letters for sample in SAMPLE_SECRETS):
        return "comes from an example"
    return None


def _make_private_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"DATA_DIR: expected a folder that can be written, got {str(directory)!r} ({error.strerror})"
        ) from error


def _kept_secret(path: Path) -> str:
    """The secret in `path`, made there once. Several processes may start at the same time: the first one's wins."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    kept = path.read_text().strip()
    if weak_secret_reason(kept):
        raise ConfigError(
            f"SECRET_KEY: expected a whole secret in {str(path)!r}, got a damaged one; delete the file to make another"
        )
    return kept


def _database_url(value: str) -> str:
    for prefix in ("postgresql+pg8000://", "postgresql://", "postgres://"):
        if value.startswith(prefix):
            return "postgresql+pg8000://" + value.removeprefix(prefix)
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return value
    raise ValueError


def _redis_url(value: str) -> str:
    if value.split("://", 1)[0] not in ("redis", "rediss", "unix"):
        raise ValueError
    return value


def _model_server(value: str) -> str:
    parts = urlsplit(value)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or parts.port == 0:
        raise ValueError
    return value.rstrip("/")


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise ValueError
    if parts.query or parts.fragment or not value.isprintable() or " " in value:
        raise ValueError
    return value.rstrip("/")


def _smtp_url(value: str) -> SplitResult:
    parts = urlsplit(value)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/") or parts.port == 0:
        raise ValueError
    return parts


def _mail_address(value: str) -> str:
    name, _, domain = value.rpartition("@")
    if not name or not domain or not value.isprintable() or any(mark in value for mark in ' <>,;:"()[]'):
        raise ValueError
    return value


def _existing_file(value: str) -> Path:
    file = Path(value).expanduser()
    if not file.is_file():
        raise ValueError
    return file.absolute()


def _redis_prefix(value: str) -> str:
    if not all(character.isalnum() or character in "-_:" for character in value):
        raise ValueError
    return value
