"""How much of a thread is kept: `Retention`, for clusters, graphs, threads, and savers."""

from drumline_protocol.retention import Retention

__all__ = ["Retention"]
