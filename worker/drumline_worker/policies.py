"""What the policies of a node say of one try. One seam of the node runner, the same for both of its drivers.

A driver's run of a job goes through `run` or `arun`: they look into the cache, keep the time, and put the result into
the cache. Whether a failed try is worth another one is decided by `retry_ms`, where the exception itself is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from drumline_graph.errors import GraphBubbleUp
from drumline_graph.tries import delay_before_next
from drumline_protocol.messages import TaskResult
from drumline_worker import node_cache
from drumline_worker.job import Job
from drumline_worker.time_limits import TimeLimit


def retry_ms(job: Job, error: BaseException) -> float:
    """Milliseconds until the node of a job that raised `error` is to be tried again; -1 if it is not."""
    policies = job.node.retry
    if not policies or isinstance(error, GraphBubbleUp):
        return -1.0
    if job.program.raised_as is not None and isinstance(error, Exception):
        error = job.program.raised_as(error)  # policies of another engine name its own classes
    delay = delay_before_next(policies, error, job.tries, random.uniform(0, 1))
    return -1.0 if delay is None else delay * 1000


def has_policies(job: Job) -> bool:
    """Whether a job is to go through `run` or `arun`."""
    return job.timeout is not None or job.node.cache is not None


def run(job: Job, body: Callable[[], Any]) -> Any:
    """The answer of a job that runs in this thread, or in one that is left behind when its time is up.

    Raises NodeTimeoutError, and what the key function of a cache raises.
    """
    key = node_cache.key_of(job)
    if key is not None and (writes := node_cache.found(job, key)) is not None:
        return _cached(job, writes)
    limit = _limit(job)
    answer = body() if limit is None else limit.over_thread(body)
    if key is not None and type(answer) is TaskResult:
        node_cache.keep(job, key, answer.writes)
    return answer


async def arun(job: Job, body: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The twin of `run` for an event loop."""
    key = node_cache.key_of(job)
    if key is not None and (writes := await node_cache.afound(job, key)) is not None:
        return _cached(job, writes)
    limit = _limit(job)
    answer = await (body() if limit is None else limit.over(body()))
    if key is not None and type(answer) is TaskResult:
        await node_cache.akeep(job, key, answer.writes)
    return answer


def _limit(job: Job) -> TimeLimit | None:
    if job.timeout is None:
        return None
    job.limit = limit = TimeLimit(job.node.name, job.timeout)
    job.emit = limit.guarded(job.emit)
    return limit


def _cached(job: Job, writes: list[tuple[str, Any]]) -> TaskResult:
    return TaskResult(job.shared.run_id, job.task, job.attempt, job.executor, writes, cached=True)
