"""LangGraph's `push_message`: it looks among a task's callbacks for LangGraph's own handler of the `messages` mode."""

from __future__ import annotations

from typing import Any

from langgraph.pregel._messages import StreamMessagesHandler

from drumline_worker.context import TaskContext
from drumline_worker.model_call import CHUNK, ModelCall


class PushListener(StreamMessagesHandler):
    """Found by `push_message`, and deaf to everything else: models and nodes are heard by drumline's own handler."""

    @property
    def _deaf(self) -> bool:
        return True

    ignore_chain = ignore_chat_model = ignore_llm = ignore_agent = _deaf
    ignore_retriever = ignore_retry = ignore_custom_event = _deaf

    def __init__(self, context: TaskContext) -> None:
        job = context.job
        super().__init__(lambda _item: None, job.shared.subgraphs, parent_ns=job.ns)
        self._context = context

    def _emit(self, meta: Any, message: Any, *, dedupe: bool = False) -> None:
        """Put a pushed message on the stream, whether one of its id was shown or not."""
        del dedupe
        job, (ns, metadata) = self._context.job, meta
        number = next(self._context.model_calls)
        ModelCall(job.emit, number, metadata, ns=None if ns == job.ns else ns).put(CHUNK, message)
