"""Graphs that the cluster of these tests serves: `--app tests.messages.served:GRAPHS`."""

from __future__ import annotations

import time
from typing import Any

from tests.cluster.apps import mark
from tests.differential import guide_models
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine
from tests.differential.models import Parrot, Whole
from typing_extensions import TypedDict

from drumline import messages
from drumline.graph import START, StateGraph

from .structured import structured

#: words of the answer that is interrupted
COUNT = 60


def agents(e: Engine) -> Any:
    """Models everywhere: a START router, parallel nodes, sent tasks, subgraphs, and one that does not stream."""

    def route(_: Any) -> list[Any]:
        words = Parrot(tags=["router"]).invoke("a b").content.split()  # type: ignore[union-attr]
        return ["left", "right", *(e.Send("sent", {"messages": [], "n": n}) for n in range(len(words)))]

    def node(prefix: str, model: Any) -> Any:
        return lambda state: {"messages": [model.invoke([("user", f"{prefix} {len(state['messages'])}")])]}

    def sent(state: Any) -> Any:
        return {"messages": [Parrot(prefix="sent", own_ids=True).invoke(f"number {state['n']}")]}

    child = e.StateGraph(e.MessagesState).add_node("deep", node("deep", Parrot(tags=["deep"])))
    child.add_edge(e.START, "deep")
    builder = e.StateGraph(e.MessagesState)
    builder.add_node("left", node("left", Parrot(prefix="joke", tags=["joke"])))
    builder.add_node("right", node("right", Whole()))
    builder.add_node("sent", sent)
    builder.add_node("below", child.compile())
    called = e.StateGraph(e.MessagesState).add_node("inside", node("inside", Parrot(tags=["inside"])))
    called = called.add_edge(e.START, "inside").compile()

    def calls(_: Any) -> Any:
        before = Parrot(prefix="before").invoke("it")
        return {"messages": [before, *called.invoke({"messages": []})["messages"], Parrot(prefix="after").invoke("it")]}

    builder.add_node("calls", calls)
    builder.add_edge("below", "calls")
    builder.add_conditional_edges(e.START, route, ["left", "right", "sent"])
    builder.add_edge(["left", "right"], "below")
    return builder.compile()


class Said(TypedDict, total=False):
    how: str
    mark: str
    pause_s: float
    out: str


def speak(state: Said) -> dict[str, Any]:
    """Say COUNT numbers slowly: by a model with ids of its own or with LangChain's, or natively."""
    mark(state["mark"])
    text = " ".join(map(str, range(COUNT)))

    def pause(_: str) -> None:
        time.sleep(state["pause_s"])  # the work of a model is in its pauses

    if state["how"] == "native":
        out = messages.start()
        for number in range(COUNT):
            out.write(f"{number} ")
            pause("")
        return {"out": out.content}
    model = Parrot(prefix="", own_ids=state["how"] == "own ids", pause=pause)
    return {"out": str(model.invoke(text).content)}


def interrupted() -> Any:
    return StateGraph(Said).add_node(speak).add_edge(START, "speak").compile()


GRAPHS = {
    "agents": agents(DRUMLINE),
    "interrupted": interrupted(),
    **{f"guide_{name}": guide_models.graph(DRUMLINE, name) for name in guide_models.EXAMPLES},
    # the same, built with LangGraph: the adapter runs them
    "their_agents": agents(LANGGRAPH),
    **{f"their_guide_{name}": guide_models.graph(LANGGRAPH, name) for name in guide_models.EXAMPLES},
    "structured": structured(DRUMLINE, known=False, returns=True),
    "their_structured": structured(LANGGRAPH, known=False, returns=True),
}
