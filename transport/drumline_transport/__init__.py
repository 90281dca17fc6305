"""The only room that speaks Redis: the verbs of `broker.py` on Redis or Valkey, and a double with the same promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drumline_transport.redis_broker import AnyBroker

__all__ = ["connect"]


def connect(
    url: str,
    *,
    prefix: str = "drumline",
    partitions: int | None = None,
    name: str = "drumline",
    patience_s: float = 10.0,
    create: bool = False,
) -> AnyBroker:
    """See `drumline_transport.redis_broker.connect`; imports redis-py only when called."""
    from drumline_transport import redis_broker

    return redis_broker.connect(
        url, prefix=prefix, partitions=partitions, name=name, patience_s=patience_s, create=create
    )
