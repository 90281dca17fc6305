"""A gateway on loopback: uvicorn in a thread, over a cluster of threads or over graphs of this process."""

from __future__ import annotations

import asyncio
import operator
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import uvicorn
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.store.base import BaseStore
from drumline.types import Command, StreamWriter, interrupt
from drumline_gateway.serve import config


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    topic: str


def talk(*, gate: threading.Event | None = None) -> dict[str, Any]:
    """Graphs that the tests serve: one that speaks, one that asks, one that waits, one that fails, one with a graph."""

    def speak(state: State) -> State:
        return {"said": [f"heard {len(state.get('said', []))}"]}

    def ask(state: State) -> State:
        return {"said": [interrupt({"question": state.get("topic", "?")})]}

    def wait(state: State) -> State:
        if gate is not None and state.get("topic") == "wait":
            assert gate.wait(30)
        return {"said": ["waited"]}

    async def sleep(_state: State) -> State:
        await asyncio.Event().wait()
        return {}

    def fail(_state: State) -> State:
        raise ValueError("this graph always fails")

    def told(_state: State, config: RunnableConfig) -> State:
        told = {"model", "heat", "who", "tone"}
        heard = {key: value for key, value in config["configurable"].items() if key in told}
        return {"said": [{**heard, "tags": sorted(config.get("tags") or ())}]}

    def up(_state: State) -> Any:
        return Command(goto="end", update={"said": ["up"]}, graph=Command.PARENT)

    def writes(_state: State, writer: StreamWriter) -> State:
        writer({"progress": 0.5})
        return {"said": ["written"]}

    def remember(state: State, *, store: BaseStore) -> State:
        found = store.get((state["topic"],), "greeting")
        store.put((state["topic"],), "seen", {"by": "remember"})
        return {"said": [None if found is None else found.value["text"]]}

    def graph(name: str, *nodes: Any) -> Any:
        built = StateGraph(State)
        before = START
        for node in nodes:
            built.add_node(node)
            built.add_edge(before, node.__name__)
            before = node.__name__
        return built.compile(name=name)

    whole = StateGraph(State).add_node("inner", graph("inner", speak)).add_node("after", speak)
    whole.add_edge(START, "inner").add_edge("inner", "after")
    deep = StateGraph(State).add_node("asking", graph("asking", ask)).add_edge(START, "asking")
    return {
        "deep": deep.compile(name="deep"),
        "chat": chat(),
        "remember": graph("remember", remember),
        "speak": graph("speak", speak),
        "ask": graph("ask", speak, ask),
        "wait": graph("wait", wait),
        "slow": graph("slow", wait, speak),
        "fail": graph("fail", fail),
        "sleep": graph("sleep", sleep),
        "nested": whole.compile(name="nested"),
        "up": graph("up", up),
        "told": graph("told", told),
        "writes": graph("writes", writes),
    }


def chat() -> Any:
    """A graph with a model of LangChain that speaks word by word."""
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    from drumline.graph import MessagesState

    def model(state: MessagesState) -> Any:
        heard = state["messages"][-1].content
        return {
            "messages": [
                GenericFakeChatModel(messages=iter([AIMessage(f"you said {heard}")])).invoke(state["messages"])
            ]
        }

    return StateGraph(MessagesState).add_node("model", model).add_edge(START, "model").compile(name="chat")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address under which an app is served meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config(app))
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        started = threading.Event()
        begin = server.startup

        async def startup(*args: Any, **given: Any) -> None:
            await begin(*args, **given)
            started.set()

        server.startup = startup  # type: ignore[method-assign]
        thread.start()
        assert started.wait(20)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
