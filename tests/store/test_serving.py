"""Which store the graphs of a worker get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.servers import open_backend
from tests.store.test_graphs import graph, look, their_graph

from drumline import Cluster
from drumline.langgraph import adapt
from drumline.settings import Settings, UsageError
from drumline.store.memory import InMemoryStore
from drumline.store.serving import is_of_one_process, stores_of
from drumline.store.sqlite import SqliteStore

URL, PREFIX = "redis://127.0.0.1:1/0", "p"


class Elsewhere(SqliteStore):
    """A store of a user's."""


GIVEN = Elsewhere(":memory:")


def made() -> Elsewhere:
    return GIVEN


def programs() -> dict[str, Any]:
    return {
        "bare": graph(look).program,
        "memory": graph(look, store=InMemoryStore()).program,
        "theirs": adapt(their_graph(store=InMemoryStore())).program,
        "own": graph(look, store=GIVEN).program,
    }


def test_nobody_says(caplog):
    served = programs()
    stores = stores_of(served, None, URL, PREFIX)
    assert repr(stores["bare"]) == f"<RedisStore {URL} prefix 'p'>"
    assert [stores[name] for name in ("memory", "theirs", "own")] == [
        served[name].store for name in ("memory", "theirs", "own")
    ]
    told = [record.getMessage() for record in caplog.records if record.name == "drumline.store"]
    assert ["each worker has one of its own" in line for line in told] == [True, True]
    assert "'memory'" in told[0] and "'theirs'" in told[1]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("cluster", "RedisStore"),
        ("redis://127.0.0.1:2/0", "RedisStore"),
        ("tests.store.test_serving:GIVEN", "Elsewhere"),
        ("tests.store.test_serving:made", "Elsewhere"),
    ],
)
def test_a_store_that_is_named_takes_the_place_of_memory(spec, kind, caplog):
    stores = stores_of(programs(), spec, URL, PREFIX)
    assert type(stores["bare"]).__name__ == kind
    assert stores["bare"] is stores["memory"] is stores["theirs"]
    assert stores["own"] is GIVEN
    assert not [record for record in caplog.records if record.name == "drumline.store"]


def test_a_file(tmp_path):
    stores = stores_of(programs(), str(tmp_path / "s.db"), URL, PREFIX)
    stores["bare"].put(("a",), "k", {})
    assert (tmp_path / "s.db").exists()
    stores["bare"].close()


def test_none(caplog):
    served = programs()
    stores = stores_of(served, "none", URL, PREFIX)
    assert stores["bare"] is None
    assert stores["memory"] is served["memory"].store
    assert "each worker" in caplog.text


@pytest.mark.parametrize("spec", ["sqlite", "tests.store.test_serving:URL"])
def test_what_names_no_store(spec):
    with pytest.raises(UsageError, match="names no store"):
        stores_of(programs(), spec, URL, PREFIX)


def test_langgraph_json_sets_up_the_clusters_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vectors_of_this_test.py").write_text("def embed(texts):\n    return [[1.0] for _ in texts]\n")
    store = {
        "index": {"embed": "./vectors_of_this_test.py:embed", "dims": 1, "fields": ["x"]},
        "ttl": {"default_ttl": 5, "refresh_on_read": False},
    }
    (tmp_path / "langgraph.json").write_text(json.dumps({"graphs": {"a": "./a.py:a"}, "store": store}))
    monkeypatch.chdir(tmp_path)
    found = stores_of(programs(), None, URL, PREFIX, named=True)["bare"]
    assert found.ttl_config == {"default_ttl": 5, "refresh_on_read": False}
    assert found.embeddings.embed_query("x") == [1.0]
    assert stores_of(programs(), None, URL, PREFIX)["bare"].embeddings is None


def test_where_the_setting_comes_from():
    assert Settings(None, {}).store() is None
    assert Settings(None, {"DRUMLINE_STORE": "none"}).store() == "none"


def test_memory_is_known_by_its_name():
    class Mine(InMemoryStore):
        pass

    assert is_of_one_process(Mine())
    assert not is_of_one_process(GIVEN)


def test_a_client_finds_the_clusters_own():
    backend = open_backend("fakeredis")
    worker = stores_of(programs(), None, backend.url, backend.prefix)["bare"]
    with Cluster(backend.url, prefix=backend.prefix) as cluster:
        worker.put(("a",), "k", {"n": 1})
        assert cluster.store.get(("a",), "k").value == {"n": 1}
        assert cluster.store is cluster.store
    worker.close()
    with Cluster(backend.url, prefix=backend.prefix, store=GIVEN) as cluster:
        assert cluster.store is GIVEN
    backend.close()
