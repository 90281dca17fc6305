"""Whether a node that failed is tried again, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline_graph.types import RetryPolicy


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
