"""LangGraph's `GraphCallbackHandler`: told of questions, and of graphs that go on.

LangGraph is looked at only if somebody has imported it; without it there can be no such handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from drumline_graph.loaded import loaded


def lifecycle_handlers(handlers: Iterable[Any]) -> list[Any]:
    """Those handlers that LangGraph tells of questions and of what goes on."""
    callbacks = loaded("langgraph.callbacks")
    base = getattr(callbacks, "GraphCallbackHandler", None)
    return [] if base is None else [handler for handler in handlers if isinstance(handler, base)]


def interrupt_event(run: UUID, interrupts: Sequence[Any], checkpoint: str) -> Any:
    """LangGraph's event of a root graph that asks. `checkpoint` is empty for a run on no thread."""
    return loaded("langgraph.callbacks").GraphInterruptEvent(
        run_id=run,
        status="pending",
        checkpoint_id=checkpoint,
        checkpoint_ns=(),
        interrupts=tuple(_theirs(interrupt) for interrupt in interrupts),
    )


def resume_event(run: UUID, ns: Sequence[str], checkpoint: str) -> Any:
    """LangGraph's event of a graph that goes on from a checkpoint; `ns` is empty for the root."""
    return loaded("langgraph.callbacks").GraphResumeEvent(
        run_id=run, status="pending", checkpoint_id=checkpoint, checkpoint_ns=tuple(ns)
    )


def _theirs(interrupt: Any) -> Any:
    kind = loaded("langgraph.types").Interrupt
    if isinstance(interrupt, kind):
        return interrupt
    given = {"value": interrupt.value, "id": interrupt.id}
    if getattr(interrupt, "response_schema", None) is not None:
        given["response_schema"] = interrupt.response_schema
    return kind(**given)
