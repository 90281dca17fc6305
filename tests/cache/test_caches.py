"""Every cache: against LangGraph's InMemoryCache, and what drumline's promise beyond it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.cache.memory import InMemoryCache as LangGraphs
from tests.servers import REAL, open_backend, wait_until

from drumline.cache.base import BaseCache, CodecSerde
from drumline.cache.memory import InMemoryCache
from drumline.cache.redis import RedisCache
from drumline.cache.sqlite import SqliteCache
from drumline_graph.warnings import RunWarning

KINDS = ["memory", "sqlite", "fakeredis", "client", *REAL, "cluster3"]


@pytest.fixture(params=KINDS)
def cache(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[BaseCache[Any]]:
    if request.param == "memory":
        yield InMemoryCache()
    elif request.param == "sqlite":
        opened = SqliteCache(str(tmp_path / "cache.db"))
        yield opened
        opened.close()
    else:
        backend = open_backend("valkey9" if request.param == "client" else request.param)
        place = redis.Redis.from_url(backend.url) if request.param == "client" else backend.url
        made: RedisCache[Any] = RedisCache(place, prefix=backend.prefix)
        yield made
        made.close()
        backend.close()


spaces = st.sampled_from([("a",), ("a", "b"), ("ab",), (), ("a/",), ("%",), ("", "*"), ("a", "")])
keys = st.tuples(spaces, st.sampled_from(["k", "kk", "", "b/k", "*", "\ud800"]))
values = st.one_of(
    st.none(), st.integers(), st.tuples(st.text(max_size=3)), st.lists(st.binary(max_size=3), max_size=2)
)
steps = st.one_of(
    st.tuples(st.just("set"), st.dictionaries(keys, st.tuples(values, st.sampled_from([None, 1000])), max_size=3)),
    st.tuples(st.just("get"), st.lists(keys, max_size=4)),
    st.tuples(st.just("clear"), st.one_of(st.none(), st.lists(spaces, max_size=2))),
)


@pytest.mark.parametrize("is_async", [False, True])
def test_as_langgraphs(cache, is_async):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(steps, max_size=12))
    def check(script):
        cache.clear()
        assert play(cache, script, is_async) == play(LangGraphs(serde=CodecSerde()), script, False)  # type: ignore[arg-type]

    check()


def play(cache: Any, script: Any, is_async: bool) -> list[Any]:
    async def run() -> list[Any]:
        return [await getattr(cache, f"a{name}")(argument) for name, argument in script]

    if is_async:
        return asyncio.run(run())
    return [getattr(cache, name)(argument) for name, argument in script]


def test_what_has_expired_is_not_there(cache):
    cache.set({(("a",), "short"): (1, 0.02), (("a",), "long"): (2, 1000), (("a",), "ever"): (3, None)})
    every = [(("a",), key) for key in ("short", "long", "ever")]
    wait_until(lambda: every[0] not in cache.get(every))
    assert cache.get(every) == {every[1]: 2, every[2]: 3}


def test_another_value_has_its_own_lifetime(cache):
    key = (("a",), "k")
    cache.set({key: (1, 0.02)})
    cache.set({key: (2, None)})
    cache.set({(("a",), "other"): (3, 0.02)})
    wait_until(lambda: not cache.get([(("a",), "other")]))
    assert cache.get([key]) == {key: 2}
    cache.clear([("a",)])
    assert cache.get([key]) == {}


def test_what_cannot_be_written_is_not_cached_and_told_once(cache):
    good, bad = (("a",), "good"), (("a",), "bad")
    with pytest.warns(RunWarning, match=r"results in \('a',\) are not cached: .*function"):
        cache.set({bad: (lambda: 1, None), good: (1, None)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.set({bad: (lambda: 1, None)})
    assert cache.get([good, bad]) == {good: 1}


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


class Points:
    """A serializer of a user's."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return "point", str(obj.x).encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        assert data[0] == "point"
        return Point(int(data[1]))


def test_a_serializer_of_ones_own(cache):
    cache.serde = Points()
    cache.set({(("a",), "k"): (Point(3), None)})
    assert cache.get([(("a",), "k")])[("a",), "k"].x == 3
    cache.serde = CodecSerde()
    assert cache.get([(("a",), "k")]) == {}, "what cannot be read is not there"


def test_langgraphs_serializer_fits(cache):
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    cache.serde = JsonPlusSerializer()
    cache.set({(("a",), "k"): ({"x": {1, 2}}, None)})
    assert cache.get([(("a",), "k")]) == {(("a",), "k"): {"x": {1, 2}}}


def test_a_values_copy_is_kept(cache):
    value = {"x": [1]}
    cache.set({(("a",), "k"): (value, None)})
    value["x"].append(2)
    cache.get([(("a",), "k")])[("a",), "k"]["x"].append(3)
    assert cache.get([(("a",), "k")]) == {(("a",), "k"): {"x": [1]}}


def test_a_file_outlives_its_object(tmp_path):
    path = str(tmp_path / "cache.db")
    first: SqliteCache[Any] = SqliteCache(path=path)
    first.set({(("a",), "k"): (1, None)})
    first.close()
    assert SqliteCache(path).get([(("a",), "k")]) == {(("a",), "k"): 1}


def test_a_redis_that_is_not_there_is_an_empty_cache(caplog):
    for place in ("redis://127.0.0.1:1/0", redis.Redis(port=1)):
        caplog.clear()
        cache: RedisCache[Any] = RedisCache(place)
        cache.set({(("a",), "k"): (1, None)})
        assert cache.get([(("a",), "k")]) == {}
        cache.clear()
        assert "the cache is passed by" in caplog.text


def test_clients_that_cannot_be():
    with pytest.raises(ValueError, match="without decode_responses"):
        RedisCache(redis.Redis(decode_responses=True))
    with pytest.raises(TypeError, match="sync client"):
        RedisCache(redis.asyncio.Redis())
    with pytest.raises(TypeError, match="address of a Redis"):
        RedisCache(3)


def test_what_is_forgotten_leaves_no_key():
    backend = open_backend("fakeredis")
    cache: RedisCache[Any] = RedisCache(backend.url, prefix=backend.prefix)
    cache.set({(("a", str(i % 3)), str(i)): (i, None) for i in range(2500)})
    cache.clear()
    assert backend.keys() == []
    cache.close()
    backend.close()
