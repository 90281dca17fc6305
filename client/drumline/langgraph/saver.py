"""Threads that a saver of LangGraph's interface keeps: `InMemorySaver`, `PostgresSaver`, whatever people have written.

A graph that was compiled with one writes there what LangGraph would, and goes on with what LangGraph has written of the
same graph.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import Any

from drumline.langgraph.saver_calls import acall, method_of
from drumline.langgraph.their_dicts import (
    Place,
    asked_below,
    config_at,
    put_of,
    rename_questions,
    replayed,
    saved_of,
    unseen_deltas,
    writes_of,
)
from drumline.langgraph.their_ids import Names
from drumline_coordinator.loading import program_at
from drumline_graph.program import Program
from drumline_protocol.checkpoints import Checkpoint, Save, Saved, joined_ns, split_ns

#: what a saver is asked: the name of its method, and the arguments
Asked = tuple[str, tuple[Any, ...], dict[str, Any]]
Reading = Generator[Asked, Any, "Saved | None"]


class FollowedThreads:
    """`Threads` over one saver of LangGraph's interface, for one run of a graph (`drumline.threads.store`).

    A saver that has sync methods only is called in a thread by async runs. Values are handed over as they are, as
    LangGraph does: in the background (`durability="async"`) a saver reads them while the run goes on.
    """

    is_exact = False
    is_fast = False

    def __init__(self, saver: Any, program: Program, base: str = "", names: Names | None = None) -> None:
        self._saver = saver
        self._program = program
        self._base = base
        self._names = Names() if names is None else names
        self._places: dict[tuple[str, str], Place] = {}
        #: those of checkpoints that were named: the run goes on from them, whatever else it reads there
        self._named: set[tuple[str, str]] = set()
        #: what was read in this run, whose questions may be those of graphs that are read later
        self._read: list[Saved] = []

    @property
    def saver(self) -> Any:
        """The saver."""
        return self._saver

    @property
    def names(self) -> Names:
        """Which of LangGraph's names mean the same as drumline's."""
        return self._names

    def threads_for(self, program: Program, base: str) -> FollowedThreads:
        """The same threads for another graph: one that a node of this run calls."""
        return FollowedThreads(self._saver, program, base, self._names)

    def _at(self, ns: str) -> Program:
        return program_at(self._program, self._base, ns) or self._program

    # -- names --------------------------------------------------------------------------------------

    def learn(self, thread: str, ns: str) -> None:
        """Learn what the tasks in a namespace are called in the saver, from the checkpoints of the graphs around.

        Of a namespace that stands in a config only drumline's names are known, or only LangGraph's.
        """
        for above, task in self._unknown_in(ns):
            for found in self._saver.list(*self._listing(thread, above)):
                self._run(self._shown(found, above, None))
                if self._names.knows(task):
                    break

    async def alearn(self, thread: str, ns: str) -> None:
        """The twin of `learn`."""
        for above, task in self._unknown_in(ns):
            for found in await self._alisted(self._listing(thread, above), {}):
                await self._arun(self._shown(found, above, None))
                if self._names.knows(task):
                    break

    def _unknown_in(self, ns: str) -> Iterator[tuple[str, str]]:
        """The ids of tasks in a namespace that are not known yet, each with the namespace of its graph."""
        parts = split_ns(ns)
        for depth, part in enumerate(parts):
            task = part.rpartition(":")[2]
            if task != part and not self._names.knows(task):
                yield joined_ns(parts[:depth]), task

    def expect(self, saves: Sequence[Save]) -> None:
        """Learn what the tasks behind these checkpoints are called, before they are kept: the code of a task that calls
        a graph of LangGraph's writes at once.
        """
        checkpoints = [each for each in saves if type(each) is Checkpoint]
        for new in sorted(checkpoints, key=lambda each: len(split_ns(each.ns))):  # names of graphs within need those
            self._names.pair_tasks(new.id, new.ns, new.step + 1, new.tasks)

    # -- reading ------------------------------------------------------------------------------------

    def _reading(self, thread: str, ns: str, checkpoint: str) -> Reading:
        place = config_at(thread, self._names.their_ns(ns), checkpoint)
        found = yield "get_tuple", (place,), {}
        if found is None:
            self._places.setdefault((thread, ns), Place())
            return None
        newest = found
        if checkpoint:
            newest = yield "get_tuple", (config_at(thread, self._names.their_ns(ns)),), {}
        deltas = yield from self._deltas(found, self._at(ns))
        is_head = newest is None or newest.checkpoint["id"] == found.checkpoint["id"]
        saved, place_found = saved_of(self._at(ns), found, ns, deltas, self._names, is_head=is_head)
        if checkpoint or (thread, ns) not in self._named:
            self._places[thread, ns] = place_found
        if checkpoint:
            self._named.add((thread, ns))
        for earlier in self._read:
            rename_questions(earlier, self._names)
        self._read.append(saved)
        for below in asked_below(saved, self._names) if is_head else ():
            if program_at(self._program, self._base, below) is not None:  # its tasks tell the ids of its questions
                yield from self._reading(thread, below, "")
        return saved

    def _deltas(self, found: Any, program: Program) -> Generator[Asked, Any, Mapping[str, Any]]:
        unseen = unseen_deltas(program, found.checkpoint)
        if not unseen or not hasattr(self._saver, "get_delta_channel_history"):
            return {}
        histories = yield "get_delta_channel_history", (), {"config": found.config, "channels": unseen}
        return replayed(program, histories)

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        found: Saved | None = self._run(self._reading(thread, ns, checkpoint))
        return found

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        found: Saved | None = await self._arun(self._reading(thread, ns, checkpoint))
        return found

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        newest = self._saver.get_tuple(config_at(thread, self._names.their_ns(ns)))
        for found in self._saver.list(*self._listing(thread, ns), **_limits(thread, ns, before, limit, metadata)):
            yield self._run(self._shown(found, ns, newest))

    async def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        newest = await acall(self._saver, "get_tuple", config_at(thread, self._names.their_ns(ns)))
        limits = _limits(thread, ns, before, limit, metadata)
        for found in await self._alisted(self._listing(thread, ns), limits):
            yield await self._arun(self._shown(found, ns, newest))

    def _listing(self, thread: str, ns: str) -> tuple[Any, ...]:
        return (config_at(thread, self._names.their_ns(ns)),)

    async def _alisted(self, place: tuple[Any, ...], limits: dict[str, Any]) -> list[Any]:
        try:
            return [found async for found in self._saver.alist(*place, **limits)]
        except NotImplementedError:
            return await asyncio.to_thread(lambda: list(self._saver.list(*place, **limits)))

    def _shown(self, found: Any, ns: str, newest: Any) -> Generator[Asked, Any, Saved]:
        deltas = yield from self._deltas(found, self._at(ns))
        is_head = newest is not None and newest.checkpoint["id"] == found.checkpoint["id"]
        saved, _ = saved_of(self._at(ns), found, ns, deltas, self._names, is_head=is_head)
        return saved

    # -- writing ------------------------------------------------------------------------------------

    def prepare(self, thread: str, saves: Sequence[Save]) -> list[Asked]:
        """The calls of the saver that keep these. The values in them are the run's own."""
        calls: list[Asked] = []
        self.expect(saves)
        for each in saves:
            place = self._places.setdefault((thread, each.ns), Place())
            if type(each) is Checkpoint:
                put = put_of(self._at(each.ns), thread, each, place, self._names, self._saver.get_next_version)
                calls.append(("put", put, {}))
            else:
                calls.append(("put_writes", writes_of(thread, each, place, self._names), {}))  # type: ignore[arg-type]
        return calls

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """Nothing: what savers are given is whole."""

    def write(self, prepared: Sequence[Any]) -> None:
        """Make these calls."""
        for name, given, named in prepared:
            method_of(self._saver, name)(*given, **named)

    async def awrite(self, prepared: Sequence[Any]) -> None:
        """The twin of `write`."""
        for name, given, named in prepared:
            await acall(self._saver, name, *given, **named)

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        self.write(self.prepare(thread, saves))

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        await self.awrite(self.prepare(thread, saves))

    # -- calling ------------------------------------------------------------------------------------

    def _run(self, reading: Generator[Asked, Any, Any]) -> Any:
        try:
            name, given, named = next(reading)
            while True:
                name, given, named = reading.send(method_of(self._saver, name)(*given, **named))
        except StopIteration as stop:
            return stop.value

    async def _arun(self, reading: Generator[Asked, Any, Any]) -> Any:
        try:
            name, given, named = next(reading)
            while True:
                name, given, named = reading.send(await acall(self._saver, name, *given, **named))
        except StopIteration as stop:
            return stop.value


def _limits(thread: str, ns: str, before: str, limit: int | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "before": config_at(thread, ns, before) if before else None,
        "limit": limit,
        "filter": dict(metadata) if metadata else None,
    }
