"""Commands to a thread: LangGraph's newer protocol, one command a request."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.callers import Refused
from drumline_gateway.errors import bad
from drumline_gateway.protocol_words import problem
from drumline_gateway.thread_commands import obey
from drumline_protocol.errors import NoBroker, UnknownThread


async def post(ask: Ask) -> Response:
    """Start a run, answer a question, or ask how the thread stands. A command that fails is answered with 200 too."""
    given = ask.body
    if not isinstance(given, dict):
        raise bad("The body must be a command: {id, method, params}.")
    id_ = command_id(given)
    try:
        return ask.answer(await obey(ask, id_, given))
    except (Refused, UnknownThread, NoBroker):  # as with all routes of a thread
        raise
    except Exception as error:
        told = problem(id_, error)
        if told is None:
            raise
        return ask.answer(told)


def command_id(given: dict[str, Any]) -> int | None:
    """The number by which a client knows the answer to its command."""
    found = given.get("id")
    return found if isinstance(found, int) and not isinstance(found, bool) else None
