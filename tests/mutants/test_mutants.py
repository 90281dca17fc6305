"""The list of mutations is as good as its texts: each must still stand in the source, once, and give Python."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .copies import ROOT, Ran
from .harness import Verdict, percent_killed, table
from .mutation import Mutation, StaleMutation
from .rooms import ROOMS

ALL = [mutation for mutations in ROOMS.values() for mutation in mutations]


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_each_mutation_applies_and_compiles(mutation: Mutation) -> None:
    source = (ROOT / mutation.file).read_text()
    broken = mutation.applied_to(source)
    assert broken != source
    if mutation.file.endswith(".py"):
        compile(broken, mutation.file, "exec")
    for word in mutation.arguments:
        if word.startswith("tests/"):
            assert (ROOT / word.split("::")[0]).exists(), f"{mutation.name}: there is no {word}"
    assert mutation.rule


def test_names_are_given_once() -> None:
    assert [name for name, count in Counter(mutation.name for mutation in ALL).items() if count > 1] == []


def made(name: str, old: str, new: str, *, equivalent: str = "") -> Mutation:
    return Mutation(name, "a.py", old, new, "tests/x.py", "a rule", equivalent)


def test_a_text_that_is_not_there_once_is_stale(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a < b\na < b\nc\n")
    for old in ("a < b", "d"):
        with pytest.raises(StaleMutation, match="'m' is stale"):
            made("m", old, "x").apply(tmp_path)
    made("m", "c\n", "d\n").apply(tmp_path)
    assert (tmp_path / "a.py").read_text() == "a < b\na < b\nd\n"


def test_the_table_counts_by_room_and_leaves_equivalent_ones_out() -> None:
    killed, survivor, same = made("k", "a", "b"), made("s", "a", "b"), made("e", "a", "b", equivalent="the same")
    verdicts = [Verdict("graph", killed, True, "t", 1, ""), Verdict("graph", survivor, False, "", 1, "")]
    text = table(["graph"], [("graph", killed), ("graph", survivor), ("graph", same)], verdicts)
    assert text.splitlines()[1].split() == ["graph", "3", "1", "1", "1", "50%"]
    assert "survived    graph        s: a rule" in text
    assert "equivalent  graph        e: the same" in text
    assert percent_killed([]) == 100


def test_who_noticed_first() -> None:
    output = "...F\nFAILED tests/x.py::test_y - assert 1 == 2\n1 failed\n"
    assert Ran(1, output).first_failure == "tests/x.py::test_y"
    assert Ran(None, "").first_failure == "(hangs)"
    assert Ran(2, "").first_failure == "(pytest ended with 2)"
