"""Chats that the vendors' clients are driven with: models that speak word by word, and wait for a gate amid a word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from tests.gateway.stand import serving

from drumline.graph import END, START, MessagesState, StateGraph
from drumline.testing import local_cluster
from drumline.types import StreamWriter, interrupt
from drumline_gateway.app import asgi, build
from drumline_gateway.embedded_service import EmbeddedService

#: a word at which a model waits for the gate, if the gate is closed
AMID = "amid"
LIMIT_S = 40.0


class Gate:
    """Open, until a test closes it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        assert self._open.wait(LIMIT_S), "nobody opened the gate"


class Speaker(BaseChatModel):
    """Says what it was told to, word by word."""

    says: str
    gate: Any

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        heard = str(messages[-1].content)
        for number, word in enumerate(self.says.format(heard).split(" ")):
            if word == AMID:
                self.gate.wait()
            yield ChatGenerationChunk(message=AIMessageChunk(content=word if number == 0 else f" {word}"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={"finish_reason": "stop"}))

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.says.format(messages[-1].content)))])


class Asked(MessagesState):
    answer: Any


class Filed(MessagesState):
    files: dict[str, str]


def agent() -> Any:
    """An agent that looks everything up, if it may: it asks as the middleware of LangChain's agents does."""

    def think(state: Filed) -> Any:
        last = state["messages"][-1]
        if last.type == "tool":
            return {"messages": [AIMessage(f"I {last.content}")]}
        call = {"name": "search", "args": {"for": last.content}, "id": "call", "type": "tool_call"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def tools(state: Filed) -> Any:
        request = {"name": "search", "args": state["messages"][-1].tool_calls[0]["args"]}
        allowed = [{"action_name": "search", "allowed_decisions": ["approve", "reject"]}]
        answer = interrupt({"action_requests": [request], "review_configs": allowed})
        found = "found it" if answer["decisions"][0]["type"] == "approve" else "may not"
        return {"messages": [ToolMessage(found, tool_call_id="call")], "files": {"notes": found}}

    built = StateGraph(Filed).add_node("agent", think).add_node("tools", tools).add_edge(START, "agent")
    built.add_conditional_edges("agent", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    return built.add_edge("tools", "agent").compile(name="agent")


def chats(gate: Gate) -> dict[str, Any]:
    """The graphs by name."""

    def model(says: str) -> Any:
        def speak(state: MessagesState) -> Any:
            return {"messages": [Speaker(says=says, gate=gate).invoke(state["messages"])]}

        return speak

    def ask(_state: Asked, writer: StreamWriter) -> Any:
        writer({"about": "to ask"})
        return {"answer": interrupt({"question": "may I?"})}

    def close(state: Asked) -> Any:
        return {"messages": [AIMessage(f"so {state['answer']}", id="closing")]}

    def fail(state: MessagesState) -> Any:
        model("this goes well until")(state)
        raise ValueError("the model is out of order")

    chat = StateGraph(MessagesState).add_node("model", model(f"you said {{}} {AMID} the talk")).add_edge(START, "model")
    inner = StateGraph(MessagesState).add_node("deep", model(f"deep down {AMID} {{}}")).add_edge(START, "deep")
    outer = StateGraph(MessagesState).add_node("inner", inner.compile(name="inner")).add_node("model", model("above"))
    outer.add_edge(START, "inner").add_edge("inner", "model")
    asking = StateGraph(Asked).add_node(ask).add_node(close).add_edge(START, "ask").add_edge("ask", "close")
    failing = StateGraph(MessagesState).add_node(fail).add_edge(START, "fail")
    return {
        "agent": agent(),
        "chat": chat.compile(name="chat"),
        "nest": outer.compile(name="nest"),
        "ask": asking.compile(name="ask"),
        "fail": failing.compile(name="fail"),
    }


@contextmanager
def gateway_over(kind: str, graphs: dict[str, Any]) -> Iterator[str]:
    """The address of a gateway over a cluster of threads (kind "cluster"), or over graphs of this process."""
    if kind == "cluster":
        with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs)) as url:
            yield url
    else:
        with serving(build(EmbeddedService({name: graph.program for name, graph in graphs.items()}))) as url:
            yield url
