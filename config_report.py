"""The settings of this installation for people: each with its value and where that comes from; secrets are hidden."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from config import Config

Source = Literal["variable", "file", "default"]
HIDDEN = "hidden"
NONE = "none"
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/?#]*@")
_SECRET_IN_QUERY = re.compile(r"([?&][^=&]*(?:pass|secret|key|token|auth)[^=&]*=)[^&#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable. `source` is `variable` where somebody set it, `file` where a file in DATA_DIR holds it."""

    name: str
    value: str
    source: Source


def described(config: Config) -> list[Setting]:
    """Every variable of docs/configuration.md, in its order. Secrets are hidden, in addresses too."""
    return [Setting(name, _shown(name, value(config)), _source(name, config)) for name, value in VARIABLES.items()]


def masked(text: str) -> str:
    """An address without the passwords in it."""
    return _SECRET_IN_QUERY.sub(rf"\1{HIDDEN}", _PASSWORD.sub(rf"\1{HIDDEN}@", text))


def _shown(name: str, value: object) -> str:
    if value is None or value == "" or value == ():
        return NONE
    if name in SECRETS:
        return HIDDEN
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(masked(str(each)) for each in value)
    return masked(f"{value:g}" if isinstance(value, float) else str(value))


def _source(name: str, config: Config) -> Source:
    if name in config.given or (name in OF_SMTP_URL and "SMTP_URL" in config.given):
        return "variable"
    in_file = {"SECRET_KEY": config.data_dir / "secret_key", "COMMANDS_FILE": config.commands_file}.get(name)
    return "file" if in_file is not None and in_file.exists() else "default"


def _mail(field: str) -> Callable[[Config], object]:
    return lambda config: getattr(config.mail, field) if config.mail else None


OF_SMTP_URL = frozenset({"SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD"})
SECRETS = frozenset({"SECRET_KEY", "CAPTION_OPENAI_KEY", "SMTP_PASSWORD"})
VARIABLES: dict[str, Callable[[Config], object]] = {
    "DATA_DIR": lambda c: c.data_dir,
    "SECRET_KEY": lambda c: c.secret_key,
    "DATABASE_URL": lambda c: c.database_url,
    "REDIS_URL": lambda c: c.redis_url or "embedded",
    "REDIS_PREFIX": lambda c: c.redis_prefix,
    "HOST": lambda c: c.host,
    "PORT": lambda c: c.port,
    "ALLOWED_ORIGINS": lambda c: c.allowed_origins,
    "TRUSTED_PROXIES": lambda c: c.trusted_proxies,
    "SCAN_ROOTS": lambda c: c.scan_roots,
    "GIT_ALLOWED_HOSTS": lambda c: c.git_hosts,
    "ADVISORY_ALLOWED_HOSTS": lambda c: c.advisory_hosts,
    "WORKERS": lambda c: c.workers,
    "MAX_CONCURRENT_TASKS": lambda c: c.max_concurrent_tasks,
    "MAX_USER_TASKS": lambda c: c.max_user_tasks,
    "PROGRESS_MAX_HZ": lambda c: c.progress_max_hz,
    "POLL_FALLBACK_SECONDS": lambda c: c.poll_fallback_seconds,
    "RETENTION_DAYS": lambda c: c.retention_days,
    "DEFAULT_VISIBILITY": lambda c: c.default_visibility,
    "CANCEL_GRACE_SECONDS": lambda c: c.cancel_grace_s,
    "LEASE_SECONDS": lambda c: c.lease_s,
    "LOG_FORMAT": lambda c: c.log_format,
    "ASYNC_MODE": lambda c: c.async_mode,
    "FANOUT": lambda c: c.fanout,
    "CAPTIONER": lambda c: c.captions.captioner,
    "CAPTION_OLLAMA_URL": lambda c: c.captions.ollama_url,
    "CAPTION_OLLAMA_MODEL": lambda c: c.captions.ollama_model,
    "CAPTION_OPENAI_URL": lambda c: c.captions.openai_url,
    "CAPTION_OPENAI_MODEL": lambda c: c.captions.openai_model,
    "CAPTION_OPENAI_KEY": lambda c: c.captions.openai_key,
    "CAPTION_TIMEOUT_SECONDS": lambda c: c.captions.timeout_s,
    "CAPTION_CLASSIFIER_DIR": lambda c: c.captions.classifier_dir,
    "UPLOAD_MAX_MB": lambda c: c.captions.upload_bytes // 2**20,
    "ADVISORY_MAX_AGE_DAYS": lambda c: c.advisory_max_age_days,
    "JOB_MODULES": lambda c: c.job_modules[1:],
    "COMMANDS_FILE": lambda c: c.commands_file,
    "FREE_COMMANDS": lambda c: "admins" if c.free_commands else "off",
    "TRACE_PUBLIC_KEYS": lambda c: c.trace_public_keys,
    "PUBLIC_URL": lambda c: c.public_url,
    "WEBHOOK_ALLOWED_HOSTS": lambda c: c.webhook_hosts,
    "SMTP_URL": lambda c: "set, told apart below" if "SMTP_URL" in c.given else None,
    "SMTP_HOST": _mail("host"),
    "SMTP_PORT": _mail("port"),
    "SMTP_USER": _mail("user"),
    "SMTP_PASSWORD": _mail("password"),
    "SMTP_STARTTLS": lambda c: c.mail.security if c.mail else None,
    "MAIL_FROM": _mail("sender"),
}
