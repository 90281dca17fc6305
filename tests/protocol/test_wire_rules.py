"""House rules of what reads bytes from outside: an AST scan of protocol/ and transport/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from drumline_protocol import limits

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "protocol").rglob("*.py"), *(ROOT / "transport").rglob("*.py")])
PURE = sorted((ROOT / "protocol").rglob("*.py"))

#: Modules that turn data into code, and functions that do.
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml"),
    *("importlib", "imp", "runpy", "pkgutil", "code", "codeop", "langchain_core.load"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
#: Starts servers for trying things out: asks whether their packages are there, reads no entries.
EXEMPT = {("local_server.py", "importlib.util"), ("local_server.py", "importlib")}
IMPURE_MODULES = {"asyncio", "redis", "socket", "time", "random", "secrets", "threading", "select"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_something_to_scan() -> None:
    assert len(PURE) > 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_wire_code_cannot_turn_bytes_into_code(path: Path) -> None:
    for name in imported(path):
        parts = name.split(".")
        prefixes = {".".join(parts[: n + 1]) for n in range(len(parts))}
        found = {prefix for prefix in prefixes if (path.name, prefix) not in EXEMPT}
        assert not found & FORBIDDEN_MODULES, f"{path.name} imports {name}"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_the_protocol_is_pure(path: Path) -> None:
    found = {name.split(".")[0] for name in imported(path)} & IMPURE_MODULES
    allowed = {"time"} if path.name == "new_ids.py" else set()
    assert found <= allowed, f"{path.name} imports {found}"


def test_every_limit_has_a_unit_and_a_sentence() -> None:
    lines = Path(limits.__file__).read_text().splitlines()
    for number, line in enumerate(lines):
        found = re.match(r"([A-Z_]+) = ", line)
        if found:
            assert lines[number - 1].startswith("#: "), line
            name = found.group(1)
            assert re.search(r"_(MS|S|MAX|MIN)$", name), name
            value = getattr(limits, name)
            assert type(value) is int
            assert value > 0
