"""The architecture's one drawing, kept by a machine: imports point down, and three things have one home each.

The rule is read from the source, not from what happens to be loaded: an import inside a function counts too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From top to bottom. A module may import from its own line or from any below it; a name in a line of its own
# group of edges may not import another edge.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli", "supervisor"),
    ("web_app", "watch_cli"),
    ("follower",),
    (
        "websocket_progress_handler", "websocket_scan_handler", "pages", "admin", "api", "accounts_cli", "doctor",
        "database_cli", "queue_cli",
    ),
    ("door",),
    ("handshake",),
    ("connections", "loop_watch", "tasks.worker", "tasks.scheduler"),
    ("monitoring", "outbound"),
    ("tasks.watch",),
    ("tasks.runner", "jobs"),
    ("delivery",),
    ("monitoring.alerts.store", "monitoring.alerts.models", "monitoring.alerts.rules"),  # the clean-up removes old ones
    ("tasks",),
    ("accounts.limits",),
    ("server_settings",),
    ("backups", "config_report"),
    ("accounts", "database", "config", "embedded_redis"),
    ("ip_addresses",),
    ("logs",),
    ("extensions",),
)
EDGES = {
    "websocket_progress_handler", "websocket_scan_handler", "pages", "admin", "api", "accounts_cli", "doctor",
    "database_cli", "queue_cli",
}  # fmt: skip
GREEN_FILES = {"web_app.py", "delivery/fanout.py"}
NOT_THE_PRODUCT = {"tests", "tools", "bench", "migrations", "docs", "static", "data", "node_modules"}

# What the core and the jobs must not know: they run in processes without a web server.
WEB_LIBRARIES = {"flask", "flask_socketio", "flask_login", "flask_wtf", "socketio", "engineio", "eventlet"}
WITHOUT_WEB = ("tasks", "jobs", "monitoring", "outbound", "database", "config", "embedded_redis", "server_settings")


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0].startswith(".") or parts[0] in NOT_THE_PRODUCT:
            continue
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, path: Path) -> Iterator[str]:
    """The dotted names that a file imports, anywhere in it. `from tasks import store` counts as `tasks.store`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            submodules = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES]
            yield from submodules or [base]


def layer(name: str) -> int:
    """The number of a module's line in LAYERS, found by its longest named prefix."""
    best = max(
        ((entry, number) for number, line in enumerate(LAYERS) for entry in line if f"{name}.".startswith(f"{entry}.")),
        key=lambda found: len(found[0]),
        default=None,
    )
    assert best, f"{name} has no place in LAYERS: decide where it belongs"
    return best[1]


def violations(name: str, path: Path) -> list[str]:
    """Every import of this module that the drawing does not allow."""
    wrong = []
    for imported in imports(name, path):
        top, importing = imported.split(".")[0], name.split(".")[0]
        if top == importing and layer(imported) >= layer(name):
            continue
        if imported in MODULES:
            if layer(imported) < layer(name):
                wrong.append(f"{name} imports {imported}, which is above it")
            elif {top, importing} <= EDGES:
                wrong.append(f"{name} imports {imported}: edges do not know each other")
        if top == "eventlet" and str(path.relative_to(ROOT)) not in GREEN_FILES:
            wrong.append(f"{name} imports eventlet, which lives in {', '.join(sorted(GREEN_FILES))} alone")
        if top in WEB_LIBRARIES and importing in WITHOUT_WEB:
            wrong.append(f"{name} imports {imported}; it also runs where there is no web server")
    return wrong


def environment_reads(name: str, path: Path) -> list[str]:
    """Where a module reads the process environment, however it is spelt."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            used = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            used = {alias.name for alias in node.names}
        else:
            continue
        found += [f"{name}:{node.lineno} os.{word}" for word in used & names]
    return found


def test_imports_point_down() -> None:
    assert [wrong for name, path in MODULES.items() for wrong in violations(name, path)] == []


def test_only_config_reads_the_environment() -> None:
    assert [read for name, path in MODULES.items() if name != "config" for read in environment_reads(name, path)] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [name for name in MODULES if name.split(".")[-1] in drawers] == []


def test_no_module_shadows_the_standard_library() -> None:
    tops = {name.split(".")[0] for name in MODULES}
    assert tops & set(sys.stdlib_module_names) == set()


def test_the_rule_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "store.py"
    file.write_text("def f():\n    import eventlet\n    from web_app import create_app\n    import flask\n")
    monkeypatch.setitem(MODULES, "web_app", ROOT / "web_app.py")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    found = violations("tasks.store", file)
    assert len(found) == 4
    assert "tasks.store imports web_app, which is above it" in found
