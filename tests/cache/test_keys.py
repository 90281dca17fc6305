"""Keys of cached results: equal inputs of equal types have one, others have others."""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel

from drumline.types import CachePolicy, default_cache_key
from drumline_protocol.errors import EncodeError


@dataclass
class Point:
    x: Any
    y: Any = None


@dataclass
class Other:
    x: Any
    y: Any = None


class Model(BaseModel):
    x: int


class Color(enum.Enum):
    RED = 1


DIFFERENT = [
    *(1, 1.0, True, "1", b"1", None, 0, False, "", b"", -0.0, 0.0),
    *(
        [],
        (),
        {},
        set(),
        frozenset(),
        [()],
        [[]],
        ({},),
        [1, 2],
        (1, 2),
        [2, 1],
        {1, 2},
        {1: 2},
        {"1": 2},
        {"a": 1, "b": 2},
    ),
    *(Point(1), Other(1), Point(1, 2), Point({"a": 1}), Model(x=1), Model(x=2), Color.RED, Point(Point(1))),
    *(HumanMessage("x"), AIMessage("x"), HumanMessage("y"), HumanMessage("x", id="1")),
    *(np.zeros(2), np.zeros(2, dtype="f4"), np.zeros(2, dtype="i8"), np.zeros((2, 1)), np.zeros((1, 2)), np.zeros(3)),
]


def test_values_that_differ_have_different_keys():
    found = [default_cache_key(value) for value in DIFFERENT]
    assert len(set(found)) == len(DIFFERENT)


@pytest.mark.parametrize("value", DIFFERENT, ids=repr)
def test_a_copy_has_the_same_key(value):
    assert default_cache_key(copy.deepcopy(value)) == default_cache_key(value)


def turned(value: Any) -> Any:
    """The same value, with its dicts and sets filled in another order."""
    if isinstance(value, dict):
        return {key: turned(part) for key, part in reversed(list(value.items()))}
    if isinstance(value, (list, tuple)):
        return type(value)(map(turned, value))
    if isinstance(value, set):
        return {part for part in reversed(list(value))}  # noqa: C416 - the order of filling is the point
    return Point(turned(value.x), turned(value.y)) if isinstance(value, Point) else value


plain = st.one_of(st.integers(), st.text(max_size=3), st.booleans())
nested = st.recursive(
    st.one_of(plain, st.sets(plain, max_size=3)),
    lambda inner: st.one_of(
        st.dictionaries(plain, inner, max_size=3),
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Point, inner, inner),
    ),
    max_leaves=10,
)


@given(nested)
def test_order_does_not_matter_where_it_does_not_for_equality(value):
    assert default_cache_key(turned(value), other=1) == default_cache_key(value, other=1)


@given(nested, nested)
def test_one_key_means_equal(one, other):
    if default_cache_key(one) == default_cache_key(other):
        assert one == other


def test_arguments_and_keywords_are_told_apart():
    keys = [default_cache_key(1), default_cache_key(x=1), default_cache_key([1]), default_cache_key(1, x=1)]
    assert len(set(keys)) == 4


def test_what_cannot_be_written_has_no_key():
    with pytest.raises(EncodeError, match=r"arguments\[0\]\[0\]\['f'\]"):
        default_cache_key({"f": lambda: 1})


def test_it_is_the_policys_own():
    assert CachePolicy().key_func is default_cache_key
