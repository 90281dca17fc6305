"""`task`: a function whose calls are tasks of the superstep that they are made in."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typing_extensions import ParamSpec

from drumline_graph.cached import namespace_of_task
from drumline_graph.called_tasks import note_loaded
from drumline_graph.control import TimeoutPolicy
from drumline_graph.functional import CallPolicies, call_node, name_of_task, note_task
from drumline_graph.node_code import AnyTask
from drumline_graph.options import refuse_unknown, renamed
from drumline_graph.tries import policies_of
from drumline_protocol.running import current

if TYPE_CHECKING:
    from datetime import timedelta

    from drumline_graph.types import CachePolicy, RetryPolicy
    from drumline_worker.futures import TaskFuture

P = ParamSpec("P")
T = TypeVar("T")


class TaskFunction(AnyTask, Generic[P, T]):
    """What `task` makes of a function. A call gives a future at once, and the task runs beside its caller."""

    def __init__(
        self, function: Callable[P, Awaitable[T]] | Callable[P, T], name: str | None, policies: CallPolicies
    ) -> None:
        #: LangGraph's name for it
        self.func = function
        functools.update_wrapper(self, function)
        self.__name__ = name_of_task(function, name)
        self.node = call_node(self.__name__, function, policies)
        note_task()
        note_loaded(self.node)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Have the task run. `.result()` of the future waits for it, in async code `await` does.

        RuntimeError outside of an entrypoint, node or task. On a cluster EncodeError for arguments that cannot cross,
        and TaskOutOfReach for a task that other workers would not find.
        """
        context = current.get()
        if context is None:
            raise RuntimeError(
                f"task {self.__name__!r} was called outside of a run. Call it in an entrypoint, a node or another "
                f"task; {self.__name__}.func is the plain function."
            )
        calling = context.job.calling
        if calling is None:
            raise RuntimeError(
                f"task {self.__name__!r} was called where node {context.job.node.name!r} runs apart from its run. Call "
                "it in the body of the node."
            )
        future: TaskFuture[T] = calling.call(context.job, self.node, args, kwargs)
        return future

    def clear_cache(self, cache: Any) -> None:
        """Forget the results of calls that lie in `cache`."""
        cache.clear([namespace_of_task(self.node)])

    async def aclear_cache(self, cache: Any) -> None:
        """The twin of `clear_cache` for an event loop."""
        await cache.aclear([namespace_of_task(self.node)])

    def __repr__(self) -> str:
        return f"<task {self.__name__!r}>"


@overload
def task(
    function: None = None,
    *,
    name: str | None = None,
    retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: float | timedelta | TimeoutPolicy | None = None,
) -> Callable[[Callable[P, Awaitable[T]] | Callable[P, T]], TaskFunction[P, T]]: ...


@overload
def task(function: Callable[P, Awaitable[T]]) -> TaskFunction[P, T]: ...


@overload
def task(function: Callable[P, T]) -> TaskFunction[P, T]: ...


def task(
    function: Any = None,
    *,
    name: str | None = None,
    retry_policy: Any = None,
    cache_policy: Any = None,
    timeout: Any = None,
    **kwargs: Any,
) -> Any:
    """Make a function a task: `@task`, or `@task(name="...")`.

    A call of it in an entrypoint, a node or another task gives a future, and the function runs beside its caller. On a
    thread the result is kept: a caller that runs again, after a question or a crash, gets it without another run.
    Parameters named `config`, `writer`, `store`, `runtime` and `previous` are filled in. The policies are those of a
    node; a cache is that of the entrypoint or graph around it. ValueError for a time limit of sync code.
    """
    retry_policy = renamed(kwargs, "retry", "retry_policy", retry_policy)
    refuse_unknown("task()", kwargs)
    policies = CallPolicies(policies_of(retry_policy), TimeoutPolicy.coerce(timeout), cache_policy)

    def decorate(given: Any) -> Any:
        return TaskFunction(given, name, policies)

    return decorate if function is None else decorate(function)
