"""The look at what runs leave behind finds each kind of it, and takes nothing that may stay for a leftover."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from tests.leftovers import leftovers

from drumline_protocol.keys import Keys
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster
Raw = Callable[..., Any]


@pytest.fixture
def raw(server: LocalServer) -> Iterator[Raw]:
    client: Any = redis.Redis.from_url(server.url, protocol=2)
    client.response_callbacks.clear()
    yield client.execute_command
    client.close()


@pytest.fixture
def keys(raw: Raw) -> Keys:
    """A prefix with what a cluster at rest holds, and one run that has ended in good order."""
    keys = Keys(f"t{uuid.uuid4().hex[:8]}")
    raw("HSET", keys.meta(), "partitions", 2)
    raw("HSET", keys.workers(), "w0", "{}")
    raw("HSET", keys.lease(1), "owner", "c0")
    raw("XADD", keys.ctl(), "*", "d", "x")
    raw("XGROUP", "CREATE", keys.tasks("default"), "workers", "0", "MKSTREAM")
    raw("HSET", keys.run(1, "old"), "status", "done")
    raw("XADD", keys.log(1, "old"), "1-1", "f", 1, "d", "x")
    for key in (keys.run(1, "old"), keys.log(1, "old")):
        raw("EXPIRE", key, 100)
    return keys


def test_nothing_is_left(raw: Raw, keys: Keys) -> None:
    assert leftovers(raw, keys.prefix) == []


def test_another_prefix_is_not_looked_at(raw: Raw, keys: Keys) -> None:
    raw("SET", f"{keys.prefix}2:strange", "x")
    raw("SET", f"{{{keys.prefix}2:1}}:blob:x", "x")
    assert leftovers(raw, keys.prefix) == []


_PLANTED: dict[str, Callable[[Raw, Keys], None]] = {
    "stays for ever": lambda raw, keys: raw("PERSIST", keys.run(1, "old")),
    "the log of a run that is not open": lambda raw, keys: raw("PERSIST", keys.log(1, "old")),
    "1 task entries are still named": lambda raw, keys: raw("HSET", keys.run(1, "old"), "t:x:1", "default 1-1"),
    "still among the open runs": lambda raw, keys: raw("SADD", keys.open(1), "old"),
    "the set of open runs does not name it": lambda raw, keys: raw("HSET", keys.run(1, "old"), "status", "open"),
    "1 entries, and no run is open": lambda raw, keys: raw("XADD", keys.tasks("default"), "*", "d", "x"),
    "inbox: 1 entries": lambda raw, keys: raw("XADD", keys.inbox(1), "*", "d", "x"),
    "a large value of a run": lambda raw, keys: raw("SET", keys.blob(1, "old:x"), "xyz"),
    "1 timers": lambda raw, keys: raw("ZADD", keys.timers(1), 5, "old"),
    "of a thread that no list names": lambda raw, keys: raw("HSET", keys.thread(1, "old"), "x", "y"),
    "not a key of keys.py": lambda raw, keys: raw("SET", f"{keys.prefix}:odd", "x"),
}


@pytest.mark.parametrize("told", _PLANTED)
def test_a_leftover_is_found(raw: Raw, keys: Keys, told: str) -> None:
    _PLANTED[told](raw, keys)
    assert any(told in line for line in leftovers(raw, keys.prefix))
    assert leftovers(raw, keys.prefix, ignore=lambda _key: True) == []


def test_a_taken_task_is_found(raw: Raw, keys: Keys) -> None:
    """Taken, deleted, and never acknowledged: the stream is empty, its group is not."""
    stream = keys.tasks("default")
    entry = raw("XADD", stream, "*", "d", "x")
    raw("XREADGROUP", "GROUP", "workers", "w0", "STREAMS", stream, ">")
    raw("XDEL", stream, entry)
    assert any("1 entries are taken" in line for line in leftovers(raw, keys.prefix))


def test_an_open_run_keeps_what_is_its_own(raw: Raw, keys: Keys) -> None:
    raw("HSET", keys.run(1, "new"), "status", "open", "t:x:1", "default 1-1")
    raw("SADD", keys.open(1), "new")
    raw("XADD", keys.log(1, "new"), "1-1", "f", 1, "d", "x")
    raw("SET", keys.blob(1, "new:x"), "xyz")
    raw("XADD", keys.tasks("default"), "*", "d", "x")
    assert leftovers(raw, keys.prefix) == []
