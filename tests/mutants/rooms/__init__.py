"""The mutations, room by room."""

from __future__ import annotations

from ..mutation import Mutation
from .adapter import ADAPTER
from .cluster import CLUSTER
from .graph import GRAPH
from .protocol import PROTOCOL
from .views import VIEWS

ROOMS: dict[str, tuple[Mutation, ...]] = {
    "graph": GRAPH,
    "protocol": PROTOCOL,
    "cluster": CLUSTER,
    "views": VIEWS,
    "adapter": ADAPTER,
}
