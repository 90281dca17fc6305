"""drumline: LangGraph-style graphs across many machines, streamed as if they ran beside you.

`drumline.graph` builds and runs graphs; `Cluster` is the client of a cluster, `ClusterGraph` a graph that it serves,
`RunStream` and `AsyncRunStream` are what streams of a cluster are.
"""

from typing import TYPE_CHECKING, Any

from drumline._version import __version__

if TYPE_CHECKING:
    from drumline.cluster import AsyncRunStream, Cluster, ClusterGraph, RunStream

__all__ = ["AsyncRunStream", "Cluster", "ClusterGraph", "RunStream", "__version__"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # importing drumline for its graphs does not import a broker client
        from drumline import cluster

        return getattr(cluster, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
