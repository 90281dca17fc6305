"""Rows of threads in the memory of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from drumline.threads.rows import (
    APPENDS,
    NOTHING_KNOWN,
    REPLACES,
    CheckpointRow,
    Found,
    Kept,
    Known,
    Name,
    Place,
    Row,
    ValueRow,
    Wanted,
    WritesRow,
    Written,
    first_wanted,
    needed,
)
from drumline_protocol.errors import ThreadConflict


class _Scope:
    """All rows of one namespace of a thread."""

    __slots__ = ("checkpoints", "newest", "values", "written")

    def __init__(self) -> None:
        self.checkpoints: dict[str, CheckpointRow] = {}
        #: by the checkpoint that made them, then by channel
        self.values: dict[str, dict[str, ValueRow]] = {}
        #: by checkpoint, then by task and index
        self.written: dict[str, dict[tuple[str, int], Written]] = {}
        self.newest = ""


class MemoryRows:
    """Keeps rows as long as it lives itself (`drumline.threads.rows.Rows`)."""

    is_fast = True
    takes_objects = True

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._threads: dict[str, dict[str, _Scope]] = {}

    # -- writing ------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row]) -> None:
        with self._lock:
            self._check(rows)
            for row in rows:
                scope = self._threads.setdefault(row.thread, {}).get(row.ns)
                if scope is None:
                    scope = self._threads[row.thread][row.ns] = _Scope()
                if type(row) is CheckpointRow:
                    scope.checkpoints[row.id] = row
                    scope.newest = max(scope.newest, row.id)
                elif type(row) is ValueRow:
                    scope.values.setdefault(row.made, {})[row.channel] = row
                elif type(row) is WritesRow:
                    _put(scope.written.setdefault(row.checkpoint, {}), row)

    def _check(self, rows: Sequence[Row]) -> None:
        newest: dict[tuple[str, str], str] = {}
        for row in rows:
            if type(row) is CheckpointRow:
                place = row.thread, row.ns
                there = newest.get(place)
                if there is None:
                    scope = self._threads.get(row.thread, {}).get(row.ns)
                    there = "" if scope is None else scope.newest
                if row.behind is not None and row.behind != there and row.id != there:
                    raise ThreadConflict(row.thread, row.ns, there, row.behind)
                newest[place] = max(there, row.id)

    # -- reading ------------------------------------------------------------------------------------

    def _scope(self, thread: str, ns: str) -> _Scope | None:
        return self._threads.get(thread, {}).get(ns)

    def find(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        with self._lock:
            scope = self._scope(thread, ns)
            row = None if scope is None else scope.checkpoints.get(checkpoint or scope.newest)
            return None if row is None else self._filled(row, known)

    def page(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        with self._lock:
            found = [
                row
                for thread in (self._threads if wanted.thread is None else (wanted.thread,))
                for ns, scope in self._threads.get(thread, {}).items()
                if wanted.ns is None or wanted.ns == ns
                for row in scope.checkpoints.values()
                if (wanted.checkpoint is None or wanted.checkpoint == row.id)
                and (wanted.before is None or row.id < wanted.before)
            ]
        found.sort(key=lambda row: row.id, reverse=True)
        return found[:size]

    def fill(self, row: CheckpointRow) -> Found:
        return self._filled(row, NOTHING_KNOWN)

    def _filled(self, row: CheckpointRow, known: Known) -> Found:
        with self._lock:
            scope = self._scope(row.thread, row.ns)
            if scope is None:
                return Found(row, row.id)
            written = list(scope.written.get(row.id, {}).values())
            values = _stands_on(scope, row, known)
            named = {each.slot.made for each in written} | {value.names for value in values}
            for made in named - {""}:
                values += scope.values.get(made, {}).values()
            return Found(row, scope.newest, values, written)

    # -- threads as a whole -------------------------------------------------------------------------

    def delete(self, thread: str) -> None:
        with self._lock:
            self._threads.pop(thread, None)

    def copy(self, source: str, target: str) -> None:
        with self._lock:
            for ns, scope in self._threads.get(source, {}).items():
                copied = self._threads.setdefault(target, {}).setdefault(ns, _Scope())
                copied.checkpoints.update({id_: replace(row, thread=target) for id_, row in scope.checkpoints.items()})
                for made, rows in scope.values.items():
                    copied.values[made] = {channel: replace(row, thread=target) for channel, row in rows.items()}
                copied.written.update({id_: dict(written) for id_, written in scope.written.items()})
                copied.newest = max(copied.checkpoints, default="")

    def threads(self, after: str, size: int) -> list[str]:
        with self._lock:
            return sorted(thread for thread in self._threads if thread > after)[:size]

    def drop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        with self._lock:
            for thread, scopes in list(self._threads.items()):
                for ns, scope in list(scopes.items()):
                    gone = [row.id for row in scope.checkpoints.values() if row.run and row.run in runs]
                    if thread in but_newest_of:
                        gone = [id_ for id_ in scope.checkpoints if id_ != scope.newest]
                    gone += [id_ for at, within, id_ in places if (at, within) == (thread, ns)]
                    if gone:
                        _drop(scope, gone)
                    if not scope.checkpoints:
                        del scopes[ns]
                if not scopes:
                    del self._threads[thread]

    # -- twins --------------------------------------------------------------------------------------

    async def awrite(self, rows: Sequence[Row]) -> None:
        self.write(rows)

    async def afind(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        return self.find(thread, ns, checkpoint, known)

    async def apage(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        return self.page(wanted, size)

    async def afill(self, row: CheckpointRow) -> Found:
        return self.fill(row)

    async def adelete(self, thread: str) -> None:
        self.delete(thread)

    async def acopy(self, source: str, target: str) -> None:
        self.copy(source, target)

    async def athreads(self, after: str, size: int) -> list[str]:
        return self.threads(after, size)

    async def adrop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        self.drop(runs=runs, but_newest_of=but_newest_of, places=places)


def _stands_on(scope: _Scope, row: CheckpointRow, known: Known) -> list[ValueRow]:
    """The value rows of a checkpoint's cells, as far as they are there, and are not known."""
    found: list[ValueRow] = []
    for channel, cell in row.cells.items():
        if type(cell) is not Kept:
            continue
        first, is_known = first_wanted(cell, known, channel)
        at = cell.made
        while at and not (is_known and at <= first) and (value := scope.values.get(at, {}).get(channel)) is not None:
            found.append(value)
            at = value.parent
    return found


def _put(written: dict[tuple[str, int], Written], row: WritesRow) -> None:
    shift = 0
    ordinary = any(slot.place >= 0 for slot in row.slots)
    if row.meets == REPLACES and ordinary:
        for key in [key for key in written if key[0] == row.task and key[1] >= 0]:
            del written[key]
    elif row.meets == APPENDS:
        shift = 1 + max((index for task, index in written if task == row.task and index >= 0), default=-1)
    for slot in row.slots:
        placed = slot if slot.place < 0 else slot._replace(place=slot.place + shift)
        key = row.task, placed.place
        if placed.place < 0 or key not in written:
            written[key] = Written(row.task, row.path, placed)


def _drop(scope: _Scope, gone: Iterable[str]) -> None:
    for id_ in gone:
        scope.checkpoints.pop(id_, None)
        scope.written.pop(id_, None)
    parents: dict[Name, str] = {
        (channel, made): row.parent for made, rows in scope.values.items() for channel, row in rows.items()
    }
    names: dict[Name, str] = {
        (channel, made): row.names for made, rows in scope.values.items() for channel, row in rows.items() if row.names
    }
    named = {each.slot.made for written in scope.written.values() for each in written.values()}
    keep = needed([row.cells for row in scope.checkpoints.values()], parents, names, named)
    for channel, made in parents.keys() - keep:
        del scope.values[made][channel]
    scope.values = {made: rows for made, rows in scope.values.items() if rows}
    scope.newest = max(scope.checkpoints, default="")
