"""Traces of runs: what LangChain's callback handlers hear of graphs, nodes and models (docs/langchain.md).

`worker_callbacks` is for apps: handlers that listen on workers.
"""

from drumline_worker.handlers import TracedRun, worker_callbacks

__all__ = ["TracedRun", "worker_callbacks"]
