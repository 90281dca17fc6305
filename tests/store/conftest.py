"""Stores for tests: each of drumline's, on each server that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from tests.servers import DEPLOYED, REAL, open_backend

from drumline.store.memory import InMemoryStore
from drumline.store.redis import RedisStore
from drumline.store.sqlite import SqliteStore

LOCAL = ["memory", "sqlite"]
REDIS = ["fakeredis", *REAL, *DEPLOYED]

Make = Callable[..., Any]


def makers(kind: str, tmp_path: Any) -> Iterator[Make]:
    """A function that makes an empty store of a kind; `again=store` opens what that store has written."""
    numbers, made = count(), []
    places: dict[int, Any] = {}

    def make(again: Any = None, **options: Any) -> Any:
        number = next(numbers) if again is None else places[id(again)]
        if kind == "memory":
            store: Any = InMemoryStore(**options)
        elif kind == "sqlite":
            store = SqliteStore(str(tmp_path / f"store{number}.db"), **options)
        else:
            store = RedisStore(backend.url, prefix=backend.prefix, **options)
            if again is None and number:
                for key in backend.raw("KEYS", "*"):
                    store._line._line.call("DEL", key)
        places[id(store)] = number
        made.append(store)
        return store

    backend: Any = None if kind in LOCAL else open_backend(kind)
    try:
        yield make
    finally:
        for store in made:
            getattr(store, "close", lambda: None)()
        if backend is not None:
            backend.close()


@pytest.fixture(params=[*LOCAL, *REDIS])
def make(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Make]:
    """Makes stores of each kind, one kind after another. Of a kind in Redis, one is in use at a time."""
    yield from makers(request.param, tmp_path)


@pytest.fixture(params=["sqlite", *REDIS])
def make_lasting(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Make]:
    """Makes stores that outlive their object."""
    yield from makers(request.param, tmp_path)


@pytest.fixture
def store(make: Make) -> Any:
    """An empty store of each kind."""
    return make()
