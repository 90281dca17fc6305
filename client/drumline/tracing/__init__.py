"""Traces of runs: what LangChain's callback handlers hear of graphs, nodes and models (docs/langchain.md).

`worker_callbacks` is for apps: handlers that listen on workers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drumline_worker.handlers import TracedRun, worker_callbacks

__all__ = ["TracedRun", "worker_callbacks"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # a client's own traces do not load the worker
        from drumline_worker import handlers

        return getattr(handlers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
