"""What tracers record of a node that has a `TracePolicy`. All other handlers are told the values themselves.

This module imports langchain-core. It is imported only when somebody listens.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

_log = logging.getLogger("drumline")


def tell_start(manager: Any, policy: Any, input: Any, **told: Any) -> Any:
    """The run of a node begins; the manager of its run."""
    recorded = _recorded(policy, "process_inputs", input)
    if recorded is input:
        return manager.on_chain_start(None, input, **told)
    others, tracers = _apart(manager)
    run = others.on_chain_start(None, input, **told)
    tracers.on_chain_start(None, recorded, **told)
    run.handlers = manager.handlers
    return run


async def atell_start(manager: Any, policy: Any, input: Any, **told: Any) -> Any:
    """The twin of `tell_start`."""
    recorded = _recorded(policy, "process_inputs", input)
    if recorded is input:
        return await manager.on_chain_start(None, input, **told)
    others, tracers = _apart(manager)
    run = await others.on_chain_start(None, input, **told)
    await tracers.on_chain_start(None, recorded, **told)
    run.handlers = manager.handlers
    return run


def tell_end(run: Any, policy: Any, output: Any) -> None:
    """The run of a node has ended."""
    recorded = _recorded(policy, "process_outputs", output)
    if recorded is output:
        run.on_chain_end(output)
        return
    others, tracers = _apart(run)
    tracers.on_chain_end(recorded)
    others.on_chain_end(output)


async def atell_end(run: Any, policy: Any, output: Any) -> None:
    """The twin of `tell_end`."""
    recorded = _recorded(policy, "process_outputs", output)
    if recorded is output:
        await run.on_chain_end(output)
        return
    others, tracers = _apart(run)
    await tracers.on_chain_end(recorded)
    await others.on_chain_end(output)


def shows_stream(handler: Any) -> bool:
    """Whether a handler is one of LangChain's that show callers a stream. Others may have methods of the same names."""
    return _StreamingCallbackHandler in type(handler).__mro__


def _recorded(policy: Any, way: str, value: Any) -> Any:
    """What tracers are to record of a value. A policy that raises does not harm the node: then it is the value."""
    process: Callable[[Any], Any] | None = None if policy is None else getattr(policy, way)
    if process is None:
        return value
    try:
        return process(value)
    except Exception:
        _log.warning("%s of a TracePolicy raised; tracers record the value itself", way, exc_info=True)
        return value


def _apart(manager: Any) -> tuple[Any, Any]:
    """The same manager for the handlers that are no tracers, and for those that are. What shows a caller its own
    stream (`astream_events`, `astream_log`) is no tracer here.
    """
    others, tracers = copy.copy(manager), copy.copy(manager)
    tracers.handlers = [
        handler for handler in manager.handlers if isinstance(handler, BaseTracer) and not shows_stream(handler)
    ]
    others.handlers = [handler for handler in manager.handlers if handler not in tracers.handlers]
    return others, tracers
