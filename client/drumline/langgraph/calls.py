"""`@task`s that a LangGraph node calls: they run here and now, in the worker that runs the node.

LangGraph makes each call a task of its own, with events in the stream of the caller's graph. So do we, but for where it
runs: nothing is planned, nothing is dispatched. On a thread a call that has ended is not made again when the node is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import copy_context
from datetime import datetime, timezone
from itertools import count
from typing import Any

from langgraph._internal import _constants as keys
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.pregel._call import get_runnable_for_task
from langgraph.pregel._retry import arun_with_retry, run_with_retry
from langgraph.types import PregelExecutableTask

from drumline.langgraph.asking import answers_to_call, new_scratchpad
from drumline.langgraph.cached_calls import CallCache
from drumline.langgraph.kept_calls import KeptCalls, result_of_call
from drumline_graph.channels.base import MISSING
from drumline_graph.message_ids import namespace_of
from drumline_graph.superstep import path_key_of
from drumline_protocol.facts import STREAMED
from drumline_protocol.metadata import shown_metadata
from drumline_worker.job import Job

Future = Any
_PUSH_TRIGGER = (keys.PUSH,)


#: numbers of calls that one try of a node has for its own: a later one makes its calls anew
TRY_CALLS = 2**20


class _Places:
    """Starts calls at once while there are places, then whenever one is given back."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()

    def start(self, start: Callable[[], None]) -> None:
        """Call `start` as soon as there is a place for it. Calls are served in order."""
        with self._lock:
            if not self._free:
                self._waiting.append(start)
                return
            self._free -= 1
        start()

    def give_back(self) -> None:
        """A call has ended."""
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            self._free += following is None
        if following is not None:
            following()


class Calls:
    """The function under `__pregel_call` of one task: starts a call and gives a future of what it returns.

    At most `max_concurrency` of the task's own calls run at once; calls that those make have places of their own, or
    they would wait for each other for ever.
    """

    def __init__(
        self, job: Job, config: dict[str, Any], graph: Any, kept: KeptCalls, ns: str = "", path: Any = None
    ) -> None:
        self._job = job
        self._config = config
        self._graph = graph
        self._kept = kept
        self._ns = ns or config["configurable"][keys.CONFIG_KEY_CHECKPOINT_NS]
        self._path = job.path if path is None else path
        self._numbers = count((job.tries - 1) * TRY_CALLS)
        self._cache = CallCache(graph)
        limit: int | None = config.get("max_concurrency")
        self._places = _Places(limit) if limit else None
        self._turns: Any = asyncio.Semaphore(limit) if limit else nullcontext()

    async def aload(self) -> None:
        """Read what the thread has of these calls. Code on an event loop must not wait for that later."""
        await self._kept.aload()

    def __call__(
        self,
        func: Callable[..., Any],
        input: tuple[tuple[Any, ...], dict[str, Any]],
        *,
        retry_policy: Any = None,
        cache_policy: Any = None,
        callbacks: Any = None,
        timeout: Any = None,
        **_options: Any,
    ) -> Future:
        """Call `func(*args, **kwargs)` with `(args, kwargs) = input`, as LangGraph's functional API does.

        Awaitable where an event loop runs, else with `.result()`.
        """
        job = self._job
        if job.limit is not None and job.limit.hears_all:
            job.limit.touch()
        key = self._cache.key_of(func, input, cache_policy)
        task = self._task(func, input, retry_policy, callbacks, timeout, key)
        begun: dict[str, Any] = {"id": task.id, "name": task.name, "input": input, "triggers": _PUSH_TRIGGER}
        if metadata := shown_metadata(self._config["metadata"], self._config.get("tags") or ()):
            begun["metadata"] = metadata
        self._tell("tasks", begun)
        result = result_of_call(self._kept.of(task.id))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._in_thread(task) if result is MISSING else _done_with(concurrent.futures.Future(), result)
        return loop.create_task(self._await(task)) if result is MISSING else _done_with(loop.create_future(), result)

    def _in_thread(self, task: PregelExecutableTask) -> Future:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            try:
                try:
                    if (cached := self._cache.found(task.cache_key)) is not MISSING:
                        task.writes.append((keys.RETURN, cached))
                    else:
                        run_with_retry(task, None)
                        self._cache.keep(task.cache_key, _returned(task))
                except GraphInterrupt:
                    self._kept.keep(task.id, task.writes, path_key_of(task.path))
                    raise
                self._kept.keep(task.id, task.writes, path_key_of(task.path))
            except BaseException as error:
                self._failed(task, error)
                future.set_exception(error)
            else:
                future.set_result(self._done(task, cached=cached is not MISSING))
            finally:
                if self._places is not None:
                    self._places.give_back()

        thread = threading.Thread(target=copy_context().run, args=(run,), name=f"drumline-{task.name}", daemon=True)
        if self._places is None:
            thread.start()
        else:
            self._places.start(thread.start)
        return future

    async def _await(self, task: PregelExecutableTask) -> Any:
        try:
            async with self._turns:
                if (cached := await self._cache.afound(task.cache_key)) is not MISSING:
                    task.writes.append((keys.RETURN, cached))
                else:
                    await arun_with_retry(task, None)
                    await self._cache.akeep(task.cache_key, _returned(task))
                await self._kept.akeep(task.id, task.writes, path_key_of(task.path))
        except GraphInterrupt:
            await self._kept.akeep(task.id, task.writes, path_key_of(task.path))
            raise
        except BaseException as error:
            self._failed(task, error)
            raise
        return self._done(task, cached=cached is not MISSING)

    def _task(
        self, func: Callable[..., Any], input: Any, retry_policy: Any, callbacks: Any, timeout: Any, key: Any
    ) -> PregelExecutableTask:
        job, runnable, number = self._job, get_runnable_for_task(func), next(self._numbers)
        name = str(getattr(runnable, "name", None) or getattr(func, "__name__", "task"))
        # From the caller's task and the number of the call: the same in every attempt.
        id_ = str(uuid.uuid5(namespace_of(self._config["configurable"][keys.CONFIG_KEY_TASK_ID]), f"{name}:{number}"))
        ns = f"{self._ns}{keys.NS_SEP}{name}{keys.NS_END}{id_}"
        path = (keys.PUSH, self._path, number, True)
        writes: deque[tuple[str, Any]] = deque()
        config: Any = {
            **self._config,
            "run_name": name,
            "callbacks": callbacks or self._config.get("callbacks"),
            "metadata": {
                **self._config["metadata"],
                "langgraph_node": name,
                "langgraph_triggers": _PUSH_TRIGGER,
                "langgraph_path": path,
                "langgraph_checkpoint_ns": ns,
            },
        }
        configurable = config["configurable"] = {
            **self._config["configurable"],
            keys.CONFIG_KEY_TASK_ID: id_,
            keys.CONFIG_KEY_SEND: writes.extend,
            keys.CONFIG_KEY_CHECKPOINT_NS: ns,
            keys.CONFIG_KEY_SCRATCHPAD: new_scratchpad(job, answers_to_call(job, ns, self._kept.of(id_).answers)),
        }
        configurable[keys.CONFIG_KEY_CALL] = Calls(job, config, self._graph, self._kept, ns, path)
        retries = retry_policy or self._graph.retry_policy or ()
        return PregelExecutableTask(
            name, input, runnable, writes, config, _PUSH_TRIGGER, retries, key, id_, path, timeout=timeout
        )

    # -- events ---------------------------------------------------------------------------------------

    def _done(self, task: PregelExecutableTask, *, cached: bool) -> Any:
        value = _returned(task)
        if cached:
            self._tell("updates", {task.name: value, "__metadata__": {"cached": True}})
            return value
        self._tell("updates", {task.name: value})
        self._tell("tasks", _result(task, result={keys.RETURN: value}))
        return value

    def _failed(self, task: PregelExecutableTask, error: BaseException) -> None:
        if not isinstance(error, GraphBubbleUp):
            self._tell("tasks", _result(task, error=error))

    def _tell(self, mode: str, payload: dict[str, Any]) -> None:
        """Put an event of a call on the stream of the caller's graph."""
        job = self._job
        if not job.is_heard:
            return
        if mode in job.shared.recorded:
            job.emit(STREAMED, (job.ns, mode, payload), None)
        if mode == "tasks" and "debug" in job.shared.recorded:
            wrapped = {
                "step": job.step,
                "timestamp": datetime.now(timezone.utc).isoformat(),
                "type": "task_result" if "result" in payload else "task",
                "payload": payload,
            }
            job.emit(STREAMED, (job.ns, "debug", wrapped), None)


def _done_with(future: Future, result: Any) -> Future:
    future.set_result(result)
    return future


def _returned(task: PregelExecutableTask) -> Any:
    return next((value for channel, value in task.writes if channel == keys.RETURN), None)


def _result(task: PregelExecutableTask, *, result: Any = None, error: Any = None) -> dict[str, Any]:
    return {"id": task.id, "name": task.name, "error": error, "result": result or {}, "interrupts": []}
