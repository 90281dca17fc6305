"""`entrypoint`: a function as a graph that can be run, streamed, paused and resumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic

from drumline.graph.compiled import CompiledStateGraph
from drumline_graph.builder import ContextT
from drumline_graph.control import TimeoutPolicy
from drumline_graph.functional import CallPolicies, Final, entry_program
from drumline_graph.options import refuse_unknown, renamed
from drumline_graph.tries import policies_of

if TYPE_CHECKING:
    from datetime import timedelta

    from drumline_graph.types import CachePolicy, Checkpointer, RetryPolicy


class entrypoint(Generic[ContextT]):
    """Make a function a graph: `@entrypoint()`, or `@entrypoint(checkpointer=...)`.

    Its first parameter is the input. Parameters named `config`, `previous`, `runtime`, `store` and `writer` are filled
    in; `previous` is what the last run on the thread returned, or saved by `entrypoint.final`. With a checkpointer it
    can ask by `interrupt()`: the answer is a new run, in which the function runs again from its first line and calls of
    `@task`s that have ended return at once. `retry_policy` and `cache_policy` hold for itself, and for calls of tasks
    that have none of their own; `timeout` is its own.
    """

    final = Final

    def __init__(
        self,
        checkpointer: Checkpointer = None,
        store: Any = None,
        cache: Any = None,
        context_schema: type[ContextT] | None = None,
        cache_policy: CachePolicy[Any] | None = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        """ValueError for a time limit that is not positive, TypeError for an unknown keyword."""
        context_schema = renamed(kwargs, "config_schema", "context_schema", context_schema)
        retry_policy = renamed(kwargs, "retry", "retry_policy", retry_policy)
        refuse_unknown("entrypoint()", kwargs)
        self._policies = CallPolicies(policies_of(retry_policy), TimeoutPolicy.coerce(timeout), cache_policy)
        self._cache = cache
        self._checkpointer = checkpointer
        self._store = store
        self._context_schema = context_schema

    def __call__(self, function: Callable[..., Any]) -> CompiledStateGraph[Any, ContextT, Any, Any]:
        """The graph.

        Raises NotImplementedError for a generator, ValueError for a function without parameters or a sync one with a
        time limit, TypeError for a store or a cache that is none.
        """
        checkpointer = self._checkpointer
        program = entry_program(
            function,
            context_schema=self._context_schema,
            store=self._store,
            cache=self._cache,
            policies=self._policies,
            persists=checkpointer if isinstance(checkpointer, bool) else None,
            version=os.environ.get("DRUMLINE_VERSION") or None,
        )
        strict = os.environ.get("DRUMLINE_STRICT_WIRE", "") not in ("", "0")
        return CompiledStateGraph(program, strict_wire=strict, checkpointer=checkpointer or None)
