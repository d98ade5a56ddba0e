"""Lock files of Rust, Go, Ruby, PHP and pipenv: which packages they name, and who pulls them in."""

from __future__ import annotations

import json

import pytest

from jobs.dependency_scan.readers import READERS
from tests.jobs.dependency_scan.lock_files import read, reasons, ways

pytestmark = pytest.mark.req("B10")


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
