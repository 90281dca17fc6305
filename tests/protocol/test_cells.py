"""Cells: a version is its base and the deltas of its own branch, whatever rows lie between."""

from __future__ import annotations

import copy
import operator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol import changes
from tests.protocol.samples import CODEC, exactly

from drumline_graph.channels import MISSING, BinaryOperatorAggregate
from drumline_graph.delta import PARTS, diff, patch
from drumline_protocol.cells import (
    NO_PARENT,
    CellAt,
    CellRow,
    assemble,
    branch_of,
    cell_name,
    decode_change,
    encode_change,
    patched,
)
from drumline_protocol.errors import CellMissing, DecodeError

#: a channel that grows, and what is written to it
CHANNELS: dict[str, tuple[BinaryOperatorAggregate, Any]] = {
    "list": (BinaryOperatorAggregate(list, operator.add), st.lists(st.integers(), max_size=3)),
    "str": (BinaryOperatorAggregate(str, operator.add), st.text(max_size=3)),
    "tuple": (BinaryOperatorAggregate(tuple, operator.add), st.lists(st.integers(), max_size=3).map(tuple)),
    "dict": (
        BinaryOperatorAggregate(dict, operator.or_),
        st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=3),
    ),
    "set": (BinaryOperatorAggregate(set, operator.or_), st.sets(st.integers(0, 9), max_size=3)),
    "bytes": (BinaryOperatorAggregate(bytes, operator.add), st.binary(max_size=3)),
}


class Tree:
    """Versions of one cell as a coordinator writes them: each on a parent, as a base or as a delta; numbers ascend."""

    def __init__(self, channel: BinaryOperatorAggregate) -> None:
        self.channel = channel
        self.values: dict[int, Any] = {}
        self.rows: list[CellRow] = []

    def grow(self, parent: int, write: Any, *, base: bool) -> int:
        version = len(self.rows) + 1
        old = self.values[parent] if parent else self.channel.initial()
        new = self.channel.update(copy.deepcopy(old), [write])
        self.values[version] = new = old if new is MISSING else new
        if base or not parent:
            row = CellRow(version, NO_PARENT, CODEC.encode(new))
        else:
            change = diff(self.channel, old, new, [write])
            row = CellRow(version, parent, encode_change(CODEC, change))
        self.rows.append(row)
        return version


@pytest.mark.parametrize("kind", CHANNELS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_version_of_every_branch_is_read_as_it_was_written(kind: str, data: st.DataObject) -> None:
    channel, writes = CHANNELS[kind]
    tree = Tree(channel)
    for _ in range(data.draw(st.integers(1, 12))):
        parent = data.draw(st.integers(0 if not tree.rows else 1, len(tree.rows)))
        tree.grow(parent, data.draw(writes), base=data.draw(st.integers(0, 4)) == 0)
    rows = data.draw(st.permutations(tree.rows))
    for version, value in tree.values.items():
        found = assemble(CODEC, rows, version)
        assert found == value and type(found) is type(value)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_version_without_one_of_its_rows_is_refused_never_wrong(data: st.DataObject) -> None:
    channel, writes = CHANNELS["list"]
    tree = Tree(channel)
    for _ in range(data.draw(st.integers(1, 8))):
        parent = data.draw(st.integers(0 if not tree.rows else 1, len(tree.rows)))
        tree.grow(parent, data.draw(writes), base=False)
    version = data.draw(st.integers(1, len(tree.rows)))
    branch = branch_of(tree.rows, version)
    lost = data.draw(st.sampled_from(branch))
    with pytest.raises(CellMissing) as told:
        assemble(CODEC, [row for row in tree.rows if row is not lost], version)
    assert (told.value.version, told.value.lacking) == (version, lost.version)


def test_rows_behind_a_known_version_are_enough_if_the_branch_comes_by_it() -> None:
    tree = Tree(CHANNELS["list"][0])
    one = tree.grow(0, [1], base=True)
    two = tree.grow(one, [2], base=False)
    other = tree.grow(one, [3], base=False)
    last = tree.grow(two, [4], base=False)
    behind = [row for row in tree.rows if row.version > two]
    assert [row.version for row in branch_of(behind, last, known=two)] == [last]
    with pytest.raises(CellMissing):
        branch_of(behind, other, known=two)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [CellRow(3, 3, b"\x92\xa1+\x90")],
        [CellRow(3, 5, b"\x92\xa1+\x90"), CellRow(5, 3, b"\x92\xa1+\x90")],
    ],
)
def test_parents_that_do_not_come_before_are_refused(rows: list[CellRow]) -> None:
    with pytest.raises(CellMissing):
        assemble(CODEC, rows, 3)


@pytest.mark.parametrize(
    "change",
    [
        7,
        [],
        [1],
        ["+"],
        ["+", [], 1],
        ["?", 1],
        ["r", {}],
        ["d", [], {}],
        ["-", []],
        ["u"],
        ["s"],
        {"+": 1},
        [["+"], 1],
    ],
)
def test_what_is_no_change_is_refused(change: Any) -> None:
    with pytest.raises(DecodeError):
        decode_change(CODEC, CODEC.encode(change))


@pytest.mark.parametrize(
    "change", [("+", 7), ("p", [1]), ("r", {9: 1}, []), ("r", 7, []), ("u", [1]), ("d", 7, {}, []), ("-", [], {})]
)
def test_a_change_that_does_not_fit_is_refused(change: Any) -> None:
    with pytest.raises(DecodeError):
        patched([1, 2], [change])


def test_changes_of_every_kind_are_drawn() -> None:
    drawn = [changes.changes_of(cell, st.none(), st.none()) for cell in ([], (), "", b"", {}, set(), frozenset())]
    assert {kind for of_kinds in drawn for kind in of_kinds} == set(PARTS)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changes_made_as_one_are_those_made_one_by_one(data: st.DataObject) -> None:
    items = st.integers()
    value = data.draw(changes.cells(items))
    one_by_one, kept = value, copy.deepcopy(value)
    made = []
    for _ in range(data.draw(st.integers(0, 8))):
        change = changes.fitting(data, one_by_one, items, changes.cells(items))
        assert decode_change(CODEC, encode_change(CODEC, change)) == change
        one_by_one = patch(one_by_one, change)
        made.append(change)
    assert exactly(patched(value, made), one_by_one)
    assert exactly(value, kept), "nothing is changed in place"


@pytest.mark.parametrize("change", [("+", [0]), ("p", {0: 0}), ("u", [0])], ids=str)
def test_a_long_branch_makes_one_new_container(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr("drumline_protocol.cells.patch", lambda *given: made.append(given) or patch(*given))
    patched({"+": [], "p": {}, "u": set()}[change[0]], [change] * 50)
    assert len(made) == 1


def test_a_cell_that_holds_nothing_and_then_something() -> None:
    rows = [
        CellRow(1, 0, CODEC.encode([1])),
        CellRow(2, 1, encode_change(CODEC, ("x",))),
        CellRow(3, 2, encode_change(CODEC, ("s", [2]))),
    ]
    assert assemble(CODEC, rows, 2) is MISSING
    assert assemble(CODEC, rows, 3) == [2]


def test_names_of_cells() -> None:
    assert cell_name((), "messages") == ":messages"
    assert cell_name(("a:1", "b:2"), "x") == "a:1|b:2:x"
    assert CellAt("c", 3, 1) == ("c", 3, 1)
