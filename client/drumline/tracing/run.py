"""One run as LangChain's handlers hear it: its root graph, and what a `Follower` finds below.

This module imports langchain-core. It is imported only when somebody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager, CallbackManager
from langchain_core.callbacks.manager import ahandle_event, handle_event
from langchain_core.runnables.config import get_async_callback_manager_for_config, get_callback_manager_for_config
from langchain_core.tracers.langchain import LangChainTracer

from drumline.tracing.follow import Follower
from drumline.tracing.lifecycle import interrupt_event, lifecycle_handlers, resume_event
from drumline.tracing.steps import Began, Ended, WentOn
from drumline_protocol.metadata import run_metadata
from drumline_worker.task_handler import TaskHandler
from drumline_worker.trace_policy import atell_end, atell_start, tell_end, tell_start
from drumline_worker.tracing import RunTracing, show_chunk

Namespace = tuple[str, ...]


def manager_of(config: Mapping[str, Any], *, is_async: bool) -> Any:
    """The callback manager of a call. None if nobody listens but drumline's own handlers of a task."""
    make: Any = get_async_callback_manager_for_config if is_async else get_callback_manager_for_config
    given: dict[str, Any] = {
        "callbacks": config.get("callbacks"),
        "tags": list(config.get("tags") or ()),
        "metadata": run_metadata(config),
        "configurable": config.get("configurable") or {},
    }
    manager = make(given)
    if all(isinstance(handler, TaskHandler) for handler in manager.handlers):
        return None
    if "ls_integration" not in manager.metadata:
        manager.add_metadata({"ls_integration": "langgraph"})
    return manager


def _sync(run: Any) -> Any:
    return run.get_sync() if hasattr(run, "get_sync") else run


class RunTrace:
    """The trace of one call of a graph. `tracing` is what its tasks hang their runs in, once the root has begun.

    Begin it, fold facts, `flush` what they added, and end it: by `end` if the run ended well, else by `fail`. Each has
    a twin for event loops. Raises what a handler raises that has `raise_error`.
    """

    def __init__(self, manager: Any, name: str, root: UUID, root_ns: Namespace, input: Any, follower: Follower) -> None:
        self._manager = manager
        self._name = name
        self._root = root
        self._root_ns = root_ns
        self._input = input
        self._follower = follower
        self._kind: Any = AsyncCallbackManager if isinstance(manager, AsyncCallbackManager) else CallbackManager
        self._run: Any = None
        self._runs: dict[UUID, Any] = {}
        #: whether the tracer comes from the environment: workers have one too, and tell of their nodes themselves
        self._left_to_workers = False
        self.fold = follower.fold
        self.tracing: RunTracing = RunTracing(manager, root, root_ns)

    # -- the root -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The root graph begins."""
        self._began(self._manager.on_chain_start(None, self._input, name=self._name, run_id=self._root))

    async def abegin(self) -> None:
        """The twin of `begin`."""
        self._began(await self._manager.on_chain_start(None, self._input, name=self._name, run_id=self._root))

    def _began(self, run: Any) -> None:
        self._run = run
        self.tracing = RunTracing(run, self._root, self._root_ns)

    def order(self) -> str:
        """LangSmith's order of the root, as the tracer among the handlers knows it; "" if there is none."""
        for handler in self._manager.handlers:
            if isinstance(handler, LangChainTracer) and self._root in handler.order_map:
                return handler.order_map[self._root][1]
        return ""

    def end(self) -> None:
        """The run has ended, well or with a question to its caller."""
        self.flush()
        run, self._run = self._run, None
        if run is not None:
            if self._follower.interrupts:
                handle_event(*self._asked())
            run.on_chain_end(self._follower.output)

    async def aend(self) -> None:
        """The twin of `end`."""
        await self.aflush()
        run, self._run = self._run, None
        if run is not None:
            if self._follower.interrupts:
                await ahandle_event(*self._asked())
            await run.on_chain_end(self._follower.output)

    def fail(self, error: BaseException) -> None:
        """The run ended by `error`, or its caller left it."""
        if self._run is not None:
            self._follower.close(error)
            self.flush()
            run, self._run = self._run, None
            run.on_chain_error(error)

    async def afail(self, error: BaseException) -> None:
        """The twin of `fail`."""
        if self._run is not None:
            self._follower.close(error)
            await self.aflush()
            run, self._run = self._run, None
            await run.on_chain_error(error)

    def drop(self) -> None:
        """The stream was dropped, and is garbage: there is no loop to wait on."""
        if self._run is not None:
            error = GeneratorExit()
            self._follower.close(error)
            for step in self._follower.next_steps():
                if (run := self._runs.pop(step.id, None)) is not None:
                    _sync(run).on_chain_error(error)
            run, self._run = self._run, None
            _sync(run).on_chain_error(error)

    def _asked(self) -> tuple[Any, ...]:
        follower = self._follower
        return self._event("on_interrupt", interrupt_event, self._root, follower.interrupts, follower.checkpoint)

    def _went_on(self, step: WentOn) -> tuple[Any, ...]:
        return self._event("on_resume", resume_event, step.id, step.ns, step.checkpoint)

    def _event(self, method: str, make: Callable[..., Any], *given: Any) -> tuple[Any, ...]:
        """What `handle_event` takes to tell of an event. It is made only if somebody hears it."""
        handlers = lifecycle_handlers(self._manager.handlers)
        return handlers, method, None, make(*given) if handlers else None

    # -- below ----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Tell what the facts folded since the last call mean."""
        for step in self._follower.next_steps():
            if isinstance(step, Began):
                told = {"name": step.name, "run_id": step.id}
                self._runs[step.id] = tell_start(self._place(step), step.policy, step.input, **told)
            elif isinstance(step, WentOn):
                handle_event(*self._went_on(step))
            elif (run := self._runs.pop(step.id, None)) is not None:
                if step.error is None:
                    tell_end(run, step.policy, step.output)
                else:
                    run.on_chain_error(step.error)

    async def aflush(self) -> None:
        """The twin of `flush`."""
        for step in self._follower.next_steps():
            if isinstance(step, Began):
                told = {"name": step.name, "run_id": step.id}
                self._runs[step.id] = await atell_start(self._place(step), step.policy, step.input, **told)
            elif isinstance(step, WentOn):
                await ahandle_event(*self._went_on(step))
            elif (run := self._runs.pop(step.id, None)) is not None:
                await self._aended(run, step)

    async def _aended(self, run: Any, step: Ended) -> None:
        if step.error is not None:
            await run.on_chain_error(step.error)
            return
        if step.of_task:
            await show_chunk(run, step.output)
        await atell_end(run, step.policy, step.output)

    def _place(self, step: Began) -> Any:
        """The manager that begins a run at its place in the tree."""
        manager = self.tracing.child(self._kind, step.ns, step.tag, step.tags, step.metadata)
        if step.node is not None:
            manager.parent_run_id = step.node
        if step.elsewhere and self._left_to_workers:
            manager.set_handlers([one for one in manager.handlers if not isinstance(one, LangChainTracer)])
        return manager

    def leave_nodes_to_workers(self, given: Any) -> None:
        """LangSmith hears of nodes from where they run, unless its tracer is one of the `given` callbacks."""
        handlers = given.handlers if isinstance(given, BaseCallbackManager) else given or ()
        self._left_to_workers = not any(isinstance(handler, LangChainTracer) for handler in handlers)
