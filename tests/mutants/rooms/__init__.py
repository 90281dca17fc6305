"""The mutations, room by room."""

from __future__ import annotations

from ..mutation import Mutation
from .adapter import ADAPTER
from .cluster import CLUSTER
from .coordinator import COORDINATOR
from .deployed import DEPLOYED
from .graph import GRAPH
from .node import NODE
from .protocol import PROTOCOL
from .transport import TRANSPORT
from .views import VIEWS
from .worker import WORKER

ROOMS: dict[str, tuple[Mutation, ...]] = {
    "graph": GRAPH,
    "protocol": PROTOCOL,
    "transport": TRANSPORT,
    "deployed": DEPLOYED,
    "coordinator": COORDINATOR,
    "worker": (*WORKER, *NODE),
    "cluster": CLUSTER,
    "views": VIEWS,
    "adapter": ADAPTER,
}
