"""One small graph, built for either engine."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from tests.differential.engines import Engine
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    """What the graph knows."""

    xs: Annotated[list[Any], operator.add]
    fails: int


def small(e: Engine, name: str = "small") -> Any:
    """Adds an "a"; fails as long as `failing` holds something."""

    def a(state: Any) -> Any:
        if failing:
            raise ValueError(failing.pop())
        return {"xs": ["a", *([len(state["xs"])] if state.get("xs") else [])]}

    builder = e.StateGraph(State)
    builder.add_node("a", a)
    builder.add_edge(e.START, "a")
    return builder.compile(name=name)


#: messages of failures to come
failing: list[str] = []
