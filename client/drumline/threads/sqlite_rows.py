"""Rows of threads in an SQLite file: over a connection of the standard library, or one of aiosqlite."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from drumline.threads import sqlite_script as script
from drumline.threads.rows import NOTHING_KNOWN, CheckpointRow, Found, Known, Place, Row, Wanted
from drumline.threads.sqlite_script import SCHEMA, SETTINGS, Script

T = TypeVar("T")


class _SqlRows:
    """`drumline.threads.rows.Rows`, by scripts that a connection runs."""

    is_fast = False
    takes_objects = False

    def run(self, script: Script[T], *, writes: bool = False) -> T:
        """Run a script as one transaction."""
        raise NotImplementedError

    async def arun(self, script: Script[T], *, writes: bool = False) -> T:
        """The twin of `run`."""
        raise NotImplementedError

    def write(self, rows: Sequence[Row]) -> None:
        if rows:
            self.run(script.write(rows), writes=True)

    async def awrite(self, rows: Sequence[Row]) -> None:
        if rows:
            await self.arun(script.write(rows), writes=True)

    def find(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        return self.run(script.find(thread, ns, checkpoint, known))

    async def afind(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        return await self.arun(script.find(thread, ns, checkpoint, known))

    def page(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        return self.run(script.page(wanted, size))

    async def apage(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        return await self.arun(script.page(wanted, size))

    def fill(self, row: CheckpointRow) -> Found:
        return self.run(script.fill(row))

    async def afill(self, row: CheckpointRow) -> Found:
        return await self.arun(script.fill(row))

    def delete(self, thread: str) -> None:
        self.run(script.delete(thread), writes=True)

    async def adelete(self, thread: str) -> None:
        await self.arun(script.delete(thread), writes=True)

    def copy(self, source: str, target: str) -> None:
        self.run(script.copy(source, target), writes=True)

    async def acopy(self, source: str, target: str) -> None:
        await self.arun(script.copy(source, target), writes=True)

    def threads(self, after: str, size: int) -> list[str]:
        return self.run(script.threads(after, size))

    async def athreads(self, after: str, size: int) -> list[str]:
        return await self.arun(script.threads(after, size))

    def drop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        self.run(script.drop(runs, but_newest_of, places), writes=True)

    async def adrop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        await self.arun(script.drop(runs, but_newest_of, places), writes=True)


class SqliteRows(_SqlRows):
    """Over a connection of `sqlite3` that any thread may use (`check_same_thread=False`)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.RLock()
        self._is_set_up = False

    def setup(self) -> None:
        """Make the tables, if they are not there."""
        with self.lock:
            if not self._is_set_up:
                for statement in (*SETTINGS, *SCHEMA):
                    self.connection.execute(statement)
                self.connection.commit()
                self._is_set_up = True

    def run(self, script: Script[T], *, writes: bool = False) -> T:
        with self.lock:
            self.setup()
            connection = self.connection
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                found = self._steps(script)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
            return found

    def _steps(self, script: Script[T]) -> T:
        try:
            statement = next(script)
            while True:
                statement = script.send(self.connection.execute(*statement).fetchall())
        except StopIteration as stop:
            found: T = stop.value
            return found

    async def arun(self, script: Script[T], *, writes: bool = False) -> T:
        return await asyncio.to_thread(partial(self.run, script, writes=writes))


class AiosqliteRows(_SqlRows):
    """Over a connection of `aiosqlite`, on the event loop that it was given on."""

    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.connection = connection
        self.lock = asyncio.Lock()
        self._loop = loop
        self._is_set_up = False

    async def setup(self) -> None:
        """Make the tables, if they are not there."""
        async with self.lock:
            await self._set_up()

    async def _set_up(self) -> None:
        if not self._is_set_up:
            await _connected(self.connection)
            for statement in (*SETTINGS, *SCHEMA):
                await self.connection.execute(statement)
            await self.connection.commit()
            self._is_set_up = True

    def run(self, script: Script[T], *, writes: bool = False) -> T:
        """RuntimeError on the connection's own loop, which would wait for itself."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            raise RuntimeError(
                "a sync call of a saver whose aiosqlite connection runs on this event loop would wait for ever; "
                "use the async methods (ainvoke, astream, aget_tuple, ...)"
            )
        return asyncio.run_coroutine_threadsafe(self.arun(script, writes=writes), self._loop).result()

    async def arun(self, script: Script[T], *, writes: bool = False) -> T:
        async with self.lock:
            await self._set_up()
            if not self.connection.in_transaction:
                await self.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                found = await self._steps(script)
            except BaseException:
                await self.connection.rollback()
                raise
            await self.connection.commit()
            return found

    async def _steps(self, script: Script[T]) -> T:
        try:
            statement = next(script)
            while True:
                cursor = await self.connection.execute(*statement)
                statement = script.send(list(await cursor.fetchall()))
        except StopIteration as stop:
            found: T = stop.value
            return found


async def _connected(connection: Any) -> None:
    """A connection that nobody has awaited yet is opened."""
    try:
        connection.in_transaction  # noqa: B018
    except ValueError:
        await connection
