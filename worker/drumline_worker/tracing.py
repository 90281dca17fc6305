"""What LangChain's callback handlers hear of a task: its node and its routers are runs, below that of their graph.

This module imports langchain-core, which is slow and may be missing. It is imported only when somebody listens. The
tree is LangGraph's: the run of a node has the tag `graph:step:<step>` and the metadata of its task, what the node calls
is below it, and each router that is a function has a run of its own. Ids are those of `drumline_protocol.trace_ids`, so
a worker and a client that both tell of a task tell of the same.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager, CallbackManager
from langchain_core.tracers.langchain import LangChainTracer
from langsmith.run_helpers import _set_tracing_context, get_tracing_context

from drumline_graph.constants import START
from drumline_graph.functional import EntryCode, TaskCode
from drumline_graph.program import Branch, Node
from drumline_protocol.trace_ids import graph_trace_id, task_trace_id, trace_order
from drumline_worker.context import TaskContext, enter
from drumline_worker.task_handler import TaskHandler
from drumline_worker.trace_policy import atell_end, atell_start, shows_stream, tell_end, tell_start
from drumline_worker.tracing_chains import arun_chain, run_chain, steps_of

Namespace = tuple[str, ...]


class RunTracing:
    """Where the tasks of one run hang their runs.

    `manager` has the handlers, tags and metadata that everything below the root graph inherits: a manager, or the
    manager of the root graph's own run. `root` is the id of that, `root_ns` its namespace. `order` is LangSmith's order
    of the root, where that was begun in another process.
    """

    def __init__(self, manager: Any, root: UUID, root_ns: Namespace = (), *, order: str | None = None) -> None:
        self._manager = manager
        self.root = root
        self._root_ns = root_ns
        self._order = order
        self._lock = threading.Lock()
        self._orders: dict[UUID, int] = {}

    def begin(self, context: TaskContext) -> TaskTracing:
        """The run of a task's node begins. Raises what a handler raises that has `raise_error`."""
        task = self._task(context, CallbackManager)
        if task.is_told:
            node = context.job.node
            task.began(tell_start(task.manager, node.trace_policy, task.input, name=node.name, run_id=task.id))
        return task

    async def abegin(self, context: TaskContext) -> TaskTracing:
        """The twin of `begin` for an event loop."""
        task = self._task(context, AsyncCallbackManager)
        if task.is_told:
            node = context.job.node
            told = atell_start(task.manager, node.trace_policy, task.input, name=node.name, run_id=task.id)
            task.began(await told)
        return task

    def child(self, kind: Any, ns: Namespace, tag: str, tags: Sequence[str], metadata: dict[str, Any]) -> Any:
        """A manager for what runs in the graph at `ns`. `kind` is CallbackManager or its twin."""
        own = self._manager
        manager = kind(handlers=[], parent_run_id=self.graph_id(ns))
        manager.set_handlers(own.inheritable_handlers)
        manager.add_tags(own.inheritable_tags)
        manager.add_metadata(own.inheritable_metadata)
        manager.add_tags([tag], False)
        manager.add_tags(list(dict.fromkeys([*own.inheritable_tags, *tags])))  # behind, as in LangGraph
        manager.add_metadata(metadata)
        return manager

    def graph_id(self, ns: Namespace) -> UUID:
        """The id of the run of the graph at `ns`."""
        return graph_trace_id(self.root, ns[len(self._root_ns) :])

    def _task(self, context: TaskContext, kind: Any) -> TaskTracing:
        job = context.job
        tags = [*(job.shared.config.get("tags") or ()), *job.node.tags]
        place = "seq:step:1" if job.depth else f"graph:step:{job.step}"  # a called `@task` is a part of its caller
        manager = self.child(kind, job.graph_ns, place, tags, context.metadata())
        if job.depth:  # a called `@task` runs below its caller, which handlers know
            manager.parent_run_id = task_trace_id(self.root, job.ns[-1].rpartition(":")[2], job.called_in)
        else:
            self._introduce(manager.handlers, job.ns, manager.parent_run_id)
        return TaskTracing(self, context, manager)

    # -- LangSmith's tracers know only those parents that they have seen -------------------------------

    def _introduce(self, handlers: Iterable[Any], ns: Namespace, parent: UUID) -> None:
        if self._order is None:
            return
        order = trace_order(self.root, ns[len(self._root_ns) :], self._order)
        first = UUID(order.partition(".")[0][-len(str(parent)) :])
        with self._lock:
            self._orders[parent] = self._orders.get(parent, 0) + 1
            for handler in handlers:
                if isinstance(handler, LangChainTracer):
                    handler.order_map[parent] = (first, order)

    def leave(self, handlers: Iterable[Any], parent: UUID | None) -> None:
        """A task of the graph whose run is `parent` has ended."""
        if self._order is None or parent is None:
            return
        with self._lock:
            left = self._orders[parent] = self._orders[parent] - 1
            if left:
                return
            del self._orders[parent]
            for handler in handlers:
                if isinstance(handler, LangChainTracer):
                    handler.order_map.pop(parent, None)


class TaskTracing:
    """The run of one attempt of a task. `callbacks` is what the config of its node has.

    A node that LangGraph runs tells of itself: it gets the id and the graph's callbacks. In phase `route` of a
    subgraph's task, the run of the node was begun by whoever follows the graph.
    """

    def __init__(self, tracing: RunTracing, context: TaskContext, manager: Any) -> None:
        job = context.job
        self._tracing = tracing
        self._context = context
        self._run: Any = None
        self._result: Any = None
        #: what LangSmith knew as the run around the caller; None: it was told nothing
        self._around: dict[str, Any] | None = None
        self._parent = None if job.depth else manager.parent_run_id
        self.manager = manager
        self.callbacks: BaseCallbackManager = manager
        self.input = dict(job.writes or ()) if job.node.name == START else job.input
        routing = job.phase != "run" and job.node.subprogram is not None
        action = job.node.action
        #: of a function that makes its writes itself: what it returned is in the first of them
        self._unwraps = job.node.makes_writes and isinstance(action, (EntryCode, TaskCode))
        if isinstance(action, TaskCode):
            self.input = action.named(*job.input)
        self.is_told = not routing and not (job.node.makes_writes and job.phase == "run" and not self._unwraps)
        self.id = task_trace_id(tracing.root, job.task, 1 if routing else job.attempt)
        #: what LangGraph's runner is to call the node's run
        self.run_id = None if self.is_told or routing else self.id
        if routing:
            manager.parent_run_id = self.id
        if job.node.name == START:
            self._result = self.input

    @property
    def is_streamed(self) -> bool:
        """Whether a handler is shown what runs give while they run, as that of `astream_events` is."""
        return any(map(_streams, self.manager.handlers))

    def began(self, run: Any) -> None:
        """The run of the node has begun. What LangSmith's `@traceable` wraps is below it, as in LangGraph."""
        self._run = run
        self.callbacks = run.get_child("seq:step:1")
        for handler in run.handlers:
            if isinstance(handler, LangChainTracer) and (tree := handler.run_map.get(str(run.run_id))) is not None:
                self._around = get_tracing_context()
                _set_tracing_context({"parent": tree})
                break

    # -- its end --------------------------------------------------------------------------------------

    def end(self) -> None:
        """The task is done."""
        run = self._ended()
        if run is not None:
            tell_end(run, self._context.job.node.trace_policy, self._result)

    async def aend(self) -> None:
        """The twin of `end`. Handlers that stream (`astream_events`) are shown the result as the run's one chunk."""
        run = self._ended()
        if run is not None:
            await show_chunk(run, self._result)
            await atell_end(run, self._context.job.node.trace_policy, self._result)

    def failed(self, error: BaseException) -> BaseException:
        """The task raised. Gives what it is to be known for: `error`, or what a handler raised at it."""
        run = self._ended()
        try:
            if run is not None:
                run.on_chain_error(error)
        except Exception as own:
            return own
        return error

    async def afailed(self, error: BaseException) -> BaseException:
        """The twin of `failed`."""
        run = self._ended()
        try:
            if run is not None:
                await run.on_chain_error(error)
        except Exception as own:
            return own
        return error

    def _ended(self) -> Any:
        run, self._run = self._run, None
        parent, self._parent = self._parent, None
        if self._around is not None:
            _set_tracing_context(self._around)
        self._tracing.leave(self.manager.handlers, parent)
        return run

    # -- what it calls --------------------------------------------------------------------------------

    def returned(self, result: Any) -> None:
        """The node's body returned. That of START is the engine's, and means nothing."""
        if self._context.job.node.name != START:
            self._result = result[0][1] if self._unwraps else result

    def steps_of(self, node: Node) -> list[Any] | None:
        """The steps of a node that is a Runnable. None if it is none; what a function returned is run as a whole."""
        own = node is self._context.job.node and node.is_runnable and not node.makes_writes
        return steps_of(node.action) if own else None

    def run_chain(self, steps: Sequence[Any], value: Any) -> Any:
        """Run such a node on this thread."""
        return run_chain(steps, value, self._context.config)

    async def arun_chain(self, steps: Sequence[Any], value: Any) -> Any:
        """Run such a node on the running event loop."""
        return await arun_chain(steps, value, self._context.config, streamed=self.is_streamed)

    def router(self, branch: Branch, value: Any) -> RouterTracing:
        """The run of a router is about to begin."""
        own, node = copy.copy(self._context), self._context.job.node
        before = 1 if node.name == START else 1 + len(self.steps_of(node) or [None])
        number = before + 1 + node.branches.index(branch)
        return RouterTracing(own, self.place(number), branch, value)

    def place(self, number: int) -> Any:
        """The callbacks of step `number` of what the task runs: its node is the first step."""
        manager: Any = self.callbacks.copy() if self._run is None else self._run.get_child()
        manager.tags = list(manager.inheritable_tags)  # the place that the node itself has is not the router's
        manager.add_tags([f"seq:step:{number}"], False)
        manager.add_tags(list(manager.inheritable_tags))
        return manager


class RouterTracing:
    """The run of one router. A router that is a Runnable tells of itself, and only gets its place."""

    def __init__(self, context: TaskContext, manager: Any, branch: Branch, value: Any) -> None:
        self.context = context
        self._manager = manager
        self._branch = branch
        self._value = value
        self._run: Any = None

    def begin(self) -> None:
        """Make the router's config the one of the calling code."""
        if not hasattr(self._branch.path, "invoke"):
            self._run = self._manager.on_chain_start(None, self._value, name=_router_name(self._branch.path))
        self._enter()

    async def abegin(self) -> None:
        """The twin of `begin`."""
        if not hasattr(self._branch.path, "invoke"):
            name = _router_name(self._branch.path, unnamed=None)
            self._run = await self._manager.on_chain_start(None, self._value, name=name)
        self._enter()

    def _enter(self) -> None:
        callbacks = self._manager if self._run is None else self._run.get_child()
        self.context.give_config({**self.context.config, "callbacks": callbacks})
        enter(self.context)

    def end(self, result: Any) -> None:
        """The router has decided."""
        if self._run is not None:
            self._run.on_chain_end(result)

    async def aend(self, result: Any) -> None:
        """The twin of `end`."""
        if self._run is not None:
            await self._run.on_chain_end(result)

    def failed(self, error: BaseException) -> None:
        """The router raised."""
        if self._run is not None:
            self._run.on_chain_error(error)

    async def afailed(self, error: BaseException) -> None:
        """The twin of `failed`."""
        if self._run is not None:
            await self._run.on_chain_error(error)


def _router_name(path: Any, unnamed: str | None = "RunnableCallable") -> str | None:
    """What LangGraph calls the run of a router. One without a name has that of its class, in sync runs only."""
    name = getattr(path, "__name__", None)
    return unnamed if name in (None, "<lambda>") else str(name)


async def show_chunk(run: Any, value: Any) -> None:
    """Show a run's output to those of its handlers that stream."""
    for handler in run.handlers:
        if _streams(handler):
            async for _ in handler.tap_output_aiter(run.run_id, _once(value)):
                pass


def _streams(handler: Any) -> bool:
    return shows_stream(handler) and not isinstance(handler, TaskHandler)


async def _once(value: Any) -> AsyncIterator[Any]:
    yield value
