"""Running one node of a LangGraph graph as a task: its config, and LangGraph's own runner around the node's code."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from itertools import count
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal import _constants as keys
from langgraph.errors import GraphDrained, GraphInterrupt, ParentCommand
from langgraph.pregel._retry import arun_with_retry, run_with_retry
from langgraph.pregel.main import _build_server_info
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import ExecutionInfo, RunControl, Runtime
from langgraph.types import PregelExecutableTask

from drumline.langgraph.asking import new_scratchpad, note_answers, our_question_id, thread_keys
from drumline.langgraph.bodies import limit_tools, process_of
from drumline.langgraph.calls import Calls
from drumline.langgraph.capabilities import capabilities_of
from drumline.langgraph.errors import of_both
from drumline.langgraph.kept_calls import KeptCalls
from drumline.langgraph.listening import listening
from drumline.langgraph.names import plain_channels, plain_write
from drumline.langgraph.policies import Try
from drumline.langgraph.reading import reader, state_reader
from drumline.langgraph.values import our_interrupt, our_parent_command, our_value, our_writes, their_value
from drumline_graph.constants import BRANCH_PREFIX, RETURN, START, TASKS
from drumline_graph.errors import RouteError
from drumline_graph.message_ids import messages_in_fields, namespace_of
from drumline_graph.program import Program
from drumline_graph.writes import known_nodes
from drumline_protocol.facts import CUSTOM, STREAMED
from drumline_protocol.running import CONTEXT_KEY, TASK_KEY
from drumline_worker.context import TaskContext
from drumline_worker.job import Job
from drumline_worker.task_handler import graph_ns

Writes = list[tuple[str, Any]]

_READ_STATE = getattr(keys, "CONFIG_KEY_READ_STATE", "__pregel_read_state")
#: what a node's code tells the engine by raising it
_SIGNALS = (GraphInterrupt, ParentCommand, GraphDrained)
_RUNTIME_FIELDS = {field.name for field in fields(Runtime)}


class LangGraphNode:
    """The action of a node that LangGraph compiled: `run` and `arun` give the task's writes.

    In phase `run` that is the node's body, its writers and its routers. In phase `route` the body has been a subgraph
    that drumline planned: its writers take what that returned.
    """

    #: `arun` does also where all code is sync, and shows to handlers that stream what the node gives
    astreams = True

    def __init__(self, graph: Any, name: str) -> None:
        self._graph = graph
        self._name = name
        #: that of the graph that the node is, if drumline plans that
        self.program: Program | None = None
        #: runs of that graph alone, which update it from outside, take its values as they are
        self.strict_wire = False
        self._node = graph.nodes[name]
        #: for who looks up what a node's code names (`node_code`)
        self.user_code = (self._node.bound,)
        self._process = process_of(self._node)
        self._renamed = plain_channels(graph.nodes)
        self.has_sync, self.has_async = capabilities_of(self._node)

    @property
    def __globals__(self) -> dict[str, Any]:
        """Names that the node's module knows: a client looks for classes of exceptions there."""
        from langgraph import errors

        function = getattr(self._node.bound, "func", None) or getattr(self._node.bound, "afunc", None)
        return {**vars(errors), **getattr(function, "__globals__", {})}

    def __repr__(self) -> str:
        return f"<LangGraphNode {self._name!r} of LangGraph's {self._graph.get_name()!r}>"

    def run(self, context: TaskContext) -> Writes:
        """Run the node on this thread. Raises what it raises; interrupts and parent commands as drumline's."""
        task = self._task(context)
        var_child_runnable_config.set(_ambient(task.config))
        try:
            if context.job.phase == "run":
                run_with_retry(task, None)
            else:
                config = _tail_config(task)
                for number, writer in enumerate(task.writers):
                    writer.invoke(task.input, _placed(context, config, number))
        except _SIGNALS as signal:
            raise _ours(context, task, signal) from None
        except Exception:
            note_answers(context.job, _own(task)[keys.CONFIG_KEY_SCRATCHPAD])
            raise
        return self._writes(context.job, task)

    async def arun(self, context: TaskContext) -> Writes:
        """Run the node on the running event loop, with its async implementations."""
        task = self._task(context)
        var_child_runnable_config.set(_ambient(task.config))
        try:
            if context.job.phase == "run":
                limit_tools(task.config)
                await _own(task)[keys.CONFIG_KEY_CALL].aload()
                await arun_with_retry(task, None, stream=context.trace is not None and context.trace.is_streamed)
            else:
                config = _tail_config(task)
                for number, writer in enumerate(task.writers):
                    await writer.ainvoke(task.input, _placed(context, config, number))
        except _SIGNALS as signal:
            raise _ours(context, task, signal) from None
        except Exception:
            note_answers(context.job, _own(task)[keys.CONFIG_KEY_SCRATCHPAD])
            raise
        return self._writes(context.job, task)

    def _writes(self, job: Job, task: PregelExecutableTask) -> Writes:
        """What the task wrote. RouteError for a goto or a Send to a node that is not there: LangGraph only warns."""
        program = job.program
        writes = [plain_write(self._renamed, *write) for write in our_writes(task.writes)]
        for channel, value in writes:
            if channel == TASKS:
                target = getattr(value, "node", None)
            elif channel.startswith(BRANCH_PREFIX):
                target = channel.removeprefix(BRANCH_PREFIX)
            else:
                continue
            if target not in program.nodes:
                raise RouteError(f"Node {self._name!r} went to {target!r}, which is not a node. {known_nodes(program)}")
        return writes

    def _task(self, context: TaskContext) -> PregelExecutableTask:
        job, node = context.job, self._node
        writes: deque[tuple[str, Any]] = deque()
        return PregelExecutableTask(
            self._name,
            self._input(job),
            self._process if not job.node.retry else Try(self._process, job),  # type: ignore[arg-type]
            writes,
            task_config(context, self._graph, self._name, writes),
            job.triggers,
            (),
            None,
            job.task,
            job.path,
            writers=node.flat_writers,
            subgraphs=node.subgraphs,
        )

    def _input(self, job: Job) -> Any:
        return job.input if job.phase == "run" else their_value(dict(job.writes)[RETURN])


def _tail_config(task: PregelExecutableTask) -> Any:
    """The config of what runs behind a node's body. It has no run name: a run of the node's name is the node itself."""
    return {key: value for key, value in task.config.items() if key != "run_name"}


class LangGraphStart(LangGraphNode):
    """The action of START where it has routers: writes the input, fires all edges. Runs in phase `route`."""

    def __init__(self, graph: Any, name: str) -> None:
        super().__init__(graph, name)
        self._keys = {"__root__"} if "__root__" in graph.builder.channels else set(graph.builder.channels)

    def _input(self, job: Job) -> Any:
        values = {key: value for key, value in job.writes if key in self._keys}
        return values.get("__root__") if "__root__" in self._keys else values


def _ours(context: TaskContext, task: PregelExecutableTask, signal: Exception) -> Exception:
    note_answers(context.job, _own(task)[keys.CONFIG_KEY_SCRATCHPAD])
    if isinstance(signal, GraphDrained):
        return of_both(signal)  # type: ignore[return-value]
    if not isinstance(signal, GraphInterrupt):
        return our_parent_command(signal)
    return our_interrupt(signal, lambda id_: our_question_id(context.job, context.checkpoint_ns, id_))


def _own(task: PregelExecutableTask) -> Any:
    """What LangGraph's code looks up in a task's config."""
    config: Any = task.config
    return config["configurable"]


def _ambient(config: Any) -> Any:
    """A task's config for what runs in it: name and id are those of the node's own run."""
    return {key: value for key, value in config.items() if key not in ("run_name", "run_id")}


def _placed(context: TaskContext, config: Any, number: int) -> Any:
    """The config of a writer that runs without its node: in a trace it stands where the sequence of both has it."""
    own = _ambient(config)
    if context.trace is not None:
        own["callbacks"] = context.trace.place(number + (1 if context.job.node.name == START else 2))
    return own


def task_config(context: TaskContext, graph: Any, name: str, writes: deque[tuple[str, Any]]) -> Any:
    """The `RunnableConfig` of a task, with all that LangGraph's code looks up in it."""
    job = context.job
    scratchpad = new_scratchpad(job, job.answers, context.calls)
    configurable: dict[str, Any] = {
        **context.config["configurable"],
        keys.CONFIG_KEY_TASK_ID: job.task,
        keys.CONFIG_KEY_SEND: writes.extend,
        keys.CONFIG_KEY_READ: reader(job, scratchpad, writes),
        **thread_keys(job),
        keys.CONFIG_KEY_CHECKPOINT_ID: None,
        keys.CONFIG_KEY_CHECKPOINT_NS: context.checkpoint_ns,
        keys.CONFIG_KEY_SCRATCHPAD: scratchpad,
        keys.CONFIG_KEY_RUNTIME: _runtime(context),
    }
    if job.failed is not None:
        from langgraph.errors import NodeError  # not in all versions

        configurable[keys.CONFIG_KEY_NODE_ERROR] = NodeError(job.failed.node, of_both(job.failed.error))
    elif job.path[0] == keys.PUSH:
        configurable[_READ_STATE] = state_reader(job)
    if job.shared.subgraphs:
        configurable[keys.CONFIG_KEY_STREAM] = StreamProtocol(_forward(job), set(job.shared.recorded))  # type: ignore[arg-type]
    config = {**context.config, "run_name": name, "configurable": configurable}
    if "messages" in job.shared.recorded:
        config["callbacks"] = listening(config["callbacks"], context)
    configurable[keys.CONFIG_KEY_CALL] = Calls(job, config, graph, KeptCalls(job))
    return config


def _runtime(context: TaskContext) -> Any:
    job, own = context.job, context.runtime
    info = own.execution_info
    assert info is not None
    given = {
        "context": job.context,
        "store": job.store,
        "stream_writer": stream_writer(job),
        "previous": None,
        "execution_info": ExecutionInfo(
            checkpoint_id=info.checkpoint_id,
            checkpoint_ns=info.checkpoint_ns,
            task_id=info.task_id,
            thread_id=info.thread_id,
            run_id=info.run_id,
        ),
        "server_info": server_info_of(context.config),
        "control": job.control or RunControl(),
        "heartbeat": own.heartbeat,
    }
    return Runtime(**{name: value for name, value in given.items() if name in _RUNTIME_FIELDS})


def server_info_of(config: Any) -> Any:
    """What LangGraph's server tells of the assistant: `assistant_id`, `graph_id`, the user; None if none is named."""
    return _build_server_info(config, Runtime())


def stream_writer(job: Job) -> Callable[[Any], None]:
    """The stream writer of a task, and of the graphs that its code calls: those find it in the runtime they inherit.

    So it looks for the namespace of whoever calls it, and knows its own task where there is no context (threads). A
    `@task` that the node calls speaks under the node's namespace, but for the node's graph: its header says so.
    """
    if "custom" not in job.shared.recorded or not job.is_heard:
        return (lambda _chunk: None) if job.limit is None or not job.limit.hears_all else job.limit.guarded(_unheard)
    emit, own = job.emit, job.ns

    def writer(chunk: Any) -> None:
        config: Any = var_child_runnable_config.get() or {}
        place = (config.get("configurable") or {}).get(keys.CONFIG_KEY_CHECKPOINT_NS)
        ns = own if place is None else tuple(place.split(keys.NS_SEP)[:-1])
        if ns == own:
            emit(CUSTOM, chunk, None)
        else:
            emit(STREAMED, (ns, "custom", chunk), {"own": True} if graph_ns(config["metadata"]) == own else None)

    return writer


def _unheard(_chunk: Any) -> None:
    pass


def _forward(job: Job) -> Callable[[tuple[tuple[str, ...], str, Any]], None]:
    """Items of graphs that this task's code calls join the run's stream.

    Messages of a result get their ids here, if they have none: LangGraph's reducer gives the same objects theirs later,
    which nobody would see who reads them in another process.
    """
    emit, numbers = job.emit, count()

    def forward(item: tuple[tuple[str, ...], str, Any]) -> None:
        ns, mode, payload = item
        for part in _results_in(mode, payload):
            for message in messages_in_fields(part):
                if not message.id:
                    message.id = str(uuid.uuid5(namespace_of(job.task), f"told {next(numbers)}"))
        if mode == "checkpoints" or (mode == "debug" and payload["type"] == "checkpoint"):
            payload = _without_own_keys(payload)
        emit(STREAMED, (tuple(ns), mode, our_payload(payload)), None)

    return forward


def _without_own_keys(payload: Any) -> Any:
    """An item of `checkpoints` or `debug` whose configs do not show what drumline keeps in those of tasks."""
    if "payload" in payload:
        return {**payload, "payload": _without_own_keys(payload["payload"])}
    return {key: _shown(value) if key in ("config", "parent_config") else value for key, value in payload.items()}


def _shown(config: Any) -> Any:
    if not config:
        return config
    own = {key: value for key, value in config["configurable"].items() if key not in (TASK_KEY, CONTEXT_KEY)}
    return {**config, "configurable": own}


def _results_in(mode: str, payload: Any) -> list[Any]:
    """What nodes wrote, as a payload of `updates`, `tasks` or `debug` tells it."""
    if mode == "debug":
        return _results_in("tasks", payload["payload"])
    if mode == "tasks":
        return [payload["result"]] if "result" in payload else []
    if mode != "updates" or not isinstance(payload, dict):
        return []
    return [part for value in payload.values() for part in (value if isinstance(value, list) else [value])]


def our_payload(payload: Any) -> Any:
    """A stream payload of LangGraph with drumline's control values: interrupts above all."""
    if isinstance(payload, dict):
        return {
            key: our_payload(value) if isinstance(value, dict) else our_value(value) for key, value in payload.items()
        }
    return our_value(payload)
