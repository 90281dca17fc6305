"""`drumline.messages`: tokens and messages from a node, without LangChain's callbacks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from tests.differential.models import Parrot
from typing_extensions import TypedDict

from drumline import messages
from drumline.graph import START, MessagesState, StateGraph
from drumline.graph.message import push_message
from drumline.messages import Message, MessageChunk
from drumline_protocol.codec import Codec

QUESTION = {"messages": [{"role": "user", "content": "cats?", "id": "q"}]}
strict = pytest.mark.parametrize("strict", [False, True], ids=["plain", "strict"])


def chat(*nodes: Callable[..., Any], strict: bool = False, state: Any = MessagesState) -> Any:
    builder = StateGraph(state).add_sequence([(f"n{index}", node) for index, node in enumerate(nodes, 1)])
    return builder.add_edge(START, "n1").compile(strict_wire=strict)


def told(graph: Any, **options: Any) -> list[tuple[Any, dict[str, Any]]]:
    return list(graph.stream(QUESTION, stream_mode="messages", **options))


def speak(_: Any) -> dict[str, Any]:
    out = messages.start()
    for token in ("Cats", " sleep", "", " a lot."):
        out.write(token)
    return {"messages": [out.message()]}


@strict
def test_tokens_and_their_message(strict: bool) -> None:
    found = told(chat(speak, strict=strict))
    chunks = [chunk for chunk, _ in found]
    assert {type(chunk) for chunk in chunks} == {MessageChunk}, "the whole message is not shown again"
    assert [chunk.content for chunk in chunks] == ["Cats", " sleep", " a lot."]
    assert {(chunk.role, chunk.type) for chunk in chunks} == {("assistant", "ai")}
    assert sum(chunks[1:], chunks[0]) == MessageChunk(chunks[0].id, "assistant", "Cats sleep a lot.")
    for _, metadata in found:
        assert (metadata["langgraph_node"], metadata["langgraph_step"]) == ("n1", 1)
        assert "tags" not in metadata


@strict
def test_the_message_in_the_state_has_the_id_of_the_chunks(strict: bool) -> None:
    parts = list(chat(speak, strict=strict).stream(QUESTION, stream_mode=["messages", "values"]))
    (shown,) = {item[0].id for mode, item in parts if mode == "messages"}
    last = parts[-1][1]["messages"][-1]
    assert (last.id, last.content, last.type) == (shown, "Cats sleep a lot.", "ai")


@strict
def test_everything_that_one_may_say_of_a_message(strict: bool) -> None:
    def node(_: Any) -> None:
        out = messages.start(role="critic", id="mine", tags=["joke"], metadata={"of": "call"})
        out.write("hm")
        assert (out.id, out.role, out.content) == ("mine", "critic", "hm")
        assert out.message() == {"role": "critic", "content": "hm", "id": "mine"}

    ((chunk, metadata),) = told(chat(node, strict=strict))
    assert chunk == MessageChunk("mine", "critic", "hm") and chunk.type == "critic"
    assert metadata["tags"] == ["joke"] and metadata["of"] == "call"


def test_ids_are_the_same_in_a_second_attempt() -> None:
    """They depend on the task, which depends on the run: the same run id gives the same ids."""

    def node(_: Any) -> None:
        for _number in range(2):
            messages.start().write("x")
        messages.emit({"role": "assistant", "content": "y"})

    run = {"run_id": "6f1a54c5-5a4a-4b47-9a39-6a2f3f0c5d51"}
    ids = [[message.id for message, _ in told(chat(node), config=run)] for _ in range(2)]
    assert ids[0] == ids[1] and len(set(ids[0])) == 3


GIVEN: dict[str, Any] = {
    "dict": {"role": "assistant", "content": "hi", "id": "1", "name": "bot"},
    "Message": Message("1", "assistant", [{"type": "text", "text": "hi"}]),
    "MessageChunk": MessageChunk("1", "assistant", "hi"),
    "AIMessage": AIMessage("hi", id="1"),
    "AIMessageChunk": AIMessageChunk("hi", id="1"),  # type: ignore[call-arg]
}


@strict
@pytest.mark.parametrize("kind", GIVEN)
def test_whole_messages(kind: str, strict: bool) -> None:
    """A whole one is shown once, a chunk as often as it is given."""

    def node(_: Any) -> dict[str, Any]:
        messages.emit(GIVEN[kind])
        messages.emit(GIVEN[kind])
        return {"messages": [AIMessage("hi", id="1")]}

    found = told(chat(node, strict=strict))
    assert len(found) == (2 if kind.endswith("Chunk") else 1)
    message = found[0][0]
    assert message.id == "1" and message.type in ("ai", "AIMessageChunk")
    if kind == "dict":
        assert message == Message("1", "assistant", "hi", {"name": "bot"})
        assert message.as_dict() == GIVEN["dict"]
    else:
        assert message == GIVEN[kind]


@pytest.mark.parametrize("message", [{"role": "user", "content": "x"}, AIMessage("x"), Message("", "user", "x")])
def test_emit_returns_what_a_node_may_return(message: Any) -> None:
    def node(_: Any) -> Any:
        kept = messages.emit(message)
        return {"messages": [kept]} if not isinstance(kept, Message) else {"messages": [kept.as_dict()]}

    parts = list(chat(node).stream(QUESTION, stream_mode=["messages", "values"]))
    shown = [item[0].id for mode, item in parts if mode == "messages"]
    assert shown == [parts[-1][1]["messages"][-1].id]


@pytest.mark.parametrize("wrong", ["text", 3, None, {"content": "x"}, {"role": "user"}])
def test_what_is_no_message(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is no message"):
        chat(lambda _: messages.emit(wrong)).invoke(QUESTION)


def test_tokens_are_text() -> None:
    with pytest.raises(TypeError, match=r"str, not NoneType.*delta"):
        chat(lambda _: messages.start().write(None)).invoke(QUESTION)  # type: ignore[arg-type]


def test_outside_of_a_node() -> None:
    for call in (messages.start, lambda: messages.emit({"role": "user", "content": "x"}), lambda: push_message("x")):
        with pytest.raises(RuntimeError, match="outside of a node"):
            call()


def test_threads_write_to_their_own_task() -> None:
    """A stream is bound to its task: threads need no context. Each one's tokens stay in order."""

    def node(_: Any) -> dict[str, Any]:
        outs = [messages.start() for _number in range(4)]

        def write(out: messages.MessageStream) -> None:
            for number in range(50):
                out.write(f"{number} ")

        threads = [threading.Thread(target=write, args=(out,)) for out in outs for _both in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"messages": [out.message() for out in outs]}

    parts = list(chat(node, strict=True).stream(QUESTION, stream_mode=["messages", "values"]))
    said: dict[str, str] = {}
    for mode, item in parts:
        if mode == "messages":
            said[item[0].id] = said.get(item[0].id, "") + item[0].content
    assert {message.id: message.content for message in parts[-1][1]["messages"][1:]} == said
    assert {len(text.split()) for text in said.values()} == {100}


def test_nobody_asked() -> None:
    """Tokens are gathered all the same, so that the node's result is the same; nothing is sent."""
    graph = chat(speak)
    assert graph.invoke(QUESTION)["messages"][-1].content == "Cats sleep a lot."
    assert [mode for mode, _ in graph.stream(QUESTION, stream_mode=["custom", "updates"])] == ["updates"]


@strict
@pytest.mark.parametrize("subgraphs", [False, True])
def test_subgraphs(subgraphs: bool, strict: bool) -> None:
    graph = chat(chat(speak, strict=strict), strict=strict)
    found = list(graph.stream(QUESTION, stream_mode="messages", subgraphs=subgraphs))
    if subgraphs:
        assert [chunk.content for _, (chunk, _) in found] == ["Cats", " sleep", " a lot."]
        assert all(ns and ns[0].startswith("n1:") for ns, _ in found)
    else:
        assert [message.content for message, _ in found] == ["Cats sleep a lot."], "whole, as the parent node's"


def test_beside_a_langchain_model() -> None:
    """Each call has metadata of its own, whatever order their tokens come in."""

    def node(_: Any) -> None:
        out = messages.start(metadata={"by": "hand"})
        for chunk in Parrot(metadata={"by": "model"}).stream("cats"):
            out.write(f"<{chunk.content}>")

    found = told(chat(node, strict=True))
    assert {(type(message).__name__, metadata["by"]) for message, metadata in found} == {
        ("MessageChunk", "hand"),
        ("AIMessageChunk", "model"),
    }


async def aspeak(_: Any) -> dict[str, Any]:
    return speak(_)


def test_async_nodes() -> None:
    assert [chunk.content for chunk, _ in told(chat(aspeak))] == ["Cats", " sleep", " a lot."]


def test_routers_speak_too() -> None:
    class State(TypedDict, total=False):
        topic: str

    def route(_: State) -> str:
        messages.start().write("to the end")
        return "__end__"

    graph = StateGraph(State).add_node("n", lambda _: None).add_edge(START, "n").add_conditional_edges("n", route)
    ((chunk, metadata),) = graph.compile().stream({"topic": "x"}, stream_mode="messages")
    assert (chunk.content, metadata["langgraph_node"]) == ("to the end", "n")


def test_push_message_to_an_unknown_key() -> None:
    with pytest.raises(ValueError, match=r"state_key='zz'.*messages"):
        chat(lambda _: push_message(AIMessage("x", id="1"), state_key="zz")).invoke(QUESTION)


@pytest.mark.parametrize("value", [MessageChunk("1", "assistant", "x"), Message("1", "tool", ["x"], {"a": (1,)})])
def test_they_cross_the_wire(value: Any) -> None:
    data = Codec().encode(value)
    assert Codec().decode(data) == value
    assert len(data) < 90
