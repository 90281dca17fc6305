"""The cluster's own store: what a node puts on one worker is there on another, and for clients."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster


def test_all_workers_and_clients_share_it(cluster_of) -> None:
    processes, cluster = cluster_of(workers=2, app="tests.cluster.store_app:GRAPHS", worker_args=("--concurrency", "1"))
    for n in range(6):
        cluster.graph("put").invoke({"n": n})
    assert sorted(item.value["n"] for item in cluster.store.search(("numbers",))) == list(range(6))
    assert len({item.value["pid"] for item in cluster.store.search(("numbers",))}) <= 2
    assert cluster.graph("count").invoke({"n": 0}) == {"n": 6}
    processes.roles["w0"].kill()
    assert cluster.graph("count").invoke({"n": 0}) == {"n": 6}
