"""patch(old, diff(old, new)) == new, for every channel and reducer, and nothing is changed in place.

Equal are also the order of keys and items, the types, and which objects they are.
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
from drumline_graph.delta import PARTS, diff, is_change, patch, patched, store
from drumline_graph.message import REMOVE_ALL_MESSAGES, add_messages
from drumline_graph.types import Overwrite
from drumline_protocol.codec import Codec

items = st.lists(st.integers(), max_size=4)
overwritten = st.builds(Overwrite, items)


def batch_merge(state: dict[str, Any], writes: Any) -> dict[str, Any]:
    return {**state, **{key: value for write in writes for key, value in write.items()}}


def batch_edit(state: dict[str, Any], writes: Any) -> dict[str, Any]:
    """A write of None takes the key out."""
    merged = batch_merge(state, writes)
    return {key: value for key, value in merged.items() if value is not None}


def batch_unite(state: set[int], writes: Any) -> set[int]:
    return state.union(*writes)


def window(state: list[Any], writes: Any) -> list[Any]:
    return [*state, *writes][-4:]


def edit(state: list[Any], writes: Any) -> list[Any]:
    """Any list that shares items with the old one: each write picks old items by index, or is new."""
    return [state[write] if isinstance(write, int) and write < len(state) else [write] for write in writes]


def drop_last(state: list[Any], writes: Any) -> list[Any]:
    return [*state[:-1], *writes]


sets = st.sets(st.integers(0, 9), max_size=4)
edits = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(), max_size=3)
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
    "dict, ior": (BinaryOperatorAggregate(dict, operator.ior), dicts),
    "dict, ior of pairs": (
        BinaryOperatorAggregate(dict, operator.ior), st.lists(st.tuples(st.text(max_size=1), items))
    ),
    "set": (BinaryOperatorAggregate(set, operator.or_), sets | sets.map(frozenset)),
    "set, ior": (BinaryOperatorAggregate(set, operator.ior), sets),
    "set, __or__": (BinaryOperatorAggregate(set, set.__or__), sets),
    "frozenset": (BinaryOperatorAggregate(frozenset, operator.or_), sets.map(frozenset) | sets),
    "bytes": (BinaryOperatorAggregate(bytes, operator.add), st.binary(max_size=3)),
    "list, iadd": (BinaryOperatorAggregate(list, operator.iadd), items | items.map(tuple) | st.text(max_size=2)),
    "own reducer": (BinaryOperatorAggregate(list, lambda old, new: new[::-1] + old), items),
    "delta list": (DeltaChannel(lambda state, ws: [*state, *ws], list), st.integers()),
    "delta dict": (DeltaChannel(batch_merge, dict), dicts),
    "delta dict, edited": (DeltaChannel(batch_edit, dict), edits),
    "delta set": (DeltaChannel(batch_unite, set), sets),
    "delta window": (DeltaChannel(window, list), st.integers().map(lambda n: [n])),
    "delta, any list": (DeltaChannel(edit, list), st.integers(0, 5) | st.text(max_size=1)),
    "delta shrinking": (DeltaChannel(drop_last, list), st.integers()),
    "last value": (LastValue(int), items),
    "ephemeral": (EphemeralValue(int, guard=False), items),
    "topic": (Topic(int), st.one_of(st.integers(), items)),
    "topic, accumulating": (Topic(int, accumulate=True), st.one_of(st.integers(), items)),
    "barrier": (NamedBarrierValue(str, "ab"), st.sampled_from("ab")),
}  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two cells hold the same objects in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(operator.is_, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    return bool(one == other)


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
        result = patch(cell, change)
        assert same(result, new)
        assert cell == before
        assert patch(before, change) == expected
        assert new == expected
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
        removed = data.draw(st.lists(st.sampled_from([*known, REMOVE_ALL_MESSAGES]), max_size=2, unique=True))
        at = data.draw(st.integers(0, len(write)))
        write[at:at] = [RemoveMessage(id_) for id_ in removed]  # type: ignore[arg-type]
        before = list(cell)
        new = channel.update(cell, [write])
        change = diff(channel, cell, new, [write])
        assert same(patch(cell, change), new)
        assert same(cell, before)
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
    assert diff(chat, history, add_messages(history, RemoveMessage("1")), []) == ("d", [1], {}, [])
    new = add_messages(history, [RemoveMessage("0"), message(3), answer])
    assert diff(chat, history, new, []) == ("d", [0, 3], {}, new[2:])
    new = add_messages(history, [RemoveMessage("1"), message(2)])
    assert diff(chat, history, new, []) == ("d", [2], {1: new[1]}, [])
    fresh = [RemoveMessage(REMOVE_ALL_MESSAGES), answer]  # type: ignore[arg-type]
    assert diff(chat, history, add_messages(history, fresh), []) == ("s", [answer])
    for kind in (set, frozenset):
        union = BinaryOperatorAggregate(kind, operator.or_)
        assert diff(union, kind([1, 2]), kind([1, 2, 3]), [{2, 3}]) == ("u", [3])
    delta = DeltaChannel(lambda state, writes: [*state, *writes], list)
    assert diff(delta, [1], [1, 2], [2]) == ("+", [2])
    keyed, old = DeltaChannel(batch_edit, dict), {"a": [1], "b": [2], "c": [3]}
    assert diff(keyed, old, {"a": old["a"], "c": old["c"]}, []) == ("-", ["b"], {})
    assert diff(keyed, old, {"a": old["a"], "c": 4, "d": 5}, []) == ("-", ["b"], {"c": 4, "d": 5})
    assert diff(keyed, old, {**old, "b": 4}, []) == ("p", {"b": 4})


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


def many(number: int) -> list[Any]:
    return [HumanMessage("x" * 50, id=str(index)) for index in range(number)]


def by_index(number: int) -> dict[str, str]:
    return {str(index): "x" * 50 for index in range(number)}


def rows(number: int) -> list[list[int]]:
    return [[index] for index in range(number)]


def unkey(state: dict[str, Any], writes: Any) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in writes}


chat = BinaryOperatorAggregate(list, add_messages)
keyed = DeltaChannel(unkey, dict)
GROWING: dict[str, tuple[Channel, Any, Any]] = {
    "append to a list": (BinaryOperatorAggregate(list, operator.add), lambda n: ["x" * 50] * n, lambda _: ["new"]),
    "append to a text": (BinaryOperatorAggregate(str, operator.add), lambda n: "x" * n, lambda _: "new"),
    "append to a tuple": (BinaryOperatorAggregate(tuple, operator.add), lambda n: ("x" * 50,) * n, lambda _: ("new",)),
    "extend in place": (BinaryOperatorAggregate(list, operator.iadd), lambda n: ["x" * 50] * n, lambda _: ["new"]),
    "a message more": (chat, many, lambda _: HumanMessage("new", id="new")),
    "a message replaced": (chat, many, lambda n: HumanMessage("new", id=str(n // 2))),
    "a message removed": (chat, many, lambda n: RemoveMessage(str(n // 2))),
    "first removed, one more": (chat, many, lambda _: [RemoveMessage("0"), HumanMessage("new", id="new")]),
    "all removed": (chat, many, lambda _: [RemoveMessage(REMOVE_ALL_MESSAGES), HumanMessage("new", id="new")]),  # type: ignore[arg-type]
    "a key put": (BinaryOperatorAggregate(dict, operator.or_), by_index, lambda _: {"7": "new", "new": "new"}),
    "a key put in place": (BinaryOperatorAggregate(dict, operator.ior), by_index, lambda _: {"7": "new"}),
    "a key removed": (keyed, by_index, lambda n: str(n // 2)),
    "a key put by a batch": (DeltaChannel(batch_merge, dict), by_index, lambda _: {"7": "new"}),
    "a set united": (BinaryOperatorAggregate(set, operator.or_), lambda n: set(range(n)), lambda n: {0, n}),
    "a frozenset united": (
        BinaryOperatorAggregate(frozenset, operator.or_), lambda n: frozenset(range(n)), lambda n: {n}
    ),
    "a delta channel appends": (DeltaChannel(lambda s, ws: [*s, *ws], list), rows, lambda _: [1]),
    "a delta channel's window": (DeltaChannel(lambda s, ws: [*s[1:], *ws], list), rows, lambda _: [1]),
}  # fmt: skip


@pytest.mark.parametrize("case", GROWING.values(), ids=GROWING.keys())
def test_the_size_of_a_change_does_not_follow_the_size_of_the_value(case: tuple[Channel, Any, Any]) -> None:
    channel, value, write = case
    sizes = []
    for number in (100, 10_000):
        old = value(number)
        writes = [write(number)]
        new = channel.update(old, writes)
        change = diff(channel, old, new, writes)
        assert same(patch(old, change), new)
        sizes.append(len(Codec().encode(list(change))))
    assert sizes[1] <= sizes[0] + 8  # the digits of an index, of an id
    assert sizes[1] < 600


def test_changes_of_a_step_are_folded_into_cells() -> None:
    cells = {"list": [1], "gone": 1, "kept": 2}
    before = dict(cells)
    new = patched(cells, {"list": ("+", [2]), "gone": ("x",), "new": ("s", 3)})
    assert new == {"list": [1, 2], "gone": MISSING, "new": 3}
    assert cells == before
    store(cells, new)
    assert cells == {"list": [1, 2], "kept": 2, "new": 3}
    assert list(cells) == ["list", "kept", "new"]


@pytest.mark.parametrize("kind", PARTS)
def test_a_row_with_too_many_or_too_few_parts_is_no_change(kind: str) -> None:
    right = [kind, *[{} for _ in PARTS[kind]]]
    assert is_change(right)
    assert not is_change([*right, None])
    assert not right[1:] or not is_change(right[:-1])
    assert is_change(["of a newer version", 1, 2, 3, 4])
