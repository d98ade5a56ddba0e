"""Each format of lock file: which packages it names, where, and who pulls them in."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from jobs.dependency_scan.packages import Package, Tree, Unreadable
from jobs.dependency_scan.readers import READERS, WITHOUT_READER, reader_of

pytestmark = pytest.mark.req("B10")


def read(name: str, text: str) -> dict[str, Package]:
    """The packages of a text by "name version"."""
    found = READERS[name].load()(dedent(text)).packages
    return {f"{each.name} {each.version}" if each.version else each.name: each for each in found}


def ways(packages: dict[str, Package]) -> dict[str, Any]:
    """How each package is reached: "direct", or the names on the way."""
    return {key: each.relation if not each.via else "/".join(each.via) for key, each in packages.items()}


def reasons(packages: dict[str, Package]) -> dict[str, str]:
    """Those that cannot be evaluated, with the reason."""
    return {key: each.reason for key, each in packages.items() if each.reason}


def test_a_file_is_known_by_its_name() -> None:
    known = {
        "requirements.txt": "requirements.txt", "api/requirements-dev.txt": "requirements.txt",
        "requirements/base.txt": "requirements.txt", "test_requirements.txt": "requirements.txt",
        "web/package-lock.json": "package-lock.json", "pylock.dev.toml": "pylock.toml", "mix.lock": "mix.lock",
        "notes.txt": None, "requirements.md": None, "dpkg": None, "package.json": None,
    }  # fmt: skip
    assert {path: reader_of(path) for path in known} == known
    assert not set(READERS) & set(WITHOUT_READER)


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


def test_cargo_lock_begins_at_the_workspace() -> None:
    found = read(
        "Cargo.lock",
        """\
        [[package]]
        name = "portal"
        version = "0.1.0"
        dependencies = ["serde", "syn 2.0.0"]
        [[package]]
        name = "serde"
        version = "1.0.1"
        source = "registry+https://github.com/rust-lang/crates.io-index"
        dependencies = ["syn 1.0.9"]
        [[package]]
        name = "syn"
        version = "1.0.9"
        source = "registry+https://github.com/rust-lang/crates.io-index"
        [[package]]
        name = "syn"
        version = "2.0.0"
        source = "git+https://git.example.org/syn#abc"
        """,
    )
    assert ways(found) == {"serde 1.0.1": "direct", "syn 1.0.9": "serde", "syn 2.0.0": "direct"}
    assert reasons(found) == {"syn 2.0.0": "git"}


NPM_FLAT = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"chokidar": "^3"}, "devDependencies": {"mocha": "*"}, "workspaces": ["web"]},
        "web": {"dependencies": {"braces": "^2"}},
        "node_modules/web": {"resolved": "web", "link": True},
        "node_modules/chokidar": {"version": "3.6.0", "dependencies": {"braces": "~3"}, "resolved": "https://r/c.tgz"},
        "node_modules/braces": {"version": "3.0.2", "resolved": "https://registry.npmjs.org/b.tgz"},
        "web/node_modules/braces": {"version": "2.3.2"},
        "node_modules/mocha": {"version": "10.0.0", "dev": True},
        "node_modules/wide": {"name": "string-width", "version": "4.2.0", "optional": True},
        "node_modules/fork": {"version": "1.0.0", "resolved": "git+ssh://git@git.example.org/fork.git#1"},
    },
}


def test_package_lock_finds_the_way_through_folders() -> None:
    text = json.dumps(NPM_FLAT, indent=2)
    found = read("package-lock.json", text)
    assert ways(found) == {
        "chokidar 3.6.0": "direct", "braces 3.0.2": "chokidar", "braces 2.3.2": "direct", "mocha 10.0.0": "direct",
        "string-width 4.2.0": None, "fork 1.0.0": None,
    }  # fmt: skip
    assert reasons(found) == {"fork 1.0.0": "git"}
    assert found["mocha 10.0.0"].is_dev
    assert "node_modules/chokidar" in text.splitlines()[(found["chokidar 3.6.0"].line or 0) - 1]


def test_package_lock_of_the_first_version_is_a_tree() -> None:
    lock = {
        "lockfileVersion": 1,
        "dependencies": {
            "postcss": {
                "version": "7.0.16",
                "requires": {"chalk": "^2"},
                "dependencies": {"chalk": {"version": "2.4.2"}},
            },
            "chalk": {"version": "4.1.0", "dev": True},
            "width": {"version": "npm:string-width@4.2.0"},
            "own": {"version": "file:../own"},
        },
    }
    found = read("package-lock.json", json.dumps(lock))
    assert ways(found)["chalk 2.4.2"] == "postcss"
    assert "string-width 4.2.0" in found
    assert reasons(found) == {"own file:../own": "local"}


def test_yarn_in_both_formats() -> None:
    classic = read(
        "yarn.lock",
        """\
        # yarn lockfile v1


        "@babel/core@^7.0.0", "@babel/core@^7.1.0":
          version "7.22.5"
          resolved "https://registry.yarnpkg.com/core.tgz#aa"
          dependencies:
            "@babel/traverse" "^7.2.0"

        "@babel/traverse@^7.2.0":
          version "7.22.5"

        "plate-view@git+https://git.example.org/plate.git":
          version "1.0.0"
          resolved "git+https://git.example.org/plate.git#aa"

        "short@npm:string-width@^4":
          version "4.2.0"
        """,
    )
    assert ways(classic)["@babel/traverse 7.22.5"] == "@babel/core"
    assert reasons(classic) == {"plate-view 1.0.0": "git"}
    assert "string-width 4.2.0" in classic
    berry = read(
        "yarn.lock",
        """\
        __metadata:
          version: 8

        "braces@npm:^3.0.2, braces@npm:~3.0.2":
          version: 3.0.2
          resolution: "braces@npm:3.0.2"
          languageName: node

        "chokidar@npm:^3":
          version: 3.6.0
          resolution: "chokidar@npm:3.6.0"
          dependencies:
            braces: "npm:~3.0.2"

        "web@workspace:.":
          version: 0.0.0-use.local
          resolution: "web@workspace:."
          dependencies:
            chokidar: "npm:^3"
        """,
    )
    assert ways(berry) == {"braces 3.0.2": "chokidar", "chokidar 3.6.0": "direct"}
    assert berry["chokidar 3.6.0"].line == 9


PNPM_9 = """\
    lockfileVersion: '9.0'
    importers:
      .:
        dependencies:
          react-dom:
            specifier: ^18
            version: 18.2.0(react@18.2.0)
    packages:
      react-dom@18.2.0:
        resolution: {integrity: sha512-a}
      react@18.2.0:
        resolution: {integrity: sha512-b}
      loose-envify@1.10:
        resolution: {integrity: sha512-c}
      is-number@https://codeload.github.com/x/is-number/tar.gz/af8:
        resolution: {tarball: https://codeload.github.com/x/is-number/tar.gz/af8}
        version: 7.0.0
    snapshots:
      react-dom@18.2.0(react@18.2.0):
        dependencies:
          loose-envify: 1.10
          react: 18.2.0
      react@18.2.0: {}
      loose-envify@1.10: {}
    """


def test_pnpm_from_the_fifth_to_the_ninth_version() -> None:
    nine = read("pnpm-lock.yaml", PNPM_9)
    assert ways(nine)["react 18.2.0"] == "react-dom"
    assert "loose-envify 1.10" in nine  # and not 1.1, which YAML would make of it
    assert reasons(nine) == {"is-number 7.0.0": "git"}
    assert nine["react 18.2.0"].line == 11
    six = read(
        "pnpm-lock.yaml",
        """\
        lockfileVersion: '6.0'
        dependencies:
          react:
            specifier: ^18
            version: 18.2.0
        packages:
          /@types/x@1.0.0(react@18.2.0):
            dev: true
          /react@18.2.0:
            dependencies: {'@types/x': 1.0.0(react@18.2.0)}
        """,
    )
    assert ways(six) == {"@types/x 1.0.0": "react", "react 18.2.0": "direct"}
    five = read(
        "pnpm-lock.yaml",
        """\
        lockfileVersion: 5.4
        dependencies: {acorn-jsx: 5.3.2_acorn@8.7.0}
        packages:
          /acorn-jsx/5.3.2_acorn@8.7.0:
            dependencies: {acorn: 8.7.0}
          /acorn/8.7.0: {}
        """,
    )
    assert ways(five) == {"acorn-jsx 5.3.2": "direct", "acorn 8.7.0": "acorn-jsx"}


def test_go_takes_replacements_and_says_when_it_is_too_old_to_be_whole() -> None:
    text = """\
        module example.org/portal
        go 1.21
        require example.org/a v1.2.3
        require (
            example.org/b v0.1.0 // indirect
            example.org/c v1.0.0
            example.org/d v1.0.0
        )
        replace example.org/c => ../c
        replace example.org/d v1.0.0 => example.org/fork v1.0.1
        """
    found = read("go.mod", text)
    assert ways(found) == {
        "example.org/a v1.2.3": "direct", "example.org/b v0.1.0": "transitive", "example.org/c": "direct",
        "example.org/fork v1.0.1": "direct",
    }  # fmt: skip
    assert reasons(found) == {"example.org/c": "local"}
    old = READERS["go.mod"].load()("module m\ngo 1.16\nrequire example.org/a v1.2.3\n")
    assert "older than Go 1.17" in old.notes[0]
    sums = read("go.sum", "a v1.0.0 h1:x=\na v1.1.0 h1:x=\na v1.2.0/go.mod h1:x=\n")
    assert list(sums) == ["a v1.1.0"]


def test_gems_composer_and_pipenv() -> None:
    gems = read(
        "Gemfile.lock",
        """\
        GIT
          remote: https://git.example.org/own.git
          specs:
            own (0.1.0)
        GEM
          remote: https://rubygems.org/
          specs:
            nokogiri (1.16.0-x86_64-linux)
              racc (~> 1.4)
            racc (1.7.3)
        PLATFORMS
          x86_64-linux
        DEPENDENCIES
          nokogiri (~> 1.16)
          own!
        """,
    )
    assert ways(gems) == {"own 0.1.0": "direct", "nokogiri 1.16.0": "direct", "racc 1.7.3": "nokogiri"}
    assert reasons(gems) == {"own 0.1.0": "git"}
    lock = {
        "packages": [{"name": "Symfony/Yaml", "version": "v5.4.1", "require": {"php": ">=8", "twig/twig": "^3"}}],
        "packages-dev": [{"name": "twig/twig", "version": "dev-main"}],
    }
    composer = read("composer.lock", json.dumps(lock))
    assert ways(composer) == {"symfony/yaml v5.4.1": "direct", "twig/twig dev-main": "symfony/yaml"}
    assert reasons(composer) == {"twig/twig dev-main": "branch"}
    pipfile = {
        "default": {"Flask": {"version": "==3.0.0"}, "own": {"git": "https://git.example.org/own"}},
        "develop": {"pytest": {"version": "*"}},
    }
    pipenv = read("Pipfile.lock", json.dumps(pipfile))
    assert reasons(pipenv) == {"own": "git", "pytest": "not_pinned"}
    assert "flask 3.0.0" in pipenv


STATUS = """\
    Package: base-files
    Status: install ok installed
    Version: 12.4+deb12u11

    Package: libssl3
    Status: install ok installed
    Source: openssl
    Version: 3.0.11-1~deb12u1
    Description: libraries
     Package: not-a-package

    Package: libgcc-s1
    Status: hold ok installed
    Source: gcc-12 (12.2.0-14)
    Version: 12.2.0-14+b1

    Package: removed
    Status: deinstall ok config-files
    Version: 1.0

    Package: base-files
    Status: install ok installed
    Version: 12.4+deb12u11
    """


def test_a_dpkg_database_names_source_packages_and_its_release() -> None:
    found = read("dpkg", STATUS)
    assert list(found) == ["base-files 12.4+deb12u11", "libssl3 3.0.11-1~deb12u1", "libgcc-s1 12.2.0-14+b1"]
    assert {each.ecosystem for each in found.values()} == {"Debian:12"}
    assert found["libssl3 3.0.11-1~deb12u1"].source == "openssl"
    assert found["libgcc-s1 12.2.0-14+b1"].source_version == "12.2.0-14"


@pytest.mark.parametrize(
    ("os_release", "ecosystem"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "Debian:12"), ("ID=debian\n", "Debian"), ("", "linux"),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "Ubuntu:24.04"), ("ID='alpine'\nVERSION_ID=3.20\n", "alpine:3.20"),
    ],
)  # fmt: skip
def test_the_release_of_a_host_is_read_from_its_own_file(os_release: str, ecosystem: str) -> None:
    from jobs.dependency_scan.readers.dpkg import ecosystem_of

    assert ecosystem_of(os_release) == ecosystem


def test_a_tree_with_a_cycle_gives_each_package_its_shortest_way() -> None:
    needs = {0: [1, 3], 1: [2], 2: [1, 3], 3: [2], 9: [9]}
    tree = Tree(needs, {number: str(number) for number in range(10)}, roots=[0])
    assert tree.place(1) == ("direct", (), 1)
    assert tree.place(2) == ("transitive", ("1",), 1)
    assert tree.place(9).relation is None


def test_the_projects_own_lock_files_are_read_whole() -> None:
    root = Path(__file__).resolve().parents[3]
    pins = (root / "requirements.txt").read_text()
    found = READERS["requirements.txt"].load()(pins).packages
    assert len(found) == sum(1 for line in pins.splitlines() if line[:1].isalnum())
    assert not any(each.reason for each in found)
    assert all(each.relation for each in found)
    node = READERS["package-lock.json"].load()((root / "package-lock.json").read_text()).packages
    assert {each.name for each in node if each.relation == "direct"} == {"axe-core", "socket.io-client"}


@pytest.mark.parametrize("name", [each for each in READERS if each not in ("requirements.txt", "go.sum")])
def test_what_is_no_lock_file_is_refused_in_words(name: str) -> None:
    with pytest.raises(Unreadable) as refused:
        READERS[name].load()("\x01 this ] is { nothing: of the kind\n")
    assert str(refused.value)
