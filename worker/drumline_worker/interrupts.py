"""Questions to the caller: `interrupt()` inside a task."""

from __future__ import annotations

import hashlib
from typing import Any

from drumline_graph.errors import GraphInterrupt
from drumline_graph.types import Interrupt
from drumline_worker.context import current_task

ID_BYTES = 16


def interrupt(value: Any, *, response_schema: dict[str, Any] | type | None = None) -> Any:
    """Ask the caller: the task ends here, its siblings go on, then the run ends as "interrupted".

    The stream shows it as LangGraph's does: `updates` and `values` carry `{"__interrupt__": (Interrupt(value, id),)}`,
    `invoke` returns it under that key. The id depends on the task alone, so that it is the same in every attempt.
    `response_schema`, a JSON schema or a class that pydantic knows, is told as a JSON schema: it says what form the
    answer has. RuntimeError outside of a node. Nothing can be answered yet: that comes with persistence.
    """
    context = current_task("interrupt()")
    id_ = hashlib.blake2b(context.checkpoint_ns.encode(), digest_size=ID_BYTES).hexdigest()
    schema = response_schema
    if schema is not None and not isinstance(schema, dict):
        schema = _json_schema(schema)
    raise GraphInterrupt((Interrupt(value, id_, response_schema=schema),))


def _json_schema(schema: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(schema).json_schema()
