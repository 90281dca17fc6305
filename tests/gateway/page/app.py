"""Graphs that the browser tests watch: one that speaks, shows progress and asks; one whose data is hostile."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from drumline import messages
from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline.types import interrupt

HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>"\'`${window.hurt=1}'


class State(TypedDict, total=False):
    topic: str
    said: Annotated[list[Any], operator.add]


class Review(BaseModel):
    """What the reviewer answers."""

    verdict: Literal["approve", "reject"] = "approve"
    note: str = Field("", description="for the writer")


def report(gate: threading.Event) -> Any:
    """`write` types and waits in the middle for the gate, `count` shows progress beside it, `review` asks."""

    def write(state: State) -> State:
        out = messages.start()
        out.write(f"A report on {state.get('topic')}, ")
        assert gate.wait(60)
        out.write("written to its end.")
        return {"said": [out.message()]}

    def count(_state: State) -> State:
        tell = get_stream_writer()
        tell({"progress": 1, "total": 4, "label": "pages"})
        tell({"found": "a page"})
        assert gate.wait(60)
        tell({"progress": 4, "total": 4, "label": "pages"})
        return {"said": ["counted"]}

    def review(_state: State) -> State:
        answer = interrupt({"question": "Shall it be published?"}, response_schema=Review)
        return {"said": [f"verdict: {answer['verdict'] if isinstance(answer, dict) else answer.verdict}"]}

    built = StateGraph(State)
    for node in (write, count, review):
        built.add_node(node)
    built.add_edge(START, "write").add_edge(START, "count").add_edge(["write", "count"], "review")
    return built.compile(name="report")


def hostile() -> Any:
    """Markup in the names of nodes and keys, in values, messages, events, questions and errors."""

    def node(_state: State) -> State:
        tell = get_stream_writer()
        tell({"progress": 0.5, "label": HOSTILE, "message": HOSTILE})
        tell({HOSTILE: HOSTILE})
        out = messages.start(id=HOSTILE)
        out.write(HOSTILE)
        posing = {"__proto__": {"hurt": 1}, "type": HOSTILE, "content": HOSTILE}
        return {"said": [{HOSTILE: HOSTILE}, posing, out.message()]}

    def ask(_state: State) -> State:
        interrupt({"question": HOSTILE, HOSTILE: [HOSTILE]})
        raise ValueError(HOSTILE)

    built = StateGraph(State)
    name = HOSTILE.replace(":", ";").replace("|", "/")
    built.add_node(name, node).add_node("__proto", ask)
    built.add_edge(START, name).add_edge(name, "__proto")
    return built.compile(name="hostile")
