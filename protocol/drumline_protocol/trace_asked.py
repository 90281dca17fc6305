"""Whether the environment asks for LangSmith's traces: every run asks, in clients and in workers."""

from __future__ import annotations

import os

#: what LangSmith reads; "true" asks for traces
TRACING_VARIABLES = ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING")


def tracing_asked() -> bool:
    """Whether the environment asks for LangSmith's traces."""
    get = os.environ.get
    for name in TRACING_VARIABLES:  # noqa: SIM110  every run asks: `any` takes twice as long
        if get(name) == "true":
            return True
    return False
