"""Lock files of npm, yarn and pnpm: which packages they name, where, and who pulls them in."""

from __future__ import annotations

import json

import pytest

from tests.jobs.dependency_scan.lock_files import read, reasons, ways

pytestmark = pytest.mark.req("B10")


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
