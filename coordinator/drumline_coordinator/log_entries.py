"""Facts as entries of a run's log, and runs in the lines that a coordinator writes for operators. Pure."""

from __future__ import annotations

from typing import Any

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import ErrorHandled, Fact, RunFinished, TaskFailed, fact_count
from drumline_protocol.failure import Failure, describe
from drumline_protocol.limits import LOG_ENTRY_BYTES_MAX
from drumline_transport.broker import LogAppend

#: of a reason or an error, in a line that an operator reads
TOLD_CHARS_MAX = 500


def entries_of(run_id: str, first: int, facts: list[Fact], codec: Codec) -> list[LogAppend]:
    """Facts as log entries, none of them larger than it must be."""
    if not facts:
        return []
    for fact in facts:
        if isinstance(fact, (TaskFailed, ErrorHandled, RunFinished)) and isinstance(fact.error, BaseException):
            fact.error = describe(fact.error, codec, "by the coordinator")
    data = wire.encode_facts(codec, facts)
    if len(data) > LOG_ENTRY_BYTES_MAX and len(facts) > 1:
        middle = len(facts) // 2
        head = entries_of(run_id, first, facts[:middle], codec)
        return [*head, *entries_of(run_id, head[-1].last + 1, facts[middle:], codec)]
    return [LogAppend(run_id, first, first - 1 + sum(map(fact_count, facts)), data)]


def run_fields(run_id: str, graph: str, thread: str, **more: str) -> dict[str, str]:
    """What a record of the log says of a run beside its text (`extra=`)."""
    fields = {"run_id": run_id, "graph": graph, **more}
    return {**fields, "thread_id": thread} if thread else fields


def error_line(error: Any) -> str:
    """An error in one short line."""
    text = str(error) if isinstance(error, Failure) else type(error).__name__
    line = next(iter(text.splitlines()), "")
    return line if len(line) <= TOLD_CHARS_MAX else f"{line[:TOLD_CHARS_MAX]}..."
