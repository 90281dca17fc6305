"""House rules as tests: sizes, layout, what the wire code may import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
ROOMS = {
    "client": "drumline",
    "coordinator": "drumline_coordinator",
    "graph": "drumline_graph",
    "protocol": "drumline_protocol",
    "transport": "drumline_transport",
    "worker": "drumline_worker",
}
#: pure modules: time, ids and IO come in from outside
PURE = [
    "coordinator/drumline_coordinator/run.py",
    "coordinator/drumline_coordinator/tasks.py",
    "coordinator/drumline_coordinator/effects.py",
    "coordinator/drumline_coordinator/recovery.py",
    "coordinator/drumline_coordinator/dispatch.py",
    "coordinator/drumline_coordinator/sketch.py",
    "client/drumline/call.py",
    "client/drumline/call_config.py",
    "client/drumline/reading.py",
    "client/drumline/views/view.py",
    "client/drumline/views/graphs.py",
    "client/drumline/cluster/reader.py",
    "protocol/drumline_protocol/ids.py",
    "protocol/drumline_protocol/keys.py",
    "protocol/drumline_protocol/facts.py",
    "protocol/drumline_protocol/messages.py",
    "protocol/drumline_protocol/wire.py",
]
LINES_MAX = 600
FUNCTION_LINES_MAX = 100


def sources() -> Iterator[Path]:
    for room, package in ROOMS.items():
        yield from sorted((ROOT / room / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_no_file_and_no_function_is_too_long() -> None:
    long = []
    for path in sources():
        text = path.read_text()
        if len(text.splitlines()) > LINES_MAX:
            long.append(str(path))
        long.extend(
            f"{path}:{node.lineno} {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _length(node) > FUNCTION_LINES_MAX
        )
    assert not long


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_do_no_io(name: str) -> None:
    assert not imported(ROOT / name) & {"asyncio", "redis", "socket", "time", "random", "threading", "os"}


def test_every_room_is_built_and_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hatch = project["tool"]["hatch"]["build"]
    assert sorted(hatch["dev-mode-dirs"]) == sorted(ROOMS)
    assert sorted(hatch["targets"]["wheel"]["packages"]) == sorted(f"{room}/{name}" for room, name in ROOMS.items())
    for room, package in ROOMS.items():
        folders = [path.name for path in (ROOT / room).iterdir() if path.is_dir() and path.name != "__pycache__"]
        assert folders == [package], "each top-level folder holds exactly one import package"
        assert (ROOT / room / package / "py.typed").exists()


def test_every_public_function_says_what_it_does() -> None:
    silent = []
    for path in sources():
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if not node.name.startswith("_") and ast.get_docstring(node) is None and not _is_overload(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not silent


def _is_overload(node: ast.AST) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in getattr(node, "decorator_list", ()))


def test_importing_the_graph_api_is_light() -> None:
    """What `import drumline.graph` must not bring along: nobody without a cluster pays for a broker client."""
    import subprocess

    code = (
        "import sys, drumline.graph;"
        "print([m for m in ('redis', 'pydantic', 'langchain_core', 'langgraph', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
