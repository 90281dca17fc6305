"""Policies of LangGraph's nodes as drumline's: its machine counts tries and keeps their delays, its worker the rest."""

from __future__ import annotations

from typing import Any

from langgraph._internal import _constants as keys
from langgraph._internal._cache import default_cache_key as their_default_key

from drumline_graph.control import TimeoutPolicy
from drumline_graph.tries import policies_of
from drumline_graph.types import CachePolicy, default_cache_key
from drumline_worker.job import Job


def policies_of_node(graph: Any, compiled: Any) -> dict[str, Any]:
    """What fields of a `Node` say of its failures, time limits and cache. A `RetryPolicy` stays as it is.

    Policies of the graph hold where a node has none.
    """
    return {
        "retry": policies_of(compiled.retry_policy or graph.retry_policy or None),
        "timeout": our_timeout(compiled.timeout),
        "cache": _our_cache_policy(compiled.cache_policy or graph.cache_policy),
        "handler": getattr(compiled, "error_handler_node", None) or "",
        "handles": bool(getattr(compiled, "is_error_handler", False)),
    }


def runs_as_one(graph: Any, compiled: Any) -> bool:
    """Whether a graph that is a node is called as a whole: a policy of the node is one of all that the graph does."""
    found = policies_of_node(graph, compiled)
    return bool(found["retry"] or found["timeout"] or found["cache"] or found["handles"])


def our_timeout(given: Any) -> TimeoutPolicy | None:
    """LangGraph's `TimeoutPolicy` as drumline's."""
    if given is None:
        return None
    return TimeoutPolicy(
        run_timeout=given.run_timeout, idle_timeout=given.idle_timeout, refresh_on=getattr(given, "refresh_on", "auto")
    )


def _our_cache_policy(given: Any) -> CachePolicy[Any] | None:
    """LangGraph's `CachePolicy`; its default key, which is a pickle of the input, becomes drumline's."""
    if given is None:
        return None
    key = default_cache_key if given.key_func is their_default_key else given.key_func
    return CachePolicy(key_func=key, ttl=given.ttl)


class Try:
    """What runs for a node that has retries, told which try it is: LangGraph's runner would take each for the first."""

    def __init__(self, process: Any, job: Job) -> None:
        self._process = process
        self._job = job

    def invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        """That of the process."""
        return self._process.invoke(input, self._told(config), **kwargs)

    async def ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        """That of the process."""
        return await self._process.ainvoke(input, self._told(config), **kwargs)

    def _told(self, config: Any) -> Any:
        job, configurable = self._job, config["configurable"]
        told: dict[str, Any] = {"node_attempt": job.tries}
        if job.first_time:
            told["node_first_attempt_time"] = job.first_time
        own = {keys.CONFIG_KEY_RUNTIME: configurable[keys.CONFIG_KEY_RUNTIME].patch_execution_info(**told)}
        if job.tries > 1:  # graphs that its code calls go on where they were
            own[keys.CONFIG_KEY_RESUMING] = True
        return {**config, "configurable": {**configurable, **own}}
