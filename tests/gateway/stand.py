"""A gateway on loopback: uvicorn in a thread, over a cluster of threads or over graphs of this process."""

from __future__ import annotations

import operator
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import uvicorn
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.types import Command, interrupt


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

    def fail(_state: State) -> State:
        raise ValueError("this graph always fails")

    def up(_state: State) -> Any:
        return Command(goto="end", update={"said": ["up"]}, graph=Command.PARENT)

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
    return {
        "speak": graph("speak", speak),
        "ask": graph("ask", speak, ask),
        "wait": graph("wait", wait),
        "fail": graph("fail", fail),
        "nested": whole.compile(name="nested"),
        "up": graph("up", up),
    }


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """The address under which an app is served meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", **options))
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
