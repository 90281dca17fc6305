"""What drumline's stores promise beyond LangGraph's interface, each on every backend."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from langgraph.store import base as theirs
from tests.servers import wait_until

from drumline.store import ranking
from drumline.store.base import GetOp, InvalidNamespaceError, PutOp, SearchOp
from drumline.store.ranking import SearchTooWide
from drumline_protocol.errors import EncodeError

#: a few milliseconds, in minutes
SOON = 0.0003
LONG = 60.0


def keys(found: Any) -> list[str]:
    return [item.key for item in found]


# -- namespaces -----------------------------------------------------------------------------------


HOSTILE = ["user_1", "userX1", "user%1", "user*1", "user?1", "user:1", "user/1", "user", "user_", "%", "*", "{}", "ü"]


@pytest.mark.parametrize("tenant", HOSTILE)
def test_no_tenant_sees_another(make, tenant):
    store = make()
    for label in HOSTILE:
        store.put((label,), "k", {"of": label})
        store.put((label, "below"), "k", {"of": label})
    assert [item.value for item in store.search((tenant,))] == [{"of": tenant}] * 2
    assert store.get((tenant,), "k").value == {"of": tenant}
    store.delete((tenant,), "k")
    assert len(store.search((), limit=99)) == 2 * len(HOSTILE) - 1
    if tenant != "*":
        assert store.list_namespaces(prefix=(tenant,)) == [(tenant, "below")]


def test_a_text_is_no_namespace(store):
    with pytest.raises(InvalidNamespaceError, match=r"write \('abc',\)"):
        store.get("abc", "k")


# -- batches --------------------------------------------------------------------------------------


def test_a_batch_is_done_whole_or_not_at_all(make_lasting):
    store = make_lasting()
    store.put(("a",), "old", {"n": 1})
    with pytest.raises(EncodeError, match=r"value\['f'\]"):
        store.batch(
            [PutOp(("a",), "new", {"n": 1}), PutOp(("a",), "old", None), PutOp(("a",), "bad", {"f": lambda: 1})]
        )
    assert keys(store.search(())) == ["old"]


@pytest.mark.parametrize(
    "bad",
    [
        PutOp(("a",), "k", 3),  # type: ignore[arg-type]
        PutOp(("a",), "k", "text"),  # type: ignore[arg-type]
        PutOp((1,), "k", {}),  # type: ignore[arg-type]
        SearchOp(("a",), {"n": {"$in": [1]}}),
        SearchOp(("a",), {"n": {"$gt": "x"}}),
        theirs.ListNamespacesOp((theirs.MatchCondition("infix", ("a",)),)),  # type: ignore[arg-type]
        "no operation",
    ],
)
def test_nothing_is_done_if_an_operation_cannot_be(store, bad):
    with pytest.raises((TypeError, ValueError)):
        store.batch([PutOp(("a",), "new", {"n": 1}), bad])
    assert store.search(()) == []


def test_reads_of_a_batch_see_what_was_there_before(store):
    store.put(("a",), "k", {"n": 1})
    found = store.batch(
        [PutOp(("a",), "k", {"n": 2}), GetOp(("a",), "k"), SearchOp(("a",)), PutOp(("a",), "k", {"n": 3})]
    )
    assert (found[1].value, [item.value for item in found[2]]) == ({"n": 1}, [{"n": 1}])
    assert store.get(("a",), "k").value == {"n": 3}


def test_threads_see_whole_batches(make):
    """Two keys are put together, again and again, and read together: never one of them without the other."""
    store = make()
    ended = threading.Event()

    def write(start: int) -> None:
        for n in range(start, start + 60):
            store.batch([PutOp(("a",), "x", {"n": n}), PutOp(("b",), "y", {"n": n})])

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 1000)]
    torn: list[Any] = []

    def read() -> None:
        while not ended.is_set():
            x, y = store.batch([GetOp(("a",), "x"), GetOp(("b",), "y")])
            if (x and x.value) != (y and y.value):
                torn.append((x, y))

    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert not torn


# -- lifetimes ------------------------------------------------------------------------------------


def test_what_is_over_is_never_seen(make):
    store = make(index={"embed": lambda texts: [[1.0] for _ in texts]})
    store.put(("a",), "short", {"n": 1}, ttl=SOON)
    store.put(("a",), "long", {"n": 1}, ttl=LONG)
    store.put(("b",), "short", {"n": 1}, ttl=SOON)
    wait_until(lambda: store.get(("b",), "short", refresh_ttl=False) is None)
    wait_until(lambda: store.get(("a",), "short", refresh_ttl=False) is None)
    assert (
        keys(store.search(()))
        == keys(store.search((), filter={"n": 1}))
        == keys(store.search((), query="x"))
        == ["long"]
    )
    assert store.list_namespaces() == [("a",)]
    assert store.search((), offset=1) == []


def test_an_item_that_is_over_is_put_as_a_new_one(store):
    store.put(("a",), "k", {"n": 1}, ttl=SOON)
    first = store.search((), refresh_ttl=False)
    wait_until(lambda: store.get(("a",), "k", refresh_ttl=False) is None)
    store.put(("a",), "k", {"n": 2})
    again = store.get(("a",), "k")
    assert again.created_at == again.updated_at
    assert not first or again.created_at > first[0].created_at


def test_reads_begin_a_lifetime_anew(make):
    store = make()
    for key in ("got", "searched", "filtered", "left", "peeked"):
        store.put(("a", key), key, {"n": 1}, ttl=LONG)
    before = {key: expiry(store, key) for key in ("got", "searched", "filtered", "left", "peeked")}
    store.get(("a", "got"), "got")
    store.search(("a", "searched"))
    store.search(("a", "filtered"), filter={"n": 1})
    store.search(("a", "left"), filter={"n": 2})
    store.get(("a", "peeked"), "peeked", refresh_ttl=False)
    store.search(("a", "peeked"), refresh_ttl=False)
    after = {key: expiry(store, key) for key in before}
    assert {key for key in before if after[key] > before[key]} == {"got", "searched", "filtered"}


def expiry(store: Any, key: str) -> float:
    """When the item ("a", key)/key is over, in microseconds."""
    if hasattr(store, "_data"):
        return store._data["a", key][key].expires
    if hasattr(store, "_file"):
        with store._file.transaction() as connection:
            query = "SELECT expires FROM drumline_items WHERE key = ?"
            return connection.execute(query, (key.encode(),)).fetchone()[0]
    member = f"{len(key) + 3}:a/{key}/{key}"
    return float(store._line._line.call("ZSCORE", f"{store._line._key}:ttl", member))


def test_a_put_without_lifetime_lasts(store):
    store.put(("a",), "k", {"n": 1}, ttl=SOON)
    store.put(("a",), "k", {"n": 2})
    store.put(("b",), "other", {"n": 2}, ttl=SOON)
    wait_until(lambda: store.get(("b",), "other", refresh_ttl=False) is None)
    assert store.get(("a",), "k").value == {"n": 2}


def test_the_lifetime_of_a_store_is_for_puts_that_say_nothing(make):
    store = make(ttl={"default_ttl": SOON, "refresh_on_read": False})
    store.put(("a",), "k", {})
    store.put(("a",), "ever", {}, ttl=None)
    wait_until(lambda: store.get(("a",), "k") is None)
    assert keys(store.search(())) == ["ever"]


def test_a_sweep_takes_out_what_is_over(make):
    store = make()
    store.put(("b",), "k", {}, ttl=LONG)
    store.batch([PutOp(("a", str(n)), "k", {}, ttl=SOON) for n in range(30)])
    wait_until(lambda: not store.search(("a",), refresh_ttl=False))
    assert store.sweep_ttl() == 30
    assert store.sweep_ttl() == 0
    assert keys(store.search(())) == ["k"]


def test_a_sweeper_of_its_own(make):
    store = make(ttl={"sweep_interval_minutes": 1})
    swept = threading.Event()
    store.__class__ = type("Watched", (type(store),), {"__slots__": (), "sweep_ttl": lambda _store: swept.set()})
    assert store.start_ttl_sweeper(SOON) is store.start_ttl_sweeper()
    assert swept.wait(10)
    assert store.stop_ttl_sweeper(10)
    assert make().start_ttl_sweeper() is None


# -- meaning --------------------------------------------------------------------------------------


def test_a_search_by_meaning_has_a_bound(make, monkeypatch):
    monkeypatch.setattr(ranking, "STORE_VECTORS_MAX", 3)
    store = make(index={"embed": lambda texts: [[1.0, len(text)] for text in texts]})
    store.batch([PutOp(("a",), str(n), {"n": n}) for n in range(3)])
    store.put(("b",), "k", {})
    assert len(store.search(("a",), query="x")) == 3
    with pytest.raises(SearchTooWide, match=r"below \(\) would compare its query with more than 3 vectors.*narrower"):
        store.search((), query="x")
    assert len(store.search((), query="x", filter={"n": 1})) == 1


def test_vectors_are_those_of_the_last_put(store_of_letters):
    """LangGraph's store keeps vectors of fields that an item has no more."""
    store = store_of_letters
    store.put(("a",), "k", {"x": "a", "y": "b"}, index=["x", "y"])
    store.put(("a",), "k", {"x": "b"}, index=["x"])
    assert store.search(("a",), query="a")[0].score == 0
    store.put(("a",), "k", {"x": "a"}, index=False)
    assert store.search(("a",), query="a")[0].score is None


def test_one_text_twice_in_a_batch(store_of_letters):
    """LangGraph's store raises ValueError."""
    store = store_of_letters
    store.batch([PutOp(("a",), "1", {"x": "a"}, ["x"]), PutOp(("a",), "2", {"x": "a"}, ["x"])])
    assert [item.score for item in store.search(("a",), query="a")] == [1, 1]


def test_pages_of_a_ranking_join(store_of_letters):
    """In LangGraph's store items without a vector come again on every page."""
    store = store_of_letters
    for n in range(4):
        store.put(("a",), f"with{n}", {"x": "a" * (n + 1) + "b"}, ["x"])
        store.put(("a",), f"without{n}", {"x": "a"}, False)
    whole = keys(store.search(("a",), query="a", limit=99))
    assert whole == ["with3", "with2", "with1", "with0", "without0", "without1", "without2", "without3"]
    assert [key for at in range(0, 9, 3) for key in keys(store.search(("a",), query="a", limit=3, offset=at))] == whole


def test_a_query_of_another_length_is_told(make):
    lengths = iter([2, 3])
    store = make(index={"embed": lambda texts: [[1.0] * next(lengths) for _ in texts]})
    store.put(("a",), "k", {})
    with pytest.raises(ValueError, match="3 dimensions and a stored vector 2"):
        store.search(("a",), query="x")


@pytest.fixture
def store_of_letters(make):
    return make(index={"embed": lambda texts: [[text.count("a"), text.count("b")] for text in texts]})


def test_an_async_function_serves_async_calls(make):
    async def embed(texts):
        await asyncio.sleep(0)
        return [[float(len(text))] for text in texts]

    store = make(index={"embed": embed, "fields": ["x"]})

    async def use():
        await store.aput(("a",), "k", {"x": "yes"})
        return await store.asearch(("a",), query="no")

    assert asyncio.run(use())[0].score == 1
    with pytest.raises(ValueError, match="async methods"):
        store.put(("a",), "k", {"x": "yes"})


def test_an_embedding_that_fails_changes_nothing(make):
    def embed(_texts):
        raise ConnectionError("no model")

    store = make(index={"embed": embed})
    with pytest.raises(ConnectionError):
        store.put(("a",), "k", {"x": 1})
    assert store.search(("a",)) == []


# -- times, values --------------------------------------------------------------------------------


def test_an_item_keeps_the_time_of_its_first_put(store):
    """LangGraph's InMemoryStore sets both times anew; its stores in databases keep the first."""
    store.put(("a",), "k", {"n": 1})
    first = store.get(("a",), "k")
    wait_until(lambda: store.put(("a",), "k", {"n": 2}) or store.get(("a",), "k").updated_at > first.updated_at)
    assert store.get(("a",), "k").created_at == first.created_at
    assert first.created_at.tzinfo is not None


@dataclass
class Place:
    name: str


def test_values_keep_their_types(make_lasting):
    store = make_lasting(types=[Place])
    value = {"t": (1, 2), "s": {1}, "b": b"\xff", "p": Place("here"), "u": "\ud800", 3: None, "big": 2**70}
    store.put(("a",), "k", value)
    assert store.get(("a",), "k").value == value


def test_a_filter_passes_by_what_it_cannot_compare(store):
    """LangGraph's store raises TypeError or ValueError at the first item that has no such number."""
    values: list[dict[str, Any]] = [{"n": 5}, {}, {"n": "x"}, {"n": None}, {"n": "7"}]
    store.batch([PutOp(("a",), str(n), value) for n, value in enumerate(values)])
    assert keys(store.search(("a",), filter={"n": {"$gt": 4}})) == ["0", "4"]


def test_it_lasts(make_lasting):
    first = make_lasting(index={"embed": lambda texts: [[1.0, 2.0] for _ in texts]})
    first.put(("a",), "k", {"n": 1}, ttl=LONG)
    first.put(("a", "b"), "k2", {"n": 2})
    second = make_lasting(again=first, index={"embed": lambda texts: [[2.0, 4.0] for _ in texts]})
    assert [(item.key, item.value, item.score) for item in second.search((), query="x")] == [
        ("k", {"n": 1}, pytest.approx(1)),
        ("k2", {"n": 2}, pytest.approx(1)),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_uses_it_too(make_lasting):
    store = make_lasting()
    store.put(("a",), "parent", {})
    child = os.fork()
    if child == 0:
        try:
            store.put(("a",), "child", {})
            os._exit(0 if len(store.search(("a",))) == 2 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(keys(store.search(("a",)))) == ["child", "parent"]
