"""One run of this process: what it has yielded so far, for any number of readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextvars import copy_context
from typing import Any

from drumline.cluster.position import Position, parse_position, position_text, run_tag
from drumline.runtime import RunControl
from drumline_gateway.service import Item, Row, Start, Wanted
from drumline_graph.constants import INTERRUPT
from drumline_protocol.errors import InvalidPosition

#: parts of a stream that say nothing of one mode: whoever reads any gets them
_FOR_ALL = frozenset({"retracted"})


class EmbeddedRun:
    """A run, from when it was asked for. All that happens to it happens on one event loop."""

    def __init__(self, run_id: str, start: Start) -> None:
        self.id = run_id
        self.start = start
        self.status = "queued"
        #: when it was accepted, and when it has begun; as long as it waits the same
        self.created_ms = self.began_ms = int(time.time() * 1000)
        self.failure: BaseException | None = None
        #: why it is to end before it has, and whether what it has added to its thread goes then
        self.stopped = ""
        self.takes_back = False
        #: asks it to stop at the end of its superstep
        self.control = RunControl()
        #: what runs it, and in which context: that in which it was asked for
        self.task: asyncio.Task[None] | None = None
        self.context = copy_context()
        self._items: list[Item] = []
        self._tag = run_tag(run_id)
        self._output: Any = None
        self._interrupts: list[Any] = []
        self._ended = asyncio.Event()
        self._more = asyncio.Event()

    @property
    def row(self) -> Row:
        """What is known of it."""
        return {
            "run_id": self.id,
            "graph": self.start.graph,
            "status": self.status,
            "created_ms": self.created_ms,
            "began_ms": self.began_ms,
            "metadata": dict(self.start.config.get("metadata") or {}),
        }

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._ended.is_set()

    def begin(self) -> None:
        """It waits no more."""
        self.status = "open"
        self.began_ms = max(self.began_ms, int(time.time() * 1000))

    def add(self, part: Any) -> None:
        """A part of its stream, with all modes and those of subgraphs, as `version="v2"` yields it."""
        number = len(self._items) + 1
        interrupts = part.get("interrupts") or ()
        position = position_text(Position(number, 1, 1, True), self._tag)
        self._items.append(Item(position, part["type"], part["ns"], part["data"], interrupts))
        if part["type"] == "values" and not part["ns"]:
            self._output = part["data"]
            self._interrupts.extend(interrupts)
        self._tell()

    def end(self, status: str, failure: BaseException | None = None) -> None:
        """It is over. What concerns its thread must be kept by now: readers hear of it at once."""
        self.status, self.failure = status, failure
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

    async def over(self) -> None:
        """Returns when it has ended, however."""
        await self._ended.wait()

    async def result(self) -> Any:
        """Its output, with `__interrupt__` if it has asked. Raises what it raised."""
        await self._ended.wait()
        if self.failure is not None:
            raise self.failure
        if not self._interrupts:
            return self._output
        return {**(self._output if isinstance(self._output, dict) else {}), INTERRUPT: self._interrupts}

    def items(self, wanted: Wanted) -> Reader:
        """A reader. InvalidPosition."""
        start = parse_position(wanted.after, self.id)
        if start.fact > len(self._items) or (wanted.after and start.epoch != 1):
            raise InvalidPosition(str(wanted.after), f"run {self.id!r} has not come so far")
        return Reader(self, wanted, start.fact)

    async def read(self, number: int) -> Item | None:
        """The item behind `number` of them, as soon as it is there; None: the run has ended without one."""
        while number >= len(self._items):
            if self.ended:
                return None
            await self._more.wait()
        return self._items[number]


class Reader:
    """Items of a run, behind a position, in some modes."""

    def __init__(self, run: EmbeddedRun, wanted: Wanted, number: int) -> None:
        self._run = run
        self._modes = _FOR_ALL.union(wanted.modes)
        self._subgraphs = wanted.subgraphs
        self._number = number

    async def __aiter__(self) -> AsyncIterator[Item]:
        while (item := await self._run.read(self._number)) is not None:
            self._number += 1
            if item.mode in self._modes and (self._subgraphs or not item.ns):
                yield item
        if self._run.failure is not None:
            raise self._run.failure

    async def aclose(self) -> None:
        """Nothing is held."""
