"""Whatever lies in a task stream or the control stream, the worker goes on, and the next good entry is served."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.worker.stand import Stand

from drumline_protocol import wire
from drumline_protocol.messages import Cancel, Refused, TaskError, TaskResult


def entries(stand: Stand) -> dict[str, bytes]:
    """Entries that cannot be read as a task of a run."""

    def encoded(thing: Any) -> bytes:
        return wire.encode(stand.codec, thing)

    code, *fields = wire.to_row(stand.message())
    return {
        "nothing": b"",
        "garbage": b"\xff\x00garbage",
        "cut": encoded(stand.message())[:-7],
        "another message": encoded(Cancel("run", ())),
        "newer": stand.codec.encode([wire.VERSION + 1, [code, *fields]]),
        "unknown kind": stand.codec.encode([wire.VERSION, [9999]]),
        "no fields": stand.codec.encode([wire.VERSION, [code]]),
        "wrong types": stand.codec.encode([wire.VERSION, [code, *([7] * len(fields))]]),
        "unboxed run": stand.codec.encode([wire.VERSION, [code, "text", *fields[1:]]]),
        "run of another kind": stand.codec.encode(
            [wire.VERSION, [code, stand.codec.box(wire.to_row(Cancel("run", ()))), *fields[1:]]]
        ),
        "surrogate in the run id": encoded(stand.message(run="a\ud800b")),
        "no such partition": encoded(stand.message(partition=99)),
        "negative partition": encoded(stand.message(partition=-1)),
        "deep": b"\x91" * 5000 + b"\x00",
    }


@pytest.mark.parametrize("kind", list(entries(Stand())))
def test_an_entry_that_cannot_be_read_stays_pending_and_harms_nobody(kind: str, caplog: Any) -> None:
    stand = Stand()
    entry = stand.put(entries(stand)[kind])
    stand.give(1)
    with caplog.at_level(logging.ERROR, "drumline"):
        [answer] = stand.work()
    assert isinstance(answer, TaskResult)
    assert [f"{a}-{b}" for a, b in stand.server.pool("default").pending] == [entry], "the coordinator finds it idle"
    assert len(stand.worker.table) == 0
    assert [record.levelname for record in caplog.records if entry in record.getMessage()] == ["ERROR"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"node": "no such node"}, "no such node"),
        ({"ns": ("nobody:1",)}, "nobody"),
        ({"ns": ("node:1",)}, "is no subgraph"),
        ({"blobs": {"n": "gone"}}, "is gone"),
        ({"phase": "run", "cells": {"n": 1}, "graph": "another"}, "is not among"),
        ({"fingerprint": "of another version"}, "is held as"),
    ],
)
def test_a_task_that_cannot_be_run_is_answered(changes: dict[str, Any], told: str) -> None:
    stand = Stand()
    stand.give(1, **changes)
    [answer] = stand.work()
    text = answer.reason if isinstance(answer, Refused) else answer.error.message
    assert isinstance(answer, (Refused, TaskError)) and told in text
    assert answer.token == "token 1"
    assert stand.pending == 0


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x93", "newer", "task", "odd cancel"])
def test_a_control_message_that_cannot_be_read_is_passed_over(data: Any) -> None:
    stand = Stand()
    special = {
        "newer": lambda: stand.codec.encode([wire.VERSION + 1, wire.to_row(Cancel("run", ()))]),
        "task": lambda: wire.encode(stand.codec, stand.message()),
        "odd cancel": lambda: stand.codec.encode([wire.VERSION, [42, ["run"], [1, None]]]),
    }
    stand.give(1)
    [(execution, _)] = stand.take()
    stand.order(special[data]() if data in special else data)
    stand.cancel()
    assert execution.cancelled, "the next message is heard"


def test_one_broken_pool_leaves_the_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from drumline_transport.errors import ServerError

    stand = Stand()
    genuine = stand.broker.take

    def take(pools: list[str], *rest: Any) -> Any:
        if "broken" in pools:
            raise ServerError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return genuine(pools, *rest)

    monkeypatch.setattr(stand.broker, "take", take)
    stand.worker.runner._pools = ["broken", "default"]
    stand.give(1)
    assert isinstance(stand.work()[0], TaskResult)
    stand.worker.runner._pools = ["broken"]
    with pytest.raises(ServerError):
        stand.worker.runner.take(0)


def test_one_broken_inbox_leaves_the_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from drumline_transport.errors import ServerError

    stand = Stand()
    genuine = stand.broker.publish

    def publish(entries: Any, done: Any) -> None:
        if any(partition == 1 for partition, *_ in entries):
            raise ServerError("WRONGTYPE Operation against a key holding the wrong kind of value")
        genuine(entries, done)

    monkeypatch.setattr(stand.broker, "publish", publish)
    broken = stand.give(1, run="other", partition=1)
    stand.give(2)
    stand.run(stand.take())
    stand.send()
    [answer] = stand.said()
    assert answer.run == "run"
    assert [f"{a}-{b}" for a, b in stand.server.pool("default").pending] == [broken], "not acknowledged"
    assert len(stand.worker.table) == 0
