"""A graph of LangGraph that goes on, and calls the graph behind this gateway as a part of it (`RemoteGraph`).

LangGraph's caller sends the input of its node once more, and says in keys of its own that it goes on, and with which
answers. It sends these by the ids of their questions only: an answer that names no question stays with the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_gateway.ask import Ask
from drumline_gateway.bodies import ROWS_MAX, Fields
from drumline_gateway.errors import bad
from drumline_gateway.places import snapshot_of
from drumline_gateway.service import Row
from drumline_graph.types import Command

#: keys of `configurable`: that the caller goes on, and its answers by the ids of their questions
_GOES_ON, _ANSWERS = "__pregel_resuming", "__pregel_resume_map"

#: answers by the ids of their questions; None: nobody goes on
Answers = Mapping[str, Any] | None


def taken_from(given: Any) -> tuple[Any, Answers]:
    """A body without the keys of such a caller, and the answers in them. HttpError 422."""
    config = Fields(given).dict("config")
    configurable = Fields(config, "config").dict("configurable")
    if _GOES_ON not in configurable and _ANSWERS not in configurable:
        return given, None
    fields = Fields(configurable, "config.configurable")
    goes_on, answers = fields.flag(_GOES_ON), fields.dict(_ANSWERS)
    if len(answers) > ROWS_MAX:
        raise bad(f"config.configurable.{_ANSWERS} has at most {ROWS_MAX} answers.")
    rest = {key: value for key, value in configurable.items() if key not in (_GOES_ON, _ANSWERS)}
    return {**given, "config": {**config, "configurable": rest}}, answers if goes_on else None


async def rested(ask: Ask, row: Row) -> Row:
    """The thread, as it is when no run holds it. The run whose question is answered may be about to end."""
    held: set[str] = set()  # one that has ended and is said to hold the thread has vanished
    while row["status"] == "busy" and row["run_id"] not in held:
        held.add(row["run_id"])
        await ask.ended(row["run_id"], row["thread_id"])
        row = await ask.service.thread(row["thread_id"])
    return row


async def input_of(ask: Ask, row: Row, answers: Mapping[str, Any]) -> Command[Any] | None:
    """With what a thread goes on that waits: with answers to its questions, or with none of them, and asks again."""
    snapshot = await snapshot_of(ask, row)
    if snapshot is not None:
        asked = {str(question.id) for question in snapshot.interrupts}
        answers = {id_: answer for id_, answer in answers.items() if id_ in asked}
    return Command(resume=dict(answers)) if answers else None
