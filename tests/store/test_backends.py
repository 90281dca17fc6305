"""What belongs to one kind of store: pages and damaged keys in Redis, files of SQLite, batches of an event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.servers import REAL, open_backend
from tests.store.oracle import Oracle, compared
from tests.store.test_against_langgraph import play, scripts

from drumline.store import base as ours
from drumline.store import redis as redis_stores
from drumline.store.base import GetOp, PutOp
from drumline.store.base.batch import AsyncBatchedBaseStore
from drumline.store.memory import InMemoryStore
from drumline.store.redis import AsyncRedisStore, RedisStore
from drumline.store.sqlite import SqliteStore
from drumline.store.sqlite.aio import AsyncSqliteStore
from drumline_protocol.errors import NoBroker
from drumline_protocol.store_names import namespace_bytes, namespace_of
from drumline_transport import redis_store
from drumline_transport.errors import ServerError


@pytest.fixture(params=["fakeredis", *REAL])
def backend(request):
    opened = open_backend(request.param)
    yield opened
    opened.close()


def test_searches_over_pages(backend, monkeypatch):
    """As test_against_langgraph, with pages of two items."""
    monkeypatch.setattr(redis_store, "STORE_PAGE_ITEMS_MAX", 2)
    monkeypatch.setattr(redis_stores, "STORE_PAGE_ITEMS_MAX", 2)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(scripts)
    def check(script):
        backend.raw("FLUSHALL")
        store = RedisStore(backend.url, prefix=backend.prefix)
        assert play(store, ours, script) == play(Oracle(), ours_as_theirs, script)
        store.close()

    check()


class ours_as_theirs:
    """LangGraph's operations by the same names."""

    from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp


def test_pages_end_by_bytes_too(backend, monkeypatch):
    monkeypatch.setattr(redis_store, "STORE_PAGE_BYTES_MAX", 100)
    store = RedisStore(backend.url, prefix=backend.prefix)
    store.batch([PutOp((str(n % 7),), str(n), {"text": "x" * 60}) for n in range(150)])
    found = store.search((), limit=200)
    assert len({(item.namespace, item.key) for item in found}) == 150
    assert [item.key for item in store.search((), limit=5, offset=140)] == [item.key for item in found[140:145]]
    assert len(store.list_namespaces()) == 7
    store.close()


def test_what_is_deleted_leaves_no_key(backend):
    store = RedisStore(backend.url, prefix=backend.prefix, index={"embed": lambda texts: [[1.0] for _ in texts]})
    store.batch([PutOp(("a", str(n % 3), "b"), str(n), {"n": n}, ttl=10) for n in range(20)])
    assert len(backend.keys()) > 10
    store.batch([PutOp(("a", str(n % 3), "b"), str(n), None) for n in range(20)])
    assert backend.keys() == [f"{{{backend.prefix}:store}}:next"]
    store.close()


@pytest.mark.parametrize("damaged", ["next", "ttl", "order:a/", "items:b/", "vectors:b/", "under:", "under:b/"])
def test_a_key_that_is_something_else_stops_the_whole_batch(backend, damaged):
    store = RedisStore(backend.url, prefix=backend.prefix)
    store.put(("c",), "k", {"n": 1})
    key = f"{{{backend.prefix}:store}}:{damaged}"
    backend.raw("DEL", key)
    backend.raw("RPUSH", key, "x")
    with pytest.raises(ServerError, match="WRONGTYPE"):
        store.batch([PutOp(("c",), "new", {}), PutOp(("a",), "k", {}), PutOp(("b",), "k", {})])
    backend.raw("DEL", key)
    assert [store.get(*place) for place in ((("c",), "new"), (("a",), "k"), (("b",), "k"))] == [None] * 3
    store.close()


def test_a_full_server_takes_nothing_of_a_batch():
    backend = open_backend("valkey9")
    store = RedisStore(backend.url, prefix=backend.prefix)
    store.put(("a",), "k", {"n": 1}, ttl=0.0001)
    store._line._line.patience_s = 0.05
    limit = backend.raw("CONFIG", "GET", "maxmemory")[1]
    backend.raw("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(NoBroker, match=r"(?i)oom|memory"):
            store.batch([PutOp(("a",), "k", None), PutOp(("a",), "k2", {})])
        assert backend.raw("HLEN", f"{{{backend.prefix}:store}}:items:a/") == 1
    finally:
        backend.raw("CONFIG", "SET", "maxmemory", limit)
    store.close()
    backend.close()


def test_no_redis_is_told():
    store = RedisStore("redis://:secret@127.0.0.1:1/0")
    store._line._line.patience_s = 0.0
    assert "secret" not in repr(store)
    with pytest.raises(NoBroker):
        store.get(("a",), "k")


@pytest.mark.parametrize(
    "namespace", [(), ("",), ("", ""), ("a",), ("a/",), ("a", ""), ("%2F",), ("/",), ("%",), ("ü\ud800",)]
)
def test_names_come_back(namespace):
    assert namespace_of(namespace_bytes(namespace)) == namespace


# -- SQLite ---------------------------------------------------------------------------------------


def test_a_connection_of_ones_own(tmp_path):
    connection = sqlite3.connect(tmp_path / "own.db")
    store: Any = SqliteStore(connection)
    store.put(("a",), "k", {"n": 1})
    store.close()
    assert connection.execute("SELECT count(*) FROM drumline_items").fetchone() == (1,)
    assert store.get(("a",), "k").value == {"n": 1}


def test_two_objects_on_one_file(tmp_path):
    stores: list[Any] = [SqliteStore(str(tmp_path / "s.db")) for _ in range(2)]
    one, two = stores
    one.put(("a",), "k", {"n": 1})
    assert two.get(("a",), "k").value == {"n": 1}
    two.put(("a",), "k", {"n": 2})
    assert one.get(("a",), "k").value == {"n": 2}
    one.close()
    two.close()


def test_context_managers(tmp_path, backend):
    with SqliteStore.from_conn_string(str(tmp_path / "s.db")) as store:
        store.setup()
        store.put(("a",), "k", {"n": 1})
    with RedisStore.from_conn_string(backend.url, prefix=backend.prefix) as redis:
        redis.setup()
        redis.put(("a",), "k", {"n": 2})

    async def read() -> list[Any]:
        async with AsyncSqliteStore.from_conn_string(str(tmp_path / "s.db")) as lite:
            await lite.setup()
            first = await lite.aget(("a",), "k")
        async with AsyncRedisStore.from_conn_string(backend.url, prefix=backend.prefix) as redis:
            await redis.setup()
            return [first, await redis.aget(("a",), "k")]

    assert [item.value for item in asyncio.run(read())] == [{"n": 1}, {"n": 2}]


# -- batches of a loop ----------------------------------------------------------------------------


class Batched(AsyncBatchedBaseStore):
    def __init__(self) -> None:
        super().__init__()
        self.inner = InMemoryStore()
        self.batches: list[list[Any]] = []

    async def abatch(self, ops: Any) -> Any:
        ops = list(ops)
        self.batches.append(ops)
        await asyncio.sleep(0)
        return await self.inner.abatch(ops)


def test_what_is_asked_at_once_is_one_batch():
    async def use() -> Any:
        store = Batched()
        await asyncio.gather(*(store.aput(("a",), "k", {"n": n}) for n in range(3)), store.aput(("a",), "k2", {}))
        found = await asyncio.gather(store.aget(("a",), "k"), store.aget(("a",), "k"), store.asearch(("a",)))
        await store.adelete(("a",), "k2")
        assert await store.alist_namespaces() == [("a",)]
        return store.batches, compared(list(found))

    batches, found = asyncio.run(use())
    assert [len(batch) for batch in batches] == [2, 2, 1, 1]
    assert batches[0] == [PutOp(("a",), "k", {"n": 2}), PutOp(("a",), "k2", {})]
    assert found == [(("a",), "k", {"n": 2}, None)] * 2 + [[(("a",), "k", {"n": 2}, None), (("a",), "k2", {}, None)]]


def test_an_error_reaches_all_who_wait_and_nobody_else():
    async def use() -> Any:
        store = Batched()
        failing = [store.abatch]

        async def fails(_ops: Any) -> Any:
            raise OSError("gone")

        store.abatch = fails  # type: ignore[method-assign, assignment]
        answers = await asyncio.gather(store.aget(("a",), "k"), store.aget(("a",), "k2"), return_exceptions=True)
        store.abatch = failing[0]  # type: ignore[method-assign]
        return [type(answer) for answer in answers], await store.aget(("a",), "k")

    assert asyncio.run(use()) == ([OSError, OSError], None)


def test_sync_calls_are_for_other_threads():
    async def use() -> Any:
        store = Batched()
        with pytest.raises(asyncio.InvalidStateError, match="aget"):
            store.get(("a",), "k")
        await asyncio.to_thread(store.put, ("a",), "k", {"n": 1})
        found: Any = await asyncio.to_thread(store.batch, [GetOp(("a",), "k")])
        return found[0].value

    assert asyncio.run(use()) == {"n": 1}
