"""No module imports another that imports it back, also not for type checkers or inside a function.

Modules of a circle can only be understood together, and none of them can be taken out. The circles that are left are
named here; each must still exist, so that the list can only get shorter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from .test_house import ROOT, sources

#: modules of each circle that is left, and why it is there
KNOWN = {
    "the codec's kinds of values, which hold one another": "drumline_protocol.codec* drumline_protocol.failure*",
    "the keeper and the service that it keeps": (
        "drumline_coordinator.keeper drumline_coordinator.service drumline_coordinator.sweep"
    ),
    "the parts of the double": "drumline_transport.memory*",
    "a link and who is there": "drumline.cluster.attendance drumline.cluster.link",
    "a graph that can be bound to a cluster, which compiles graphs": "drumline.cluster* drumline.graph*",
}


def module_of(path: Path) -> str:
    """The dotted name under which a source file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, modules: Mapping[str, Path]) -> set[str]:
    """The modules that a file imports anywhere: at its top, under TYPE_CHECKING, inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else str(node.module))
    return (found & modules.keys()) - {module_of(path)}


def circles(imports: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """Sets of modules that reach one another, each of two modules or more."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            fresh = imports[todo.pop()] - seen
            seen |= fresh
            todo.extend(fresh)
        return seen

    reach = {name: reached(name) for name in imports}
    done: set[str] = set()
    for name, names in reach.items():
        if name in names and name not in done:
            circle = {other for other in names if name in reach[other]}
            done |= circle
            yield circle


@cache
def circles_here() -> tuple[set[str], ...]:
    """The circles of the whole house."""
    modules = {module_of(path): path for path in sources()}
    return tuple(circles({name: imported(path, modules) for name, path in modules.items()}))


def is_of(circle: set[str], patterns: str) -> bool:
    """Whether the patterns, separated by blanks, name every module of the circle."""
    exact = {pattern for pattern in patterns.split() if not pattern.endswith("*")}
    starts = tuple(pattern[:-1] for pattern in patterns.split() if pattern.endswith("*"))
    return all(name in exact or (bool(starts) and name.startswith(starts)) for name in circle)


def test_a_circle_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set[str]()}
    assert list(circles(imports)) == [{"a", "b", "c"}]


def test_there_is_no_circle_but_those_that_are_known() -> None:
    found = circles_here()
    unknown = [sorted(circle) for circle in found if not any(is_of(circle, patterns) for patterns in KNOWN.values())]
    assert not unknown, f"modules that import one another: {unknown}"


@pytest.mark.parametrize("about", KNOWN)
def test_a_known_circle_is_still_there(about: str) -> None:
    assert any(is_of(circle, KNOWN[about]) for circle in circles_here()), (
        f"the circle of {about} is open now: take it out of KNOWN"
    )


def test_the_graph_room_has_no_circle() -> None:
    assert not [circle for circle in circles_here() if any(n.startswith("drumline_graph.") for n in circle)]
