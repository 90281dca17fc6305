"""Pure modules reach no clock, no chance, no IO, no thread: not by themselves, not through other modules of ours."""

from __future__ import annotations

import ast
import functools
import re

import grimp
import pytest

from .rooms import ROOMS, module_of, sources, tree_of

#: what a pure module may not reach
IMPURE = (
    "asyncio",
    "hiredis",
    "random",
    "redis",
    "secrets",
    "select",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
)
#: rooms that are pure as a whole, and the one file in them that is not
PURE_ROOMS = ("drumline_graph", "drumline_protocol")
NOT_PURE = {"drumline_protocol.new_ids"}
#: modules that must say that they are pure; any other module that says so is held to it too
CORE = {
    "drumline.cluster.reader",
    "drumline.views.graphs",
    "drumline.views.view",
    *("drumline_coordinator.attempts", "drumline_coordinator.barrier", "drumline_coordinator.dispatch"),
    *("drumline_coordinator.effects", "drumline_coordinator.fold", "drumline_coordinator.machine"),
    *("drumline_coordinator.nesting", "drumline_coordinator.recovery", "drumline_coordinator.run"),
    *("drumline_coordinator.sketch", "drumline_coordinator.state", "drumline_coordinator.tasks"),
}


@functools.cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(
        *ROOMS.values(), include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def says_pure() -> set[str]:
    """Modules whose docstring says `Pure`, as a sentence or as the first word of one."""
    return {
        module_of(path)
        for path in sources()
        if re.search(r"(?:^|[.!?:]\s+)Pure\b", ast.get_docstring(tree_of(path)) or "")
    }


def chains(module: str) -> list[str]:
    graph = imports()
    reached = (name for name in IMPURE if name in graph.modules and graph.chain_exists(module, name))
    return [" -> ".join(graph.find_shortest_chain(module, name) or ()) for name in reached]


def test_the_core_says_that_it_is_pure() -> None:
    assert says_pure() >= CORE


def test_the_walk_finds_a_chain() -> None:
    assert any(chain.endswith("drumline_protocol.new_ids -> time") for chain in chains("drumline_protocol.new_ids"))


@pytest.mark.parametrize("module", sorted(says_pure()))
def test_what_says_that_it_is_pure_is_so(module: str) -> None:
    assert not chains(module)


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms(room: str) -> None:
    modules = {module_of(path) for path in sources()}
    mine = {module for module in modules if module.partition(".")[0] == room} - NOT_PURE
    assert not {module: found for module in sorted(mine) if (found := chains(module))}
