"""Whole messages that a node returns, for the `messages` stream (docs/semantics.md §4, `on_chain_end`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from drumline_graph.message_ids import base_message, identify, messages_in_fields
from drumline_graph.types import Command
from drumline_worker.job import Job
from drumline_worker.model_call import OUTPUT, OUTPUT_CALL, ModelCall


def identified_messages(job: Job, result: Any) -> list[Any]:
    """Every `BaseMessage` among the top-level values of a node's result, in order.

    A message without id gets one that depends on task and index only, so that a second attempt gives it the same.
    """
    found = list(returned_messages(result))
    identify(job.task, found)
    return found


def emit_messages(job: Job, messages: Sequence[Any]) -> None:
    """Put whole messages on the stream. The view leaves out those that it has shown or that the node was given."""
    if not messages or not job.is_heard:
        return
    from drumline_worker.context import TaskContext

    call = ModelCall(job.emit, OUTPUT_CALL, TaskContext(job).metadata())
    for message in messages:
        call.put(OUTPUT, message)


def returned_messages(result: Any, commands: tuple[type[Any], ...] = (Command,)) -> Iterator[Any]:
    """Messages in what a node returned: itself, an item of a list, a field, or an item of a field; of a command in its
    update. `commands` are the classes of those: nodes of another engine's graphs return its own.
    """
    base = base_message()
    if base is None:
        return
    if isinstance(result, commands):
        result = result.update
    elif isinstance(result, (list, tuple)) and any(isinstance(item, commands) for item in result):
        for item in result:
            yield from returned_messages(item, commands)
        return
    if isinstance(result, base):
        yield result
    elif isinstance(result, (list, tuple)):
        yield from (item for item in result if isinstance(item, base))
    else:
        yield from messages_in_fields(result)
