"""A chat that asks for approval, for real processes: `--app tests.cluster.threads_app:GRAPHS`."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.types import interrupt


class Chat(TypedDict, total=False):
    said: Annotated[list[str], operator.add]
    log: str


def draft(state: Chat) -> dict[str, Any]:
    if state.get("log"):
        with Path(state["log"]).open("a") as file:
            file.write("draft\n")
    return {"said": [f"draft for {state['said'][-1]}"]}


def approve(state: Chat) -> dict[str, Any]:
    answer = interrupt({"text": state["said"][-1]})
    return {"said": [f"approved: {answer}"]}


def send(_state: Chat) -> dict[str, Any]:
    return {"said": ["sent"]}


def chat(saver: Any = None) -> Any:
    graph = StateGraph(Chat).add_node(draft).add_node(approve).add_node(send)
    graph.add_edge(START, "draft").add_edge("draft", "approve").add_edge("approve", "send")
    return graph.compile(name="chat", checkpointer=saver)


#: what the node of `delegating` calls
INNER = chat()


def delegate(state: Chat) -> dict[str, Any]:
    return {"said": INNER.invoke({"said": state["said"], "log": state["log"]})["said"][1:]}


def delegating(saver: Any = None) -> Any:
    """The same, but a node's code calls the graph that asks."""
    graph = StateGraph(Chat).add_node(delegate).add_node(send)
    return graph.add_edge(START, "delegate").add_edge("delegate", "send").compile(name="delegating", checkpointer=saver)


GRAPHS = {"chat": chat(), "delegating": delegating()}
