"""Whether a node that failed is tried again, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from drumline_graph.loaded import loaded

if TYPE_CHECKING:
    from drumline_graph.types import RetryPolicy

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


def policies_of(given: RetryPolicy | Sequence[RetryPolicy] | None) -> tuple[RetryPolicy, ...]:
    """The policies of a node's `retry_policy=`."""
    if given is None:
        return ()
    return (given,) if hasattr(given, "retry_on") else tuple(given)  # type: ignore[return-value]


def delay_before_next(policies: Sequence[RetryPolicy], error: BaseException, tries: int, jitter: float) -> float | None:
    """Seconds until a node is tried again that has failed `tries` times, now with `error`; None: it is not.

    `jitter`, from 0 to 1, is added where the policy says so. Raises what a policy's own predicate raises.
    """
    if not isinstance(error, Exception):
        return None
    policy = next((each for each in policies if _matches(each, error)), None)
    if policy is None or tries >= policy.max_attempts:
        return None
    delay = min(policy.max_interval, policy.initial_interval * policy.backoff_factor ** (tries - 1))
    return delay + jitter if policy.jitter else delay


def _matches(policy: RetryPolicy, error: Exception) -> bool:
    wanted = policy.retry_on
    if isinstance(wanted, type) and issubclass(wanted, BaseException):
        return isinstance(error, wanted)
    if isinstance(wanted, Sequence):
        return isinstance(error, tuple(wanted))
    if callable(wanted):
        asked: Callable[[Exception], Any] = wanted
        return bool(asked(error))
    raise TypeError(
        f"retry_on of a RetryPolicy must be an exception class, a list or tuple of them, or a function that says "
        f"whether to retry: got {wanted!r}."
    )
