"""Which store the graphs of a worker get.

A graph keeps the store that it was compiled with. One without gets the deployment's: what `--store` (or DRUMLINE_STORE,
or `store` under `[tool.drumline]`) names, else the cluster's own one in its Redis, set up as `store` in langgraph.json
says if the graphs come from there.

| `--store` | the store |
|---|---|
| `cluster` | the cluster's own |
| `none` | none |
| `redis://...`, and the other addresses that `Cluster` takes | another Redis, under the cluster's prefix |
| a path that ends with `.db`, `.sqlite` or `.sqlite3` | an SQLite file, for workers of one machine |
| `module:attribute`, `path.py:attribute` | that object, or what that function returns |

An InMemoryStore is another one in each worker. That is told at the start, and kept, for a graph may have filled it when
it was imported; a store that `--store` names takes its place.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from drumline.apps import load_object
from drumline.langgraph_json import read_project
from drumline.settings import UsageError
from drumline.store.base import IndexConfig, TTLConfig
from drumline.store.redis import RedisStore
from drumline.store.sqlite import SqliteStore
from drumline_graph.compile import checked_store
from drumline_graph.program import Program

log = logging.getLogger("drumline.store")

_FILES = (".db", ".sqlite", ".sqlite3")
_FORM = "--store is cluster, none, a Redis URL, the path of a .db file, or module:attribute"


def stores_of(
    programs: Mapping[str, Program], spec: str | None, url: str, prefix: str, *, named: bool = False
) -> dict[str, Any]:
    """The store of each graph of a worker, by the graph's name. Connects to nothing.

    `spec` is what `--store` says (None: nothing), `url` and `prefix` are the cluster's. `named`: the graphs come from
    langgraph.json, so that what that says of the store counts. UsageError, AppNotFound, AppFailed.
    """
    deployed = _deployed(spec, url, prefix, _settings() if named else {})
    found = {}
    for name, program in programs.items():
        own = program.store
        if own is not None and is_of_one_process(own):
            if spec is None or deployed is None:
                _tell(name)
            else:
                own = None
        found[name] = deployed if own is None else own
    return found


def is_of_one_process(store: Any) -> bool:
    """Whether a store is drumline's or LangGraph's InMemoryStore."""
    return any(cls.__name__ == "InMemoryStore" for cls in type(store).__mro__)


def _tell(name: str) -> None:
    log.warning(
        "graph %r was compiled with an InMemoryStore: each worker has one of its own, and what a node puts there is "
        "not seen by nodes on other workers. Compile it without a store to get the cluster's, or with a store outside "
        "of the processes; --store cluster puts the cluster's in its place.",
        name,
    )


def _deployed(spec: str | None, url: str, prefix: str, settings: Mapping[str, Any]) -> Any:
    """The store of graphs that have none. It connects when it is used, so one that nobody uses costs nothing."""
    if spec == "none":
        return None
    if spec in (None, "cluster"):
        return RedisStore(url, prefix=prefix, index=settings.get("index"), ttl=settings.get("ttl"))
    if "://" in spec:
        return RedisStore(spec, prefix=prefix)
    if spec.endswith(_FILES):
        return SqliteStore(spec)
    if ":" not in spec:
        raise UsageError(f"{spec!r} names no store: {_FORM}")
    value = load_object(spec)
    if inspect.isroutine(value):
        value = value()
    try:
        return checked_store(value)
    except TypeError as error:
        raise UsageError(f"{spec!r} names no store: {error}") from None


def _settings() -> dict[str, Any]:
    """What `store` in langgraph.json says: `index`, with the embedding function loaded, and `ttl`."""
    project = read_project()
    if project is None:
        return {}
    found: dict[str, Any] = {}
    index = project.store.get("index")
    if index:
        found["index"] = cast(IndexConfig, {**index, "embed": _embedding(index.get("embed"), project.path.parent)})
    if project.store.get("ttl"):
        found["ttl"] = cast(TTLConfig, dict(project.store["ttl"]))
    return found


def _embedding(named: Any, folder: Path) -> Any:
    """An embedding function at a place in a file, or the name of a model for LangChain."""
    if isinstance(named, str) and ".py:" in named:
        return load_object(named, folder)
    return named
