"""The two engines behind one face, so that one builder function builds for both.

A builder function takes an `Engine` and uses its attributes in place of imports:

    def build(e):
        class State(TypedDict):
            topic: str
        return e.StateGraph(State).add_node("n", n).add_edge(e.START, "n").compile()

`build(LANGGRAPH)` is what LangGraph does, `build(DRUMLINE)` what we do. `DRUMLINE_STRICT` is
drumline whose every graph is compiled with `strict_wire=True`, so that all values pass through the
codec. Nothing is imported before an attribute is asked for.

Modules that call `build` must not say `from __future__ import annotations` when they define states
inside the builder: LangGraph resolves the hints from module globals, where local names are not
found.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_PLACES = {
    "graph": ("StateGraph", "START", "END", "add_messages", "MessagesState"),
    "graph.message": ("REMOVE_ALL_MESSAGES",),
    "types": (
        "Send",
        "Command",
        "Overwrite",
        "StreamWriter",
        "Interrupt",
        "interrupt",
        "RetryPolicy",
        "TimeoutPolicy",
        "CachePolicy",
    ),
    "config": ("get_stream_writer", "get_config"),
    "func": ("entrypoint", "task"),
    "runtime": ("Runtime", "RunControl", "get_runtime"),
    "checkpoint.memory": ("InMemorySaver",),
    "cache.memory": ("InMemoryCache",),
    "errors": (
        "GraphRecursionError",
        "InvalidUpdateError",
        "EmptyInputError",
        "EmptyChannelError",
        "NodeError",
        "NodeTimeoutError",
        "GraphDrained",
    ),
    "prebuilt": (
        "InjectedState",
        "InjectedStore",
        "ToolNode",
        "ToolRuntime",
        "create_react_agent",
        "tools_condition",
    ),
    "prebuilt.chat_agent_executor": ("AgentState", "AgentStatePydantic", "AgentStateWithStructuredResponse"),
    "managed": ("IsLastStep", "RemainingSteps"),
    "channels": (
        "LastValue",
        "AnyValue",
        "EphemeralValue",
        "UntrackedValue",
        "Topic",
        "BinaryOperatorAggregate",
        "DeltaChannel",
    ),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}


class Engine:
    """One engine: `root` is its import root, `strict` compiles every graph with `strict_wire=True`.

    `adapts`: graphs are LangGraph's own, and drumline runs them through its adapter.

    Attributes are the names of LangGraph's API that builders need (see `_PLACES`), imported when
    first used; an unknown name is an `AttributeError`, a name that the engine lacks is the engine's
    own import error.
    """

    def __init__(self, name: str, root: str, *, strict: bool = False, adapts: bool = False) -> None:
        self.name = name
        self.root = root
        self.strict = strict
        self.adapts = adapts

    def __repr__(self) -> str:
        return f"Engine({self.name})"

    def __getattr__(self, name: str) -> Any:
        if name not in _PLACE_OF:
            raise AttributeError(f"no engine name {name!r}; add it to engines._PLACES")
        value = getattr(importlib.import_module(f"{self.root}.{_PLACE_OF[name]}"), name)
        if name == "StateGraph" and self.strict and not self.adapts:
            value = _strict(value)
        if name == "create_react_agent" and self.strict:
            value = _strict_agents(value)
        self.__dict__[name] = value
        return value

    def runnable(self, graph: Any) -> Any:
        """A built graph as it is run."""
        if not self.adapts:
            return graph
        from drumline.langgraph import adapt

        return adapt(graph, strict_wire=self.strict)

    def module(self, path: str) -> Any:
        """Import `<root>.<path>`, for names that builders use rarely."""
        return importlib.import_module(f"{self.root}.{path}")


def _strict(state_graph: type[Any]) -> type[Any]:
    class StrictStateGraph(state_graph):  # type: ignore[misc]
        def compile(self, *args: Any, **kwargs: Any) -> Any:
            return super().compile(*args, strict_wire=True, **kwargs)

    return StrictStateGraph


def _strict_agents(create: Callable[..., Any]) -> Callable[..., Any]:
    """Agents are compiled inside of the call, where the environment alone says how."""

    def create_strict(*args: Any, **kwargs: Any) -> Any:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DRUMLINE_STRICT_WIRE", "1")
            return create(*args, **kwargs)

    return create_strict


LANGGRAPH = Engine("langgraph", "langgraph")
DRUMLINE = Engine("drumline", "drumline")
DRUMLINE_STRICT = Engine("drumline-strict", "drumline", strict=True)
ADAPTED = Engine("adapted", "langgraph", adapts=True)
ADAPTED_STRICT = Engine("adapted-strict", "langgraph", strict=True, adapts=True)
_ALL = "drumline,drumline-strict,adapted,adapted-strict"
_BY_NAME = {engine.name: engine for engine in (LANGGRAPH, DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT)}


def engines_under_test() -> Iterator[Engine]:
    """The engines that are compared with LangGraph.

    `DRUMLINE_DIFF_ENGINES=langgraph` compares LangGraph with itself: that tests these tests.
    """
    for name in os.environ.get("DRUMLINE_DIFF_ENGINES", _ALL).split(","):
        yield _BY_NAME[name.strip()]
