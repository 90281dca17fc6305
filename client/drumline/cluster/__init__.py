"""The cluster client."""

from drumline.cluster.cluster import Cluster
from drumline.cluster.environment import environment_cluster
from drumline.cluster.remote import ClusterGraph
from drumline.cluster.stream import AsyncRunStream, RunStream

__all__ = ["AsyncRunStream", "Cluster", "ClusterGraph", "RunStream", "environment_cluster"]
