"""A graph that a node calls: how its facts join the stream of the run that the node belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from drumline_protocol.facts import (
    CUSTOM,
    NESTED,
    Emitted,
    Fact,
    GraphEntered,
    GraphExited,
    GraphKept,
    Noticed,
    RunFinished,
    RunKept,
    RunStarted,
)
from drumline_worker.job import Emit


class Forwarder:
    """Hands the facts of a called graph to the caller's task, as events of that.

    `ns` is the namespace of the called graph and `keys` what its caller asked for. `keeps_custom` tells that the caller
    reads custom events itself: then they are not told twice (as in LangGraph).
    """

    def __init__(self, emit: Emit, ns: tuple[str, ...], keys: Any, *, keeps_custom: bool) -> None:
        self._emit = emit
        self._ns = ns
        self._keys = keys
        self._keeps_custom = keeps_custom
        self._started: RunStarted | None = None

    def __call__(self, fact: Fact) -> None:
        """Pass one fact on."""
        if type(fact) is RunStarted:
            self._started = fact
        elif type(fact) not in (Noticed, RunKept):
            for part in self._parts(fact):
                self._emit(NESTED, part, None)

    def _parts(self, fact: Fact) -> Iterator[Fact]:
        if type(fact) is Emitted:
            yield from self._bursts(fact)
        elif type(fact) is GraphKept:  # of a thread: it goes on from a checkpoint
            yield from self._parts(GraphEntered(fact.ns, fact.path, fact.cells))
        elif type(fact) is GraphEntered and fact.ns == self._ns:
            started = self._started
            assert started is not None
            yield replace(
                fact,
                sketches=started.sketches,
                metadata=started.metadata,
                tags=started.tags,
                keys=self._keys,
            )
        elif type(fact) is RunFinished:
            yield GraphExited(self._ns)
        else:
            yield fact

    def _bursts(self, fact: Emitted) -> Iterator[Fact]:
        """The events of a task; what graphs further down told is not packed twice."""
        items: list[Any] = []
        for item in fact.items:
            kind, payload, _header = item
            if kind != NESTED:
                if not (kind == CUSTOM and self._keeps_custom):
                    items.append(item)
                continue
            if items:
                yield replace(fact, items=items)
                items = []
            yield from self._bursts(payload) if type(payload) is Emitted else (payload,)
        if items:
            yield replace(fact, items=items)
