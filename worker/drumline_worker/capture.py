"""Whole messages that a node returns, for the `messages` stream (docs/semantics.md §4, `on_chain_end`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_graph.message_ids import identify
from drumline_graph.returned import returned_messages
from drumline_protocol.message_kinds import OUTPUT, OUTPUT_CALL
from drumline_worker.job import Job
from drumline_worker.model_call import ModelCall


def identified_messages(job: Job, result: Any) -> list[Any]:
    """Every `BaseMessage` among the top-level values of a node's result, in order.

    A message without id gets one that depends on task and index only, so that a second attempt gives it the same.
    """
    found = list(returned_messages(result))
    identify(job.task, found)
    return found


def emit_messages(job: Job, messages: Sequence[Any], metadata: dict[str, Any]) -> None:
    """Put whole messages on the stream, with the metadata of their task.

    The view leaves out those that it has shown or that the node was given.
    """
    if not messages or not job.is_heard:
        return
    call = ModelCall(job.emit, OUTPUT_CALL, metadata)
    for message in messages:
        call.put(OUTPUT, message)
