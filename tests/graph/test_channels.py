"""Channel specs: update, expiry, consumption, finishing; differential where LangGraph has the same class."""

# ruff: noqa: ARG001, ARG005, UP045 (typing.Optional itself is tested)

from __future__ import annotations

import collections.abc
import copy
import operator
from typing import Any, Optional

import langgraph.channels as theirs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.errors import EmptyChannelError

from drumline_graph import channels as ours
from drumline_graph.channels import MISSING, UNCHANGED
from drumline_graph.errors import InvalidUpdateError
from drumline_graph.types import Overwrite


def test_missing_is_one_object_however_it_is_copied() -> None:
    assert copy.deepcopy({"a": MISSING})["a"] is MISSING
    assert not MISSING
    assert repr(MISSING) == "MISSING"


def test_last_value_takes_one_write() -> None:
    channel = ours.LastValue(int)
    assert channel.initial() is MISSING
    assert channel.update(MISSING, [None]) is None
    with pytest.raises(InvalidUpdateError, match="only one value per step, got 2"):
        channel.update(1, [2, 3])


@pytest.mark.parametrize("kind", ["EphemeralValue", "UntrackedValue"])
def test_guard_decides_about_several_writes(kind: str) -> None:
    make = getattr(ours, kind)
    assert make(int, guard=False).update(MISSING, [1, 2]) == 2
    with pytest.raises(InvalidUpdateError, match="guard=False"):
        make(int).update(MISSING, [1, 2])


@pytest.mark.parametrize(
    ("channel", "expired"),
    [
        (ours.LastValue(int), 1),
        (ours.UntrackedValue(int), 1),
        (ours.AnyValue(int), MISSING),
        (ours.EphemeralValue(int), MISSING),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_a_superstep_without_writes_leaves(channel: ours.Channel, expired: Any) -> None:
    assert channel.expire(1) is expired or channel.expire(1) == expired
    assert channel.volatile == (expired is MISSING)


def test_deferred_edge_shows_itself_only_after_finish() -> None:
    channel = ours.LastValueAfterFinish(Any)
    cell = channel.update(MISSING, [None])
    assert not channel.available(cell)
    assert channel.consume(cell) is cell
    finished = channel.finish(cell)
    assert channel.available(finished)
    assert channel.read(finished) is None
    assert channel.finish(finished) is finished
    assert channel.consume(finished) is MISSING


def test_barrier_waits_for_all_names_and_is_reset_by_its_node() -> None:
    channel = ours.NamedBarrierValue(str, ("a", "b"))
    cell = channel.update(MISSING, ["b"])
    assert cell == ("b",)
    assert not channel.available(cell)
    assert channel.consume(cell) is cell
    assert channel.update(cell, ["b"]) is UNCHANGED
    cell = channel.update(cell, ["a"])
    assert cell == ("a", "b")
    assert channel.available(cell)
    assert channel.read(cell) is None
    assert channel.consume(cell) is MISSING
    with pytest.raises(InvalidUpdateError, match="cannot take 'x'"):
        channel.update(cell, ["x"])


def test_deferred_barrier_needs_names_and_finish() -> None:
    channel = ours.NamedBarrierValueAfterFinish(str, ("a", "b"))
    cell = channel.update(MISSING, ["a"])
    assert channel.finish(cell) is cell
    cell = channel.update(cell, ["b"])
    assert not channel.available(cell)
    finished = channel.finish(cell)
    assert channel.available(finished)
    assert channel.consume(finished) is MISSING


@pytest.mark.parametrize("accumulate", [False, True])
@given(steps=st.lists(st.lists(st.one_of(st.integers(), st.lists(st.integers())))))
def test_topic_is_langgraphs(accumulate: bool, steps: list[list[Any]]) -> None:
    channel, other = ours.Topic(int, accumulate), theirs.Topic(int, accumulate)
    cell = MISSING
    for writes in steps:
        updated = channel.update(cell, writes) if writes else UNCHANGED
        if not writes:
            cell = channel.expire(cell)
        elif updated is not UNCHANGED:
            cell = updated
        other.update(writes)
        try:
            expected = other.get()
        except EmptyChannelError:
            expected = MISSING  # type: ignore[assignment]
        assert cell == expected  # type: ignore[comparison-overlap]


TYPES = [
    int, str, list, list[int], dict, set, frozenset, tuple, tuple[int, ...], bytes, bool, float,
    collections.abc.Sequence, collections.abc.Set, collections.abc.MutableMapping,
    collections.abc.Iterable, Optional[list], Any,
]  # fmt: skip


@pytest.mark.parametrize("typ", TYPES, ids=str)
def test_empty_value_of_a_reducer_is_langgraphs(typ: Any) -> None:
    mine = ours.BinaryOperatorAggregate(typ, operator.add).initial()
    try:
        expected = theirs.BinaryOperatorAggregate(typ, operator.add).get()
    except EmptyChannelError:
        expected = MISSING
    assert mine == expected
    assert type(mine) is type(expected)


def test_each_run_gets_its_own_empty_value() -> None:
    channel = ours.BinaryOperatorAggregate(list, operator.add)
    assert channel.initial() is not channel.initial()


OVERWRITES = [
    [Overwrite([9])],
    [[1], Overwrite([9]), [2]],
    [{"__overwrite__": [3]}, [1]],
    [{"value": [1], "type": "__overwrite__"}],
]


@pytest.mark.parametrize("writes", OVERWRITES, ids=str)
def test_overwrite_replaces(writes: list[Any]) -> None:
    other = theirs.BinaryOperatorAggregate(list, operator.add)
    other.update([["old"]])
    other.update([_theirs(value) for value in writes])
    channel = ours.BinaryOperatorAggregate(list, operator.add)
    assert channel.update(["old"], writes) == other.get()


def _theirs(value: Any) -> Any:
    from langgraph.types import Overwrite as TheirOverwrite

    return TheirOverwrite(value.value) if isinstance(value, Overwrite) else value


def test_two_overwrites_in_one_superstep_are_an_error() -> None:
    for channel in (
        ours.BinaryOperatorAggregate(list, operator.add),
        ours.DeltaChannel(lambda state, writes: [*state, *writes], list),
    ):
        with pytest.raises(InvalidUpdateError, match="only one Overwrite"):
            channel.update([], [Overwrite([1]), Overwrite([2])])


def test_overwrite_as_first_write_is_unwrapped() -> None:
    # DEVIATE: LangGraph stores the wrapper object itself.
    channel = ours.BinaryOperatorAggregate(Optional[list], operator.add)
    assert channel.update(MISSING, [Overwrite([1])]) == [1]


def test_delta_channel_is_called_once_per_superstep() -> None:
    calls: list[Any] = []

    def batch(state: list[Any], writes: Any) -> list[Any]:
        calls.append(list(writes))
        return [*state, *writes]

    channel = ours.DeltaChannel(batch).typed(list)
    assert channel.update(channel.initial(), [1, 2]) == [1, 2]
    assert channel.update([1], [2, Overwrite([7]), 3]) == [7]
    assert calls == [[1, 2]]


def test_lambdas_count_as_equal_reducers() -> None:
    def named(a: Any, b: Any) -> Any:
        return b

    one = ours.BinaryOperatorAggregate(int, lambda a, b: b)
    assert one == ours.BinaryOperatorAggregate(int, lambda a, b: a)
    assert one == ours.BinaryOperatorAggregate(int, named)
    assert ours.BinaryOperatorAggregate(int, named) != ours.BinaryOperatorAggregate(int, operator.add)
