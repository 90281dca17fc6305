"""Types that graphs and streams are made of (LangGraph's `langgraph.types`), and `register` for the wire."""

from typing import Any

from drumline_graph import types as _types
from drumline_graph.types import *  # noqa: F403
from drumline_graph.types import __all__ as _names

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
