"""Lock files of Python: which packages they name, where, and who pulls them in."""

from __future__ import annotations

import pytest

from jobs.dependency_scan.readers import READERS
from tests.jobs.dependency_scan.lock_files import read, reasons, ways

pytestmark = pytest.mark.req("B10")


def test_requirements_evaluate_exact_pins_alone() -> None:
    found = read(
        "requirements.txt",
        """\
        # a comment
        --index-url https://packages.example.org/simple
        Django[argon2]==4.2.1 ; python_version < "3.12"  # pinned
        requests===2.31.0
        urllib3>=1.26
        idna==3.*
        flask
        six==1.16.0, !=1.17
        git+https://git.example.org/acme/labkit.git@v1#egg=labkit
        plate @ https://files.example.org/plate-1.0.tar.gz
        -e ./packages/own
        ./wheels/other-1.0-py3-none-any.whl
        -c constraints.txt
        what is this
        """,
    )
    assert found["django 4.2.1"].condition == 'python_version < "3.12"'
    assert found["requests 2.31.0"].line == 4
    assert reasons(found) == {
        "urllib3": "not_pinned", "idna": "not_pinned", "flask": "not_pinned", "six": "not_pinned",
        "labkit": "git", "plate": "url", "own": "local", "other-1.0-py3-none-any.whl": "local",
        "what is this": "entry",
    }  # fmt: skip


def test_requirements_tell_the_way_from_the_remarks_of_their_compiler() -> None:
    found = read(
        "requirements.txt",
        """\
        anyio==4.0 \\
            --hash=sha256:aa \\
            --hash=sha256:bb
            # via
            #   httpx
            #   starlette
        httpx==0.27
            # via -r requirements.in
        idna==3.6
            # via
            #   -c constraints.txt
            #   anyio
        starlette==0.37  # via acme (pyproject.toml)
        """,
    )
    assert ways(found) == {
        "anyio 4.0": "httpx", "httpx 0.27": "direct", "idna 3.6": "httpx/anyio", "starlette 0.37": "direct",
    }  # fmt: skip
    assert found["anyio 4.0"].others == 1


def test_requirements_name_the_files_that_they_include() -> None:
    reading = READERS["requirements.txt"].load()("-r base.txt\n--requirement=more/dev.txt\n")
    assert reading.includes == ["base.txt", "more/dev.txt"]


POETRY = """\
    [[package]]
    name = "Requests"
    version = "2.31.0"
    groups = ["main"]
    [package.dependencies]
    idna = ">=2.5"

    [[package]]
    name = "idna"
    version = "3.6"

    [[package]]
    name = "ike"
    version = "0.2.0"
    [package.source]
    type = "git"
    url = "https://git.example.org/ike.git"

    [[package]]
    name = "pytest"
    version = "8.0"
    groups = ["dev"]
    """
UV = """\
    version = 1
    [[package]]
    name = "portal"
    version = "0.1.0"
    source = { virtual = "." }
    dependencies = [{ name = "flask" }]
    [package.dev-dependencies]
    dev = [{ name = "ruff" }]

    [[package]]
    name = "flask"
    version = "3.0.0"
    source = { registry = "https://pypi.org/simple" }
    dependencies = [{ name = "jinja2" }]

    [[package]]
    name = "jinja2"
    version = "3.1.2"
    source = { registry = "https://pypi.org/simple" }

    [[package]]
    name = "ruff"
    version = "0.8.1"
    source = { git = "https://git.example.org/ruff" }
    """


def test_toml_locks_of_python() -> None:
    poetry = read("poetry.lock", POETRY)
    assert ways(poetry) == {
        "requests 2.31.0": "direct", "idna 3.6": "requests", "ike 0.2.0": "direct", "pytest 8.0": "direct",
    }  # fmt: skip
    assert reasons(poetry) == {"ike 0.2.0": "git"}
    assert poetry["pytest 8.0"].is_dev
    assert poetry["idna 3.6"].line == 8
    uv = read("uv.lock", UV)
    assert ways(uv) == {"flask 3.0.0": "direct", "jinja2 3.1.2": "flask", "ruff 0.8.1": "direct"}
    assert reasons(uv) == {"ruff 0.8.1": "git"}
    pdm = read(
        "pdm.lock",
        """\
        [[package]]
        name = "requests"
        version = "2.31.0"
        dependencies = ["idna<4,>=2.5"]
        [[package]]
        name = "requests"
        version = "2.31.0"
        extras = ["socks"]
        dependencies = ["requests==2.31.0", "pysocks"]
        [[package]]
        name = "idna"
        version = "3.6"
        """,
    )
    assert ways(pdm) == {"requests 2.31.0": "direct", "idna 3.6": "requests"}
    pylock = read(
        "pylock.toml",
        '[[packages]]\nname = "attrs"\nversion = "25.1.0"\n[[packages]]\nname = "own"\ndirectory = {path = "."}\n',
    )
    assert reasons(pylock) == {"own": "local"}
