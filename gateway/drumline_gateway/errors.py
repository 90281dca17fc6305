"""Errors as HTTP: `{"detail": text}` and a status, which is what LangGraph's clients read."""

from __future__ import annotations

from collections.abc import Mapping

from drumline_graph.errors import DrumlineError
from drumline_protocol import errors


class HttpError(Exception):
    """A request that is refused: what to answer."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def unknown(what: str, name: str) -> HttpError:
    """404: there is no such thing, or the caller may not see it."""
    return HttpError(404, f"There is no {what} {name!r}.")


def bad(detail: str) -> HttpError:
    """422: the body, or a part of the path or the query, is not what it must be."""
    return HttpError(422, detail)


def unbuilt(feature: str, advice: str = "") -> HttpError:
    """501: what LangGraph's server has and this one has not."""
    return HttpError(501, f"{feature} is not built in drumline's gateway.{advice and ' '}{advice}")


#: the most special class first
_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (errors.UnknownThread, 404),
    (errors.UnknownRun, 404),
    (errors.UnknownGraph, 404),
    (errors.RunExpired, 410),
    (errors.LogGap, 410),
    (errors.ThreadExists, 409),
    (errors.ThreadBusy, 409),
    (errors.ThreadMoved, 409),
    (errors.ThreadConflict, 409),
    (errors.RunIdTaken, 409),
    (errors.InvalidPosition, 400),
    (errors.InvalidRequest, 422),
    (errors.ModeNotRecorded, 422),
    (errors.EncodeError, 422),
    (errors.ClusterError, 503),
)


def status_of(error: BaseException) -> int | None:
    """The status that stands for an error of drumline; None for any other, which is a fault of the gateway."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 422 if isinstance(error, (DrumlineError, ValueError)) else None
