"""What hears the models, and the nodes, that run in a task of a LangGraph graph."""

from __future__ import annotations

from typing import Any

from langgraph.pregel._messages import StreamMessagesHandler

from drumline.langgraph.values import COMMANDS
from drumline_protocol.message_kinds import CHUNK
from drumline_worker.context import TaskContext, unheard
from drumline_worker.model_call import ModelCall
from drumline_worker.task_handler import with_handler, without_handlers
from drumline_worker.tokens import TokenHandler


# LangGraph's class names a parameter of `on_chain_end` in its own way; LangChain passes it by position.
class Listener(TokenHandler, StreamMessagesHandler):  # type: ignore[misc]
    """drumline's handler, for tasks in which LangGraph's code looks for its own.

    `push_message` puts messages on the stream through it, and a graph that is called as a run apart takes it away.
    """

    def __init__(self, context: TaskContext) -> None:
        job = context.job
        super().__init__(
            job.emit if job.is_heard else unheard,
            ns=job.ns,
            subgraphs=job.shared.subgraphs,
            commands=COMMANDS,
            task=job.task,
            metadata=context.metadata(),
            numbers=context.model_calls,
        )
        self._context = context
        #: as LangGraph's handlers tell whom they listen to
        self.subgraphs = job.shared.subgraphs
        self.parent_ns = job.ns

    def _emit(self, meta: Any, message: Any, *, dedupe: bool = False) -> None:
        """Put a pushed message on the stream, whether one of its id was shown or not."""
        del dedupe
        context, (ns, metadata) = self._context, meta
        own = context.job.ns
        ModelCall(self._put, next(context.model_calls), metadata, ns=None if ns == own else ns).put(CHUNK, message)


def listening(callbacks: Any, context: TaskContext) -> Any:
    """The callbacks of a task, with this handler in place of the one that drumline's own nodes have."""
    return with_handler(without_handlers(callbacks, TokenHandler), Listener(context))
