"""What savers hold after a run is what LangGraph's would: checkpoint by checkpoint, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver as TheirMemory

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver

from .saver_scripts import CONFIG, OURS, SCRIPTS, THEIRS, contents, failing, run

DURABILITIES = ("sync", "async", "exit")


@contextmanager
def their_sqlite() -> Iterator[Any]:
    saver = pytest.importorskip("langgraph.checkpoint.sqlite").SqliteSaver
    with saver.from_conn_string(":memory:") as opened:
        yield opened


@contextmanager
def made(cls: Callable[[], Any]) -> Iterator[Any]:
    yield cls()


SAVERS: dict[str, Callable[[], Any]] = {
    "drumline's memory": lambda: made(InMemorySaver),
    "drumline's SQLite": lambda: SqliteSaver.from_conn_string(":memory:"),
    "LangGraph's memory": lambda: made(TheirMemory),
    "LangGraph's SQLite": their_sqlite,
}


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("name", SCRIPTS)
def test_contents_are_langgraphs(name: str, durability: str) -> None:
    theirs = TheirMemory()
    # In the background LangGraph may write a set that the next step has changed already.
    answers = run(THEIRS, name, theirs, durability="exit" if durability == "exit" else "sync")
    expected = contents(theirs)
    assert len(expected) > 1
    for which, make in SAVERS.items():
        with make() as saver:
            assert run(OURS, name, saver, durability=durability) == answers, which
            assert contents(saver) == expected, which


@pytest.mark.parametrize("which", SAVERS)
def test_a_failed_step_keeps_what_has_ended(which: str) -> None:
    """The result of the node beside the one that fails, and the error as text; only that one runs again."""
    with SAVERS[which]() as saver:
        graph = failing(OURS)
        kept = graph.good_is_kept
        compiled = graph.compile(checkpointer=saver)
        stream = compiled.stream({"log": ["in"], "n": 0}, CONFIG, stream_mode="updates", durability="sync")
        assert next(stream) == {"good": {"log": ["good"]}}
        kept.set()
        with pytest.raises(ValueError, match="boom"):
            next(stream)
        pending = [(channel, value) for _, channel, value in saver.get_tuple(CONFIG).pending_writes]
        assert sorted(pending) == [("__error__", "ValueError('boom')"), ("log", ["good"])]
        assert compiled.invoke(None, CONFIG) == {"log": ["in", "ok", "good"], "n": 0}


@pytest.mark.parametrize("which", SAVERS)
def test_listing(which: str) -> None:
    """By metadata, before a checkpoint, as many as asked for: as LangGraph lists what LangGraph wrote."""

    def listed(saver: Any, **named: Any) -> list[int]:
        config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
        return [found.metadata["step"] for found in saver.list(config, **named)]

    theirs = TheirMemory()
    run(THEIRS, "questions", theirs)
    with SAVERS[which]() as saver:
        run(OURS, "questions", saver)
        for named in (
            {},
            {"limit": 2},
            {"limit": 0},
            {"filter": {"source": "input"}},
            {"filter": {"source": "loop", "step": 1}},
            {"filter": {"who": "me", "user": "u"}},
            {"filter": {"who": "you"}},
            {"filter": {"source": "loop"}, "limit": 2},
        ):
            assert listed(saver, **named) == listed(theirs, **named), named
        older = [found.config for found in saver.list({"configurable": {"thread_id": "1", "checkpoint_ns": ""}})][2]
        assert listed(saver, before=older) == listed(theirs)[3:]
        assert [found.metadata["step"] for found in saver.list(older)] == listed(saver)[2:3]


@pytest.mark.parametrize("which", SAVERS)
def test_a_checkpoint_by_its_id(which: str) -> None:
    with SAVERS[which]() as saver:
        run(OURS, "deferred", saver)
        for found in list(saver.list({"configurable": {"thread_id": "1"}})):
            assert saver.get_tuple(found.config).checkpoint == found.checkpoint
            assert saver.get(found.config)["channel_values"] == found.checkpoint["channel_values"]
        assert (
            saver.get_tuple({"configurable": {"thread_id": "1", "checkpoint_ns": "", "checkpoint_id": "none"}}) is None
        )
        assert saver.get_tuple({"configurable": {"thread_id": "other", "checkpoint_ns": ""}}) is None
