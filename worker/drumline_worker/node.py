"""Run one node: its body, then its writers, then its routers; sync and async by the same steps.

`_steps` is a generator that yields each call of user code and is sent its result. Two small drivers make those calls:
one on the caller's thread, one on an event loop (where sync code goes to a thread). Neither lets an error of user code
out: the answer is always a message for the run machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

from drumline_graph.callables import is_runnable
from drumline_graph.cancelled import not_cancelled
from drumline_graph.constants import INTERRUPT, START
from drumline_graph.errors import INVALID_RESUME, GraphInterrupt, NoParentGraph, ParentCommand
from drumline_graph.message_ids import with_delta_ids
from drumline_graph.program import Branch, Node
from drumline_graph.routing import router_input
from drumline_graph.writes import result_writes, route_writes
from drumline_protocol.errors import EncodeError
from drumline_protocol.messages import TaskBubbled, TaskError, TaskInterrupt, TaskResult
from drumline_worker.capture import emit_messages, identified_messages
from drumline_worker.context import TaskContext, enter, leave
from drumline_worker.job import Job
from drumline_worker.policies import arun, has_policies, retry_ms, run

Answer = TaskResult | TaskError | TaskBubbled | TaskInterrupt
Writes = list[tuple[str, Any]]
#: the attribute by which LangGraph marks errors of answers that have another form
_THEIRS = "_langgraph_invalid_resume"
Steps = Generator[tuple[Node | Branch, Any], Any, Writes]


def run_job(job: Job) -> Answer:
    """Run a job whose code is all sync, on this thread, in a context of its own."""
    if job.spans is not None:
        answer: Answer = job.spans.run(job, _run_job)
        return answer
    return _run_job(job)


def _run_job(job: Job) -> Answer:
    context = copy_context()
    if not has_policies(job):
        return context.run(_run_here, job)
    try:
        answer: Answer = run(job, lambda: context.run(_run_here, job))
        return answer
    except Exception as error:  # its time was up, or the function that gives the key of a cache has raised
        return failed(job, error)


def _run_here(job: Job) -> Answer:
    context = TaskContext(job)
    steps = _steps(job)
    advance: Callable[[Any], tuple[Node | Branch, Any]] = steps.send
    outcome: Any = None
    call = _call
    try:
        if job.tracing is not None:
            context.trace, call = job.tracing.begin(context), _traced_call
        enter(context)
        while True:
            try:
                target, value = advance(outcome)
            except StopIteration as stop:
                if context.trace is not None:
                    context.trace.end()
                return _done(job, stop.value)
            try:
                advance, outcome = steps.send, call(target, value, context)
            except ParentCommand as bubble:
                advance, outcome = steps.throw, bubble
    except BaseException as error:
        if context.trace is not None:
            error = context.trace.failed(error)
        if not isinstance(error, (Exception, asyncio.CancelledError)):  # nobody can cancel sync code: it raised that
            raise
        return failed(job, error)
    finally:
        steps.close()
        leave(context)


async def arun_job(job: Job, threads: Executor | None = None) -> Answer:
    """Run a job on the running event loop; its sync code runs in `threads` (None: the loop's own).

    Must be the body of an asyncio task of its own: it sets the task's context variable.
    """
    if job.spans is not None:
        answer: Answer = await job.spans.arun(job, partial(_arun_job, threads=threads))
        return answer
    return await _arun_job(job, threads)


async def _arun_job(job: Job, threads: Executor | None) -> Answer:
    if not has_policies(job):
        return await _run_on_loop(job, threads)
    try:
        answer: Answer = await arun(job, partial(_run_on_loop, job, threads))
        return answer
    except Exception as error:
        return failed(job, error)


async def _run_on_loop(job: Job, threads: Executor | None) -> Answer:
    context = TaskContext(job)
    steps = _steps(job)
    advance: Callable[[Any], tuple[Node | Branch, Any]] = steps.send
    outcome: Any = None
    try:
        if job.tracing is not None:
            context.trace = await job.tracing.abegin(context)
        enter(context)
        while True:
            try:
                target, value = advance(outcome)
            except StopIteration as stop:
                if context.trace is not None:
                    await context.trace.aend()
                return _done(job, stop.value)
            try:
                if context.trace is not None:
                    advance, outcome = steps.send, await _traced_acall(target, value, context, threads)
                elif target.has_async:
                    advance, outcome = steps.send, await _acall(target, value, context)
                else:
                    advance, outcome = steps.send, await _thread_call(target, value, context, threads)
            except ParentCommand as bubble:
                advance, outcome = steps.throw, bubble
    except BaseException as error:
        if context.trace is not None:
            error = await context.trace.afailed(error)
        if not isinstance(error, Exception):
            raise
        return failed(job, error)
    finally:
        steps.close()
        leave(context)


def _namer(job: Job) -> str:
    """What messages without ids are named after: the task. Of an update's task a caller may give the same id again."""
    return f"{job.shared.run_id} {job.step} {job.path[1]}" if job.path[0] == INTERRUPT else job.task


def _steps(job: Job) -> Steps:
    """The life of a node: yields (what to call, with what), is sent the result, returns the writes.

    A `ParentCommand` is thrown in: from a graph that the node called, it is the node's own answer.
    """
    node = job.node
    if node.makes_writes:
        found: Writes = yield node, job.input
        return with_delta_ids(job.program, _namer(job), found)
    result: Any = None
    messages: list[Any] = []
    if job.phase == "run":
        try:
            result = yield node, job.input
            if type(result) is not dict and not node.is_runnable and is_runnable(result):
                result = yield _calling(node, result), job.input
            if "messages" in job.shared.recorded:  # ids now: the reducers of routers would give others
                messages = identified_messages(job, result)
        except ParentCommand as bubble:
            if isinstance(bubble, NoParentGraph):  # of another run, which this node's code has started
                raise
            result = bubble.args[0]
            if result.graph is not None:
                raise
        writes = result_writes(job.program, node, result)
        if job.pushed:
            writes = [*job.pushed, *writes]
        writes = with_delta_ids(job.program, job.task, writes)  # now: routers see them too
    else:
        writes = [(channel, value) for channel, value in job.writes]
        result = job.input if node.name == START or job.path[0] == INTERRUPT else None  # that of an update
    if node.branches:
        body_writes = list(writes)
        for branch in node.branches:
            view = router_input(
                job.program, branch, job.cells, body_writes, result, step=job.step, stop=job.stop, merges=job.merges
            )
            writes.extend(route_writes(job.program, branch, (yield branch, view)))
    if messages:
        emit_messages(job, messages, TaskContext(job).metadata())
    return writes


def _calling(node: Node, runnable: Any) -> Node:
    """A function that returns a Runnable, or a graph, means: call that instead (as LangChain's functions do)."""
    return replace(node, action=runnable, is_runnable=True, has_async=True)


def _done(job: Job, writes: Writes) -> TaskResult:
    done = TaskResult(job.shared.run_id, job.task, job.attempt, job.executor, writes)
    if job.thread is not None:
        done.took = job.thread.took
        if job.thread.rows is not None:
            done.rows = job.thread.rows(ended=True)
    return done


def _took(job: Job) -> bool:
    return job.thread is not None and job.thread.took


def failed(job: Job, error: BaseException) -> TaskError | TaskBubbled | TaskInterrupt:
    """The answer of a job that raised `error`. Never raises: also an exception is user code."""
    try:
        return _answer_of(job, error)
    except EncodeError as fault:  # of what graphs that it called would leave on the thread
        return TaskError(job.shared.run_id, job.task, job.attempt, job.executor, fault, took=_took(job))
    except BaseException:
        return TaskError(job.shared.run_id, job.task, job.attempt, job.executor, error, took=_took(job))


def _answer_of(job: Job, error: BaseException) -> TaskError | TaskBubbled | TaskInterrupt:
    if isinstance(error, ParentCommand) and not isinstance(error, NoParentGraph):
        bubbled = TaskBubbled(job.shared.run_id, job.task, job.attempt, job.executor, error.args[0], took=_took(job))
        if job.thread is not None and job.thread.rows is not None:
            bubbled.rows = job.thread.rows(ended=True)
        return bubbled
    if isinstance(error, GraphInterrupt):
        asked = TaskInterrupt(job.shared.run_id, job.task, job.attempt, job.executor, list(error.args[0]))
        asked.answers, asked.took = list(job.taken), _took(job)
        if job.thread is not None and job.thread.rows is not None:
            asked.rows = job.thread.rows()
        return asked
    error = not_cancelled(error, job.node.name)
    note = f"During task with name '{job.node.name}' and id '{job.task}'"
    notes = getattr(error, "__notes__", ())
    if note not in notes:
        error.__notes__ = [*notes, note]  # what `add_note` does, which Python 3.10 has not
    try:
        delay_ms = retry_ms(job, error)
    except Exception as broken:  # a predicate of the user's policy is
        error, delay_ms = broken, -1.0
    raised = TaskError(job.shared.run_id, job.task, job.attempt, job.executor, error, took=_took(job))
    if delay_ms >= 0:
        raised.retry_ms, raised.answers = delay_ms, list(job.taken)
        raised.called = job.called if job.calls is None else next(job.calls)
    asker, before = getattr(error, INVALID_RESUME, ("", -1))
    if asker == job.task:
        raised.unfit_answer = before + 1
    elif getattr(error, _THEIRS, False):  # of LangGraph's `interrupt`: it tells not which, and older ones have fitted
        raised.unfit_answer = len(job.answers)
    elif asker:  # a task of a graph that the node has called: that one knows
        raised.unfit_answer = -1
    if job.thread is not None and job.thread.rows is not None:
        with suppress(EncodeError):  # they begin anew then: the error is what matters
            raised.rows = job.thread.rows()
    return raised


# -- calling user code ----------------------------------------------------------------------------


def _injected(wants: Sequence[str], context: TaskContext) -> dict[str, Any]:
    return {name: _INJECTED[name](context) for name in wants}


_INJECTED: dict[str, Callable[[TaskContext], Any]] = {
    "config": lambda context: context.config,
    "writer": lambda context: context.writer,
    "runtime": lambda context: context.runtime,
    "store": lambda context: context.runtime.store,
    "previous": lambda context: context.runtime.previous,
    "error": lambda context: context.job.failed,
}


def _call(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    action = target.action if isinstance(target, Node) else target.path
    if isinstance(target, Node) and target.makes_writes:
        return action.run(context)
    if target.is_runnable:
        return action.invoke(value, context.config)
    if target.wants:
        return action(value, **_injected(target.wants, context))
    return action(value)


def _thread_call(
    target: Node | Branch, value: Any, context: TaskContext, threads: Executor | None
) -> asyncio.Future[Any]:
    run: Any = copy_context().run
    call = partial(run, _call_in_thread, target, value, context)
    return asyncio.get_running_loop().run_in_executor(threads, call)


def _call_in_thread(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    try:
        return _call(target, value, context)
    except StopIteration as error:  # no future can hold it: whoever waits for the thread would wait forever
        raise RuntimeError(f"{target.name!r} raised StopIteration") from error


async def _acall(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    action = target.action if isinstance(target, Node) else target.path
    if isinstance(target, Node) and target.makes_writes:
        result = await action.arun(context)
    elif target.is_runnable:
        result = await action.ainvoke(value, context.config)
    elif target.wants:
        result = await action(value, **_injected(target.wants, context))
    else:
        result = await action(value)
    if getattr(asyncio.current_task(), "_must_cancel", False):  # it cancelled itself and returned: asyncio's rule
        raise asyncio.CancelledError
    return result


# -- the same while somebody listens (`drumline_worker.tracing`) ----------------------------------


def _traced_call(target: Node | Branch, value: Any, context: TaskContext) -> Any:
    if isinstance(target, Node):
        steps = context.trace.steps_of(target)
        result = _call(target, value, context) if steps is None else context.trace.run_chain(steps, value)
        context.trace.returned(result)
        return result
    router = context.trace.router(target, value)
    router.begin()
    try:
        result = _call(target, value, router.context)
    except BaseException as error:
        router.failed(error)
        raise
    router.end(result)
    return result


async def _traced_acall(target: Node | Branch, value: Any, context: TaskContext, threads: Executor | None) -> Any:
    if isinstance(target, Node):
        steps = context.trace.steps_of(target)
        if steps is not None and (target.has_async or context.trace.is_streamed):
            result = await context.trace.arun_chain(steps, value)
        elif target.has_async or (context.trace.is_streamed and getattr(target.action, "astreams", False)):
            result = await _acall(target, value, context)
        else:
            result = await _thread_call(target, value, context, threads)
        context.trace.returned(result)
        return result
    router = context.trace.router(target, value)
    await router.abegin()
    try:
        if target.has_async:
            result = await _acall(target, value, router.context)
        else:
            result = await _thread_call(target, value, router.context, threads)
    except BaseException as error:
        await router.afailed(error)
        raise
    await router.aend(result)
    return result
