"""Which exceptions are worth another try when a `RetryPolicy` does not say."""

from __future__ import annotations

from typing import Any

from drumline_graph.loaded import loaded

NOT_RETRIED: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
)
"""Classes of mistakes that a second attempt would only repeat."""


def default_retry_on(exc: Exception) -> bool:
    """Whether LangGraph's default policy would retry after `exc`.

    Connection errors yes; HTTP errors of httpx and requests only for status 5xx; programming and operating-system
    errors no; every other class yes.
    """
    if isinstance(exc, ConnectionError):
        return True
    status = _http_status(exc)
    if status is not None:
        return 500 <= status < 600
    return not isinstance(exc, NOT_RETRIED)


def _http_status(exc: Any) -> int | None:
    # Only a library that is already imported can have raised: no import is ever made here.
    httpx: Any = loaded("httpx")
    if httpx is not None and isinstance(exc, httpx.HTTPStatusError):
        return int(exc.response.status_code)
    requests: Any = loaded("requests")
    if requests is not None and isinstance(exc, requests.HTTPError):
        response = getattr(exc, "response", None)
        # requests raises HTTPError without a response only for broken exchanges: worth another try.
        return 500 if response is None else int(response.status_code)
    return None
