"""A store in an SQLite file, with Python's own `sqlite3`. Its async twin is `drumline.store.sqlite.aio`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drumline.sqlite_file import SqliteFile
from drumline.store.base import IndexConfig, Item, Result, SearchItem, SearchOp, TTLConfig
from drumline.store.index import Vectors
from drumline.store.match import fits, listed
from drumline.store.plan import Place, Plan, literal_head
from drumline.store.planned import PlannedStore, lifetime_us, page_of
from drumline.store.ranking import Vector
from drumline.store.rows import codec_of, found_item, item_of, vectors_bytes, vectors_of
from drumline.store.sqlite import statements as sql
from drumline_protocol.store_names import key_bytes, key_of, namespace_bytes, namespace_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SqliteStore"]


class SqliteStore(PlannedStore):
    """Items in an SQLite file: they outlive the process, and processes of one machine may share it.

    `conn` is the path of the file (`":memory:"` for none) or an open connection; that must allow other threads
    (`check_same_thread=False`) if the store is used in several. Each batch is one transaction. `types` are classes that
    values may hold beside plain data. `index` makes it searchable by meaning, `ttl` sets lifetimes (minutes).

    Raises EncodeError for a value that the codec cannot write, and then nothing of the batch is done.
    """

    __slots__ = ("_codec", "_file")

    def __init__(
        self,
        conn: str | sqlite3.Connection,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> None:
        super().__init__(index, ttl)
        self._codec = codec_of(types)
        self._file = SqliteFile(conn, sql.TABLES)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> Iterator[Self]:
        """A store on the file at a path, closed at the end of the `with`."""
        store = cls(conn_string, index=index, ttl=ttl, types=types)
        try:
            yield store
        finally:
            store.close()

    def setup(self) -> None:
        """Make the tables now. The first use does it too."""
        self._file.open()

    def close(self) -> None:
        """Close the file, unless it came as an open connection. A later use opens it again."""
        self.stop_ttl_sweeper(0)
        self._file.close()

    def _now(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    def _run(self, plan: Plan, vectors: Vectors) -> list[Result]:
        values = {place: self._codec.encode(put.value) for place, put in plan.puts.items() if put.value is not None}
        results = plan.results()
        read: list[Sequence[Any]] = []
        # A batch that only reads waits for nobody who writes. What it refreshes is written behind it.
        with self._file.transaction(writes=bool(plan.puts)) as connection:
            now = self._now()
            self._read(connection, plan, vectors, now, results, read)
            if plan.puts:
                _refresh(connection, read, now)
                _put_all(connection, plan, values, vectors, now)
        if read and not plan.puts:
            with self._file.transaction() as connection:
                _refresh(connection, read, now)
        return results

    def _read(
        self,
        connection: sqlite3.Connection,
        plan: Plan,
        vectors: Vectors,
        now: int,
        results: list[Any],
        read: list[Sequence[Any]],
    ) -> None:
        """Fill in the results of reads; `read` gets the rows whose lifetimes begin anew."""
        for number, get in plan.gets.items():
            place = (namespace_bytes(get.namespace), key_bytes(get.key))
            row = connection.execute(sql.GET, (*place, now)).fetchone()
            if row is not None:
                results[number] = self._item(row)
                if get.refresh_ttl and row[6] is not None:
                    read.append(row)
        for number, search in plan.searches.items():
            pairs = self._search(connection, search, vectors, now)
            results[number] = [item for item, _ in pairs]
            if search.refresh_ttl:
                read += [row for _, row in pairs if row[6] is not None]
        for number, asked in plan.lists.items():
            rows = connection.execute(sql.NAMESPACES, (*_below(literal_head(asked.match_conditions or ())), now))
            results[number] = listed((namespace_of(row[0]) for row in rows), asked)

    def _item(self, row: Sequence[Any]) -> Item:
        _, namespace, key, value, created, updated, *_ = row
        return item_of(namespace_of(namespace), key_of(key), self._codec.decode(value), created, updated)

    def _search(
        self, connection: sqlite3.Connection, op: SearchOp, vectors: Vectors, now: int
    ) -> list[tuple[SearchItem, Sequence[Any]]]:
        """The page that a search asks for, each item with its row."""
        bounds = (*_below(op.namespace_prefix), now)
        asks = bool(op.query and vectors.queries)
        if not op.filter and not asks and min(op.offset, op.limit) >= 0:  # only what is shown is read
            rows = connection.execute(f"{sql.SEARCH} {sql.PAGE}", (*bounds, op.limit, op.offset))
            return [(found_item(self._item(row)), row) for row in rows]
        pairs: list[tuple[SearchItem, Sequence[Any]]] = []
        for row in connection.execute(sql.SEARCH, bounds):
            item = self._item(row)
            if fits(item.value, op.filter):
                pairs.append((found_item(item), row))
        found: list[tuple[SearchItem, list[Vector]]] = [
            (item, vectors_of(row[8]) if asks else []) for item, row in pairs
        ]
        row_of = {id(item): row for item, row in pairs}
        return [(item, row_of[id(item)]) for item in page_of(op, found, vectors.queries)]

    def sweep_ttl(self) -> int:
        """Delete the items whose lifetime is over, and which nobody sees any more; how many there were."""
        with self._file.transaction() as connection:
            return _sweep(connection, self._now(), -1)


def _below(prefix: Sequence[str]) -> tuple[bytes, bytes]:
    """The bounds between which the bytes of a namespace and all below it lie."""
    first = namespace_bytes(prefix)
    return first, first[:-1] + b"0" if first else b"\xff"  # "0" is what follows "/"


def _refresh(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]], now: int) -> None:
    """Begin the lifetimes of these rows anew."""
    connection.executemany(sql.TOUCH, [(now + row[6], row[0]) for row in rows])


def _put_all(
    connection: sqlite3.Connection, plan: Plan, values: dict[Place, bytes], vectors: Vectors, now: int
) -> None:
    _sweep(connection, now, sql.SWEEP_ITEMS_MAX)
    for place, put in plan.puts.items():
        names = (namespace_bytes(place[0]), key_bytes(place[1]))
        if place not in values:
            connection.execute(sql.DELETE, names)
            connection.execute(sql.DROP_EMPTY, names[:1])
            continue
        connection.execute(sql.DELETE_EXPIRED, (*names, now))
        connection.execute(sql.PUT_NAMESPACE, names[:1])
        lifetime = lifetime_us(put.ttl)
        expires = None if lifetime is None else now + lifetime
        blob = vectors_bytes(vectors.puts.get(place, ()))
        connection.execute(sql.PUT, (*names, values[place], now, now, lifetime, expires, blob))


def _sweep(connection: sqlite3.Connection, now: int, limit: int) -> int:
    """Delete expired items, at most `limit` of them (-1: all), and the namespaces that hold none any more."""
    over = connection.execute(sql.EXPIRED, (now, limit)).fetchall()
    connection.executemany(sql.DELETE_BY_ID, [(row[0],) for row in over])
    connection.executemany(sql.DROP_EMPTY, {(row[1],) for row in over})
    return len(over)
