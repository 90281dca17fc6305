"""A Runnable with a sync and an async half whose parameters are injected as those of a node are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    patch_config,
    set_config_context,
)
from langchain_core.runnables.utils import coro_with_context

from drumline_graph.callables import injected_parameters
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import PULL
from drumline_graph.functional import begins_at_once, is_call
from drumline_protocol.running import CONTEXT_KEY
from drumline_worker.context import TaskContext, current
from drumline_worker.loop import shared_loop
from drumline_worker.runtime import Runtime

T = TypeVar("T")


def runtime_of(config: Mapping[str, Any]) -> Runtime[Any]:
    """The `Runtime` of the task that a config belongs to; else of the running task; else an empty one."""
    context: TaskContext | None = (config.get("configurable") or {}).get(CONTEXT_KEY) or current.get()
    return Runtime() if context is None else context.runtime


def state_of_task(config: Mapping[str, Any]) -> Any:
    """The state that the task of a node with `reads_state` would be given by an edge: for what a `Send` made.

    Where the code of another node asks, what that was given by an edge. `{}` in a functional graph, which has no state.
    None where there is none: outside of a task, and where the code of another node was sent its input.
    """
    context: TaskContext | None = (config.get("configurable") or {}).get(CONTEXT_KEY) or current.get()
    if context is None:
        return None
    job, node, program = context.job, context.job.node, context.job.program
    if not getattr(node.action, "reads_state", False):
        if begins_at_once(program) or is_call(job.path):
            return {}
        return job.input if job.path[0] == PULL else None
    cells, channels = job.cells, program.channels

    def readable(key: str) -> bool:
        return key in channels and channels[key].available(cells.get(key, MISSING))

    if isinstance(node.input_keys, str):
        return channels[node.input_keys].read(cells[node.input_keys]) if readable(node.input_keys) else None
    values = {key: channels[key].read(cells[key]) for key in node.input_keys if readable(key)}
    for key in node.managed_keys:
        manager: Any = program.managed[key]
        values[key] = manager.get(job.step, job.stop)
    return values if node.mapper is None else node.mapper(values)


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop, with the caller's context, and wait for what it gives or raises."""
    return shared_loop().submit(coroutine).result()


class Action(Runnable[Any, Any]):
    """`func` for sync callers, `afunc` for async ones; one of them may be None.

    Both get the input, and by name what they ask for of `config`, `writer`, `store`, `runtime`. A Runnable that they
    return is called in their place. Without `func` it `needs_event_loop`: a node of it then runs on one (see
    `drumline_graph.callables.Capabilities`), and other sync callers wait for the background loop.
    """

    def __init__(
        self,
        func: Callable[..., Any] | None,
        afunc: Callable[..., Awaitable[Any]] | None = None,
        *,
        name: str,
    ) -> None:
        self.name = name
        self.func = func
        self.afunc = afunc
        self.needs_event_loop = func is None
        self._wants = injected_parameters(func or afunc)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The result of `func`."""
        if self.func is None:
            return wait_for(self.ainvoke(input, config, **kwargs))
        given, config = config, ensure_config(config)
        call = partial(self.func, input, **self._injected(config), **kwargs)
        result = self._traced(call, input, given or config) if config.get("callbacks") else call()
        return result.invoke(input, config) if isinstance(result, Runnable) else result

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The result of `afunc`, or of `func` if there is no other."""
        if self.afunc is None:
            return self.invoke(input, config, **kwargs)
        given, config = config, ensure_config(config)
        call = partial(self.afunc, input, **self._injected(config), **kwargs)
        result = await (self._atraced(call, input, given or config) if config.get("callbacks") else call())
        return await result.ainvoke(input, config) if isinstance(result, Runnable) else result

    # As LangGraph's: what is called with the injected `config` is a run beside this one, not below it. The config is as
    # it was given: LangChain's `ensure_config` adds to its metadata.

    def _traced(self, call: Callable[[], Any], input: Any, config: RunnableConfig) -> Any:
        run = get_callback_manager_for_config(config).on_chain_start(None, input, name=self.name)
        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                result = context.run(call)
        except BaseException as error:
            run.on_chain_error(error)
            raise
        run.on_chain_end(result)
        return result

    async def _atraced(self, call: Callable[[], Awaitable[Any]], input: Any, config: RunnableConfig) -> Any:
        run = await get_async_callback_manager_for_config(config).on_chain_start(None, input, name=self.name)
        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                result = await coro_with_context(cast("Coroutine[Any, Any, Any]", call()), context, create_task=True)
        except BaseException as error:
            await run.on_chain_error(error)
            raise
        await run.on_chain_end(result)
        return result

    def _injected(self, config: RunnableConfig) -> dict[str, Any]:
        if not self._wants:
            return {}
        runtime = runtime_of(config)
        known = {
            "config": config,
            "writer": runtime.stream_writer,
            "store": runtime.store,
            "runtime": runtime,
            "previous": runtime.previous,
        }
        return {name: known[name] for name in self._wants}
