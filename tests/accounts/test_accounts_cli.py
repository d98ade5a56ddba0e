"""The commands about accounts as a shell sees them: results, sentences on standard error, exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

import accounts
from accounts_cli import account_commands
from database import Database
from tests.accounts.conftest import HOME, PASSWORD
from tests.fixtures.machine import ROOT
from tests.fixtures.settings import SECRET

Run = Callable[..., Result]


@pytest.fixture
def run(any_database_url: str, tmp_path: object) -> Run:
    """Run a command on the test's database: run("user", "list")."""
    environment = {"DATABASE_URL": any_database_url, "DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET}

    def invoke(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(account_commands, arguments, input=stdin, env=environment)

    return invoke


def make_ada(run: Run) -> None:
    assert run("create-admin", "--username", "ada", "--password-stdin", stdin=f"{PASSWORD}\n").exit_code == 0


@pytest.mark.req("D12")
def test_create_admin_makes_an_admin_who_can_sign_in(run: Run, db: Database) -> None:
    made = run("create-admin", "--username", "Ada", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert (made.exit_code, made.stdout) == (0, "")
    assert "Ada can sign in now, with the role admin." in made.stderr
    assert accounts.sign_in(db, "ada", PASSWORD, HOME).username == "Ada"
    assert accounts.find_user(db, "ada").role == "admin"


@pytest.mark.req("D12")
def test_a_weak_password_or_a_taken_name_is_refused_in_a_sentence_with_status_1(run: Run) -> None:
    make_ada(run)
    weak = run("user", "create", "--username", "bob", "--password-stdin", stdin="short\n")
    taken = run("user", "create", "--username", "ADA", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert (weak.exit_code, weak.stdout) == (1, "")
    assert "at least 10 characters" in weak.stderr
    assert taken.exit_code == 1 and "There is a user called ADA already." in taken.stderr
    assert "Traceback" not in weak.stderr + taken.stderr


def test_a_password_is_never_taken_from_the_command_line_and_usage_errors_give_2(run: Run) -> None:
    assert run("create-admin", "--username", "ada", "--password", PASSWORD).exit_code == 2
    assert run("create-admin", "--username", "ada").exit_code == 2
    assert run("user", "set-role", "ada", "root").exit_code == 2
    assert run("token", "create", "--user", "ada", "--name", "ci", "--scope", "root").exit_code == 2


@pytest.mark.req("D8")
def test_token_create_prints_the_token_and_nothing_else(run: Run, db: Database) -> None:
    make_ada(run)
    made = run("token", "create", "--user", "ada", "--name", "ci", "--expires-in-days", "7", "--scope", "read")

    identity = accounts.authenticate_token(db, made.stdout.removesuffix("\n"))
    assert made.exit_code == 0 and made.stderr == ""
    assert identity is not None and identity.scopes == frozenset({"read"})


@pytest.mark.req("D8")
def test_a_revoked_token_is_dead_and_an_unknown_one_is_an_error(run: Run, db: Database) -> None:
    make_ada(run)
    token = run("token", "create", "--user", "ada", "--name", "ci").stdout.strip()

    assert run("token", "revoke", "--user", "ada", "--name", "ci").exit_code == 0
    assert accounts.authenticate_token(db, token) is None
    again = run("token", "revoke", "--user", "ada", "--name", "ci")
    assert again.exit_code == 1 and "ada has no token called ci." in again.stderr


@pytest.mark.req("D7")
def test_accounts_are_listed_disabled_enabled_promoted_and_given_passwords(run: Run, db: Database) -> None:
    make_ada(run)
    run("user", "create", "--username", "bob", "--password-stdin", stdin=f"{PASSWORD}\n")
    login = accounts.sign_in(db, "bob", PASSWORD, HOME)

    assert run("user", "disable", "bob", "--reason", "left").exit_code == 0
    assert accounts.authenticate_session(db, login.token) is None
    assert "bob\tuser\tdisabled\t" in run("user", "list").stdout
    assert run("user", "enable", "bob").exit_code == 0
    assert run("user", "set-role", "bob", "admin").exit_code == 0
    assert run("user", "set-password", "bob", "--password-stdin", stdin="another good phrase\n").exit_code == 0
    assert accounts.sign_in(db, "bob", "another good phrase", HOME).username == "bob"
    assert run("user", "disable", "nobody").exit_code == 1


def test_help_needs_neither_database_nor_web_framework() -> None:
    seen = "import sys, accounts_cli; print([m for m in ('sqlalchemy', 'flask', 'argon2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", seen], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.req("D13")
def test_an_unreachable_database_is_a_sentence_without_its_password(tmp_path: object) -> None:
    environment = {
        "DATABASE_URL": "postgresql://ada:hunter2-secret@127.0.0.1:9/none",
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": SECRET,
    }
    done = CliRunner().invoke(account_commands, ["user", "list"], env=environment)

    assert done.exit_code == 1
    assert "The database does not answer" in done.stderr
    assert "hunter2" not in done.output


def test_reading_identities_loads_no_web_framework() -> None:
    """Workers import accounts too, and there are many of them: Flask and Socket.IO cost 25 MB in each."""
    seen = "import sys, accounts; print([m for m in ('flask', 'socketio', 'extensions') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", seen], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
