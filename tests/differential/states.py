"""States and small graph shapes that several of these test modules share."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from .engines import Engine


class Log(TypedDict):
    """A list that shows the order of writes, and two plain keys."""

    log: Annotated[list, operator.add]
    x: int
    y: str


EMPTY: dict[str, Any] = {"log": []}


def says(name: str) -> Callable[[Any], dict[str, Any]]:
    """A node that appends its name to the log."""
    return lambda _: {"log": [name]}


def chain(e: Engine, *nodes: Any, state: Any = Log, **compile_options: Any) -> Any:
    """START -> n1 -> n2 -> ... with nodes called "n1", "n2", ..."""
    builder = e.StateGraph(state)
    names = [f"n{number}" for number in range(1, len(nodes) + 1)]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for source, target in zip([e.START, *names], names, strict=False):
        builder.add_edge(source, target)
    return builder.compile(**compile_options)


def fan(e: Engine, /, state: Any = Log, **nodes: Any) -> Any:
    """All nodes side by side after START."""
    builder = e.StateGraph(state)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(e.START, name)
    return builder.compile()
