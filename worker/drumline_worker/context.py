"""The task that user code runs in: its config, writer and runtime, and the context variable that leads to them.

The variable is set around *every* call of user code, sync or async, and the writer knows its task by itself; so
`get_stream_writer()` works on Python 3.10 too, and a writer may be handed to any thread.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any

from drumline_graph.constants import PREVIOUS
from drumline_graph.loaded import loaded
from drumline_graph.types import StreamWriter
from drumline_protocol import running
from drumline_protocol.facts import CUSTOM
from drumline_protocol.metadata import metadata_below, run_metadata, task_metadata
from drumline_protocol.running import CONTEXT_KEY, TASK_KEY
from drumline_worker.job import Job
from drumline_worker.late_config import LateConfig
from drumline_worker.runtime import ExecutionInfo, Runtime, no_heartbeat, no_writer, server_info_of

_building = threading.RLock()


def _after_fork() -> None:
    """In the child of a fork nobody holds the lock."""
    global _building
    _building = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)


class TaskContext:
    """What `get_config()`, `get_stream_writer()` and `get_runtime()` answer inside one task. Built when asked for."""

    __slots__ = (
        "_config",
        "_runtime",
        "calls",
        "cluster_calls",
        "emitted",
        "job",
        "model_calls",
        "places",
        "questions",
        "trace",
        "writer",
    )

    def __init__(self, job: Job) -> None:
        self.job = job
        self.writer: StreamWriter = make_writer(job)
        #: numbers the graphs that this task's code calls
        job.calls = self.calls = count(job.called)
        #: numbers the runs that this task's code starts on a cluster, by what they ask for; None before the first
        self.cluster_calls: dict[str, count[int]] | None = None
        #: where these go on when the task runs again (`drumline.cluster.places.Places`); None before the first
        self.places: Any = None
        #: numbers the calls of models, LangChain's and others
        self.model_calls = count(1)
        #: numbers the questions that this task's code asks
        self.questions = count()
        #: numbers the ids of messages that this task's code emits itself
        self.emitted = count()
        #: the task's run in a trace (`drumline_worker.tracing`); None if nobody listens
        self.trace: Any = None
        self._config: dict[str, Any] | None = None
        self._runtime: Runtime[Any] | None = None

    @property
    def checkpoint_ns(self) -> str:
        """Namespace of the task itself as LangGraph writes it: `"node:task id"`, nested with `|`."""
        job = self.job
        return "|".join((*job.ns, f"{job.node.name}:{job.task}"))

    @property
    def config(self) -> dict[str, Any]:
        """The config dict (LangChain's `RunnableConfig`) of this task."""
        if self._config is None:
            with _building:  # threads of a node may ask at once, and are to get the same
                if self._config is None:
                    self._config = self._build_config()
        return self._config

    def _make_config(self) -> dict[str, Any]:
        return self.config

    def give_config(self, config: dict[str, Any]) -> None:
        """Put another config in place of the task's own."""
        self._config = config

    @property
    def runtime(self) -> Runtime[Any]:
        """The `Runtime` of this task."""
        if self._runtime is None:
            job, shared = self.job, self.job.shared
            configurable = shared.config.get("configurable") or {}
            thread = configurable.get("thread_id")
            self._runtime = Runtime(
                context=job.context,
                store=job.store,
                stream_writer=self.writer,
                previous=job.cells.get(PREVIOUS),
                execution_info=ExecutionInfo(
                    checkpoint_id="" if job.thread is None else job.thread.checkpoint,
                    checkpoint_ns=self.checkpoint_ns,
                    task_id=job.task,
                    thread_id=None if thread is None else str(thread),
                    run_id=shared.run_id,
                    node_attempt=job.tries,
                    node_first_attempt_time=job.first_ms / 1000 or time.time(),
                ),
                server_info=server_info_of(configurable),
                control=job.calling.control(job) if job.control is None and job.calling is not None else job.control,
                heartbeat=getattr(job.limit, "heartbeat", None) or no_heartbeat,
            )
        return self._runtime

    def metadata(self) -> dict[str, Any]:
        """Metadata of events and configs of this task: the run's, that of the nodes around it, and `langgraph_*`."""
        job = self.job
        metadata = run_metadata(job.shared.config)
        for depth, node in enumerate(job.above, len(job.root_ns) + 1):
            metadata = metadata_below(metadata, node.metadata, job.ns[:depth])
        return task_metadata(
            metadata,
            job.node.metadata,
            step=job.step,
            name=job.node.name,
            triggers=job.triggers,
            path=job.path,
            ns=(*job.ns, f"{job.node.name}:{job.task}"),
        )

    def show_returned(self, result: Any) -> None:
        """Put messages in what the task's code returned on the stream, if somebody asked for them."""
        if "messages" in self.job.shared.recorded:
            from drumline_worker.capture import emit_messages, identified_messages

            found = identified_messages(self.job, result)
            if found:
                emit_messages(self.job, found, self.metadata())

    def without_handlers(self, callbacks: Any) -> Any:
        """Callbacks for a graph that this task's code calls, without the task's handlers of models and tools."""
        handlers = handler_module("task_handler")
        return callbacks if handlers is None else handlers.without_handlers(callbacks)

    def _build_config(self) -> dict[str, Any]:
        job = self.job
        given = job.shared.config
        config: dict[str, Any] = {
            "tags": [*(given.get("tags") or ()), *job.node.tags],
            "metadata": self.metadata(),
            "configurable": {
                **(given.get("configurable") or {}),
                "checkpoint_ns": self.checkpoint_ns,
                "checkpoint_id": None,
                TASK_KEY: job.task,
                CONTEXT_KEY: self,
            },
        }
        for key in ("recursion_limit", "max_concurrency", "callbacks"):
            if given.get(key) is not None:
                config[key] = given[key]
        if self.trace is not None:
            config["callbacks"] = self.trace.callbacks
            if self.trace.run_id is not None:
                config["run_id"] = self.trace.run_id
        if "messages" in job.shared.recorded:
            self._listen_to_models(config)
        if "tools" in job.shared.recorded:
            self._listen_to_tools(config)
        if job.limit is not None and job.limit.hears_all:
            self._listen_to_life(config)
        return config

    def _listen_to_life(self, config: dict[str, Any]) -> None:
        """What LangChain's models and tools below the node tell is a sign of life."""
        tokens = handler_module("tokens") if loaded("langchain_core.callbacks") is not None else None
        if tokens is not None:
            _add_handler(config, tokens.LifeHandler(self.job.limit.touch))

    def _listen_to_models(self, config: dict[str, Any]) -> None:
        tokens = handler_module("tokens")
        if tokens is not None:
            own = self._handler_options(config)
            _add_handler(config, tokens.TokenHandler(self._heard_emit, numbers=self.model_calls, **own))

    def _listen_to_tools(self, config: dict[str, Any]) -> None:
        tools = handler_module("tool_events")
        if tools is not None:
            _add_handler(config, tools.ToolHandler(self._heard_emit, **self._handler_options(config)))

    def _handler_options(self, config: dict[str, Any]) -> dict[str, Any]:
        job = self.job
        return {
            "ns": job.graph_ns,
            "subgraphs": job.shared.subgraphs,
            "task": job.task,
            "metadata": config["metadata"],
        }

    @property
    def _heard_emit(self) -> Any:
        return self.job.emit if self.job.is_heard else unheard


def _add_handler(config: dict[str, Any], handler: Any) -> None:
    handlers = handler_module("task_handler")
    config["callbacks"] = handlers.with_handler(config.get("callbacks"), handler)


def unheard(_kind: int, _payload: Any, _header: Any) -> None:
    """Events of a subgraph that nobody asked for. Its models stream all the same, as in LangGraph."""


@cache
def handler_module(name: str) -> Any:
    """`drumline_worker.tokens`, `.tool_events` or `.task_handler`; None if langchain-core is not installed."""
    try:
        return import_module(f"drumline_worker.{name}")
    except ImportError:
        return None


def make_writer(job: Job) -> StreamWriter:
    """The stream writer of a task: bound to it, usable from any thread; a no-op if nobody asked for `custom`."""
    if "custom" not in job.shared.recorded or not job.is_heard:
        return no_writer if job.limit is None or not job.limit.hears_all else job.limit.guarded(no_writer)
    emit = job.emit

    def writer(chunk: Any) -> None:
        emit(CUSTOM, chunk, None)

    return writer


#: set around every call of user code
current: ContextVar[TaskContext | None] = running.current


def enter(context: TaskContext) -> None:
    """Make `context` the task of the calling code, in a `contextvars` context that belongs to the task alone.

    So our functions find it, and so do LangChain's runnables that are called without a config. A process that has not
    loaded LangChain pays nothing.
    """
    current.set(context)
    recorded = context.job.shared.recorded
    if "messages" in recorded or "tools" in recorded:  # the config must be found, so LangChain must be there
        handler_module("task_handler")
    langchain = loaded("langchain_core.runnables.config")
    if langchain is not None:
        langchain.var_child_runnable_config.set(LateConfig(context._make_config))


def leave(context: TaskContext) -> None:
    """The task of `context` is done. What it had, its whole state, is free as soon as nobody holds it.

    The config leads to the context and the context to the config: only the garbage collector would end both.
    """
    context._config = None  # code of the task that still runs somewhere gets another one


def current_task(what: str) -> TaskContext:
    """The task that the calling code runs in. RuntimeError (naming `what`) outside of one."""
    context = current.get()
    if context is None:
        raise RuntimeError(
            f"{what} was called outside of a node. Call it in a node, a router or a tool that a node runs. A thread "
            "that you start yourself does not know its node: get the writer (or config) in the node and hand it over, "
            "or start the thread with contextvars.copy_context().run."
        )
    return context


def get_config() -> dict[str, Any]:
    """The config of the running task (LangGraph's `get_config`). RuntimeError outside of a node."""
    return current_task("get_config()").config


def get_stream_writer() -> StreamWriter:
    """A function that puts its argument on the `custom` stream (LangGraph's `get_stream_writer`).

    RuntimeError outside of a node. When nobody asked for `custom` the writer does nothing.
    """
    return current_task("get_stream_writer()").writer


def get_store() -> Any:
    """The store of the running graph (LangGraph's `get_store`); None if it has none. RuntimeError outside of a node."""
    return current_task("get_store()").job.store


def get_runtime(context_schema: type[Any] | None = None) -> Runtime[Any]:
    """The `Runtime` of the running task; `context_schema` is for type checkers. RuntimeError outside of a node."""
    del context_schema
    return current_task("get_runtime()").runtime
