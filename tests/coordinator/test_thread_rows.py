"""What runs on a thread read and write: rows that name large values, and no more of them than is new."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from tests.coordinator.talk import BIG, Talk, program

from drumline_protocol.history import History
from drumline_protocol.messages import (
    DeleteThread,
    ThreadSaves,
)
from drumline_protocol.thread_rows import row_data, save_in


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def test_a_run_reads_what_was_added_since_the_last_one(talk: Talk) -> None:
    """However long the talk is; and a thread that is begun anew has nothing of the one before."""
    read: list[int] = []
    broker: Any = talk.broker
    values_of = broker.read_values

    def noted(*asked: Any) -> Any:
        found = values_of(*asked)
        read.append(sum(map(len, found[0])))
        return found

    broker.read_values = noted
    for turn in range(8):
        talk.ask(f"r{turn}", {"l": [BIG]})
        talk.whole(f"r{turn}", "a", "b")
    assert max(read[2:]) <= 3
    before = talk.history()[0].checkpoint.cells["l"]
    talk.say(DeleteThread("d", "t"))
    talk.settle()
    for turn in range(3):
        talk.ask(f"n{turn}", {"l": [BIG, "anew"]})
        talk.whole(f"n{turn}", "c", "d")
        assert talk.history()[0].checkpoint.cells["l"] == [BIG, "anew", "c", "d"] * (turn + 1)
    assert len(before) == 24


def test_rows_name_what_the_versions_behind_them_hold(talk: Talk) -> None:
    """What was given and what was written reads as if it stood there, on branches and in copies too."""
    for turn in range(3):
        talk.ask(f"r{turn}", {"l": [BIG, {"turn": turn}]})
        talk.whole(f"r{turn}", {"said": "y" * 300}, "b")
    rows = talk.broker.read_history(0, "t")
    saves = [save_in(talk.codec, row.data) for row in rows]
    assert sum(bool(save.held) for save in saves) >= 8
    found = talk.history()
    given = [each.checkpoint.cells["__start__"] for each in found if each.checkpoint.source == "input"]
    assert given == [{"l": [BIG, {"turn": turn}]} for turn in (2, 1, 0)]
    written = [[value for _, channel, value in each.pending if channel == "l"] for each in found]
    assert written[1:4] == [[["b"]], [[{"said": "y" * 300}]], [[BIG, {"turn": 2}]]]
    old = found[2].checkpoint
    talk.ask("again", None, place={"checkpoint_id": old.id})
    talk.whole("again", "B")
    branch = talk.history()[0].checkpoint.cells["l"]
    assert (branch[: len(old.cells["l"])], branch[-1]) == (old.cells["l"], "B")


def test_large_cells_are_rows_of_the_thread_and_checkpoints_name_them(talk: Talk) -> None:
    talk.ask("r1", {"l": [BIG]})
    talk.whole("r1", "a", "b")
    assert all(len(row.data) < 500 for row in talk.broker.read_history(0, "t"))  # also what was given and written
    talk.lease()
    old = talk.history()[1].checkpoint
    talk.ask("r2", None, place={"checkpoint_id": old.id})
    talk.answer("r2", "B")
    talk.ask("r3", {"l": ["j"]})
    talk.whole("r3", "c", "d")
    found = talk.history()
    assert found[0].checkpoint.cells["l"] == [BIG, "a", "B", "j", "c", "d"]
    assert [each.checkpoint.cells["l"] for each in found if each.checkpoint.id == old.id] == [[BIG, "a"]]
    assert [each.checkpoint.cells["l"] for each in found][-4:-2] == [[BIG, "a", "b"], [BIG, "a"]]
    stored = sum(
        len(data) for stream in talk.server.partition(0).cells.values() for _, (_, data) in stream.after((0, 0))
    )
    assert stored < 2 * len(BIG)
    log = sum(len(entry.data) for entry in talk.broker.load_log(0, "r3"))
    assert log < len(BIG)


def test_a_history_that_is_added_from_outside_takes_what_it_took_before(talk: Talk) -> None:
    for n in range(6):
        talk.ask(f"r{n}", {"l": [BIG, n]})
        talk.whole(f"r{n}", "a", "b")
    rows = talk.broker.read_history(0, "t")
    history = History(talk.codec, "t", rows, partial(talk.broker.read_values, 0), resolves=True)
    data = [row_data(talk.codec, history.whole(save_in(talk.codec, row.data))) for row in rows]
    talk.say(ThreadSaves("answer", "u", "", data, "g"))
    talk.settle()
    assert talk.status("answer") == "done" and talk.head("u").status == "idle"
    for mine, theirs in zip(talk.history("u"), talk.history("t"), strict=True):
        mine.checkpoint.kept, theirs.checkpoint.kept = {}, {}
        assert mine == theirs
    part = talk.server.partition(0)

    def stored(thread: str) -> int:
        cells = [rows for (owner, _), rows in part.cells.items() if owner[1:] == thread]
        rows = talk.broker.read_history(0, thread)
        return sum(len(data) for each in cells for _, (_, data) in each.after((0, 0))) + sum(len(x.data) for x in rows)

    assert stored("u") <= 1.2 * stored("t")
    talk.ask("next", {"l": ["n"]}, "u")
    talk.whole("next", "c", "d")
    assert talk.history("u")[0].checkpoint.cells["l"] == [*talk.history("t")[0].checkpoint.cells["l"], "n", "c", "d"]
