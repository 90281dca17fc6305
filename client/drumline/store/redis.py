"""A store in Redis or Valkey, with plain commands: no module is needed. A cluster keeps its own one so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from drumline.store.base import IndexConfig, Item, ListNamespacesOp, PutOp, Result, SearchItem, SearchOp, TTLConfig
from drumline.store.index import Vectors
from drumline.store.match import fits, listed
from drumline.store.plan import Place, Plan, literal_head
from drumline.store.planned import PlannedStore, lifetime_us, page_of
from drumline.store.ranking import Vector, check_width
from drumline.store.rows import codec_of, found_item, item_of, vectors_bytes, vectors_of
from drumline_protocol.errors import without_password
from drumline_protocol.limits import STORE_PAGE_ITEMS_MAX
from drumline_protocol.store_names import key_bytes, key_of, namespace_bytes, namespace_of
from drumline_transport.redis_store import store_line

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncRedisStore", "RedisStore"]

#: expired items that one call of `sweep_ttl` takes out at a time
_SWEEP_ITEMS = 1000


class RedisStore(PlannedStore):
    """Items in Redis, shared by all who name the same address and prefix: `cluster.store` is the cluster's own one.

    `url` is an address as `Cluster` takes it, a Redis Cluster or sentinels too; `prefix` tells stores on one broker
    apart. The gets and puts of a batch are one step. A search that goes with puts reads just before them, and a search
    over very many items reads them in pages. Lifetimes are by the server's clock. `types` are classes that values may
    hold beside plain data. `index` makes it searchable by meaning.

    Connects when first used. Raises EncodeError for a value that the codec cannot write, and then nothing of the batch
    is done; NoBroker when Redis cannot be reached.
    """

    __slots__ = ("_codec", "_line", "_prefix", "_url")

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "drumline",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> None:
        super().__init__(index, ttl)
        self._url, self._prefix = without_password(url), prefix
        self._codec = codec_of(types)
        self._line = store_line(url, prefix)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url} prefix {self._prefix!r}>"

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        prefix: str = "drumline",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> Iterator[Self]:
        """A store at an address, closed at the end of the `with`."""
        store = cls(conn_string, prefix=prefix, index=index, ttl=ttl, types=types)
        try:
            yield store
        finally:
            store.close()

    def setup(self) -> None:
        """Nothing: there are no tables to make. LangGraph's stores have it."""

    def close(self) -> None:
        """Close the connection, for good."""
        self.stop_ttl_sweeper(0)
        self._line.close()

    def _run(self, plan: Plan, vectors: Vectors) -> list[Result]:
        puts = [self._put(place, put, vectors.puts.get(place, ())) for place, put in plan.puts.items()]
        results = plan.results()
        for number, search in plan.searches.items():
            results[number] = self._search(search, vectors)
        for number, asked in plan.lists.items():
            results[number] = self._list(asked)
        if plan.gets or puts:
            gets: list[list[Any]] = [
                ["get", namespace_bytes(get.namespace), key_bytes(get.key), int(get.refresh_ttl)]
                for get in plan.gets.values()
            ]
            replies = self._line.batch([*gets, *puts])
            for (number, get), row in zip(plan.gets.items(), replies, strict=False):
                results[number] = None if row is None else self._item(get.namespace, get.key, row)
        return results

    def _put(self, place: Place, put: PutOp, vectors: Sequence[Vector]) -> list[Any]:
        names = (namespace_bytes(place[0]), key_bytes(place[1]))
        if put.value is None:
            return ["drop", *names]
        return ["put", *names, self._codec.encode(put.value), vectors_bytes(vectors), lifetime_us(put.ttl) or 0]

    def _item(self, namespace: tuple[str, ...], key: str, row: bytes) -> Item:
        created, updated, _, value = row.split(b" ", 3)
        return item_of(namespace, key, self._codec.decode(value), int(created), int(updated))

    # -- searches -------------------------------------------------------------------------------------

    def _search(self, op: SearchOp, vectors: Vectors) -> list[SearchItem]:
        asks = bool(op.query and vectors.queries)
        if not op.filter and not asks and min(op.offset, op.limit) >= 0:  # only what is shown is read
            rows = self._rows(op, skip=op.offset, count=op.limit, refresh=op.refresh_ttl)
            return [found_item(item) for item, _ in rows]
        found: list[tuple[SearchItem, list[Vector]]] = []
        compared = 0
        for item, packed in self._rows(op, with_vectors=asks):
            if fits(item.value, op.filter):
                own = vectors_of(packed)
                compared += len(own)
                check_width(op.namespace_prefix, compared)
                found.append((found_item(item), own))
                if not asks and 0 <= op.offset + op.limit <= len(found) and min(op.offset, op.limit) >= 0:
                    break
        page = page_of(op, found, vectors.queries)
        if op.refresh_ttl and page:
            self._line.batch([["touch", namespace_bytes(item.namespace), key_bytes(item.key)] for item in page])
        return page

    def _rows(
        self,
        op: SearchOp,
        *,
        skip: int = 0,
        count: int | None = None,
        with_vectors: bool = False,
        refresh: bool = False,
    ) -> Iterator[tuple[Item, bytes]]:
        """Items below a namespace in their order, with their vectors as bytes; at most `count`, page by page."""
        below = namespace_bytes(op.namespace_prefix)
        at_namespace: Any = "-inf"
        at_item: Any = "-inf"
        is_over = count == 0
        while not is_over:
            asked = STORE_PAGE_ITEMS_MAX if count is None else count
            words = ["search", below, at_namespace, at_item, skip, asked, int(with_vectors), int(refresh)]
            ended, at_namespace, at_item, skip, rows = self._line.batch([words])[0]
            for namespace, key, row, packed in rows:
                yield self._item(namespace_of(namespace), key_of(key), row), packed
            count = None if count is None else count - len(rows)
            is_over = bool(ended) or count == 0

    def _list(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        self.sweep_ttl()  # a namespace whose items are all over is not listed
        below = namespace_bytes(literal_head(op.match_conditions or ()))
        after: Any = "-inf"
        found: list[bytes] = []
        while True:
            pairs = self._line.batch([["spaces", below, after, STORE_PAGE_ITEMS_MAX]])[0]
            found += pairs[::2]
            if len(pairs) < 2 * STORE_PAGE_ITEMS_MAX:
                return listed(map(namespace_of, found), op)
            after = pairs[-1]

    def sweep_ttl(self) -> int:
        """Delete the items whose lifetime is over, and which nobody sees any more; how many there were."""
        swept = 0
        while True:
            count = int(self._line.batch([["sweep", _SWEEP_ITEMS]])[0])
            swept += count
            if count < _SWEEP_ITEMS:
                return swept


class AsyncRedisStore(RedisStore):
    """`RedisStore` as an async context manager: `async with AsyncRedisStore.from_conn_string(url) as store`."""

    __slots__ = ()

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]  # its twin is a plain context manager
        cls,
        conn_string: str,
        *,
        prefix: str = "drumline",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> AsyncIterator[Self]:
        """A store at an address, closed at the end of the `async with`."""
        store = cls(conn_string, prefix=prefix, index=index, ttl=ttl, types=types)
        try:
            yield store
        finally:
            await asyncio.to_thread(store.close)

    async def setup(self) -> None:  # type: ignore[override]
        """Nothing: there are no tables to make. LangGraph's stores have it."""
