"""Payloads of the `tasks` and `debug` modes (docs/semantics.md §1.6, §1.8). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from drumline.views.graphs import GraphView
from drumline_graph.types import Interrupt
from drumline_protocol.facts import PlannedTask
from drumline_protocol.failure import Failure, Known, rebuild
from drumline_protocol.metadata import shown_metadata


def start_payload(graph: GraphView, task: PlannedTask, input: Any) -> dict[str, Any]:
    """`{"id", "name", "input", "triggers"[, "metadata"]}` of a task that starts."""
    payload: dict[str, Any] = {
        "id": task.id,
        "name": task.name,
        "input": input,
        "triggers": tuple(sorted(task.triggers)),
    }
    metadata = shown_metadata(graph.metadata_of(task), graph.tags)
    if metadata:
        payload["metadata"] = metadata
    return payload


def result_payload(task: str, name: str, result: dict[str, Any]) -> dict[str, Any]:
    """`{"id", "name", "error", "result", "interrupts"}` of a task that finished."""
    return {"id": task, "name": name, "error": None, "result": result, "interrupts": []}


def error_payload(task: str, name: str, error: Any) -> dict[str, Any]:
    """The same of a task that failed; `error` is the exception."""
    return {"id": task, "name": name, "error": error, "result": {}, "interrupts": []}


def with_errors(mode: str, payload: Any, known: Known) -> Any:
    """An item's payload with the exception of its `tasks` event, where that came over a wire as data."""
    if mode == "debug":
        inner = with_errors("tasks", payload["payload"], known)
        return payload if inner is payload["payload"] else {**payload, "payload": inner}
    if mode == "tasks" and type(payload.get("error")) is Failure:
        return {**payload, "error": rebuild(payload["error"], known)}
    return payload


def interrupt_payload(task: str, name: str, interrupts: Sequence[Interrupt[Any]]) -> dict[str, Any]:
    """The same of a task that asks the caller."""
    asked = [{"value": i.value, "id": i.id, "response_schema": i.response_schema} for i in interrupts]
    return {"id": task, "name": name, "error": None, "result": {}, "interrupts": asked}


def debug_payload(step: int, at_ms: float, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The `debug` wrapper: `{"step", "timestamp", "type", "payload"}`, the time in UTC, ISO 8601."""
    moment = datetime.fromtimestamp(at_ms / 1000, timezone.utc).isoformat()
    return {"step": step, "timestamp": moment, "type": kind, "payload": payload}
