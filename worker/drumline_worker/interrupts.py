"""Questions to the caller: `interrupt()` inside a task, and how they cross a wire."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drumline_graph.errors import GraphInterrupt
from drumline_graph.types import Interrupt
from drumline_worker.context import current_task

ID_BYTES = 16


def interrupt(value: Any, *, response_schema: dict[str, Any] | type | None = None) -> Any:
    """Ask the caller: the task ends here, its siblings go on, then the run ends as "interrupted".

    The stream shows it as LangGraph's does: `updates` and `values` carry `{"__interrupt__": (Interrupt(value, id),)}`,
    `invoke` returns it under that key. The id depends on the task alone, so that it is the same in every attempt.
    RuntimeError outside of a node. Nothing can be answered yet: that comes with persistence.
    """
    context = current_task("interrupt()")
    id_ = hashlib.blake2b(context.checkpoint_ns.encode(), digest_size=ID_BYTES).hexdigest()
    raise GraphInterrupt((Interrupt(value, id_, response_schema=response_schema),))


def portable_interrupts(interrupts: Sequence[Interrupt[Any]]) -> list[Interrupt[Any]]:
    """Interrupts as they may cross a wire: a class given as `response_schema` becomes its JSON schema."""
    return [
        replace(item, response_schema=_json_schema(item.response_schema))
        if isinstance(item.response_schema, type)
        else item
        for item in interrupts
    ]


def _json_schema(schema: type) -> dict[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(schema).json_schema()
