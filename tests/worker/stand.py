"""A worker without threads, on the double: the test takes its steps."""

from __future__ import annotations

import uuid
from typing import Any

from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.messages import Cancel, RunShared, TaskMessage
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

LEASE_MS = 1200


class State(TypedDict, total=False):
    n: int
    out: Any


class Stand:
    """A worker that holds one graph of one node."""

    def __init__(self, node: Any = lambda _state: {"out": 1}, *, concurrency: int = 8, **options: Any) -> None:
        builder = StateGraph(State, **options)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        self.program = compile_program(builder)
        self.registry = Registry({"g": self.program})
        self.codec = self.registry.codec
        self.server = MemoryServer(2)
        self.broker = MemoryBroker(self.server)
        self.worker = Worker(self.broker, self.registry, "w", WorkerSettings(concurrency=concurrency))
        self._heard = (0, 0)

    def put(self, data: bytes, pool: str = "default") -> str:
        """A task entry of any bytes; its id."""
        stream = self.server.pool(pool).stream
        entry = stream.next_id(self.server.now_ms)
        stream.append(entry, data)
        return f"{entry[0]}-{entry[1]}"

    def message(self, n: int = 1, *, run: str = "run", context: Any = None, **changes: Any) -> TaskMessage:
        shared = RunShared(run, "g", self.program.fingerprint, 0, {}, context, ("custom",), True)
        for name in ("partition", "graph", "fingerprint"):
            if name in changes:
                setattr(shared, name, changes.pop(name))
        task = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run!r} {n}"))
        fields: dict[str, Any] = {
            "shared": self.codec.box(wire.to_row(shared)),
            **{"ns": (), "node": "node", "task": task, "attempt": 1, "step": 1, "stop": 25, "path": ("p",)},
            **{"triggers": (), "phase": "run", "cells": {"n": n}, "token": f"token {n}"},
        }
        return TaskMessage(**{**fields, **changes})

    def give(self, n: int = 1, **changes: Any) -> str:
        return self.put(wire.encode(self.codec, self.message(n, **changes)))

    def take(self) -> list[Any]:
        """Take once: what is to be begun."""
        self.worker.runner.take(0)
        taken = list(self.worker.runner.taken)
        self.worker.runner.taken.clear()
        return taken

    def run(self, taken: list[Any]) -> None:
        for execution, message in taken:
            job = self.worker.runner.begin(execution, message)
            if job is not None:
                self.worker.runner.run(execution, job)

    def send(self) -> None:
        if self.worker.outbox._queue:
            self.worker.sender.gather()
        self.worker.sender.send()

    def send_patiently(self) -> None:
        """As the send thread does: until the broker has it."""
        assert self.worker.outbox.claim()
        self.worker.sender.send_claimed()

    def said(self) -> list[Any]:
        """What came into the inbox of partition 0 since the last time."""
        rows = self.server.partition(0).inbox.after(self._heard)
        if rows:
            self._heard = rows[-1][0]
        found = []
        for _, row in rows:
            data = row if isinstance(row, bytes) else row[-1]
            found.append(wire.decode(self.codec, data))
        return found

    def work(self) -> list[Any]:
        """All that is there, to its end: what was said."""
        while taken := self.take():
            self.run(taken)
            self.send()
        self.send()
        return self.said()

    def order(self, message: Any) -> None:
        """Say something on the control stream."""
        data = message if isinstance(message, bytes) else wire.encode(self.codec, message)
        ctl = self.server.ctl
        ctl.append(ctl.next_id(self.server.now_ms), data)

    def cancel(self, *tasks: str, run: str = "run") -> None:
        self.order(Cancel(run, tasks))
        self.worker.ear.listen(0)

    @property
    def pending(self) -> int:
        return len(self.server.pool("default").pending)
