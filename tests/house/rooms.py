"""The rooms of the house, and what the tests of this folder read in them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = {
    "client": "drumline",
    "coordinator": "drumline_coordinator",
    "gateway": "drumline_gateway",
    "graph": "drumline_graph",
    "protocol": "drumline_protocol",
    "transport": "drumline_transport",
    "worker": "drumline_worker",
}
#: folders of Python beside the rooms
AROUND = ("benchmarks", "examples", "tests")


def sources() -> Iterator[Path]:
    """Every Python file of the rooms."""
    for room, package in ROOMS.items():
        yield from sorted((ROOT / room / package).rglob("*.py"))


def around() -> Iterator[Path]:
    """Every Python file of the tests, the benchmarks and the examples."""
    for folder in AROUND:
        yield from sorted((ROOT / folder).rglob("*.py"))


def pages() -> Iterator[Path]:
    """Every page."""
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("docs", "benchmarks", "examples", "deploy"):
        yield from sorted((ROOT / folder).rglob("*.md"))


def short(path: Path) -> str:
    """The path as people write it: from the root on."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The name under which a file of a room is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))
