"""patch(old, diff(old, new)) == new, for every channel and reducer, and nothing is changed in
place.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage

from drumline_graph.channels import (
    MISSING,
    UNCHANGED,
    BinaryOperatorAggregate,
    Channel,
    DeltaChannel,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
)
from drumline_graph.delta import diff, patch
from drumline_graph.message import add_messages
from drumline_graph.types import Overwrite

items = st.lists(st.integers(), max_size=4)
overwritten = st.builds(Overwrite, items)


def batch_merge(state: dict[str, Any], writes: Any) -> dict[str, Any]:
    return {**state, **{key: value for write in writes for key, value in write.items()}}


def drop_last(state: list[Any], writes: Any) -> list[Any]:
    return [*state[:-1], *writes]


dicts = st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=3)
CASES: dict[str, tuple[Channel, Any]] = {
    "list": (BinaryOperatorAggregate(list, operator.add), st.one_of(items, overwritten)),
    "list, concat": (BinaryOperatorAggregate(list, operator.concat), items),
    "str": (BinaryOperatorAggregate(str, operator.add), st.text(max_size=3)),
    "tuple": (BinaryOperatorAggregate(tuple, operator.add), items.map(tuple)),
    "int": (BinaryOperatorAggregate(int, operator.add), st.integers()),
    "dict": (
        BinaryOperatorAggregate(dict, operator.or_), st.one_of(dicts, st.builds(Overwrite, dicts))
    ),
    "own reducer": (BinaryOperatorAggregate(list, lambda old, new: new[::-1] + old), items),
    "delta list": (DeltaChannel(lambda state, ws: [*state, *ws], list), st.integers()),
    "delta dict": (DeltaChannel(batch_merge, dict), dicts),
    "delta shrinking": (DeltaChannel(drop_last, list), st.integers()),
    "last value": (LastValue(int), items),
    "ephemeral": (EphemeralValue(int, guard=False), items),
    "topic": (Topic(int), st.one_of(st.integers(), items)),
    "topic, accumulating": (Topic(int, accumulate=True), st.one_of(st.integers(), items)),
    "barrier": (NamedBarrierValue(str, "ab"), st.sampled_from("ab")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@given(data=st.data())
def test_patch_of_diff_is_the_new_cell(case: tuple[Channel, Any], data: st.DataObject) -> None:
    channel, values = case
    cell = channel.initial()
    for _ in range(data.draw(st.integers(1, 4))):
        writes = data.draw(st.lists(values, min_size=1, max_size=1 if "last" in channel.kind else 3))
        if sum(isinstance(value, Overwrite) for value in writes) > 1:
            continue
        before = copy.deepcopy(cell)
        new = channel.update(cell, writes)
        if new is UNCHANGED:
            continue
        change = diff(channel, cell, new, writes)
        expected = copy.deepcopy(new)
        assert patch(cell, change) == expected
        assert type(patch(cell, change)) is type(new)
        assert cell == before
        assert patch(before, change) == expected
        cell = new


def message(number: int) -> Any:
    return HumanMessage(f"text {number}", id=str(number))


@given(data=st.data())
def test_messages(data: st.DataObject) -> None:
    channel = BinaryOperatorAggregate(list, add_messages)
    cell = channel.initial()
    for _ in range(data.draw(st.integers(1, 5))):
        known = [m.id for m in cell]
        numbers = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=3))
        write: list[Any] = [message(number) for number in numbers]
        if known and data.draw(st.booleans()):  # type: ignore[arg-type]
            write.insert(0, RemoveMessage(data.draw(st.sampled_from(known))))
        new = channel.update(cell, [write])
        change = diff(channel, cell, new, [write])
        assert patch(cell, change) == new
        cell = new


def test_changes_are_small_where_they_can_be() -> None:
    lists = BinaryOperatorAggregate(list, operator.add)
    assert diff(lists, [1, 2], [1, 2, 3], [[3]]) == ("+", [3])
    strings = BinaryOperatorAggregate(str, operator.add)
    assert diff(strings, "ab", "abc", ["c"]) == ("+", "c")
    merged = BinaryOperatorAggregate(dict, operator.or_)
    assert diff(merged, {"a": 1}, {"a": 2, "b": 3}, [{"a": 2, "b": 3}]) == ("p", {"a": 2, "b": 3})
    history = [message(number) for number in range(4)]
    chat = BinaryOperatorAggregate(list, add_messages)
    answer = AIMessage("hi", id="9")
    assert diff(chat, history, add_messages(history, answer), [answer]) == ("+", [answer])
    edited = AIMessage("new", id="1")
    new = add_messages(history, [edited, answer])
    assert diff(chat, history, new, [[edited, answer]]) == ("r", {1: edited}, [answer])
    assert diff(chat, history, add_messages(history, RemoveMessage("1")), [])[0] == "s"
    delta = DeltaChannel(lambda state, writes: [*state, *writes], list)
    assert diff(delta, [1], [1, 2], [2]) == ("+", [2])


def test_what_is_not_known_to_grow_is_sent_whole() -> None:
    own = BinaryOperatorAggregate(list, lambda old, new: old + new)
    assert diff(own, [1], [1, 2], [[2]]) == ("s", [1, 2])
    lists = BinaryOperatorAggregate(list, operator.add)
    assert diff(lists, [1], [1, 2], [Overwrite([1, 2])]) == ("s", [1, 2])
    same = [1, 2]
    assert diff(lists, same, same, [[2]]) == ("s", [1, 2])
    assert diff(lists, MISSING, [1], [[1]]) == ("s", [1])
    assert diff(lists, [1], MISSING, []) == ("x",)
    assert patch([1], ("x",)) is MISSING


def test_an_unknown_kind_of_change_is_an_error() -> None:
    with pytest.raises(ValueError, match="one of s, x"):
        patch([], ("?", 1))
