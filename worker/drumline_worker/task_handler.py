"""Handlers of LangChain's callbacks that belong to one attempt of a task, and put what they hear on its stream.

This module imports langchain-core, which is slow and may be missing. It is imported only when a run records `messages`
or `tools`, or when somebody listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables.config import var_child_runnable_config  # noqa: F401  see context.enter
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from drumline_worker.job import Emit

_PUSH = "__pregel_push"


class TaskHandler(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Hears what runs below the config it is attached to: it stands in the config's inheritable callbacks.

    As a streaming handler it is also what makes a chat model stream although the node called `invoke`: LangGraph's
    handlers of the modes `messages` and `tools` both do.

    `ns` is the namespace of the task's graph: what runs in graphs below that is heard only if `subgraphs`. `task` is
    the id of the task (empty: any task of that graph): what runs in another one runs in a graph that the task called as
    a run apart, which counts as below. `metadata` stand in for those of a call whose config names no task, because it
    was replaced.
    """

    # In the caller's thread, else what one call tells would come out of order.
    run_inline = True
    # What cannot be encoded is an error of the node, not a line in a log.
    raise_error = True

    def __init__(
        self,
        emit: Emit,
        *,
        ns: tuple[str, ...] = (),
        subgraphs: bool = False,
        task: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._put = emit
        self._ns = ns
        self._subgraphs = subgraphs
        self._task = task
        self._metadata = metadata or {}

    # As other streaming handlers of LangChain: nothing is done to the output of a runnable.
    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        """The output as it is."""
        del run_id
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        """The output as it is."""
        del run_id
        return output

    def _place(self, metadata: Mapping[str, Any] | None) -> tuple[dict[str, Any], tuple[str, ...]] | None:
        """Metadata of a call, and the namespace of its graph. None if its graph is not listened to."""
        own = dict(metadata or {})
        if "langgraph_checkpoint_ns" not in own:
            own = {**self._metadata, **own}
        ns = graph_ns(own) if "langgraph_checkpoint_ns" in own else self._ns
        below = ns != self._ns or self._task not in str(own.get("langgraph_checkpoint_ns", self._task))
        return None if below and not self._subgraphs else (own, ns)


def graph_ns(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Namespace of the graph that a run belongs to, by the metadata of its task.

    A task's own segment comes last. A functional `@task` runs in the graph of its caller, but its segment stands below
    the caller's: such a task is known by its path, which wraps that of its caller.
    """
    segments = str(metadata["langgraph_checkpoint_ns"]).split("|")
    own = 1
    path: Any = metadata.get("langgraph_path") or ()
    while len(path) == 4 and path[0] == _PUSH and path[3] is True:
        own += 1
        path = path[1]
    return tuple(segments[:-own])


def with_handler(callbacks: Any, handler: BaseCallbackHandler) -> Any:
    """The callbacks of a config (a list, a manager or None) and this handler, for everything below the config."""
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.add_handler(handler, inherit=True)
        return manager
    return [*(callbacks or ()), handler]


def without_handlers(callbacks: Any, kind: type[TaskHandler] = TaskHandler) -> Any:
    """The callbacks without those of a task: for a graph that the task calls, whose tasks have their own."""
    if isinstance(callbacks, BaseCallbackManager):
        found = [handler for handler in callbacks.handlers if isinstance(handler, kind)]
        if not found:
            return callbacks
        manager = callbacks.copy()
        for handler in found:
            manager.remove_handler(handler)
        return manager
    return [handler for handler in callbacks if not isinstance(handler, kind)]
