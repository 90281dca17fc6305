"""From LangGraph's compiled graph to a `Program`: nodes, channels and keys as drumline's machine plans with them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from drumline.langgraph.answers import answer_types
from drumline.langgraph.channels import channel_of, manager_of
from drumline.langgraph.errors import of_both
from drumline.langgraph.names import plain_channels
from drumline.langgraph.policies import policies_of_node, runs_as_one
from drumline.langgraph.tasks import LangGraphNode, LangGraphStart
from drumline.langgraph.values import their_payload
from drumline.langgraph.versions import check_version
from drumline.store.planned import be_known_to_langgraph
from drumline_graph.callables import plain_name
from drumline_graph.channels import Topic
from drumline_graph.compile import checked_cache, pool_of
from drumline_graph.constants import BRANCH_PREFIX, END, PULL, START, TAG_HIDDEN, TASKS
from drumline_graph.program import Node, Program
from drumline_graph.superstep import path_key_of
from drumline_graph.types import Send
from drumline_graph.writes import input_reader_of

be_known_to_langgraph()


def program_of(graph: Any, *, version: str | None = None) -> Program:
    """The program of a compiled `StateGraph`. FeatureNotBuilt names what in it drumline cannot run yet."""
    installed = check_version()
    builder = graph.builder
    managed = {key: manager_of(key, spec) for key, spec in builder.managed.items()}
    renamed = plain_channels(graph.nodes)
    channels = {
        str(renamed.get(key, key)): channel_of(key, spec) for key, spec in graph.channels.items() if key not in managed
    }
    channels[TASKS] = Topic(Send, accumulate=False)
    nodes = {plain_name(name): _node(graph, plain_name(name), renamed) for name in graph.nodes if name != START}
    trigger_to_nodes: dict[str, list[str]] = {}
    for node in nodes.values():
        for trigger in node.triggers:
            trigger_to_nodes.setdefault(trigger, []).append(node.name)
    input_keys = _plain_keys(builder, builder.input_schema)
    branches = [branch for found in builder.branches.values() for branch in found.values()]
    return Program(
        name=graph.get_name(),
        nodes=nodes,
        start=_start(graph),
        channels=channels,
        managed=managed,
        input_keys=input_keys,
        output_keys=_listed(graph.output_channels),
        stream_keys=_listed(graph.stream_channels_asis),
        trigger_to_nodes={trigger: tuple(names) for trigger, names in trigger_to_nodes.items()},
        state_schema=builder.state_schema,
        input_schema=builder.input_schema,
        output_schema=builder.output_schema,
        context_schema=builder.context_schema,
        input_reader=input_reader_of(input_keys),
        part_schemas=tuple(spec.input_schema for spec in (*builder.nodes.values(), *branches)),
        code=(*(spec.runnable for spec in builder.nodes.values()), *(branch.path for branch in branches)),
        version=version,
        stops_before=_stops(graph.interrupt_before_nodes),
        stops_after=_stops(graph.interrupt_after_nodes),
        persists=graph.checkpointer if isinstance(graph.checkpointer, bool) else None,
        store=graph.store,
        cache=checked_cache(graph.cache),
        step_timeout=graph.step_timeout,
        types=answer_types(graph),
        raised_as=of_both,
        shown_as=their_payload,
        origin=("langgraph", ".".join(installed.split(".")[:2]), *_edges(builder)),
    )


def is_plannable(graph: Any) -> bool:
    """Whether drumline can plan this graph: it was compiled from a `StateGraph`, so that its nodes can be tasks."""
    return isinstance(graph, CompiledStateGraph) and hasattr(graph, "builder")


def _node(graph: Any, name: str, renamed: dict[str, str]) -> Node:
    compiled, spec = graph.nodes[name], graph.builder.nodes[name]
    action = LangGraphNode(graph, name)
    action.program = program_of(compiled.bound) if _is_planned_child(graph, compiled) else None
    called = compiled.subgraphs[0] if compiled.subgraphs and action.program is None else None
    path = (PULL, name)
    keys = compiled.channels
    return Node(
        name=name,
        action=action,
        subprogram=action.program,
        triggers=tuple(str(renamed.get(trigger, trigger)) for trigger in compiled.triggers),
        input_keys=keys if isinstance(keys, str) else list(keys),
        mapper=compiled.mapper,
        router_keys=_read_keys(graph, name),
        tags=tuple(compiled.tags or ()),
        metadata=dict(compiled.metadata) if compiled.metadata else None,
        defer=spec.defer,
        pool=pool_of(name, compiled.metadata),
        has_sync=action.has_sync,
        has_async=action.has_async,
        makes_writes=True,
        path=path,
        path_key=path_key_of(path),
        managed_keys=tuple(key for key in keys if key in graph.builder.managed),
        ends=spec.ends,
        called=CalledGraph(called) if is_plannable(called) else None,
        **policies_of_node(graph, compiled),
    )


class CalledGraph:
    """A graph that LangGraph's own loop runs inside of a node. A thread's readers see it as drumline's.

    Its program is made when it is asked for: a graph may call itself.
    """

    #: as `LangGraphNode.strict_wire`
    strict_wire = False

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    @cached_property
    def program(self) -> Program:
        """The program of it. FeatureNotBuilt for what drumline cannot run."""
        return program_of(self._graph)


def _is_planned_child(graph: Any, compiled: Any) -> bool:
    """Whether a node is a graph that the machine plans, node by node.

    Where more is done around it than calling it (a config of its own, a policy of the node), it runs inline.
    """
    return is_plannable(compiled.bound) and not compiled.bound.config and not runs_as_one(graph, compiled)


def _start(graph: Any) -> Node:
    builder = graph.builder
    path = (PULL, START)
    routed = bool(builder.branches.get(START))
    action = LangGraphStart(graph, START) if routed else None
    return Node(
        name=START,
        action=action,
        triggers=(START,),
        input_keys=START,
        edges=tuple(
            (BRANCH_PREFIX + plain_name(end), None)
            for start, end in sorted(builder.edges)
            if start == START and end != END
        ),
        router_keys=_read_keys(graph, START) if routed else (),
        tags=(TAG_HIDDEN,),
        has_sync=action is None or action.has_sync,
        has_async=action is not None and action.has_async,
        makes_writes=routed,
        path=path,
        path_key=path_key_of(path),
    )


def _read_keys(graph: Any, name: str) -> tuple[str, ...]:
    """Keys that a task of this node may read while it runs: those of its routers; a `ToolNode` may read all of them."""
    builder = graph.builder
    if name != START and isinstance(graph.nodes[name].bound, ToolNode):
        return tuple(builder.channels)
    own = builder.state_schema if name == START else builder.nodes[name].input_schema
    keys: dict[str, None] = {}
    for branch in builder.branches.get(name, {}).values():
        keys.update(dict.fromkeys(builder.schemas[branch.input_schema or own]))
    return tuple(key for key in keys if key in builder.channels)


def _stops(names: Any) -> tuple[str, ...]:
    """Nodes that a run stops at; `"*"`: all."""
    return tuple(plain_name(name) for name in ([names] if isinstance(names, str) else names))


def _plain_keys(builder: Any, schema: Any) -> list[str] | str:
    keys = [key for key in builder.schemas[schema] if key not in builder.managed]
    return "__root__" if keys == ["__root__"] else keys


def _listed(keys: Any) -> list[str] | str:
    return keys if isinstance(keys, str) else list(keys)


def _edges(builder: Any) -> tuple[Any, ...]:
    """Edges and routers, which stand in LangGraph's nodes as code, as text for the fingerprint."""
    branches = [
        (plain_name(source), name, sorted(map(repr, (branch.ends or {}).items())))
        for source, found in sorted(builder.branches.items())
        for name, branch in sorted(found.items())
    ]
    edges = sorted((plain_name(start), plain_name(end)) for start, end in builder.edges)
    waiting = sorted((tuple(map(plain_name, starts)), plain_name(end)) for starts, end in builder.waiting_edges)
    return (edges, waiting, branches)
