"""What was written again is never left out as unchanged, however long a list has grown without that."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumline.threads.growth import Identities, change_of, noted
from drumline_graph.channels import BinaryOperatorAggregate
from drumline_graph.delta import APPEND, patch

TALK = BinaryOperatorAggregate(list, operator.add)


@given(st.lists(st.lists(st.integers(0, 40), max_size=5), max_size=12), st.data())
def test_a_look_at_what_has_grown_finds_what_a_look_at_all_does(grown: list[list[int]], data: st.DataObject) -> None:
    objects = [object() for _ in range(41)]
    items: list[Any] = []
    looked = Identities()
    for more in grown:
        items = [*items, *(objects[number] for number in more)]
        wanted = {id(objects[number]) for number in data.draw(st.lists(st.integers(0, 40), max_size=3))}
        assert looked.have_any(wanted, items) == any(id(item) in wanted for item in items)


@pytest.mark.parametrize("steps", range(8))
def test_an_item_that_was_changed_in_place_and_written_again(steps: int) -> None:
    talk: list[Any] = [{"n": 0}]
    identities = Identities()
    for number in range(1, steps):
        written = [{"n": number}]
        change = change_of(TALK, noted(talk), [*talk, *written], [written], identities)
        assert change == (APPEND, written)
        talk = [*talk, *written]
    old, again = noted(talk), talk[-1]
    again["n"] = "changed"
    new = [*talk, again]
    change = change_of(TALK, old, new, [[again]], identities)
    assert change[0] != APPEND
    assert patch([{"n": number} for number in range(len(talk))], change) == new
