"""Changes of every kind that `drumline_graph.delta` knows, each one of a value that it fits."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from drumline_graph.channels import MISSING
from drumline_graph.delta import APPEND, GONE, PUT, REPLACE, SET, TAKE_ITEMS, TAKE_KEYS, UNITE

keys = st.sampled_from("abcd")


def cells(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values that some kind of change fits, of `items`."""
    return st.one_of(
        st.lists(items, max_size=4),
        st.lists(items, max_size=3).map(tuple),
        st.dictionaries(keys, items, max_size=3),
        st.sets(st.integers(0, 9), max_size=4),
        st.frozensets(st.integers(0, 9), max_size=4),
        st.text(max_size=3),
        st.binary(max_size=3),
    )


def changes_of(
    cell: Any, items: st.SearchStrategy[Any], whole: st.SearchStrategy[Any]
) -> dict[str, st.SearchStrategy[Any]]:
    """Changes that fit `cell`, by their kind. They bring `items`, or set it to something of `whole`."""
    found: dict[str, st.SearchStrategy[Any]] = {SET: st.tuples(st.just(SET), whole), GONE: st.just((GONE,))}
    tails = st.lists(items, max_size=2)
    puts = st.dictionaries(keys, items, max_size=2)
    if cell is MISSING:
        return found
    if type(cell) is list:
        places, most = st.sampled_from(range(len(cell) or 1)), min(2, len(cell))
        taken, replaced = st.lists(places, max_size=most, unique=True), st.dictionaries(places, items, max_size=most)
        found[APPEND] = st.tuples(st.just(APPEND), tails)
        found[REPLACE] = st.tuples(st.just(REPLACE), replaced, tails)
        found[TAKE_ITEMS] = st.tuples(st.just(TAKE_ITEMS), taken, replaced, tails)
    elif type(cell) in (tuple, str, bytes):
        more: dict[type, Any] = {tuple: tails.map(tuple), str: st.text(max_size=2), bytes: st.binary(max_size=2)}
        found[APPEND] = st.tuples(st.just(APPEND), more[type(cell)])
    elif type(cell) is dict:
        found[PUT] = st.tuples(st.just(PUT), puts)
        taken = st.lists(st.sampled_from(list(cell)), max_size=2, unique=True) if cell else st.just([])
        found[TAKE_KEYS] = st.tuples(st.just(TAKE_KEYS), taken, puts)
    elif type(cell) in (set, frozenset):
        found[UNITE] = st.tuples(st.just(UNITE), st.lists(st.integers(0, 9), max_size=2, unique=True))
    return found


def fitting(data: st.DataObject, cell: Any, items: st.SearchStrategy[Any], whole: st.SearchStrategy[Any]) -> Any:
    """A change that fits `cell`, drawn."""
    of_kinds = changes_of(cell, items, whole)
    return data.draw(of_kinds[data.draw(st.sampled_from(sorted(of_kinds)))])
