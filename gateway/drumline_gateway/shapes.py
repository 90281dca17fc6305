"""What drumline tells of threads, runs, states and assistants, in the shapes of LangGraph's SDK. Pure."""

from __future__ import annotations

import ast
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from drumline_gateway.owners import visible
from drumline_gateway.service import Row
from drumline_protocol.retention import Retention

#: how a thread stands, in the SDK's words
THREAD_STATUS = {"idle": "idle", "busy": "busy", "paused": "interrupted", "failed": "error"}
#: how a run stands. One that waits for an answer is interrupted; so is one that was cancelled
RUN_STATUS = {
    "queued": "pending",
    "open": "running",
    "done": "success",
    "failed": "error",
    "paused": "interrupted",
    "cancelled": "interrupted",
}
#: statuses of runs that go on
OPEN = ("queued", "open")

#: what the id of a graph's own assistant is made of, with the graph's name
_ASSISTANTS = uuid.uuid5(uuid.NAMESPACE_OID, "drumline assistants")


def assistant_id_of(graph: str) -> str:
    """The id of the assistant that each graph has by itself."""
    return str(uuid.uuid5(_ASSISTANTS, graph))


def assistant(graph: str, description: str | None, since_ms: int) -> Row:
    """The assistant that a graph has by itself."""
    at = iso(since_ms)
    return {
        "assistant_id": assistant_id_of(graph),
        "graph_id": graph,
        "name": graph,
        "description": description,
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }


def iso(at_ms: float) -> str:
    """A time in ms as ISO 8601, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).isoformat()


def thread(row: Row, metadata: Mapping[str, Any], state: Any = None) -> Row:
    """A thread; `state` is the newest snapshot of it, if there is one."""
    shown: Row = {
        "thread_id": row["thread_id"],
        "created_at": iso(row["created_ms"]),
        "updated_at": iso(row["updated_ms"]),
        "state_updated_at": iso(row["updated_ms"]),
        "metadata": dict(metadata),
        "status": THREAD_STATUS.get(row["status"], "idle"),
        "config": {},
        "values": None,
        "interrupts": {},
    }
    if state is not None:
        shown["values"] = state.values
        shown["interrupts"] = {task.id: list(task.interrupts) for task in state.tasks if task.interrupts}
        failed = [task.error for task in state.tasks if task.error]
        if failed:
            shown["error"] = error_text(failed[-1])
    return shown


def ttl(row: Row, rules: Retention | None) -> Row | None:
    """How long a thread is kept, counted from when it changed last; None: it has no time of its own."""
    if rules is None or rules.seconds is None:
        return None
    return {
        "strategy": "keep_latest" if rules.spares_latest(waits=False) else "delete",
        "ttl_minutes": rules.seconds / 60,
        "expires_at": iso(row["updated_ms"] + rules.seconds * 1000),
    }


def run(row: Row, thread_id: str | None, metadata: Mapping[str, Any]) -> Row:
    """A run."""
    at = iso(row["created_ms"])
    shown = {
        "run_id": row["run_id"],
        "thread_id": thread_id,
        "assistant_id": row["metadata"].get("assistant_id") or assistant_id_of(row["graph"]),
        "created_at": at,
        "updated_at": at,
        "status": RUN_STATUS.get(row["status"], "running"),
        "metadata": dict(metadata),
    }
    if "multitask_strategy" in row:
        shown["multitask_strategy"] = row["multitask_strategy"]
    return shown


def state(snapshot: Any, thread_id: str) -> Row:
    """A snapshot of a thread's state, with those of the graphs in its tasks if it has them."""
    return {
        "values": snapshot.values,
        "next": list(snapshot.next),
        "checkpoint": checkpoint(snapshot.config, thread_id),
        "metadata": visible(snapshot.metadata),
        "created_at": snapshot.created_at,
        "parent_checkpoint": None if snapshot.parent_config is None else checkpoint(snapshot.parent_config, thread_id),
        "tasks": [_task(task, thread_id) for task in snapshot.tasks],
        "interrupts": list(snapshot.interrupts),
    }


def no_state(thread_id: str) -> Row:
    """The state of a thread that no run was on."""
    place = {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": None, "checkpoint_map": None}
    return {
        "values": {},
        "next": [],
        "checkpoint": place,
        "metadata": {},
        "created_at": None,
        "parent_checkpoint": None,
        "tasks": [],
        "interrupts": [],
    }


def checkpoint(config: Mapping[str, Any] | None, thread_id: str) -> Row:
    """A place in a thread, out of the config that names it."""
    named = (config or {}).get("configurable") or {}
    return {
        "thread_id": str(named.get("thread_id", thread_id)),
        "checkpoint_ns": named.get("checkpoint_ns") or "",
        "checkpoint_id": named.get("checkpoint_id"),
        "checkpoint_map": named.get("checkpoint_map"),
    }


def _task(task: Any, thread_id: str) -> Row:
    within, place = task.state, None
    if isinstance(within, Mapping):  # a config: where the graph in it stands
        within, place = None, checkpoint(within, thread_id)
    elif within is not None:
        place, within = checkpoint(within.config, thread_id), state(within, thread_id)
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": error_text(task.error) if task.error else None,
        "interrupts": list(task.interrupts),
        "checkpoint": place,
        "state": within,
        "result": task.result,
    }


#: the repr of an exception, which is what a thread keeps of it
_RAISED = re.compile(r"(?P<name>[^\W\d]\w*)\((?P<args>.*)\)", re.DOTALL)
#: arguments that are longer are not taken apart
_ARGS_MAX = 20_000


def error_text(error: Any) -> str:
    """An error as the text that LangGraph's clients read of a task: JSON with the class and the message.

    `error` is an exception, or its repr.
    """
    if isinstance(error, BaseException):
        return json.dumps({"error": type(error).__name__, "message": str(error)})
    found = _RAISED.fullmatch(str(error))
    if found is None:
        return json.dumps({"error": "Error", "message": str(error)})
    return json.dumps({"error": found["name"], "message": _message(found["name"], found["args"])})


def _message(name: str, args: str) -> str:
    """What `str` of the exception was: its one argument, or all of them; their text if they are no literals."""
    try:
        given = ast.literal_eval(f"({args},)") if args and len(args) <= _ARGS_MAX else ()
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return args
    if len(given) > 1:
        return f"({args})"
    return args if name == "KeyError" else "".join(map(str, given))


def narrowed(row: Row, select: Sequence[str]) -> Row:
    """Only these keys of a row, or of an object in it (behind a dot); all of it if none is named."""
    if not select:
        return row
    found = {key: row[key] for key in select if key in row}
    for name in select:
        key, dot, within = name.partition(".")
        whole = row.get(key)
        if dot and key not in select and isinstance(whole, Mapping):
            found.setdefault(key, {}).update({within: whole[within]} if within in whole else {})
    return found
