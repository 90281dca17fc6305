"""Who listens to the tasks of this worker: handlers that the app named, and tracers that the environment asks for.

Callbacks of a caller stay in the caller's process. A worker has its own, which tell of nodes, models and tools under
the ids of the caller's trace. Nothing here imports langchain-core before somebody listens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drumline_graph.loaded import loaded
from drumline_protocol.messages import RunShared
from drumline_protocol.metadata import run_metadata
from drumline_protocol.trace_asked import tracing_asked
from drumline_protocol.trace_ids import TRACE, root_trace_id, trace_order


@dataclass(frozen=True, slots=True)
class TracedRun:
    """A run that a worker is about to tell of.

    `root` is the id of its root graph in the trace, `trace` that of the trace: the same, unless the graph was called by
    a part of something larger. `tags` and `metadata` are those of the caller's config.
    """

    run_id: str
    graph: str
    root: UUID
    trace: UUID
    tags: tuple[str, ...]
    metadata: dict[str, Any]


Handlers = Any | Callable[[TracedRun], Any]
_served: list[Handlers] = []


def worker_callbacks(*handlers: Handlers) -> None:
    """Callback handlers (LangChain's `BaseCallbackHandler`) for the nodes that this process runs as a worker.

    Call it in the module of your app: workers import that. In other processes it does nothing. A handler serves all
    runs; a function is called with each run's `TracedRun`, and returns a handler, a list of them, or None. Handlers
    hear nodes, routers, models, tools; the run of a node is a child of its graph's, whose id is the run id. LangSmith
    needs no handler: it listens where the environment says `LANGSMITH_TRACING=true`.
    """
    _served.extend(handlers)


def flush_tracers(limit_s: float) -> None:
    """Wait, so long at most, until what LangSmith's tracers were told has left this process."""
    tracers = loaded("langchain_core.tracers.langchain")
    if tracers is not None:
        flushing = threading.Thread(target=tracers.wait_for_all_tracers, name="drumline-flush", daemon=True)
        flushing.start()
        flushing.join(limit_s)


def run_tracing(shared: RunShared) -> Any:
    """The `RunTracing` for tasks of a run on this worker; None if nobody listens, or langchain-core is missing."""
    if not _served and not tracing_asked():
        return None
    try:
        from langchain_core.runnables.config import get_callback_manager_for_config

        from drumline_worker.tracing import RunTracing
    except ImportError:
        return None
    given = shared.config.get(TRACE) or {}
    root = UUID(given["id"]) if "id" in given else root_trace_id(shared.run_id)
    order = trace_order(root, (), given.get("order") or "")
    tags, metadata = shared.config.get("tags") or (), run_metadata(shared.config)
    run = TracedRun(shared.run_id, shared.graph, root, UUID(order.partition(".")[0][-36:]), tuple(tags), dict(metadata))
    manager = get_callback_manager_for_config(
        {
            "callbacks": _handlers_for(run),
            "tags": list(tags),
            "metadata": {"ls_integration": "langgraph", **metadata},
            "configurable": shared.config.get("configurable") or {},
        }
    )
    return RunTracing(manager, root, order=order) if manager.handlers else None


def _handlers_for(run: TracedRun) -> list[Any]:
    found: list[Any] = []
    for served in _served:
        given = served if hasattr(served, "on_chain_start") else served(run)
        found.extend(given if isinstance(given, (list, tuple)) else [] if given is None else [given])
    return found
