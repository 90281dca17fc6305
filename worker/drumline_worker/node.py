"""Run one node: its body, then its writers, then its routers; sync and async by the same steps.

`_steps` is a generator that yields each call of user code and is sent its result. Two small drivers make those calls:
one on the caller's thread, one on an event loop (where sync code goes to a thread). Neither lets an error of user code
out: the answer is always a message for the run machine.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any

from drumline_graph.channels.base import MISSING, UNCHANGED
from drumline_graph.constants import START
from drumline_graph.errors import ParentCommand
from drumline_graph.node import Branch, Node
from drumline_graph.writes import result_writes, route_writes
from drumline_protocol.messages import TaskBubbled, TaskError, TaskResult
from drumline_worker.capture import capture_messages
from drumline_worker.context import TaskContext, current
from drumline_worker.job import Job

Answer = TaskResult | TaskError | TaskBubbled
Writes = list[tuple[str, Any]]
Steps = Generator[tuple[Node | Branch, Any], Any, Writes]


def run_job(job: Job) -> Answer:
    """Run a job whose code is all sync, on this thread, in a context of its own."""
    return copy_context().run(_run_here, job)


def _run_here(job: Job) -> Answer:
    context = TaskContext(job)
    current.set(context)
    steps = _steps(job)
    try:
        target, value = next(steps)
        while True:
            result = _call(target, value, context)
            try:
                target, value = steps.send(result)
            except StopIteration as stop:
                return _done(job, stop.value)
    except Exception as error:
        return failed(job, error)
    finally:
        steps.close()


async def arun_job(job: Job, threads: Executor | None = None) -> Answer:
    """Run a job on the running event loop; its sync code runs in `threads` (None: the loop's own).

    Must be the body of an asyncio task of its own: it sets the task's context variable.
    """
    context = TaskContext(job)
    current.set(context)
    steps = _steps(job)
    try:
        target, value = next(steps)
        while True:
            if target.has_async:
                result = await _acall(target, value, context)
            else:
                run = copy_context().run
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(threads, run, _call, target, value, context)
            try:
                target, value = steps.send(result)
            except StopIteration as stop:
                return _done(job, stop.value)
    except Exception as error:
        return failed(job, error)
    finally:
        steps.close()


def _steps(job: Job) -> Steps:
    """The life of a node: yields (what to call, with what), is sent the result, returns the writes."""
    node = job.node
    result: Any = None
    if job.phase == "run":
        result = yield node, job.input
        if "messages" in job.shared.record:
            capture_messages(job, result)
        writes = result_writes(job.program, node, result)
    else:
        writes = [(channel, value) for channel, value in job.writes]
        result = job.input if node.name == START else None
    if node.branches:
        body_writes = list(writes)
        for branch in node.branches:
            view = _router_view(job, branch, body_writes, result)
            writes.extend(route_writes(job.program, branch, (yield branch, view)))
    return writes


def _done(job: Job, writes: Writes) -> TaskResult:
    return TaskResult(job.shared.run_id, job.task, job.attempt, job.executor, writes)


def failed(job: Job, error: BaseException) -> TaskError | TaskBubbled:
    """The answer of a job that raised `error`."""
    if isinstance(error, ParentCommand):
        return TaskBubbled(job.shared.run_id, job.task, job.attempt, job.executor, error.command)
    note = f"During task with name '{job.node.name}' and id '{job.task}'"
    if hasattr(error, "add_note"):
        error.add_note(note)
    return TaskError(job.shared.run_id, job.task, job.attempt, job.executor, error)


# -- calling user code ----------------------------------------------------------------------------


def _injected(wants: Sequence[str], context: TaskContext) -> dict[str, Any]:
    return {name: _INJECTED[name](context) for name in wants}


_INJECTED: dict[str, Callable[[TaskContext], Any]] = {
    "config": lambda context: context.config,
    "writer": lambda context: context.writer,
    "runtime": lambda context: context.runtime,
    "store": lambda context: context.runtime.store,
    "previous": lambda context: context.runtime.previous,
}


def _call(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    action = target.action if isinstance(target, Node) else target.path
    if hasattr(action, "invoke"):
        return action.invoke(value, context.config)
    if target.wants:
        return action(value, **_injected(target.wants, context))
    return action(value)


async def _acall(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    action = target.action if isinstance(target, Node) else target.path
    if hasattr(action, "ainvoke"):
        return await action.ainvoke(value, context.config)
    if target.wants:
        return await action(value, **_injected(target.wants, context))
    return await action(value)


# -- what a router reads --------------------------------------------------------------------------


def _router_view(job: Job, branch: Branch, writes: Writes, result: Any) -> Any:
    """The state as a router sees it: the step's start plus this task's own writes, nobody else's."""
    program, cells = job.program, job.cells
    keys = branch.input_keys
    wanted = {keys} if isinstance(keys, str) else set(keys)
    grouped: dict[str, list[Any]] = {}
    for channel, value in writes:
        if channel in wanted:
            grouped.setdefault(channel, []).append(value)

    def read(key: str) -> Any:
        channel = program.channels.get(key)
        if channel is None:
            managed = program.managed.get(key)
            return MISSING if managed is None else managed.get(job.step, job.stop)  # type: ignore[attr-defined]
        cell = cells.get(key, MISSING)
        if key in grouped:
            private = copy.copy(cell) if isinstance(cell, (list, dict, set)) else cell
            updated = channel.update(private, grouped[key])
            cell = cell if updated is UNCHANGED else updated
        return channel.read(cell) if channel.available(cell) else MISSING

    if isinstance(keys, str):
        return read(keys)
    view = {key: value for key in keys if (value := read(key)) is not MISSING}
    if branch.mapper is not None:
        return branch.mapper(view)
    if branch.plain_dict and isinstance(result, dict):
        return {**result, **view}
    return view
