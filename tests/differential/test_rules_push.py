"""`push_message`: a message on the stream before its node ends, and in the state (docs/semantics.md §3.6)."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from .engines import Engine
from .harness import ALL_MODES, same, same_outcome
from .models import Parrot
from .states import chain
from .test_rules_tokens import QUESTION, both_ways

MODES = [*ALL_MODES, "messages"]

PUSHED: dict[str, Any] = {
    "message": lambda push: push(AIMessage("hi", id="1")),
    "dict": lambda push: push({"role": "assistant", "content": "hi", "id": "1"}),
    "twice": lambda push: [push(AIMessage("hi", id="1")), push(AIMessage("again", id="1"))],
    "not in the state": lambda push: push(AIMessage("hi", id="1"), state_key=None),
    "human": lambda push: push(HumanMessage("hi", id="1")),
    "chunk": lambda push: push(AIMessageChunk("hi", id="1"), state_key=None),  # type: ignore[call-arg]
}


@both_ways
@pytest.mark.parametrize("returned", [None, "same", "other"])
@pytest.mark.parametrize("kind", PUSHED)
def test_push_message(other: Engine, kind: str, returned: str | None, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        push = e.module("graph.message").push_message

        def node(_: Any) -> Any:
            Parrot().invoke("before")
            PUSHED[kind](push)
            if returned is None:
                return None
            return {"messages": [AIMessage("hi", id="1" if returned == "same" else "2")]}

        return chain(e, node, lambda s: {"messages": s["messages"][-1:]}, state=e.MessagesState)

    stream = same(build, other, QUESTION, MODES, exact=True, use_async=use_async)
    assert stream.error is None
    same(build, other, QUESTION, ["messages"], exact=True, use_async=use_async)


@pytest.mark.parametrize("subgraphs", [False, True])
def test_push_message_in_subgraphs(other: Engine, subgraphs: bool) -> None:
    def build(e: Engine) -> Any:
        push = e.module("graph.message").push_message

        def node(_: Any) -> None:
            push(AIMessage("hi", id="1"))

        return chain(e, chain(e, node, state=e.MessagesState), state=e.MessagesState)

    same(build, other, QUESTION, MODES, exact=True, subgraphs=subgraphs)


def test_push_message_without_an_id(other: Engine) -> None:
    def call(e: Engine) -> Any:
        push = e.module("graph.message").push_message
        graph = chain(e, lambda _: push(AIMessage("hi")), state=e.MessagesState)
        return list(graph.stream(QUESTION, stream_mode="messages"))

    same_outcome(call, other, words=False)
