"""Whole messages that a node returns, for the `messages` stream (semantics §4, `on_chain_end`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from drumline_graph.loaded import loaded
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


def identify(task: str, messages: Sequence[Any]) -> None:
    """Give an id to each message that has none, from the task's id and its index among `messages`."""
    for index, message in enumerate(messages):
        if not message.id:
            message.id = str(uuid.uuid5(uuid.UUID(task), str(index)))


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
        yield from _in_fields(result, base)


def messages_among(values: Sequence[Any]) -> list[Any]:
    """Messages in what a task writes: values, and items of values."""
    base = base_message()
    return [] if base is None else list(_in_fields(dict(enumerate(values)), base))


def given_messages(value: Any) -> Iterator[Any]:
    """Messages in what a node is given: fields, and items of fields."""
    base = base_message()
    if base is not None:
        yield from _in_fields(value, base)


def base_message() -> Any:
    """LangChain's message class; None if nobody has imported it, so that there can be no message."""
    messages = loaded("langchain_core.messages")
    return None if messages is None else messages.BaseMessage


def _in_fields(value: Any, base: type[Any]) -> Iterator[Any]:
    for field in _fields(value):
        if isinstance(field, base):
            yield field
        elif isinstance(field, (list, tuple)):
            yield from (item for item in field if isinstance(item, base))


def _fields(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    model_fields = getattr(type(value), "model_fields", None)
    if isinstance(model_fields, dict):
        return [getattr(value, name) for name in model_fields]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return ()
