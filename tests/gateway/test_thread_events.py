"""What the facts and items of a run are as events of its thread: their order, where that is not the order of facts."""

from __future__ import annotations

from typing import Any

from drumline.cluster.position import Position, position_text, run_tag
from drumline.types import Interrupt
from drumline_gateway.service import Item
from drumline_gateway.thread_events import RunEvents, ThreadEvent, modes_for, seq_of
from drumline_gateway.thread_filter import Subscription

RUN, AT = "run-1", 1_800_000_000_000


def item(number: int, mode: str, data: Any, ns: tuple[str, ...] = (), **rest: Any) -> Item:
    return Item(position_text(Position(number, 1, 1, True), run_tag(RUN)), mode, ns, data, **rest)


def fact(number: int, kind: str, ns: tuple[str, ...] = (), **fields: Any) -> Item:
    return item(number, "facts", {"fact": kind, **fields}, ns)


STARTED = fact(1, "RunStarted", graph="g", at_ms=AT)


def told(items: list[Item]) -> list[ThreadEvent]:
    events = RunEvents(RUN, AT - 5)
    return [event for one in items for event in events.item(one)] + list(events.end())


def names(events: list[ThreadEvent]) -> list[Any]:
    return [event.data["event"] if event.method == "lifecycle" else event.method for event in events]


def test_a_question_is_told_when_it_can_be_answered() -> None:
    """Another task may go on for long, and while it does no answer is taken."""
    asked = fact(3, "TaskInterrupted", task="t1", interrupts=[Interrupt("why", id="q")])
    again = fact(5, "TaskInterrupted", task="t0", interrupts=[Interrupt("why", id="q")])
    other = fact(4, "TaskFinished", task="t2")
    paused = fact(6, "RunFinished", status="paused", at_ms=AT + 9)
    events = told([STARTED, asked, other, item(4, "updates", {"b": 1}), again, paused])
    assert names(events) == ["running", "updates", "input.requested", "interrupted"]
    assert [event.seq - seq_of(AT, 0) for event in events] == [1, 4, 6, 6]
    failed = told([STARTED, asked, fact(6, "RunFinished", status="failed", error=ValueError("no"), at_ms=AT + 9)])
    assert names(failed) == ["running", "failed"] and failed[-1].data["error"] == "ValueError: no"


def test_a_state_is_told_behind_the_checkpoint_that_it_is() -> None:
    committed, values = fact(2, "StepCommitted", step=0, at_ms=AT, written=()), item(2, "values", {"n": 1})
    kept = fact(3, "Checkpointed", id="c2", parent="c1", source="loop", step=0, at_ms=AT)
    done = fact(9, "RunFinished", status="done", at_ms=AT)
    assert names(told([STARTED, committed, values, kept, done])) == ["running", "checkpoints", "values", "completed"]
    # without a checkpoint, before whatever its graph tells next
    planned = fact(4, "PlanMade", tasks=[])
    rest = [planned, item(4, "tasks", {"id": "t", "name": "n", "input": 1}), done]
    assert names(told([STARTED, committed, values, *rest])) == ["running", "values", "tasks", "completed"]


def test_a_graph_within_is_the_work_of_the_tool_that_was_called() -> None:
    ns = ("tools:t1",)
    call = {"event": "tool-started", "tool_call_id": "call-1", "tool_name": "ask"}
    items = [
        STARTED,
        fact(2, "PlanMade", tasks=[{"id": "t1", "name": "tools", "hidden": False, "sent": True}]),
        fact(3, "Emitted", task="t1", attempt=1, executor="w"),
        item(3, "tools", call),
        fact(4, "GraphEntered", ns, path="tools", task=""),
        fact(5, "TaskFailed", task="t1", error=ValueError("no"), at_ms=AT),
        fact(6, "RunFinished", status="failed", at_ms=AT),
    ]
    started, ended = (event for event in told(items) if event.ns == ns)
    assert started.data["cause"] == {"type": "toolCall", "tool_call_id": "call-1"}
    assert (ended.data["event"], ended.data["error"]) == ("failed", "ValueError: no")
    assert set(modes_for(Subscription(frozenset(("lifecycle",))))) == {"facts", "tools"}


def test_custom_events_have_the_name_that_they_are_given() -> None:
    written = [{"name": "progress", "payload": 1}, {"name": "progress", "done": 2}, {"done": 3}, "text", {"name": 4}]
    items = [STARTED, *(item(number, "custom", data) for number, data in enumerate(written, 2))]
    assert [event.data for event in told(items) if event.method == "custom"] == [
        {"name": "progress", "payload": 1},
        {"name": "progress", "payload": {"name": "progress", "done": 2}},
        {"payload": {"done": 3}},
        {"payload": "text"},
        {"payload": {"name": 4}},
    ]
