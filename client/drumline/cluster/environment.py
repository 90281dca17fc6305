"""`DRUMLINE_BROKER`: the cluster that the environment names. Ignored in coordinator and worker processes."""

from __future__ import annotations

import os
import threading

from drumline.cluster.cluster import Cluster

_lock = threading.Lock()
_clusters: dict[tuple[str, str], Cluster] = {}
_serving = False


def _after_fork() -> None:
    """In the child of a fork nobody holds the lock; the clusters themselves connect again when used."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)


def serve_here() -> None:
    """This process is a coordinator or a worker: graphs that it runs do not go to a cluster again."""
    global _serving
    _serving = True


def environment_cluster() -> Cluster | None:
    """The cluster that `DRUMLINE_BROKER` names, one object per process; its key prefix as `Cluster()` finds it.

    None in a service.
    """
    url = os.environ.get("DRUMLINE_BROKER")
    if not url or _serving:
        return None
    key = url, os.environ.get("DRUMLINE_PREFIX", "")
    with _lock:
        cluster = _clusters.get(key)
        if cluster is None:
            cluster = _clusters[key] = Cluster()
        return cluster
