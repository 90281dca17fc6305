"""Free-form fields of messages: what is known crosses as itself, other objects as plain data of their fields."""

from __future__ import annotations

import enum
import threading
from collections import Counter, OrderedDict, UserDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from langchain_core.agents import AgentAction
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel, SecretStr
from tests.protocol.samples import CODEC, Model

from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol import facts, wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.limits import TYPED_NESTING_MAX

PLAIN = Codec()


class Answer(BaseModel):
    city: str
    inner: Any = None
    key: SecretStr = SecretStr("hunter2")


@dataclass
class Found:
    rows: Any


class Pair(NamedTuple):
    left: Any
    right: Any


class Shade(enum.Enum):
    DARK = ("d", 1)


class Text(str):
    pass


class Held:
    """No data, but attributes that are."""

    def __init__(self) -> None:
        self.id = 1
        self._client = threading.Lock()


class Client:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.headers = {"authorization": "hunter2"}


class Restless:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


def circle() -> Any:
    made: dict[str, Any] = {"lock": threading.Lock()}
    made["self"] = made
    return made


CASES: dict[str, tuple[Any, Any]] = {
    "a model": (Answer(city="Lisbon"), {"city": "Lisbon", "inner": None, "key": SecretStr("hunter2")}),
    "a model inside": (Answer(city="x", inner=[Found(Answer(city="y"))]), None),
    "a dataclass": (Found([1, (2,)]), {"rows": [1, (2,)]}),
    "a named tuple": (Pair(1, Found(2)), {"left": 1, "right": {"rows": 2}}),
    "an enum": (Shade.DARK, ("d", 1)),
    "a text": (Text("x"), "x"),
    "attributes": (Held(), {"id": 1}),
    "no data": (Client(), "<tests.protocol.test_codec_messages.Client>"),
    "a lock": (threading.Lock(), "<_thread.lock>"),
    "a function": (open, "<builtin_function_or_method>"),
    "what raises": (Restless(), "<tests.protocol.test_codec_messages.Restless>"),
    "in a list": ([1, threading.Lock(), {"a": (threading.Lock(),)}], [1, "<_thread.lock>", {"a": ("<_thread.lock>",)}]),
    "a strange key": (
        {threading.Lock: 1, "b": threading.Lock()},
        {"<builtin_function_or_method>": 1, "b": "<_thread.lock>"},
    ),
    "itself": (circle(), {"lock": "<_thread.lock>", "self": "<dict>"}),
    "known types": (OrderedDict(a=Counter("x")), OrderedDict(a=Counter("x"))),
    "a mapping": (UserDict({"a": threading.Lock()}), {"a": "<_thread.lock>"}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("field", ["additional_kwargs", "response_metadata"])
def test_free_fields(field: str, name: str) -> None:
    given, expected = CASES[name]
    message = AIMessage("hi", id="1")
    setattr(message, field, {"parsed": given, "n": 1})
    result = PLAIN.decode(PLAIN.encode({"messages": [message]}))["messages"][0]
    assert type(result) is AIMessage
    found = getattr(result, field)
    assert found["n"] == 1
    if expected is None:
        expected = {
            "city": "x",
            "inner": [{"rows": {"city": "y", "inner": None, "key": SecretStr("hunter2")}}],
            "key": SecretStr("hunter2"),
        }
    assert found["parsed"] == expected
    assert type(found["parsed"]) is type(expected)
    # what was given is as it was
    assert getattr(message, field)["parsed"] is given


def test_known_classes_cross_as_themselves() -> None:
    codec = CODEC.with_types([Answer])
    lock = threading.Lock()
    message = ToolMessage("x", tool_call_id="1", artifact=[Answer(city="a"), Model(a=1), np.arange(2), lock])
    result = codec.decode(codec.encode(message))
    answer, model, array, other = result.artifact
    assert (answer, model, other) == (Answer(city="a"), Model(a=1), "<_thread.lock>")
    assert array.tolist() == [0, 1]
    # an object of a known class that cannot cross is data of its fields
    message = ToolMessage("x", tool_call_id="1", artifact=Answer(city="a", inner=lock))
    assert codec.decode(codec.encode(message)).artifact["inner"] == "<_thread.lock>"


def test_other_free_fields() -> None:
    lock = threading.Lock()
    values = [
        AIMessage([{"type": "text", "text": "x", "raw": lock}]),
        AIMessage("", tool_calls=[{"name": "f", "args": {"x": lock}, "id": "1", "type": "tool_call"}]),
        HumanMessage("x", custom=lock),
        Document("page", metadata={"raw": lock}),
        AgentAction(tool="t", tool_input={"x": lock}, log=""),
        ChatPromptValue(messages=[HumanMessage("x", additional_kwargs={"a": lock})]),
        Message("1", "assistant", [{"a": lock}], {"b": lock}),
    ]
    for value in values:
        result = PLAIN.decode(PLAIN.encode([value, (value,)]))
        assert type(result[0]) is type(value)
        assert "<_thread.lock>" in repr(result[0])
        assert repr(result[0]) == repr(result[1][0])


def test_all_else_of_the_value_is_exact_and_errors_name_what_is_wrong() -> None:
    lock = threading.Lock()
    message = AIMessage("x", additional_kwargs={"lock": lock})
    result = PLAIN.decode(PLAIN.encode({"m": [message], "t": (1, {2}), "\ud800": OrderedDict(a=1)}))
    assert (result["t"], result["\ud800"]) == ((1, {2}), OrderedDict(a=1))
    with pytest.raises(EncodeError) as caught:
        PLAIN.encode({"m": [message], "x": [lock]}, "state")
    assert caught.value.path == "state['x'][0]"
    with pytest.raises(EncodeError) as caught:  # not free-form: a state
        PLAIN.encode({"additional_kwargs": lock}, "state")
    assert caught.value.path == "state['additional_kwargs']"


def test_messages_in_messages() -> None:
    message: Any = threading.Lock()
    for depth in range(TYPED_NESTING_MAX - 3):
        message = AIMessage(str(depth), additional_kwargs={"inner": message, "own": threading.Lock()})
    result = PLAIN.decode(PLAIN.encode(message))
    for _ in range(5):
        assert result.additional_kwargs["own"] == "<_thread.lock>"
        result = result.additional_kwargs["inner"]
        assert type(result) is AIMessage
    circle = AIMessage("x")
    circle.additional_kwargs["self"] = circle
    with pytest.raises(EncodeError):
        PLAIN.encode(circle)


def test_what_runnables_give() -> None:
    text = AIMessage("hi").text
    added = AddableDict(a=1)
    result = PLAIN.decode(PLAIN.encode([text, added]))
    assert [type(value) for value in result] == [type(text), AddableDict]
    assert result == ["hi", {"a": 1}]


# -- tokens -------------------------------------------------------------------------------------------


class MyChunk(AIMessageChunk):
    handle: Any = None


class MyMessage(BaseMessage):
    type: str = "mine"


def event(message: Any, metadata: Any = None) -> Any:
    header = {"id": message.id, "kind": "chunk", "call": 1}
    kind, payload, header = wire.decode_item(PLAIN, wire.encode_item(PLAIN, facts.MESSAGE, [message, metadata], header))
    assert (kind, header["kind"]) == (facts.MESSAGE, "chunk")
    return payload


@pytest.mark.parametrize(
    "message",
    [
        AIMessageChunk(content="x", id="1", additional_kwargs={"parsed": Answer(city="a")}),
        AIMessageChunk(content=[{"type": "text", "text": "x", "raw": threading.Lock()}], id="1"),
        MyChunk(content="x", id="1", handle=threading.Lock()),
        MyMessage(content="x", id="1"),
        MessageChunk("1", "assistant", Text("x")),
        Message("1", "assistant", Restless(), {}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_token_never_fails(message: Any) -> None:
    told, metadata = event(message, {"thread": threading.Lock(), "n": 1})
    assert told.id == "1"
    assert metadata == {"thread": "<_thread.lock>", "n": 1}
    assert isinstance(message, type(told))


def test_a_token_of_an_unknown_class_is_one_of_the_class_that_it_extends() -> None:
    told, _ = event(MyChunk(content="x", id="1", tool_call_chunks=[{"name": "f", "args": "{", "id": "c", "index": 0}]))
    assert type(told) is AIMessageChunk
    assert (told.content, told.tool_call_chunks[0]["name"]) == ("x", "f")
    assert (told + AIMessageChunk(content="y", id="1")).content == "xy"


def test_tokens_of_graphs_below() -> None:
    chunk = MyChunk(content="x", id="1", handle=threading.Lock())
    pair = (chunk, {"lock": threading.Lock()})
    _, payload, _ = wire.decode_item(PLAIN, wire.encode_item(PLAIN, facts.STREAMED, (("a:1",), "messages", pair), None))
    assert (payload[1], type(payload[2][0])) == ("messages", AIMessageChunk)
    items = [(facts.MESSAGE, list(pair), {"id": "1", "kind": "chunk", "call": 1}), (facts.CUSTOM, "c", None)]
    told = facts.Emitted("t", 1, 0, "e", items)
    _, fact, _ = wire.decode_item(PLAIN, wire.encode_item(PLAIN, facts.NESTED, told, None))
    assert type(fact.items[0][1][0]) is AIMessageChunk
    assert fact.items[1][1] == "c"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (facts.CUSTOM, {"a": [threading.Lock()]}),
        (facts.STREAMED, ((), "custom", threading.Lock())),
        (facts.NESTED, facts.Emitted("t", 1, 0, "e", [(facts.CUSTOM, threading.Lock(), None)])),
    ],
)
def test_other_events_are_still_refused(kind: int, payload: Any) -> None:
    with pytest.raises(EncodeError, match=r"_thread\.lock"):
        wire.encode_item(PLAIN, kind, payload, None)


class Slotted:
    __slots__ = ("_hidden", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self._hidden = threading.Lock()


class Found(Slotted):  # type: ignore[no-redef]
    __slots__ = "score"

    def __init__(self, key: str, score: float) -> None:
        super().__init__(key)
        self.score = score


class Noted(Found):
    """One that has a dict beside the slots of its bases."""


def test_data_in_slots_is_data() -> None:
    """What a store's search finds is of such a class, and langmem puts it into the artifact of a tool's message."""
    noted = Noted("k", 0.5)  # type: ignore[call-arg]
    noted.note = "n"  # type: ignore[attr-defined]
    message = ToolMessage("x", tool_call_id="1", artifact=[Found("k", 0.5), noted])  # type: ignore[call-arg]
    crossed = CODEC.decode(CODEC.encode(message))
    assert crossed.artifact == [{"key": "k", "score": 0.5}, {"key": "k", "score": 0.5, "note": "n"}]
