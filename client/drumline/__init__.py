"""drumline: LangGraph-style graphs across many machines, streamed as if they ran beside you.

`drumline.graph` builds and runs graphs; `Cluster` is the client of a cluster.
"""

from typing import TYPE_CHECKING, Any

from drumline._version import __version__

if TYPE_CHECKING:
    from drumline.cluster import Cluster

__all__ = ["Cluster", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Cluster":  # importing drumline for its graphs does not import a broker client
        from drumline.cluster import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
