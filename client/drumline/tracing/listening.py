"""Whether anybody listens to a call: told without importing langchain-core, and cheaply, for every call asks.

Handlers come with the config, from the environment (`LANGSMITH_TRACING=true`), or from a `with` block that LangChain or
LangSmith offers (`tracing_v2_enabled`, `get_usage_metadata_callback`, `tracing_context`, `set_debug`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_graph.loaded import loaded
from drumline_protocol.trace_asked import tracing_asked


def may_be_heard(config: Mapping[str, Any]) -> bool:
    """False if certainly nobody listens. True: ask LangChain, which makes the managers."""
    if config.get("callbacks") or tracing_asked():
        return True
    return _in_a_block()


def _in_a_block() -> bool:
    """Whether the calling code stands in a block of LangChain's or LangSmith's that brings handlers."""
    context = loaded("langchain_core.tracers.context")
    if context is not None:
        if context.tracing_v2_callback_var.get() is not None:
            return True
        for hook in context._configure_hooks:  # (variable, inheritable, class or None, environment variable or None)
            if hook[0].get() is not None or hook[3] is not None:
                return True
    helpers = loaded("langsmith.run_helpers")
    if helpers is not None:
        block = helpers.get_tracing_context()
        if block.get("parent") is not None or block.get("enabled"):
            return True
    settings = loaded("langchain_core.globals")
    return settings is not None and bool(settings.get_debug())
