"""LangChain's messages and documents come back exactly, by a closed table."""

from __future__ import annotations

from typing import Any

import langchain_core.messages
import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from drumline_protocol.codec import Codec
from drumline_protocol.codec_langchain import MESSAGES, langchain_types
from drumline_protocol.errors import EncodeError

CODEC = Codec()

USAGE = {
    "input_tokens": 3,
    "output_tokens": 4,
    "total_tokens": 7,
    "input_token_details": {"cache_read": 1},
}
PARTS: list[Any] = [
    "text",
    {"type": "text", "text": "look", "annotations": [{"type": "citation"}]},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    {"type": "file", "data": b"\x00\x01", "mime_type": "application/pdf"},
]
EXAMPLES = [
    AIMessage("hi"),
    AIMessage(
        content=PARTS,
        id="run-1",
        name="bot",
        additional_kwargs={"refusal": None, "raw": (1, 2)},
        response_metadata={"model": "m", "logprobs": [{"p": -0.5}]},
        tool_calls=[{"name": "f", "args": {"a": [1, {"b": None}]}, "id": "c1", "type": "tool_call"}],
        invalid_tool_calls=[{"name": "g", "args": "{", "id": "c2", "error": "bad"}],
        usage_metadata=USAGE,
    ),
    AIMessageChunk(content="to", id="run-1"),
    AIMessageChunk(content=""),
    AIMessageChunk(
        content="",
        id="run-1",
        tool_call_chunks=[{"name": "f", "args": '{"a"', "id": "c1", "index": 0}],
        usage_metadata=USAGE,  # type: ignore[arg-type]
        chunk_position="last",
    ),
    AIMessageChunk(
        content=[{"type": "text", "text": "to", "index": 0}, {"type": "reasoning", "reasoning": "hm", "index": 1}],
        additional_kwargs={"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        response_metadata={"finish_reason": "length", "model_provider": "openai"},
        tool_call_chunks=[{"name": None, "args": "{", "id": None, "index": 0, "type": "tool_call_chunk"}],
        invalid_tool_calls=[{"name": "g", "args": "{", "id": None, "error": None, "type": "invalid_tool_call"}],
        usage_metadata={**USAGE, "output_token_details": {"reasoning": 2}},  # type: ignore[arg-type]
    ),
    AIMessage(content_blocks=[{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "hi"}]),
    HumanMessage(content_blocks=[{"type": "image", "base64": "AAAA", "mime_type": "image/png"}]),
    HumanMessage("hi", id="1"),
    HumanMessage(PARTS),
    HumanMessage("extra", custom_field={"a": 1}),
    HumanMessageChunk(content="h"),
    SystemMessage("be kind", id="\ud800"),
    SystemMessageChunk(content="s"),
    ToolMessage("ok", tool_call_id="c1", artifact={"rows": [(1, "a")]}, status="error", name="f"),
    ToolMessage([{"type": "text", "text": "x"}], tool_call_id="c1"),
    ToolMessageChunk(content="o", tool_call_id="c1"),
    FunctionMessage("r", name="f"),  # type: ignore[call-arg]
    FunctionMessageChunk(content="r", name="f"),
    ChatMessage("c", role="critic"),  # type: ignore[call-arg]
    ChatMessageChunk(content="c", role="critic"),
    RemoveMessage(id="1"),
    RemoveMessage(id="__remove_all__"),
    Document("page", metadata={"source": "a", "n": (1,)}, id="d1"),
    Document("page"),
]


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
def test_every_class_comes_back_exactly(value: Any) -> None:
    result = CODEC.decode(CODEC.encode(value))
    assert type(result) is type(value)
    assert result == value
    assert result.__dict__ == value.__dict__
    assert list(result.__dict__) == list(value.__dict__)
    assert result.model_fields_set == value.model_fields_set
    assert result.model_dump() == value.model_dump()
    assert (result.model_extra or {}) == (value.model_extra or {})


def test_messages_are_usable_afterwards() -> None:
    chunks = [AIMessageChunk(content=text, id="r") for text in ("to", "ken")]
    one, other = CODEC.decode(CODEC.encode(chunks))
    assert (one + other).content == "token"
    message = CODEC.decode(CODEC.encode(AIMessage("hi")))
    message.id = "new"
    message.additional_kwargs["k"] = 1
    assert CODEC.decode(CODEC.encode(message)) == message
    assert message.model_copy(update={"content": "x"}).content == "x"


def test_results_share_nothing() -> None:
    data = CODEC.encode(AIMessage("hi"))
    CODEC.decode(data).tool_calls.append("x")
    assert CODEC.decode(data).tool_calls == []


def test_a_token_is_small() -> None:
    assert len(CODEC.encode(AIMessageChunk(content="tok", id="run-1"))) < 60


def test_the_table_holds_every_message_class() -> None:
    exported = vars(langchain_core.messages)["__all__"]
    classes = {
        name
        for name in exported
        if isinstance(cls := getattr(langchain_core.messages, name), type) and issubclass(cls, BaseMessage)
    }
    assert classes <= set(MESSAGES)
    # documents, what older agents keep, prompts, the text of a message, sums of dicts
    assert len(langchain_types()) == len(MESSAGES) + 1 + 4 + 3 + 2


def test_subclasses_are_told() -> None:
    class Mine(HumanMessage):
        pass

    with pytest.raises(EncodeError, match=r"value\[0\].*Mine.*register"):
        CODEC.encode([Mine("x")])  # type: ignore[call-arg]


def test_lc_markers_in_user_data_stay_data() -> None:
    marked = {"lc": 1, "type": "constructor", "id": ["langchain_core", "X"], "kwargs": {}}
    message = HumanMessage("x", additional_kwargs=marked)
    assert CODEC.decode(CODEC.encode(message)).additional_kwargs == marked
