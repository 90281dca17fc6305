"""What a reader of a run's log makes of what it finds there, told by a scripted coordinator."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.client.scripted import PROGRAM, Script, begun, committed, events, finished_run, planned

from drumline.cluster.position import Position, position_text, run_tag
from drumline.errors import (
    DamagedRun,
    InvalidPosition,
    LogGap,
    ModeNotRecorded,
    RunExpired,
    UnknownRun,
)
from drumline_protocol.facts import (
    TaskFinished,
)


def at(fact: int, items: int, run_id: str = "r") -> str:
    """The position behind so many items of a fact."""
    return position_text(Position(fact, items), run_tag(run_id))


# -- positions -------------------------------------------------------------------------------------


def test_a_reader_behind_a_position_gets_what_stands_behind_it(script: Script) -> None:
    finished_run(script)
    cluster = script.cluster()
    stream = cluster.join("r", stream_mode=["custom", "updates"])
    items, positions = [], []
    beginning = stream.position
    for item in stream:
        items.append(item)
        positions.append(stream.position)
    assert items == [("custom", "a"), ("custom", "b"), ("custom", "c"), ("updates", {"says": {"out": 3}})]
    assert len(set(positions)) == 4
    assert list(cluster.join("r", after=beginning, stream_mode=["custom", "updates"])) == items
    for index, position in enumerate(positions):
        again = cluster.join("r", after=position, stream_mode=["custom", "updates"])
        assert again.position == position, "a stream that has yielded nothing is where it was opened"
        assert list(again) == items[index + 1 :]


def test_a_position_holds_for_another_mode_too(script: Script) -> None:
    """A position tells how far the run was seen; a position behind a whole fact is behind all that it gives."""
    finished_run(script)
    cluster = script.cluster()
    assert list(cluster.join("r", after=at(6, 3), stream_mode="custom")) == []
    assert list(cluster.join("r", after=at(7, 0), stream_mode="updates")) == [{"says": {"out": 3}}]
    assert list(cluster.join("r", after=at(7, 1), stream_mode="updates")) == []


def test_the_state_before_a_position_is_folded_silently(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"), committed(1, what="x", n=1))
    script.write("r", 5, planned(2, "says"), committed(2, out=2))
    script.finish("r", 7)
    assert list(script.cluster().join("r", after=at(4, 1), stream_mode="values")) == [{"what": "x", "n": 1, "out": 2}]


TAG = run_tag("r")


@pytest.mark.parametrize(
    "position",
    [
        *("", "1", "abc", "1.2", "1.2."),
        *(
            f"{numbers}.{TAG}"
            for numbers in ("1", "-1.0", "1.-2", "1.x", " 1.1", "\u0661.1", "+1.1", "1.1.1", "1" * 40)
        ),
        f"1.1.{TAG}x",
        at(1, 1, "another"),
    ],
)
def test_what_no_stream_of_the_run_gave_out_is_no_position(script: Script, position: str) -> None:
    finished_run(script)
    with pytest.raises(InvalidPosition):
        script.cluster().join("r", after=position)


def test_a_position_behind_the_end_is_refused(script: Script) -> None:
    finished_run(script)
    assert list(script.cluster().join("r", after=at(9, 0), stream_mode="custom")) == []
    for position in (at(10, 0), at(999, 1)):
        with pytest.raises(InvalidPosition, match="ended with fact 9"):
            list(script.cluster().join("r", after=position))


# -- a log that is not whole -----------------------------------------------------------------------


def test_a_missing_entry_is_a_gap(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM))
    script.write("r", 4, planned(1, "says"))
    script.finish("r", 5)
    with pytest.raises(LogGap) as caught:
        list(script.cluster().join("r"))
    assert (caught.value.wanted, caught.value.found) == (3, 4)


def test_facts_that_come_again_are_a_rewind(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.write("r", 3, planned(2, "says"), last=4)
    script.finish("r", 5)
    with pytest.raises(LogGap) as caught:
        list(script.cluster().join("r"))
    assert (caught.value.wanted, caught.value.found) == (4, 3)


@pytest.mark.parametrize("rewritten", [6, 9], ids=["up to there", "to the end"])
def test_a_position_in_a_tail_that_was_lost_is_a_rewind(script: Script, rewritten: int) -> None:
    """I8: other facts stand under the numbers that the reader has seen. It must not go on behind them as if they were
    those.
    """
    script.write("r", 1, *begun(PROGRAM, recorded=("custom",)), planned(1, "says"))
    script.write("r", 4, events(script, "seen", "and lost"), last=5)
    stream = script.cluster().join("r", stream_mode="custom")
    before = stream.position
    assert [next(stream), next(stream)] == ["seen", "and lost"]
    # When a failover loses the last entry, and the new epoch writes others
    script.lose("r", behind=3)
    script.write("r", 4, events(script, "something", "else"), last=5)
    if rewritten > 6:
        script.finish("r", 6)
    # Then who was there, and who comes with the position that it kept, is told
    with pytest.raises(LogGap):
        next(stream)
    with pytest.raises(LogGap):
        next(script.cluster().join("r", after=stream.position, stream_mode="custom"))
    # And who had not seen what was lost goes on
    again = script.cluster().join("r", after=before, stream_mode="custom")
    assert [next(again), next(again)] == ["something", "else"]


def test_a_burst_counts_as_many_facts_as_it_has_events(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM, recorded=("custom",)), planned(1, "says"))
    script.write("r", 4, events(script, *range(5)), events(script, *range(5, 7), n=5), last=10)
    script.finish("r", 11)
    assert list(script.cluster().join("r", stream_mode="custom")) == list(range(7))


@pytest.mark.filterwarnings("ignore::drumline.errors.NoWorker")
@pytest.mark.parametrize("gone", [{"log": True}, {"record": True}, {"log": True, "record": True}])
@pytest.mark.parametrize("at", [1, 2, 30])
def test_a_reader_does_not_wait_for_a_run_that_somebody_deleted(script: Script, gone: dict[str, bool], at: int) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.at_empty_read(at, lambda: script.forget("r", **gone))
    script.at_empty_read(at + 20, lambda: pytest.fail("it waits on"))
    with pytest.raises(RunExpired, match="'r'"):
        next(script.cluster().join("r"))


@pytest.mark.filterwarnings("ignore::drumline.errors.NoWorker")
@pytest.mark.parametrize("at", [1, 2, 30])
def test_a_reader_does_not_wait_for_an_end_that_stands_in_front_of_it(script: Script, at: int) -> None:
    # Somebody deletes the log of an open run, and its coordinator ends the run: in a log that begins anew
    def replace() -> None:
        script.forget("r", log=True)
        script.finish("r", 1, "failed", DamagedRun("r", "its log is gone"))

    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.at_empty_read(at, replace)
    script.at_empty_read(at + 20, lambda: pytest.fail("it waits on"))
    with pytest.raises(RunExpired, match="'r'"):
        next(script.cluster().join("r"))


@pytest.mark.filterwarnings("ignore::drumline.errors.NoWorker")
def test_a_run_that_is_there_is_waited_for(script: Script) -> None:
    """However often nothing comes: whoever reads an open run waits."""
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.at_empty_read(50, lambda: script.finish("r", 4))
    assert list(script.cluster().join("r")) == []


def test_unknown_runs_are_told_at_the_first_item(script: Script) -> None:
    cluster = script.cluster()
    stream = cluster.join("nobody")
    with pytest.raises(UnknownRun, match="nobody"):
        next(stream)
    assert list(stream) == [], "a stream that has raised is at its end"
    for call in (cluster.result, cluster.status, cluster.cancel):
        with pytest.raises(UnknownRun, match="nobody"):
            call("nobody")

    async def read() -> None:
        with pytest.raises(UnknownRun, match="nobody"):
            await cluster.ajoin("nobody").__anext__()
        with pytest.raises(UnknownRun, match="nobody"):
            await cluster.aresult("nobody")

    asyncio.run(read())
    assert script.asked() == [], "nothing is asked of a run that is not there"


# -- modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "recorded", "missing"),
    [
        ("custom", (), ["custom"]),
        (["updates", "custom"], ("messages",), ["custom"]),
        (["messages", "custom"], (), ["custom", "messages"]),
        ("messages", ("custom", "updates"), ["messages"]),
    ],
)
def test_modes_whose_events_were_not_recorded(script: Script, mode: Any, recorded: Any, missing: list[str]) -> None:
    script.write("r", 1, *begun(PROGRAM, recorded=recorded))
    script.finish("r", 3)
    with pytest.raises(ModeNotRecorded) as caught:
        list(script.cluster().join("r", stream_mode=mode))
    assert (caught.value.modes, caught.value.recorded) == (missing, list(recorded))


def test_modes_that_are_read_from_every_log_need_not_be_recorded(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.write("r", 4, TaskFinished((), "says", 1, "w", [["out", 3]], 0.0), committed(1, out=3))
    script.finish("r", 6)
    cluster = script.cluster()
    assert list(cluster.join("r", stream_mode="values", subgraphs=True)) == [((), {"out": 3})]
    assert [item["name"] for item in cluster.join("r", stream_mode="tasks")] == ["says", "says"]
    assert len(list(cluster.join("r", stream_mode="debug"))) == 2


def test_events_of_subgraphs_must_have_been_recorded_too(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM, recorded=("custom",)))
    script.finish("r", 3)
    script.write("all", 1, *begun(PROGRAM, recorded=("custom",), subgraphs=True))
    script.finish("all", 3)
    cluster = script.cluster()
    assert list(cluster.join("r", stream_mode="custom")) == []
    assert list(cluster.join("all", stream_mode="custom", subgraphs=True)) == []
    with pytest.raises(ModeNotRecorded, match="custom of subgraphs"):
        list(cluster.join("r", stream_mode="custom", subgraphs=True))


def test_output_keys_narrow_what_is_shown(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.write("r", 4, TaskFinished((), "says", 1, "w", [["out", 3], ["n", 1]], 0.0), committed(1, out=3, n=1))
    script.finish("r", 6)
    cluster = script.cluster()
    assert list(cluster.join("r", stream_mode="values", output_keys=["n"])) == [{"n": 1}]
    assert list(cluster.join("r", stream_mode="values", output_keys="n")) == [1]
    assert list(cluster.join("r", output_keys=["out"])) == [{"says": {"out": 3}}]
    with pytest.raises(ValueError, match="'nothing' of output_keys"):
        list(cluster.join("r", output_keys=["nothing"]))

    async def read(**options: Any) -> list[Any]:
        return [item async for item in cluster.ajoin("r", **options)]

    assert asyncio.run(read(stream_mode="values", output_keys=["n"])) == [{"n": 1}]
    assert asyncio.run(read(output_keys="n", version="v2"))[0]["data"] == {"says": 1}
    assert asyncio.run(read(subgraphs=True)) == [((), {"says": {"out": 3, "n": 1}})]
