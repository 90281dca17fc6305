"""A clone is the value, and nobody's: whatever is done to it, the next one is as good as new."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from tests.protocol.changes import cells, fitting
from tests.protocol.samples import exactly

from drumline_graph.channels import MISSING
from drumline_graph.delta import patch
from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol.codec import Codec
from drumline_protocol.pristine import NotPlain, Pristine

CODEC = Codec()
frozen = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.floats(allow_nan=False), st.dates())
plain = st.recursive(
    frozen,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.sets(st.integers(), max_size=3),
        st.frozensets(st.text(max_size=2), max_size=2),
        st.builds(Message, st.text(max_size=2), st.just("user"), inner, st.dictionaries(st.text(max_size=2), inner)),
        st.builds(MessageChunk, st.text(max_size=2), st.just("ai"), st.text(max_size=2)),
    ),
    max_leaves=12,
)
kwargs = st.dictionaries(st.text(min_size=1, max_size=2), plain, max_size=2)


def _call(args: dict[str, Any]) -> dict[str, Any]:
    return {"name": "t", "args": args, "id": "1", "type": "tool_call"}


texts = st.text(max_size=3)
messages = st.one_of(
    st.tuples(texts, texts).map(lambda got: HumanMessage(got[0], id=got[1])),
    st.tuples(st.lists(kwargs, max_size=2), kwargs).map(
        lambda got: AIMessage(
            [{"type": "text", "text": "x"}], tool_calls=list(map(_call, got[0])), additional_kwargs=got[1]
        )
    ),
    kwargs.map(lambda got: AIMessageChunk(content="x", response_metadata=got)),
    plain.map(lambda got: ToolMessage("x", tool_call_id="1", artifact=got)),
    plain.map(lambda got: ChatMessage(content="", role="r", **{"beyond": got})),
    st.just(None).map(lambda _: RemoveMessage(id="x")),
)
values = st.one_of(
    plain, messages, st.lists(st.one_of(messages, plain), max_size=4), st.dictionaries(texts, messages, max_size=3)
)


def spoil(value: Any) -> None:
    """Change all that can be changed."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoiled")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoiled"] = True
    elif isinstance(value, set):
        value.add("spoiled")
    elif isinstance(value, tuple):
        for item in value:
            spoil(item)
    elif isinstance(value, BaseMessage):
        for item in [*value.__dict__.values(), value.__pydantic_extra__]:
            spoil(item)
        value.content = "spoiled"
        value.id = "spoiled"
        value.additional_kwargs = {"spoiled": 1}
    elif isinstance(value, Message):
        spoil(value.extra)
        spoil(value.content)
        value.content = value.role = "spoiled"
    elif isinstance(value, MessageChunk):
        value.content = "spoiled"


def crossed(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


def alike(one: Any, other: Any) -> bool:
    """The same to the last byte, with what was set known as set."""
    return CODEC.encode(one) == CODEC.encode(other) and exactly(one, other)


@settings(max_examples=300, deadline=None)
@given(values)
def test_a_clone_is_the_value_and_nobodys(value: Any) -> None:
    value = crossed(value)
    pristine = Pristine(crossed(value))
    for ahead in (False, True, True, False):
        if ahead:
            pristine.clone_ahead()
        clone = pristine.clone()
        assert alike(clone, value)
        spoil(clone)


items = st.one_of(messages, plain)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_value_that_grows_is_as_if_it_had_been_read_whole(data: st.DataObject) -> None:
    whole = crossed(data.draw(cells(items)))
    pristine = Pristine(crossed(whole))
    for _ in range(data.draw(st.integers(0, 4))):
        change = fitting(data, whole, items, cells(items))
        before, old = pristine, crossed(whole)
        whole = patch(whole, crossed(change))
        if whole is MISSING:
            return  # no message names such a version
        if data.draw(st.booleans()):
            pristine.clone_ahead()
        pristine = pristine.after([crossed(change)])
        for _ in range(2):
            clone = pristine.clone()
            assert alike(clone, whole)
            spoil(clone)
        assert alike(before.clone(), old), "who has the former version still has it"


@given(kwargs, st.lists(kwargs, max_size=3))
def test_a_dict_that_grows(value: dict[str, Any], made: list[dict[str, Any]]) -> None:
    pristine, whole = Pristine(crossed(value)), crossed(value)
    for put in made:
        pristine.clone_ahead()
        pristine, whole = pristine.after([("p", crossed(put))]), patch(whole, ("p", crossed(put)))
        clone = pristine.clone()
        assert alike(clone, whole) and list(clone) == list(whole)
        spoil(clone)


def test_a_clone_that_was_made_ahead_grows_with_the_value_and_goes_to_one_reader() -> None:
    value, more = [HumanMessage("a", id="1"), {"n": [1]}], [AIMessage("b", id="2"), [2]]
    pristine = Pristine(crossed(value))
    pristine.clone_ahead()
    [kept] = pristine._ahead
    pristine = pristine.after([("+", crossed(more))])
    first, second = pristine.clone(), pristine.clone()
    assert first is kept and second is not kept, "it is the one that was made ahead"
    spoil(first)
    assert alike(second, [*value, *more]) and alike(pristine.clone(), [*value, *more])


@pytest.mark.parametrize("value", ["text", (1, (2,)), 7, ([1],)])
def test_what_is_no_list_and_no_dict_grows_too(value: Any) -> None:
    pristine = Pristine(value).after([("s", [value])])
    assert pristine.clone() == [value]
    if type(value) is str:
        assert Pristine(value).after([("+", "!"), ("+", "?")]).clone() == "text!?"


@dataclass
class Own:
    n: int


class Sub(list[int]):
    pass


class OwnMessage(HumanMessage):
    pass


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        Own(1),
        [1, {"a": Own(1)}],
        HumanMessage("x", additional_kwargs={"k": Own(1)}),
        HumanMessage("x", beyond=Own(1)),
        OwnMessage(content="x"),
        Sub([1]),
        deque([1]),
        {Own: 1},
        {(1, frozenset({Own})): 1},
        frozenset({Own}),
        nested(100),
        Exception("x"),
    ],
)
def test_other_objects_are_not_cloned(value: Any) -> None:
    with pytest.raises(NotPlain):
        Pristine(value)
    with pytest.raises(NotPlain):
        Pristine([1]).after([("+", [value])])
    with pytest.raises(NotPlain):
        Pristine({}).after([("p", {"k": value})])


def test_keys_of_any_frozen_kind() -> None:
    value = {1: [1], None: 2, (1, "a"): 3, frozenset({1}): 4}
    pristine = Pristine(copy.deepcopy(value))
    clone = pristine.clone()
    assert clone == value and list(clone) == list(value)
    clone[1].append(2)
    assert pristine.clone() == value


@pytest.mark.parametrize("nested", [False, True])
def test_many_small_messages_weigh_more_than_one_large_text(nested: bool) -> None:
    talk: Any = [HumanMessage(str(i), id=str(i)) for i in range(100)]
    small, large = len(CODEC.encode(talk)), len(CODEC.encode(["x" * 100_000]))
    assert Pristine([talk] if nested else talk).weight(small) >= (4 * small if nested else 100 * 2_000)
    assert Pristine(["x" * 100_000]).weight(large) == 4 * large
