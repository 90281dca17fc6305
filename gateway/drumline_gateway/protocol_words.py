"""Answers and errors of the thread protocol: what is not an event. Pure."""

from __future__ import annotations

from typing import Any

from drumline_gateway.errors import HttpError, status_of
from drumline_protocol import errors

INVALID = "invalid_argument"
UNKNOWN_COMMAND = "unknown_command"
UNKNOWN = "unknown_error"
NO_RUN = "no_such_run"
NO_SUBSCRIPTION = "no_such_subscription"
NO_NAMESPACE = "no_such_namespace"
NO_INTERRUPT = "no_such_interrupt"
NO_CHECKPOINT = "no_such_checkpoint"
DENIED = "permission_denied"
UNSUPPORTED = "not_supported"

_OF_STATUS = {
    400: INVALID,
    401: DENIED,
    403: DENIED,
    404: INVALID,
    409: INVALID,
    413: INVALID,
    422: INVALID,
    501: UNSUPPORTED,
}


class ProtocolProblem(Exception):
    """A command that is refused, and the protocol's word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def success(id_: Any, result: Any, applied_through: int | None = None) -> dict[str, Any]:
    """The answer to a command. `applied_through`: the number behind which what came of it begins."""
    meta = {} if applied_through is None else {"meta": {"applied_through_seq": applied_through}}
    return {"type": "success", "id": id_, "result": result, **meta}


def problem(id_: Any, error: BaseException) -> dict[str, Any] | None:
    """An error as the protocol has it; None for one that is a fault of the gateway.

    `id_` is that of the command; None: it is about the stream.
    """
    if isinstance(error, ProtocolProblem):
        return _error(id_, error.code, str(error))
    if isinstance(error, (errors.UnknownThread, errors.UnknownRun)):
        return _error(id_, NO_RUN, str(error))
    if isinstance(error, HttpError):
        return _error(id_, _OF_STATUS.get(error.status, UNKNOWN), error.detail)
    status = status_of(error)
    return None if status is None else _error(id_, _OF_STATUS.get(status, UNKNOWN), str(error))


def _error(id_: Any, code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "id": id_, "error": code, "message": message}
