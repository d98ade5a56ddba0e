"""What the documentation tells people to type exists, and what exists is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.product import Server

ROOT = Path(__file__).resolve().parent.parent
# Without the page of requirements, which is written from other files and also names what does not exist yet.
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "requirements.md")]
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def code_of(page: Path) -> str:
    """Everything on the page that is set as code, a line each."""
    return "\n".join(block or inline for block, inline in CODE.findall(page.read_text(encoding="utf-8")))


def make_targets() -> set[str]:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ {2}make (\S+)", listed, re.MULTILINE))


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as the forge makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.req("I5", "K1")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_pages_name_exist(page: Path) -> None:
    named = set(re.findall(r"^(?:\s*#\s*)?make ([a-z][a-z-]+)", code_of(page), re.MULTILINE))
    assert named - make_targets() == set()


@pytest.mark.req("I5", "K1")
def test_the_readme_names_the_commands_to_run_and_to_test() -> None:
    assert {"make run", "make test", "make demo", "make check", "make help"} <= set(
        re.findall(r"make [a-z]+", code_of(ROOT / "README.md"))
    )


@pytest.mark.req("J4")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    import click

    from cli import main as cli

    context = click.Context(cli)
    for command, follower in re.findall(r"\./taskroom ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", code_of(page)):
        found = cli.get_command(context, command)
        assert found is not None, f"{page.name} names `./taskroom {command}`, which does not exist"
        if isinstance(found, click.Group) and follower:
            assert found.get_command(context, follower), f"{page.name} names `./taskroom {command} {follower}`"


@pytest.mark.req("J4", "I5")
def test_every_command_is_in_the_readme() -> None:
    import click

    from cli import main as cli

    readme = code_of(ROOT / "README.md")
    context = click.Context(cli)
    visible = [name for name in cli.list_commands(context) if not cli.get_command(context, name).hidden]
    assert [name for name in visible if f"./taskroom {name}" not in readme] == []


@pytest.mark.req("I5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in sections(file), f"{page.name} links to {target}, which has no such heading"


@pytest.mark.req("I5")
def test_every_variable_that_is_read_is_documented_and_no_other() -> None:
    tree = ast.parse((ROOT / "config.py").read_text(encoding="utf-8"))
    read = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Z][A-Z]+(_[A-Z]+)*", node.value)
    }
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert documented == read - {"GET", "POST"}


@pytest.mark.slow
@pytest.mark.req("J1", "I5", "A1", "A3")
@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "jobs.md"], ids=lambda page: page.name)
def test_the_example_job_runs_and_the_example_client_sees_it(
    make_server: Callable[..., Server], tmp_path: Path, page: Path
) -> None:
    example = next(block for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    (tmp_path / "word_count_example.py").write_text(example)
    (tmp_path / "one.txt").write_text("three small words")
    (tmp_path / "two.txt").write_text("and two")
    server = make_server({"JOB_MODULES": "word_count_example", "PYTHONPATH": str(tmp_path), "WORKERS": "1"})
    ada = server.person("ada")
    done = server.cli("run", "word_count", "-p", f"folder={tmp_path}", TASKROOM_TOKEN=ada.token)
    assert (done.returncode, "words: 5" in done.stdout + done.stderr) == (0, True), done.stderr
    task_id = server.api("GET", "/api/v1/tasks", ada.token).json()["items"][0]["task_id"]
    watcher = subprocess.run(
        [sys.executable, "-c", client_example(server.url, ada.token, task_id)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "'words': 5" in watcher.stdout


def client_example(url: str, token: str, task_id: str) -> str:
    """The README's Socket.IO client, pointed at a server and a task."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    example: str = next(block for block in blocks if "import socketio" in block)
    return (
        example.replace("http://127.0.0.1:8080", url)
        .replace("TOKEN}", f"{token!r}}}")
        .replace("TASK_ID}", f"{task_id!r}}}")
    )
