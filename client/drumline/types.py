"""Types that graphs and streams are made of (LangGraph's `langgraph.types`), and `register` for the wire."""

from collections.abc import Mapping
from typing import Any

from drumline_graph import types as _types
from drumline_graph.cache_keys import make_keys_with
from drumline_graph.types import *  # noqa: F403
from drumline_graph.types import __all__ as _names


def _cache_key(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    from drumline_protocol.cache_keys import cache_key  # the codec, which is not needed to build a graph

    return cache_key(args, kwargs)


make_keys_with(_cache_key)

__all__ = [*_names, "interrupt", "register"]  # noqa: F405  see __getattr__


def __getattr__(name: str) -> Any:
    # Neither the codec nor the node runner is needed to build a graph.
    if name == "register":
        from drumline_protocol.codec_types import register

        return register
    if name == "interrupt":
        from drumline_worker.interrupts import interrupt

        return interrupt
    return getattr(_types, name)
