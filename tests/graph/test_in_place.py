"""A merge gives a new value, or raises and changes nothing: also with reducers that change what they are given."""

from __future__ import annotations

import copy
import operator
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.channels.binop import BinaryOperatorAggregate as Theirs
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.channels import MISSING, BinaryOperatorAggregate, Channel, DeltaChannel
from drumline_graph.channels.private import private_copy
from drumline_graph.channels.reducers import Reach, reach_of
from drumline_graph.constants import START
from drumline_graph.delta import diff, patch
from drumline_graph.message import add_messages
from drumline_graph.routing import fresh_cells
from drumline_graph.superstep import State, apply
from drumline_graph.types import Overwrite

from .in_place import CASES, Bag, Kept, Reducer, append, extend, nested

ids = CASES.keys()


class Done:
    """A finished task that wrote these values to key `k`."""

    name = path_key = "n"
    triggers = ("t",)

    def __init__(self, *values: Any) -> None:
        self.writes = [("k", value) for value in values]


def channel_of(case: tuple[Any, Reducer, Any]) -> BinaryOperatorAggregate:
    return BinaryOperatorAggregate(case[0], case[1])


def program_with(channel: Channel) -> Any:
    state: Any = TypedDict("state", {"k": Annotated[Any, channel]})  # type: ignore[misc]
    return StateGraph(state).add_node("n", lambda _: None).add_edge(START, "n").compile()


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other and getattr(one, "seen", None) == getattr(other, "seen", None)


@pytest.mark.parametrize("case", CASES.values(), ids=ids)
@given(data=st.data())
def test_the_values_are_langgraphs_and_nothing_is_changed(case: tuple[Any, Reducer, Any], data: st.DataObject) -> None:
    """Over some supersteps, with several writes in each, beside LangGraph's channel with the same reducer."""
    channel, theirs = channel_of(case), Theirs(list, case[1])
    cell: Any = case[0]()
    theirs.value = case[0]()
    for _ in range(data.draw(st.integers(1, 3))):
        values = data.draw(st.lists(case[2], min_size=1, max_size=3))
        before, given_values = copy.deepcopy(cell), copy.deepcopy(values)
        new = channel.update(cell, values)
        theirs.update(copy.deepcopy(values))
        assert same(new, theirs.value)
        assert same(cell, before), "the old value was changed"
        assert all(map(same, values, given_values)), "a written value was changed"
        change = diff(channel, cell, new, values)
        assert same(patch(cell, change), new)
        assert same(cell, before), "the change shares something with the old value"
        cell = new


@pytest.mark.parametrize("case", CASES.values(), ids=ids)
@given(data=st.data())
def test_a_merge_that_fails_changes_nothing(case: tuple[Any, Reducer, Any], data: st.DataObject) -> None:
    class Broke(Exception):
        pass

    def breaks(left: Any, right: Any) -> Any:
        case[1](left, right)
        raise Broke

    program = program_with(BinaryOperatorAggregate(case[0], breaks))
    state = State({"k": case[0]()}, {}, {}, 0)
    for value in (data.draw(case[2]), data.draw(case[2])):
        before, given_value, cells = copy.deepcopy(state.cells), copy.deepcopy(value), dict(state.cells)
        with pytest.raises(Broke):
            apply(program, state, [Done(value)])
        assert same(state.cells["k"], before["k"]) and state.cells["k"] is cells["k"]
        assert same(value, given_value)


@pytest.mark.parametrize("case", CASES.values(), ids=ids)
@given(data=st.data())
def test_a_router_may_look_as_often_as_it_likes(case: tuple[Any, Reducer, Any], data: st.DataObject) -> None:
    program = program_with(channel_of(case))
    cells, value = {"k": case[0]()}, data.draw(case[2])
    before = copy.deepcopy(cells)
    views = [fresh_cells(program, cells, [("k", value)], ["k"])["k"] for _ in range(2)]
    assert same(views[0], views[1])
    assert same(cells["k"], before["k"])


def test_a_second_write_to_an_empty_key_does_not_change_the_first() -> None:
    first: list[int] = [1]
    for reducer in (operator.iadd, extend):
        channel = BinaryOperatorAggregate(Any, reducer)
        assert channel.initial() is MISSING
        assert channel.update(MISSING, [first, [2], [3]]) == [1, 2, 3]
        assert first == [1]


def test_an_overwritten_value_is_not_changed_by_the_next_step() -> None:
    given_value = [1]
    channel = BinaryOperatorAggregate(list, extend)
    cell = channel.update([], [Overwrite(given_value)])
    assert cell is given_value  # as in LangGraph
    assert channel.update(cell, [[2]]) == [1, 2]
    assert given_value == [1]


def test_two_names_of_one_object_stay_two_names_of_one_object() -> None:
    def tell(left: Any, right: Any) -> Any:
        left.append("same" if left is right else "other")
        return left

    mine: list[Any] = ["mine"]
    assert BinaryOperatorAggregate(list, tell).update(mine, [mine]) == ["mine", "same"]
    assert BinaryOperatorAggregate(list, tell).update(mine, [["mine"]]) == ["mine", "other"]
    inner: list[Any] = []
    twice = private_copy([inner, inner], {})
    twice[0].append(1)
    assert twice == [[1], [1]] and inner == []
    round_: list[Any] = []
    round_.append(round_)
    copied = private_copy(round_, {})
    assert copied is not round_ and copied[0] is copied


def test_what_is_no_data_stays_the_same_object() -> None:
    class Client:
        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("copied")

        __copy__ = __deepcopy__

    class Refuses(Kept):
        def __copy__(self) -> Any:
            raise RuntimeError("not me")

    held = [threading.Lock(), Client(), (number for number in (1, 2)), object(), Refuses([1]), ValueError("x")]
    copied = private_copy({"held": held, "pair": (held[0], [1])}, {})
    assert all(one is other for one, other in zip(copied["held"], held, strict=True))
    assert copied["held"] is not held and copied["pair"][0] is held[0]
    assert list(copied["held"][2]) == [1, 2]


def test_values_that_nobody_can_change_are_not_copied() -> None:
    value = (1, "a", None, (2.0, b"b"), frozenset([1]))
    assert private_copy(value, {}) is value
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert private_copy(deep, {}) is deep


def test_arrays_are_copied_and_messages_shared() -> None:
    array, message = np.arange(3), HumanMessage("a", id="1", additional_kwargs={"k": [1]})

    def spoil(left: Any, right: Any) -> Any:
        left["array"][0] = 9
        right["message"].id = "named"  # as LangGraph's reducers name messages, for whoever wrote them to see
        return left

    right = {"message": AIMessage("b", id="2")}
    new = BinaryOperatorAggregate(dict, spoil).update({"array": array, "message": message}, [right])
    assert list(new["array"]) == [9, 1, 2] and new["message"] is message
    assert list(array) == [0, 1, 2]
    assert right["message"].id == "named"


def test_a_batch_reducer_may_change_its_list() -> None:
    def grow(state: list[int], writes: Any) -> list[int]:
        for write in writes:
            state.extend(write)
        writes.clear()
        return state

    channel, old, writes = DeltaChannel(grow, list), [1], [[2], [3]]
    new = channel.update(old, writes)
    assert (new, old, writes) == ([1, 2, 3], [1], [[2], [3]])
    assert diff(channel, old, new, writes) == ("+", [2, 3])


def test_a_channel_of_the_users_own_class_gets_private_copies() -> None:
    class Mine(Channel):
        def initial(self) -> Any:
            return {"all": []}

        def update(self, cell: Any, values: list[Any]) -> Any:
            for value in values:
                cell["all"].append(value.pop())
            return cell

    program = program_with(Mine())
    state, value = State.initial(program), [1, 2]
    applied = apply(program, state, [Done(value)])
    assert applied.changes["k"] == {"all": [2]}
    assert state.cells["k"] == {"all": []} and value == [1, 2]
    assert fresh_cells(program, state.cells, [("k", value)], ["k"]) == {"k": {"all": [2]}}
    assert state.cells["k"] == {"all": []} and value == [1, 2]


# -- who is not copied for --------------------------------------------------------------------------


def count(left: Any, right: Any) -> Any:
    out = left
    for item in right:
        out = out + [item]  # noqa: RUF005
    return out


def marked(left: Any, right: Any) -> Any:
    return [*left, *right].copy()


marked.is_pure = True  # type: ignore[attr-defined]

PURE: dict[str, Reducer] = {
    "operator.add": operator.add,
    "operator.or_": operator.or_,
    "operator.concat": operator.concat,
    "list.__add__": list.__add__,
    "a + b": lambda a, b: a + b,
    "the last": lambda _, b: b,
    "either": lambda a, b: b or a,
    "unless None": lambda a, b: a if b is None else b,
    "a window": lambda a, b: (a + b)[-10:],
    "unpacked": lambda a, b: [*a, *b],
    "merged": lambda a, b: {**a, **b},
    "a loop": count,
    "add_messages": add_messages,
    "add_messages with a format": add_messages(format="langchain-openai"),
    "said so": marked,
}
if sys.version_info >= (3, 11):  # its instructions say what is called
    PURE |= {"max": lambda a, b: max(a, b), "sorted": lambda a, b: sorted(a + b)}


@pytest.mark.parametrize("reducer", PURE.values(), ids=PURE.keys())
def test_known_reducers_are_called_with_the_values_themselves(reducer: Reducer) -> None:
    assert reach_of(reducer) in (Reach.NOTHING, Reach.NOTHING_OF_PYTHONS)


def test_items_are_shared_with_what_a_pure_reducer_is_given() -> None:
    left, right = [object()], [object()]
    for reducer in (operator.add, lambda a, b: a + b, operator.iadd):
        new = BinaryOperatorAggregate(list, reducer).update(left, [right])
        assert new[0] is left[0] and new[1] is right[0]
    bag = Bag()
    assert BinaryOperatorAggregate(Any, lambda _, b: b).update(Bag(), [bag]) is bag


def test_an_operator_of_the_users_class_may_do_anything() -> None:
    class Sum(Kept):
        def __add__(self, other: Any) -> Any:
            self.extend(other)
            return self

    left = Sum([1])
    for reducer in (operator.add, lambda a, b: a + b):
        assert BinaryOperatorAggregate(Sum, reducer).update(left, [[2]]) == [1, 2]
        assert left == [1]


def setter(left: Any, right: Any) -> Any:
    left["k"] = right
    return left


def deleter(left: Any, right: Any) -> Any:
    del left[right]
    return left


def caller(left: Any, right: Any) -> Any:
    right(left)
    return left


def attribute(left: Any, right: Any) -> Any:
    left.k = right
    return left


def default(left: Any, right: Any, change: Callable[..., Any] = list.append) -> Any:
    change(left, right)
    return left


def inner(left: Any, right: Any) -> Any:
    left[0] += right
    return left


SPOILERS = [append, extend, nested, setter, deleter, caller, attribute, default, inner, lambda a, b: append(a, b)]


@pytest.mark.parametrize("reducer", SPOILERS)
def test_code_that_may_change_something_gets_copies(reducer: Reducer) -> None:
    assert reach_of(reducer) is Reach.ANYTHING


def test_callables_that_are_no_functions_get_copies() -> None:
    class Merge:
        def __call__(self, left: Any, right: Any) -> Any:
            left.append(right)
            return left

    assert reach_of(Merge()) is Reach.ANYTHING
    left: list[int] = []
    assert BinaryOperatorAggregate(list, Merge()).update(left, [1]) == [1]
    assert left == []


def marking(item: Any) -> int:
    item.append(0)
    return len(item)


def by_closure(key: Any) -> Reducer:
    return lambda left, right: sorted([*left, *right], key=key)


def by_default(left: Any, right: Any, key: Any = marking) -> Any:
    return sorted([*left, *right], key=key)


def by_keyword(left: Any, right: Any, *, key: Any = marking) -> Any:
    return sorted([*left, *right], key=key)


@pytest.mark.parametrize(
    "reducer", [by_closure(marking), by_default, by_keyword], ids=["closure", "default", "keyword"]
)
def test_code_that_hands_a_function_of_the_user_on_gets_copies(reducer: Reducer) -> None:
    """`sorted` changes nothing, but it calls `key` with the items."""
    cell = [[1]]
    assert BinaryOperatorAggregate(list, reducer).update(cell, [[[2, 3]]]) == [[1, 0], [2, 3, 0]]
    assert cell == [[1]], "the key function has changed what the channel holds"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its instructions do not say what is called")
def test_a_known_function_may_be_handed_on() -> None:
    assert reach_of(by_closure(len)) is Reach.NOTHING_OF_PYTHONS
