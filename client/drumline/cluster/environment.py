"""`DRUMLINE_BROKER`: the cluster that the environment names. Ignored in coordinator and worker processes."""

from __future__ import annotations

import os
import threading

from drumline.cluster.cluster import Cluster

_lock = threading.Lock()
_clusters: dict[str, Cluster] = {}
_serving = False


def serve_here() -> None:
    """This process is a coordinator or a worker: graphs that it runs do not go to a cluster again."""
    global _serving
    _serving = True


def environment_cluster() -> Cluster | None:
    """The cluster that `DRUMLINE_BROKER` names, one object per process and URL; None in a service."""
    url = os.environ.get("DRUMLINE_BROKER")
    if not url or _serving:
        return None
    with _lock:
        cluster = _clusters.get(url)
        if cluster is None:
            cluster = _clusters[url] = Cluster(url)
        return cluster
