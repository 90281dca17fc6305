"""LangGraph's `GraphCallbackHandler`: told that a run ended with a question.

LangGraph is looked at only if somebody has imported it; without it there can be no such handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from drumline_graph.loaded import loaded


def lifecycle_handlers(handlers: Iterable[Any]) -> list[Any]:
    """Those handlers that LangGraph calls at an interrupt."""
    callbacks = loaded("langgraph.callbacks")
    base = getattr(callbacks, "GraphCallbackHandler", None)
    return [] if base is None else [handler for handler in handlers if isinstance(handler, base)]


def interrupt_event(run: UUID, interrupts: Sequence[Any]) -> Any:
    """LangGraph's event of a root graph that asks. There is no checkpoint: its id is empty."""
    return loaded("langgraph.callbacks").GraphInterruptEvent(
        run_id=run,
        status="pending",
        checkpoint_id="",
        checkpoint_ns=(),
        interrupts=tuple(_theirs(interrupt) for interrupt in interrupts),
    )


def _theirs(interrupt: Any) -> Any:
    kind = loaded("langgraph.types").Interrupt
    if isinstance(interrupt, kind):
        return interrupt
    given = {"value": interrupt.value, "id": interrupt.id}
    if getattr(interrupt, "response_schema", None) is not None:
        given["response_schema"] = interrupt.response_schema
    return kind(**given)
