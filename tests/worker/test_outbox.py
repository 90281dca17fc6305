"""The outbox: counts and tokens, order around an answer, a bound."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import WriterBlocked
from drumline_protocol.messages import Events, TaskCall, TaskResult
from drumline_worker import outbox as module
from drumline_worker.outbox import Batch, Execution, Outbox

CODEC = Codec(TypeTable())


def execution_of(n: int = 1) -> Execution:
    return Execution("default", f"1-{n}", 0, "run", f"t{n}", 1, "w", f"token {n}")


def messages(batch: Batch | None) -> list[Any]:
    assert batch is not None
    return [wire.decode(CODEC, entry[-1]) for entry in batch.entries]


def answer(outbox: Outbox, execution: Execution) -> int:
    count = outbox.seal(execution)
    outbox.answer(execution, wire.encode(CODEC, TaskResult("run", execution.task, 1, "w", [], execution.token, count)))
    return count


def test_the_answer_counts_all_events_before_it_and_everything_has_the_token() -> None:
    outbox, execution = Outbox(CODEC), execution_of()
    for n in range(3):
        outbox.event(execution, b"%d" % n)
    first = messages(outbox.take_batch())
    outbox.event(execution, b"3")
    assert answer(outbox, execution) == 4
    events, result = messages(outbox.take_batch())
    assert [first[0].n, events.n, result.events] == [0, 3, 4]
    assert {message.token for message in (*first, events, result)} == {"token 1"}


def test_what_is_emitted_while_the_answer_is_written_goes_out_behind_it() -> None:
    outbox, execution = Outbox(CODEC), execution_of()
    outbox.event(execution, b"before")
    count = outbox.seal(execution)
    outbox.event(execution, b"meanwhile")
    assert [message.items for message in messages(outbox.take_batch())] == [[b"before"]]
    outbox.answer(execution, wire.encode(CODEC, TaskResult("run", "t1", 1, "w", [], "", count)))
    outbox.event(execution, b"after")
    result, late = messages(outbox.take_batch())
    assert isinstance(result, TaskResult) and result.events == 1
    assert isinstance(late, Events) and (late.n, late.items) == (2, [b"meanwhile", b"after"]), (
        "1 is the number of the answer"
    )


def test_an_answer_is_acknowledged_behind_all_events_of_its_task() -> None:
    outbox, execution = Outbox(CODEC), execution_of()
    for _ in range(3 * module.BURST_ITEMS_MAX):
        outbox.event(execution, b"x")
    answer(outbox, execution)
    batch = outbox.take_batch()
    found = messages(batch)
    assert [type(message) for message in found] == [Events, Events, Events, TaskResult]
    assert batch is not None and batch.done == [("default", "1-1")]


def test_a_full_outbox_blocks_and_then_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_BUFFER_BYTES_MAX", 100)
    monkeypatch.setattr(module, "WRITER_BLOCK_MS", 200)
    outbox, execution = Outbox(CODEC), execution_of()
    outbox.event(execution, b"x" * 101)
    with pytest.raises(WriterBlocked):
        outbox.event(execution, b"y")
    # When the sender takes what is there, a writer that waits goes on
    monkeypatch.setattr(module, "WRITER_BLOCK_MS", 20_000)
    wrote = threading.Event()
    threading.Thread(target=lambda: (outbox.event(execution, b"z"), wrote.set()), daemon=True).start()
    assert not wrote.wait(0.1)
    outbox.take_batch()
    assert wrote.wait(20)


def test_what_waits_for_an_answer_is_counted_and_what_is_cancelled_is_not() -> None:
    outbox, execution = Outbox(CODEC), execution_of()
    outbox.seal(execution)
    outbox.event(execution, b"x" * 10)
    outbox.take_batch()
    assert outbox._bytes == 10
    outbox.cancel(execution)
    assert outbox._bytes == 0
    outbox.event(execution, b"y")
    answer(outbox, execution)
    batch = outbox.take_batch()
    assert batch is not None and not batch.entries and not batch.done and batch.finished == [execution]


def test_a_call_goes_out_behind_the_events_that_came_before_it() -> None:
    outbox, execution = Outbox(CODEC), execution_of()

    def call(index: int, *blobs: tuple[str, bytes]) -> None:
        message = TaskCall("run", "t1", 1, "w", index, "add", None, token="token 1", events=outbox.emitted(execution))
        outbox.say(execution, wire.encode(CODEC, message), blobs)

    outbox.event(execution, b"0")
    call(0)
    call(1, ("blob", b"large"))
    for n in (1, 2):
        outbox.event(execution, b"%d" % n)
    call(2)
    batch = outbox.take_batch()
    told = [(type(each).__name__, getattr(each, "index", None), getattr(each, "events", getattr(each, "n", None)))
            for each in messages(batch)]  # fmt: skip
    assert told == [
        ("Events", None, 0),
        ("TaskCall", 0, 1),
        ("TaskCall", 1, 1),
        ("Events", None, 1),
        ("TaskCall", 2, 3),
    ]
    assert batch is not None and batch.blobs == [(0, "blob", b"large")]
    outbox.event(execution, b"3")
    call(2)  # asked again, though it went out before
    assert [type(each).__name__ for each in messages(outbox.take_batch())] == ["Events", "TaskCall"]
    answer(outbox, execution)
    call(3)  # of code that outlives the answer: nobody would hear of its end
    [result] = messages(outbox.take_batch())
    assert isinstance(result, TaskResult)


def test_a_call_of_a_cancelled_task_goes_nowhere() -> None:
    outbox, execution = Outbox(CODEC), execution_of()
    outbox.say(execution, b"call")
    outbox.cancel(execution)
    outbox.say(execution, b"call")
    assert messages(outbox.take_batch()) == []
