"""Random graphs, built twice from one description: with LangGraph's builder and with ours.

docs/semantics.md, Appendix A.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from typing_extensions import TypedDict

KINDS = ("dict", "none", "command", "command_send", "two_commands", "router", "send_router")


class State(TypedDict):
    l: Annotated[list, operator.add]  # noqa: E741
    n: int
    last: str


@dataclass
class Shape:
    """A random graph as data."""

    names: list[str]
    kinds: dict[str, str]
    targets: dict[str, tuple[str, str]]
    deferred: set[str]
    edges: list[tuple[str, str]]
    join: tuple[list[str], str] | None
    limits: dict[str, int]


def draw_shape(seed: int) -> Shape:
    """The shape of a seed: 3 to 7 nodes, all kinds of results, joins, deferred nodes."""
    rng = random.Random(seed)
    names = [f"n{i}" for i in range(rng.randint(3, 7))]
    edges = [("__start__", name) for name in rng.sample(names, rng.randint(1, min(3, len(names))))]
    edges += [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if rng.random() < 0.3]
    join = None
    if rng.random() < 0.6:
        join = (rng.sample(names[:-1], 2), names[-1])
    return Shape(
        names,
        {name: rng.choice(KINDS) for name in names},
        {name: (rng.choice(names), rng.choice(names)) for name in names},
        {name for name in names if rng.random() < 0.2},
        edges,
        join,
        {name: rng.choice((9, 12)) for name in names},
    )


def build(shape: Shape, graph: Any, command: Any, send: Any) -> Any:
    """The shape with the given builder (an instance) and the given Command and Send classes."""
    for name in shape.names:
        graph.add_node(name, _body(shape, name, command, send), defer=name in shape.deferred)
        router = _router(shape, name, send)
        if router is not None:
            graph.add_conditional_edges(name, router)
    for source, target in shape.edges:
        graph.add_edge(source, target)
    if shape.join is not None:
        graph.add_edge(*shape.join)
    return graph


def _body(shape: Shape, name: str, command: Any, send: Any) -> Callable[[Any], Any]:
    kind, (one, two), limit = shape.kinds[name], shape.targets[name], shape.limits[name]

    def body(state: Any) -> Any:
        length = len(state.get("l", []))
        update = {"l": [f"{name}{length}"]}
        if kind == "none":
            return None
        if length >= limit:
            return update
        if kind == "command":
            return command(update=update, goto=one)
        if kind == "command_send":
            sends = [send(one, {"l": ["s"] * (length + k + 3)}) for k in range(2)]
            return command(update=update, goto=[*sends, two])
        if kind == "two_commands":
            return [command(update=update, goto=one), command(update={"l": ["+"]})]
        return update

    return body


def _router(shape: Shape, name: str, send: Any) -> Callable[[Any], Any] | None:
    kind, (one, two), limit = shape.kinds[name], shape.targets[name], shape.limits[name]
    if kind == "router":
        return lambda state: [one, two] if len(state["l"]) < limit else "__end__"
    if kind == "send_router":
        return lambda state: [send(one, {"l": ["r"] * (len(state["l"]) + 2)})] if len(state["l"]) < limit else "__end__"
    return None
