"""Values as JSON, and back through a graph's schema."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import math
import pathlib
import sys
import uuid
from collections import OrderedDict, deque
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, SecretStr
from tests.odd_values import Mute, Odd, RaisingModel
from typing_extensions import NotRequired, Required, TypeAliasType

from drumline.graph.message import add_messages
from drumline_gateway.json_input import BadValue, read_state
from drumline_gateway.json_values import DEPTH_MAX, dumps, error_data, interrupt, plain
from drumline_graph.types import Interrupt, Send
from drumline_protocol.codec_types import Opaque


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


class Model(BaseModel):
    name: str
    at: datetime.date | None = None
    point: Point | None = None


class Pair(NamedTuple):
    a: int
    b: str


ROWS: list[tuple[Any, Any]] = [
    (
        Model(name="a", at=datetime.date(2026, 1, 2), point=Point(1)),
        {"name": "a", "at": "2026-01-02", "point": {"x": 1, "y": None}},
    ),
    (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
    (Colour.RED, "red"),
    (Colour.PAIR, [1, 2]),
    (Level.LOW, 1),
    (datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc), "2026-01-02T03:04:00+00:00"),
    (datetime.time(3, 4), "03:04:00"),
    (datetime.timedelta(seconds=90), 90.0),
    (b"\xff\xfe?>", "//4/Pg=="),
    (bytearray(b"ab"), "YWI="),
    ({"b", "a", "c"}, ["a", "b", "c"]),
    (frozenset({1, "a"}), ["a", 1]),
    ((1, (2,)), [1, [2]]),
    (Pair(1, "b"), [1, "b"]),
    (deque([1, 2]), [1, 2]),
    (OrderedDict(a=1), {"a": 1}),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    (math.nan, None),
    ([math.inf, -math.inf, 1.5], [None, None, 1.5]),
    ({"x": {"y": math.nan}}, {"x": {"y": None}}),
    (2**60, 2**60),
    ("half \ud800 pair", "half \ufffd pair"),
    ({"\udfff": 1}, {"\ufffd": 1}),
    ({1: "a", None: "b", 1.5: "c"}, {"1": "a", "null": "b", "1.5": "c"}),
    ({(1, 2): "a"}, {"(1, 2)": "a"}),
    ({Colour.RED: 1}, {"red": 1}),
    ({uuid.UUID(int=1): 1}, {"00000000-0000-0000-0000-000000000001": 1}),
    (Opaque("app:Thing", {"a": math.nan}, 1, b""), {"a": None}),
    (ValueError("no"), {"error": "ValueError", "message": "no"}),
    (Send("node", {"a": (1,)}), {"node": "node", "input": {"a": [1]}}),
    (SecretStr("x"), "**********"),
    (np.array([1.5, math.nan]), [1.5, None]),
    (np.float32(0.5), 0.5),
    (np.array(["2026-01-02"], dtype="datetime64[D]"), ["2026-01-02"]),
    (pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]),
    (Odd(), {"__type__": "odd_values.Odd", "__repr__": "<odd>"}),
    (Odd, {"__type__": "odd_values.Odd"}),
    (Mute(), {"__type__": "odd_values.Mute"}),
    (RaisingModel(), {"__type__": "odd_values.RaisingModel"}),
    ({"fine": 1, "odd": [Mute()]}, {"fine": 1}),
]


@pytest.mark.parametrize(("value", "expected"), ROWS, ids=lambda value: type(value).__name__)
def test_each_row_of_the_table(value: Any, expected: Any) -> None:
    found = plain(value)
    if isinstance(expected, dict) and "__type__" in expected:
        assert found["__type__"].endswith(expected["__type__"].removeprefix("test_json_values"))
        assert found["__repr__"] == expected.get("__repr__", found["__repr__"])
    elif isinstance(expected, dict) and "fine" in expected:
        assert found["fine"] == 1 and found["odd"][0]["__type__"].endswith(".Mute")
    else:
        assert found == expected


def test_a_message_is_langchains_dict() -> None:
    message = AIMessage("hi", id="m", tool_calls=[{"name": "t", "args": {"x": 1}, "id": "c"}])
    found = plain({"messages": [message]})["messages"][0]
    assert found == json.loads(message.model_dump_json())
    assert found["type"] == "ai" and found["tool_calls"][0]["args"] == {"x": 1}
    assert plain(AIMessageChunk(content="h", id="m"))["type"] == "AIMessageChunk"


def test_a_question_shows_the_schema_of_its_answer() -> None:
    asked = Interrupt({"ok?": (1,)}, "i", response_schema=Model)
    found = interrupt(asked)
    assert found["value"] == {"ok?": [1]} and found["id"] == "i"
    assert found["response_schema"]["properties"]["name"]["type"] == "string"
    assert plain([asked]) == [found]
    assert interrupt(Interrupt("q", "i")) == {"value": "q", "id": "i"}


def test_a_container_inside_itself_and_one_that_is_too_deep() -> None:
    inside: list[Any] = [1]
    inside.append(inside)
    assert plain(inside)[0] == 1 and plain(inside)[1]["__type__"] == "builtins.list"
    deep: Any = "bottom"
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    found, depth = plain(deep), 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert depth == DEPTH_MAX and found["__type__"] == "builtins.list"


def test_a_number_that_python_does_not_write() -> None:
    assert plain({"n": 10**5000})["n"]["__type__"] == "int"


def test_an_error_whose_text_raises() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_data(Silent())["error"] == "Silent"


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.datetimes()
    | st.uuids()
    | st.decimals()
    | st.builds(Mute)
    | st.builds(RaisingModel)
    | st.sampled_from([Odd(), Colour.RED, Odd, np.float64("nan")])
)
KEYS = st.text(st.characters(exclude_categories=())) | st.integers() | st.floats() | st.none() | st.tuples(st.text())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner) | st.builds(Point, st.integers(), inner)
    ),
    max_leaves=20,
)


def _refuse(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


@given(VALUES)
def test_any_value_is_json_that_every_client_reads(value: Any) -> None:
    line = dumps(value)
    assert b"\x00" not in line and b"\n" not in line
    read = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    assert dumps(read) == line  # what is plain stays as it is
    assert not any(0xD800 <= ord(letter) <= 0xDFFF for letter in json.dumps(read, ensure_ascii=False))


# -- the other way -------------------------------------------------------------------------------------


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    at: datetime.datetime
    tags: NotRequired[set[str]]
    raw: bytes
    point: Point
    model: Model
    colour: Colour
    money: decimal.Decimal
    anything: Any
    odd: Odd
    last: AnyMessage | None


VALUES_OF_STATE: dict[str, Any] = {
    "at": datetime.datetime(2026, 1, 2, 3, 4),
    "tags": {"a", "b"},
    "raw": b"\xff\xfe?>",
    "point": Point(1, [2]),
    "model": Model(name="n", at=datetime.date(2026, 1, 1)),
    "colour": Colour.RED,
    "money": decimal.Decimal("1.10"),
    "anything": {"a": [1, None]},
}


@pytest.mark.parametrize("key", VALUES_OF_STATE)
def test_what_was_shown_is_read_back(key: str) -> None:
    value = VALUES_OF_STATE[key]
    assert read_state(State, {key: plain(value)}) == {key: value}


@given(st.binary(), st.dates(), st.sets(st.text()), st.decimals(allow_nan=False, allow_infinity=False))
def test_any_bytes_dates_sets_and_decimals_are_read_back(raw: bytes, day: Any, tags: Any, money: Any) -> None:
    state = {"raw": raw, "model": Model(name="", at=day), "tags": tags, "money": money}
    assert read_state(State, plain(state)) == state


def test_messages_by_role_and_by_type() -> None:
    sent = [
        {"role": "user", "content": "a"},
        {"type": "human", "content": [{"type": "text", "text": "b"}], "id": "h"},
        plain(AIMessage("c", id="x", tool_calls=[{"name": "t", "args": {}, "id": "c"}])),
        plain(ToolMessage("d", tool_call_id="c")),
        "just text",
    ]
    human, other, answer, tool, text = read_state(State, {"messages": sent})["messages"]
    assert type(human) is HumanMessage and human.id is None and human.content == "a"
    assert type(other) is HumanMessage and other.id == "h"
    assert type(answer) is AIMessage and answer.tool_calls[0]["name"] == "t"
    assert type(tool) is ToolMessage and tool.tool_call_id == "c" and text == "just text"
    assert read_state(State, {"last": {"role": "user", "content": "z"}})["last"].content == "z"
    assert read_state(State, {"messages": ["user", "hi"]}) == {"messages": ("user", "hi")}


History = TypeAliasType("History", Annotated[list[AnyMessage], add_messages])
Day = TypeAliasType("Day", datetime.date)


class Named(TypedDict):
    messages: Required[History]
    day: Day


def test_what_is_named_by_an_alias_is_read_too() -> None:
    found = read_state(Named, {"messages": [{"role": "user", "content": "a"}], "day": "2026-01-01"})
    assert type(found["messages"][0]) is HumanMessage and found["day"] == datetime.date(2026, 1, 1)


def test_what_does_not_fit_is_named_by_its_path() -> None:
    with pytest.raises(BadValue, match=r"^input\.point\.x: "):
        read_state(State, {"point": {"x": "many"}})
    with pytest.raises(BadValue, match=r"^values\.messages\.1: a message has"):
        read_state(State, {"messages": ["hi", {"text": "x"}]}, "values")
    with pytest.raises(BadValue, match=r"^input\.messages\.0: no message"):
        read_state(State, {"messages": [{"role": "wizard", "content": "x"}]})


@pytest.mark.parametrize("schema", [None, State, Model, Point])
def test_what_no_schema_speaks_of_stays(schema: Any) -> None:
    sent = {"odd": {"a": 1}, "unknown": [1], "__proto__": {"x": 1}}
    assert read_state(schema, sent) == sent
    assert read_state(schema, "text") == "text" and read_state(schema, None) is None


def test_base64_is_the_common_kind() -> None:
    assert base64.b64decode(plain(b"\xfb\xff"), validate=True) == b"\xfb\xff"
