"""Whole messages that a node returns, for the `messages` stream (semantics §4, `on_chain_end`)."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from typing import Any

from drumline_graph.types import Command
from drumline_protocol.facts import MESSAGE
from drumline_worker.job import Job

#: header kinds of a message fact: a token chunk, a whole message of a model, a message found in a node's output
CHUNK, WHOLE, OUTPUT = "chunk", "whole", "output"


def capture_messages(job: Job, result: Any) -> None:
    """Emit every `BaseMessage` among the top-level values of a node's result, in order.

    A message without id gets one that depends on task and index only, so that a second attempt gives it the same.
    The view leaves out those that it has shown or that the node was given.
    """
    if job.ns and not job.shared.subgraphs:
        return
    metadata: dict[str, Any] | None = None
    for index, message in enumerate(find_messages(result)):
        if not message.id:
            message.id = str(uuid.uuid5(uuid.UUID(job.task), str(index)))
        if metadata is None:
            metadata = message_metadata(job)
        job.emit(MESSAGE, (message, metadata), {"id": message.id, "kind": OUTPUT})


def message_metadata(job: Job) -> dict[str, Any]:
    """The metadata half of a `messages` item."""
    from drumline_worker.context import TaskContext

    context = TaskContext(job)
    metadata = context.metadata()
    tags = job.shared.config.get("tags")
    if tags:
        metadata["tags"] = list(tags)
    return metadata


def find_messages(value: Any) -> Iterator[Any]:
    """All `BaseMessage`s in `value`, its top-level fields, and sequences among those."""
    messages = sys.modules.get("langchain_core.messages")
    if messages is None:
        return
    base = messages.BaseMessage
    for part in _parts(value):
        if isinstance(part, base):
            yield part


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Command):
        yield from _parts(value.update)
    elif isinstance(value, (list, tuple)) and any(isinstance(item, Command) for item in value):
        for item in value:
            yield from _parts(item)
    else:
        yield value
        for field in _fields(value):
            yield field
            if isinstance(field, (list, tuple)):
                yield from field


def _fields(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    elif hasattr(value, "__annotations__") and not isinstance(value, type):
        for name in value.__annotations__:
            if hasattr(value, name):
                yield getattr(value, name)
