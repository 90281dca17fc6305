"""Graphs whose tasks drumline does not plan: functional ones, and `Pregel` graphs without a builder.

The whole graph is one hidden task: LangGraph's own loop runs it in one worker, and every item of its stream becomes an
item of the run's.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables.config import var_child_runnable_config
from langgraph import errors

from drumline.langgraph.capabilities import capabilities_of
from drumline.langgraph.errors import of_both
from drumline.langgraph.tasks import our_payload
from drumline.langgraph.values import their_payload, their_value
from drumline.langgraph.versions import check_version
from drumline_graph.channels import EphemeralValue, Topic
from drumline_graph.constants import BRANCH_PREFIX, PULL, START, TAG_HIDDEN, TASKS
from drumline_graph.program import Node, Program
from drumline_graph.superstep import path_key_of
from drumline_graph.types import Send
from drumline_protocol.facts import CUSTOM, STREAMED
from drumline_protocol.running import CONTEXT_KEY, TASK_KEY
from drumline_worker.context import TaskContext
from drumline_worker.job import Job

Writes = list[tuple[str, Any]]

#: the one key that the input travels in; it is no key of the state, so nothing of it is shown
INPUT = "__input__"
#: beside it: arguments of the call that LangGraph's `stream` is to get, if there are any
OPTIONS = "__options__"


def inline_program_of(graph: Any, *, version: str | None = None) -> Program:
    """The program that runs `graph` as one task. Its policies, caches and time limits are LangGraph's own business."""
    installed = check_version()
    name = graph.get_name()
    trigger = BRANCH_PREFIX + name
    action = InlineGraph(graph)
    path, start_path = (PULL, name), (PULL, START)
    node = Node(
        name=name,
        action=action,
        triggers=(trigger,),
        input_keys=[INPUT, OPTIONS],
        tags=(TAG_HIDDEN,),
        has_sync=action.has_sync,
        has_async=action.has_async,
        makes_writes=True,
        path=path,
        path_key=path_key_of(path),
    )
    start = Node(
        name=START,
        action=None,
        triggers=(START,),
        input_keys=START,
        edges=((trigger, None),),
        tags=(TAG_HIDDEN,),
        path=start_path,
        path_key=path_key_of(start_path),
    )
    return Program(
        name=name,
        nodes={name: node},
        start=start,
        channels={
            INPUT: EphemeralValue(Any),
            OPTIONS: EphemeralValue(Any),
            trigger: EphemeralValue(Any, guard=False),
            START: EphemeralValue(Any),
            TASKS: Topic(Send, accumulate=False),
        },
        managed={},
        input_keys=INPUT,
        output_keys=_listed(graph.output_channels),
        stream_keys=_listed(graph.stream_channels_asis),
        trigger_to_nodes={trigger: (name,)},
        state_schema=None,
        input_schema=None,
        output_schema=None,
        context_schema=graph.context_schema,
        input_reader=_read_input,
        version=version,
        store=graph.store,
        raised_as=of_both,
        shown_as=their_payload,
        eager=True,
        origin=("langgraph", ".".join(installed.split(".")[:2]), "inline", sorted(graph.nodes)),
    )


def _read_input(value: Any) -> Writes:
    """Any value is an input. One that has crossed a wire is packed already."""
    if isinstance(value, dict) and INPUT in value and value.keys() <= {INPUT, OPTIONS}:
        return list(value.items())
    return [(INPUT, value)]


def _listed(keys: Any) -> list[str] | str:
    return keys if isinstance(keys, str) else list(keys)


class InlineGraph:
    """The action of the one task: LangGraph's `stream` (or `astream`), passed on item by item."""

    #: names whose exceptions a client knows, beside those of the graph's own functions
    __globals__ = vars(errors)
    #: LangGraph begins the root of the trace itself
    tells_itself = True

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        #: what a client and the codec look into for classes of exceptions and of values
        self.user_code = tuple(node.bound for name, node in graph.nodes.items() if name != START)
        capabilities = [capabilities_of(node) for name, node in graph.nodes.items() if name != START]
        self.has_sync = all(sync for sync, _ in capabilities)
        self.has_async = any(asynchronous for _, asynchronous in capabilities)

    def run(self, context: TaskContext) -> Writes:
        """Run the graph on this thread."""
        job = context.job
        var_child_runnable_config.set(None)  # or LangGraph would take the graph for a part of this task's
        given = their_value(job.input[INPUT])
        for item in self._on(job).stream(given, _config(context), **self._options(job)):
            _pass_on(job, item)
        return []

    async def arun(self, context: TaskContext) -> Writes:
        """Run the graph on the running event loop."""
        job = context.job
        var_child_runnable_config.set(None)
        given = their_value(job.input[INPUT])
        async for item in self._on(job).astream(given, _config(context), **self._options(job)):
            _pass_on(job, item)
        return []

    def _on(self, job: Job) -> Any:
        """The graph, with the store of the run."""
        graph = self._graph
        return graph if graph.store is job.store else graph.copy({"store": job.store})

    def _options(self, job: Job) -> dict[str, Any]:
        modes = list(job.shared.recorded)
        options = {"context": job.context, "stream_mode": modes, "subgraphs": job.shared.subgraphs}
        if job.control is not None:
            options["control"] = job.control
        return {**options, **(job.input.get(OPTIONS) or {})}


def _config(context: TaskContext) -> dict[str, Any]:
    """The caller's config. Nothing in it says that this is a task: the graph is the root of its stream."""
    given = context.job.shared.config
    configurable = {
        key: value for key, value in (given.get("configurable") or {}).items() if key not in (TASK_KEY, CONTEXT_KEY)
    }
    config = {**given, "configurable": configurable}
    if context.trace is not None:
        config["callbacks"] = context.trace.callbacks
    return config


def _pass_on(job: Job, item: Any) -> None:
    ns, mode, payload = item if job.shared.subgraphs else ((), *item)
    if mode == "custom" and not ns:
        job.emit(CUSTOM, payload, None)
    else:
        job.emit(STREAMED, (tuple(ns), mode, our_payload(payload)), None)
