"""`with_structured_output` puts an object into the message: it must not cost the run that records tokens."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from tests.differential.engines import LANGGRAPH, Engine
from tests.differential.harness import ALL_MODES, raw, same
from tests.differential.models import Parrot
from tests.differential.states import EMPTY, chain

from .structured import Told, Weather, structured

pytestmark = pytest.mark.usefixtures("openai_server")

MODES = [*ALL_MODES, "messages"]


def parsed_in(items: list[Any]) -> list[Any]:
    """What the chunks hold, as far as they hold anything."""
    found = [chunk.additional_kwargs.get("parsed") for chunk, _ in items]
    return [value for value in found if value is not None]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("returns", [False, True], ids=["answer", "message"])
def test_a_known_class_crosses_as_itself(other: Engine, returns: bool, use_async: bool) -> None:
    """The whole stream is LangGraph's."""

    def build(e: Engine) -> Any:
        return structured(e, known=True, returns=returns, use_async=use_async)

    stream = same(build, other, {"messages": []}, MODES, exact=True, use_async=use_async)
    assert stream.error is None
    found = parsed_in(stream.payloads("messages"))
    assert found and all(type(value) is Told for value in found)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("returns", [False, True], ids=["answer", "message"])
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_another_class_crosses_as_its_fields(other: Engine, method: str, returns: bool, use_async: bool) -> None:
    """The same tokens, and the same values but for the type of that field, wherever values cross a wire."""

    def run(e: Engine, mode: str) -> Any:
        graph = structured(e, known=False, returns=returns, method=method, use_async=use_async)
        items, error = raw(e.runnable(graph), {"messages": []}, use_async=use_async, stream_mode=mode)
        assert error is None
        return items

    ours, theirs = run(other, "messages"), run(LANGGRAPH, "messages")
    assert [(chunk.content, type(chunk)) for chunk, _ in ours] == [(chunk.content, type(chunk)) for chunk, _ in theirs]
    expected = parsed_in(theirs)
    assert all(type(value) is Weather for value in expected)
    if other.strict:
        expected = [value.model_dump() for value in expected]
    assert parsed_in(ours) == expected
    last = run(other, "values")[-1]["text"]
    wanted = run(LANGGRAPH, "values")[-1]["text"]
    assert last == (wanted.replace("['Weather']", "['dict']") if other.strict else wanted)


class Odd(AIMessageChunk):
    """A chunk of a class that nobody knows, with something in it that cannot cross."""

    handle: Any = None


class OddModel(Parrot):
    """A model whose messages hold locks, in every field that will take one."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        del messages, stop, run_manager, kwargs
        lock = threading.Lock()
        message = AIMessage("whole", id="w1", response_metadata={"raw": lock}, usage_metadata=None)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        del messages, stop, kwargs
        for word in ("to", "ken"):
            raw_parts = {"raw": threading.Lock()} if word == "to" else {}  # LangChain adds up no two of them
            chunk = Odd(content=word, handle=threading.Lock(), additional_kwargs=raw_parts)
            part = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=part)
            yield part


@pytest.mark.parametrize("disable_streaming", [False, True], ids=["chunks", "whole"])
def test_no_token_fails_a_node(other: Engine, disable_streaming: bool) -> None:
    """With an unknown class, locks in fields, and a lock in the metadata of the call."""

    def build(e: Engine) -> Any:
        model = OddModel(disable_streaming=disable_streaming).with_config(metadata={"lock": threading.Lock()})
        return chain(e, lambda _: {"log": [str(model.invoke("x").content)]})

    def contents(e: Engine) -> Any:
        items, error = raw(e.runnable(build(e)), EMPTY, stream_mode=["messages", "values"])
        assert error is None
        return [payload[0].content if mode == "messages" else payload["log"] for mode, payload in items]

    assert contents(other) == contents(LANGGRAPH)
