"""What a `Retention` keeps of a thread's checkpoints."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumline_protocol.retention import Base, Piece, Retention, kept_pieces, retention_in

NOW = 100_000.0


def chain(n: int, size: int = 10) -> list[Piece]:
    """`n` checkpoints of the root, a second apart, the last one now: "01", "02", ..."""
    return [Piece("", f"{i:02}", f"{i:02}", NOW - (n - i) * 1000, size) for i in range(1, n + 1)]


def kept(pieces: list[Piece], waits: bool = False, **rules: Any) -> list[str] | None:
    found = kept_pieces(pieces, Retention(**rules), NOW, waits=waits)
    return None if found is None else sorted(f"{ns}/{id_}" if ns else id_ for ns, id_ in found)


def test_without_a_bound_all_stays() -> None:
    assert kept(chain(3)) == ["01", "02", "03"]
    assert kept(chain(3), max_checkpoints=1, max_age=0.5, keep="all") == ["01", "02", "03"]


def test_the_newest_come_first() -> None:
    assert kept(chain(5), max_checkpoints=2) == ["04", "05"]
    assert kept(chain(5), max_age=2) == ["03", "04", "05"]
    assert kept(chain(5), max_age=timedelta(seconds=1), max_checkpoints=4) == ["04", "05"]
    assert kept(chain(5, size=100), max_bytes=350) == ["03", "04", "05"]
    assert kept(chain(5, size=100), max_bytes=1) == ["05"]  # one is never too large


def test_a_value_that_many_share_counts_once() -> None:
    pieces = chain(4)
    for number, piece in enumerate(pieces):
        piece.stands_on = {Base("l", 1): 100 + number}
    assert kept(pieces, max_bytes=133) == ["02", "03", "04"]
    pieces[0].stands_on = pieces[1].stands_on = {Base("l", 0): 50}
    assert kept(pieces, max_bytes=133) == ["03", "04"]


@pytest.mark.parametrize(
    ("keep", "waits", "stays"),
    [
        ("latest", False, ["03"]),
        ("latest", True, ["03"]),
        ("interrupted", False, None),
        ("interrupted", True, ["03"]),
        ("none", False, None),
        ("none", True, None),
    ],
)
def test_what_stays_of_an_old_thread(keep: str, waits: bool, stays: list[str] | None) -> None:
    old = [Piece("", p.id, p.root, p.at_ms - 50_000, 10) for p in chain(3)]
    assert kept(old, waits, max_age=10, keep=keep) == stays
    assert kept(chain(3), waits, max_age=10, max_checkpoints=1, keep=keep) == ["03"]  # not old: count drops no thread


def test_graphs_within_stay_with_their_checkpoint() -> None:
    pieces = [
        *chain(3),
        *(Piece("sub:1", f"x{n}", f"0{n}", NOW, 10) for n in (1, 2, 3)),
        *(Piece("own", f"y{n}", f"0{n}", NOW, 10) for n in (1, 2)),
    ]
    assert kept(pieces, max_checkpoints=1) == ["03", "own/y2", "sub:1/x3"]
    assert kept(pieces, max_checkpoints=2) == ["02", "03", "own/y2", "sub:1/x2", "sub:1/x3"]


@pytest.mark.parametrize(
    "rules",
    [
        {"keep": "some"},
        {"max_age": 0},
        {"max_age": -1.5},
        {"max_checkpoints": 0},
        {"max_bytes": True},
        {"max_age": "1d"},
    ],
)
def test_rules_that_are_none(rules: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a positive number|keep is one of"):
        Retention(**rules)


@pytest.mark.parametrize("found", [[], {"x": 1}, {"max_age": 0}, None])
def test_dicts_that_are_none(found: Any) -> None:
    with pytest.raises(ValueError, match=r"retention|positive"):
        retention_in(found)


positive = st.one_of(st.none(), st.integers(1, 50))
rules = st.builds(Retention, positive, positive, positive, st.sampled_from(["latest", "interrupted", "all", "none"]))


@given(rules, st.lists(st.integers(0, 100), max_size=8), st.booleans())
def test_what_is_kept_is_the_newest_and_pruning_twice_is_pruning_once(
    retention: Retention, ages: list[int], waits: bool
) -> None:
    assert retention_in(retention.as_dict()) == retention
    ages.sort(reverse=True)
    pieces = [Piece("", f"{n:02}", f"{n:02}", NOW - age * 1000, 7) for n, age in enumerate(ages)]
    found = kept_pieces(pieces, retention, NOW, waits=waits)
    if found is None:
        assert not retention.spares_latest(waits=waits)
        return
    assert found == {("", piece.id) for piece in pieces[len(pieces) - len(found) :]}
    assert bool(found) == bool(pieces)
    left = [piece for piece in pieces if ("", piece.id) in found]
    assert kept_pieces(left, retention, NOW, waits=waits) == found
