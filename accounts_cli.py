"""The commands about accounts: `create-admin`, `user …` and `token …`. `cli.py` attaches what `account_commands` holds.

Results go to standard output, everything for people to standard error. What is needed is imported when a command runs,
so that `--help` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

if TYPE_CHECKING:
    from database import Database

P = ParamSpec("P")

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the data is kept [env: DATA_DIR]."
)
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def fails_in_a_sentence(command: Callable[P, None]) -> Callable[P, None]:
    """Print what went wrong as one sentence on standard error and end with status 1."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from accounts import AccountError
        from config import ConfigError
        from database import DatabaseBusy

        try:
            command(*args, **kwargs)
        except AccountError as error:
            raise click.ClickException(error.message) from error
        except (ConfigError, DatabaseBusy) as error:
            raise click.ClickException(str(error)) from error
        except SQLAlchemyError as error:
            # Its own text may hold the statement and its values.
            raise click.ClickException("The database does not answer or is not set up; try: taskroom doctor") from error

    return guarded


@click.group()
def account_commands() -> None:
    """Accounts and API tokens."""


@account_commands.command("create-admin")
@click.option("--username", required=True, help="The name to sign in with.")
@password_option
@data_dir_option
@fails_in_a_sentence
def create_admin(username: str, password_stdin: bool, data_dir: Path | None) -> None:
    """Make an account with the role admin."""
    _create(username, "admin", password_stdin, data_dir)


@account_commands.group()
def user() -> None:
    """Make, list and change accounts."""


@user.command("create")
@click.option("--username", required=True, help="The name to sign in with.")
@click.option("--role", type=click.Choice(("user", "admin")), default="user", show_default=True)
@password_option
@data_dir_option
@fails_in_a_sentence
def create_user(username: str, role: str, password_stdin: bool, data_dir: Path | None) -> None:
    """Make an account."""
    _create(username, role, password_stdin, data_dir)


@user.command("list")
@data_dir_option
@fails_in_a_sentence
def list_users(data_dir: Path | None) -> None:
    """One account a line: name, role, state, last sign-in, parted by tabs."""
    from accounts import list_users as all_users
    from accounts.passwords import NO_PASSWORD
    from database import rfc3339

    with _database(data_dir) as db:
        for row in all_users(db):
            state = "disabled" if not row.is_active else "invited" if row.password_hash == NO_PASSWORD else "active"
            click.echo("\t".join((row.username, row.role, state, rfc3339(row.last_login_at) or "never")))


@user.command("disable")
@click.argument("username")
@click.option("--reason", help="Kept in the audit log.")
@data_dir_option
@fails_in_a_sentence
def disable(username: str, reason: str | None, data_dir: Path | None) -> None:
    """End the account's logins and let nobody in with it."""
    _set_active(username, False, reason, data_dir)


@user.command("enable")
@click.argument("username")
@click.option("--reason", help="Kept in the audit log.")
@data_dir_option
@fails_in_a_sentence
def enable(username: str, reason: str | None, data_dir: Path | None) -> None:
    """Let a disabled account in again."""
    _set_active(username, True, reason, data_dir)


@user.command("set-role")
@click.argument("username")
@click.argument("role", type=click.Choice(("user", "admin")))
@click.option("--reason", help="Kept in the audit log.")
@data_dir_option
@fails_in_a_sentence
def set_role(username: str, role: str, reason: str | None, data_dir: Path | None) -> None:
    """Make somebody an admin, or the reverse."""
    import accounts

    with _database(data_dir) as db:
        found = accounts.find_user(db, username)
        accounts.set_role(db, found.id, role, accounts.COMMAND_LINE, reason=reason)
    _say(f"{found.username} has the role {role}.")


@user.command("set-password")
@click.argument("username")
@click.option("--reason", help="Kept in the audit log.")
@password_option
@data_dir_option
@fails_in_a_sentence
def set_password(username: str, reason: str | None, password_stdin: bool, data_dir: Path | None) -> None:
    """Give somebody a new password and end their logins."""
    import accounts

    password = _password(password_stdin)
    with _database(data_dir) as db:
        found = accounts.find_user(db, username)
        accounts.set_password(db, found.id, password, accounts.COMMAND_LINE, reason=reason)
    _say(f"{found.username} has a new password and is signed out everywhere.")


@account_commands.group()
def token() -> None:
    """Make and revoke API tokens."""


@token.command("create")
@click.option("--user", "username", required=True, help="Whose token it is.")
@click.option("--name", required=True, help="What uses it.")
@click.option("--expires-in-days", type=click.IntRange(1, 3660), help="Without it the token has no end.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(("read", "write", "admin")), help="May be repeated."
)
@data_dir_option
@fails_in_a_sentence
def create_token(
    username: str, name: str, expires_in_days: int | None, scopes: tuple[str, ...], data_dir: Path | None
) -> None:
    """Print a new token and nothing else. Without --scope it may do all that its user may."""
    import accounts

    with _database(data_dir) as db:
        owner = accounts.find_user(db, username)
        wanted = scopes or (("admin",) if owner.role == "admin" else ("write",))
        _row, secret = accounts.create_token(
            db, owner.id, name, accounts.COMMAND_LINE, scopes=wanted, expires_in_days=expires_in_days
        )
    click.echo(secret)


@token.command("list")
@click.option("--user", "username", required=True, help="Whose tokens.")
@data_dir_option
@fails_in_a_sentence
def list_tokens(username: str, data_dir: Path | None) -> None:
    """One token a line: number, name, first characters, scopes, end, last use, parted by tabs."""
    import accounts
    from database import rfc3339

    with _database(data_dir) as db:
        for row in accounts.list_tokens(db, accounts.find_user(db, username).id):
            times = (rfc3339(row.expires_at) or "no end", rfc3339(row.last_used_at) or "never")
            click.echo("\t".join((str(row.id), row.name, row.hint, row.scopes, *times)))


@token.command("revoke")
@click.option("--user", "username", required=True, help="Whose token it is.")
@click.option("--name", required=True, help="Its name; several of the same name all end.")
@data_dir_option
@fails_in_a_sentence
def revoke_token(username: str, name: str, data_dir: Path | None) -> None:
    """End a token at once."""
    import accounts

    with _database(data_dir) as db:
        owner = accounts.find_user(db, username)
        rows = accounts.find_tokens(db, owner.username, name)
        if not rows:
            raise click.ClickException(f"{owner.username} has no token called {name}.")
        for row in rows:
            accounts.revoke_token(db, row.id, accounts.COMMAND_LINE)
    _say(f"{len(rows)} token{'s' if len(rows) > 1 else ''} called {name} revoked.")


def _create(username: str, role: str, password_stdin: bool, data_dir: Path | None) -> None:
    import accounts

    password = _password(password_stdin)
    with _database(data_dir) as db:
        made = accounts.create_user(db, username, password, accounts.COMMAND_LINE, role=role)
    _say(f"{made.username} can sign in now, with the role {role}.")


def _set_active(username: str, is_active: bool, reason: str | None, data_dir: Path | None) -> None:
    import accounts

    with _database(data_dir) as db:
        found = accounts.find_user(db, username)
        accounts.set_active(db, found.id, is_active, accounts.COMMAND_LINE, reason=reason)
    _say(f"{found.username} is {'enabled' if is_active else 'disabled and signed out everywhere'}.")


@contextmanager
def _database(data_dir: Path | None) -> Iterator[Database]:
    """The installation's database, with its tables made when nothing has run here yet."""
    from sqlalchemy import inspect

    from config import Config
    from database import Database

    db = Database(Config.from_env(data_dir=data_dir).database_url, pooled=False)
    try:
        if not inspect(db.engine).has_table("users"):
            db.upgrade()
        yield db
    finally:
        db.close()


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("Without a terminal, pass the password with --password-stdin.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
