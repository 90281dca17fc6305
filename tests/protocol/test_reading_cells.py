"""Cells that are read again and again: only what was added is read, and everybody gets a value of their own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumline_graph.delta import APPEND, REPLACE
from drumline_protocol.cells import CellAt, CellRow, encode_change
from drumline_protocol.codec import Codec
from drumline_protocol.errors import CellMissing
from drumline_protocol.reading_cells import CellReader
from drumline_transport.cell_cache import Cache

CODEC = Codec()


class Store:
    """Rows of one cell, and how many were read."""

    def __init__(self) -> None:
        self.rows: list[CellRow] = []
        self.read: list[int] = []

    def add(self, version: int, parent: int, data: bytes) -> None:
        self.rows.append(CellRow(version, parent, data))

    def values(self, cells: list[Any], blobs: list[str]) -> Any:
        found = [[row for row in self.rows if after < row.version <= upto] for _, _, after, upto in cells]
        self.read.append(sum(map(len, found)))
        return found, [b"" for _ in blobs]


def test_only_what_was_added_is_read() -> None:
    store, cache = Store(), Cache(1 << 20)
    store.add(1, 0, CODEC.encode([{"n": 0}]))
    for version in range(2, 30):
        store.add(version, version - 1, encode_change(CODEC, (APPEND, [{"n": version}])))
        reader = CellReader(CODEC, store.values, cache, ("life",))
        for _ in range(2):
            [value], _ = reader.values("o", [CellAt("c", version, 1)], [])
            assert value == [{"n": 0}, *({"n": n} for n in range(2, version + 1))]
            value[0]["n"] = "spoilt"
            value.append("spoilt")
    assert store.read[0] == 2 and set(store.read[1:]) == {1}
    CellReader(CODEC, store.values, cache, ("another life",)).values("o", [CellAt("c", 29, 1)], [])
    assert store.read[-1] == 29
    cache.forget(lambda name: "o" in name)  # type: ignore[operator]
    assert (len(cache), cache.bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("+rbu")), min_size=1, max_size=25), st.data())
def test_branches_are_read_as_whoever_has_seen_nothing_reads_them(
    steps: list[tuple[int, str]], data: st.DataObject
) -> None:
    store, cache, ats, n = Store(), Cache(1 << 20), [], 0
    for n, (parent, kind) in enumerate(steps, 1):
        before = ats[parent % len(ats)] if ats and kind != "b" else None
        if before is None:
            store.add(n, 0, CODEC.encode([{"base": n}, {1: n}]))
            ats.append(CellAt("c", n, n))
        else:
            new: Any = {n} if kind == "u" else {"n": n}
            change = (REPLACE, {0: new}, [[n]]) if kind == "r" else (APPEND, [new])
            store.add(n, before.version, encode_change(CODEC, change))
            ats.append(CellAt("c", n, before.base))
    seen, unseen = CellReader(CODEC, store.values, cache), CellReader(CODEC, store.values)
    for at in data.draw(st.lists(st.sampled_from(ats), min_size=1, max_size=12)):
        assert seen.values("o", [at], []) == unseen.values("o", [at], [])


def test_a_version_that_is_gone_is_told() -> None:
    store = Store()
    store.add(2, 1, encode_change(CODEC, (APPEND, [1])))
    with pytest.raises(CellMissing):
        CellReader(CODEC, store.values, Cache(1 << 20)).values("o", [CellAt("c", 2, 1)], [])
