"""Questions to the caller: `interrupt()` inside a task."""

from __future__ import annotations

from typing import Any

from drumline_graph.errors import INVALID_RESUME, GraphInterrupt
from drumline_graph.types import Interrupt
from drumline_protocol.checkpoint_ids import NEXT, interrupt_id
from drumline_worker.context import current_task

_NONE = object()


def interrupt(value: Any, *, response_schema: dict[str, Any] | type | None = None) -> Any:
    """Ask the caller; the answer, once there is one.

    Without an answer the task ends here, its siblings go on, then the run ends as "paused". The stream shows it as
    LangGraph's does: `updates` and `values` carry `{"__interrupt__": (Interrupt(value, id),)}`, `invoke` returns it
    under that key. The thread is told the answer by `Command(resume=...)`: then the node runs again from its first
    line, and its n-th question returns the n-th answer. The id depends on the task, and on how many answers it has had.
    `response_schema`, a JSON schema or a class that pydantic knows, is told as a JSON schema: it says what form the
    answer has. RuntimeError outside of a node, pydantic's ValidationError for an answer that does not have that form:
    then the question waits on.
    """
    context = current_task("interrupt()")
    job, number = context.job, next(context.questions)
    adapter: Any = None
    if response_schema is not None and not isinstance(response_schema, dict):
        from pydantic import TypeAdapter

        adapter = TypeAdapter(response_schema)
    answers = [*job.answers, *job.taken]
    if number == len(answers) and job.thread is not None:
        loose = job.thread.answers.pop(NEXT, _NONE)
        if loose is not _NONE:
            job.taken = [*job.taken, loose]
            answers.append(loose)
    if number < len(answers):
        answer = answers[number]
        return answer if adapter is None else _checked(adapter, answer, (job.task, number))
    schema = response_schema if adapter is None else adapter.json_schema()
    raise GraphInterrupt((Interrupt(value, interrupt_id(context.checkpoint_ns, len(answers)), response_schema=schema),))


def _checked(adapter: Any, answer: Any, asked: tuple[str, int]) -> Any:
    """The answer in the form that was asked for. Pydantic's ValidationError says which question has none."""
    try:
        return adapter.validate_python(answer)
    except ValueError as error:
        setattr(error, INVALID_RESUME, list(asked))
        raise
