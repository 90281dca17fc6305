"""From specs to a `Program`: channels for edges, triggers, and what each node reads and fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drumline_graph.callables import capabilities_of
from drumline_graph.channels import (
    Channel,
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
)
from drumline_graph.constants import (
    BRANCH_PREFIX,
    DEFAULT_NAME,
    DEFAULT_POOL,
    END,
    JOIN_PREFIX,
    PULL,
    START,
    TAG_HIDDEN,
    TASKS,
)
from drumline_graph.errors import FeatureNotBuilt, GraphDefinitionError
from drumline_graph.mistakes import defaults_of, tell_of_mistakes
from drumline_graph.node_code import graph_called_by, is_graph
from drumline_graph.node_policies import Policies, nodes_and_policies, with_policies
from drumline_graph.program import Branch, Node, Program
from drumline_graph.schema import Schema
from drumline_graph.specs import BranchSpec, GraphSpecs, NodeSpec
from drumline_graph.superstep import path_key_of
from drumline_graph.texts import is_encodable
from drumline_graph.types import Send
from drumline_graph.validate import validate
from drumline_graph.writes import input_reader_of


def check_compile_options(
    *,
    checkpointer: Any = None,
    interrupt_before: Any = None,
    interrupt_after: Any = None,
    transformers: Any = None,
) -> None:
    """Raise FeatureNotBuilt for options of `compile()` that drumline cannot honour yet."""
    if checkpointer not in (None, False):
        raise FeatureNotBuilt("Persistence", "checkpointer=")
    if interrupt_before:
        raise FeatureNotBuilt("Static breakpoints", "compile(interrupt_before=)")
    if interrupt_after:
        raise FeatureNotBuilt("Static breakpoints", "compile(interrupt_after=)")
    if transformers:
        raise FeatureNotBuilt("Stream transformers", "compile(transformers=)")


def checked_store(store: Any) -> Any:
    """What was given as `store`: None, or anything with a store's methods, LangGraph's own ones too. TypeError."""
    if store is None or (hasattr(store, "batch") and hasattr(store, "abatch")):
        return store
    raise TypeError(
        f"a store has the methods of BaseStore (drumline.store.base, or LangGraph's), and {store!r} has no batch() and "
        "abatch()"
    )


def checked_cache(cache: Any) -> Any:
    """What was given as `cache`: None, or anything with a cache's methods, LangGraph's own ones too. TypeError."""
    if cache is None or all(hasattr(cache, name) for name in ("get", "aget", "set", "aset", "clear", "aclear")):
        return cache
    raise TypeError(
        f"a cache has the methods of BaseCache (drumline.cache.base, or LangGraph's), and {cache!r} has not"
    )


def compile_program(
    specs: GraphSpecs,
    name: str | None = None,
    *,
    version: str | None = None,
    stops_before: tuple[str, ...] = (),
    stops_after: tuple[str, ...] = (),
    persists: bool | None = None,
    store: Any = None,
    cache: Any = None,
    migrate: Callable[..., Any] | None = None,
    retention: Any = None,
) -> Program:
    """The `Program` of a builder: validated, and independent of later changes to the builder.

    Raises GraphDefinitionError when the graph cannot run, TypeError for a `store` that is none. `version` goes into the
    fingerprint.
    """
    validate(specs)
    tell_of_mistakes(specs, name or DEFAULT_NAME)
    specs.compiled = True
    state_keys = _state_keys(specs)
    channels: dict[str, Channel] = dict(specs.channels)
    channels[START] = EphemeralValue(specs.input_schema)
    channels[TASKS] = Topic(Send, accumulate=False)
    triggers = _edge_channels(specs, channels)
    added, policies = nodes_and_policies(specs.nodes, specs.defaults, specs.state_schema)
    nodes = {
        spec.name: with_policies(_node(specs, spec, policies[spec.name], triggers), policies[spec.name])
        for spec in added.values()
    }
    trigger_to_nodes: dict[str, list[str]] = {}
    for node in nodes.values():
        for channel in node.triggers:
            trigger_to_nodes.setdefault(channel, []).append(node.name)
    input_info = specs.schema_info(specs.input_schema)
    output_info = specs.schema_info(specs.output_schema)
    branches = [branch for found in specs.branches.values() for branch in found.values()]
    return Program(
        name=name or DEFAULT_NAME,
        nodes=nodes,
        start=_start(specs),
        channels=channels,
        managed=dict(specs.managed),
        input_keys=_channel_keys(input_info),
        output_keys=_channel_keys(output_info),
        stream_keys=state_keys,
        trigger_to_nodes={channel: tuple(names) for channel, names in trigger_to_nodes.items()},
        state_schema=specs.state_schema,
        input_schema=specs.input_schema,
        output_schema=specs.output_schema,
        context_schema=specs.context_schema,
        input_reader=input_reader_of(_channel_keys(input_info)),
        version=version,
        store=checked_store(store),
        cache=checked_cache(cache),
        part_schemas=(*(spec.input_schema for spec in specs.nodes.values()), *(one.input_schema for one in branches)),
        code=(*(spec.runnable for spec in added.values()), *(one.path for one in branches)),
        unseen_defaults=defaults_of(specs),
        stops_before=stops_before,
        stops_after=stops_after,
        persists=persists,
        migrate=migrate,
        retention=retention,
    )


def _state_keys(specs: GraphSpecs) -> list[str] | str:
    keys = list(specs.channels)
    return specs.schema_info(specs.state_schema).input_keys if _is_root(specs) else keys


def _is_root(specs: GraphSpecs) -> bool:
    infos = [specs.schema_info(schema) for schema in (specs.state_schema, specs.input_schema, specs.output_schema)]
    if not any(info.is_root for info in infos):
        return False
    if not all(info.is_root for info in infos):
        raise GraphDefinitionError(
            "State, input and output schemas must all be single unkeyed types, or all have named keys: "
            f"got {[info.input_keys for info in infos]}."
        )
    return True


def _channel_keys(info: Schema) -> list[str] | str:
    keys = info.input_keys
    return keys if isinstance(keys, str) else list(info.channels)


def _edge_channels(specs: GraphSpecs, channels: dict[str, Channel]) -> dict[str, list[str]]:
    """Add the channels that edges write; give for each node the channels that trigger it, in order."""
    triggers: dict[str, list[str]] = {}
    for spec in specs.nodes.values():
        channel = BRANCH_PREFIX + spec.name
        channels[channel] = LastValueAfterFinish(Any) if spec.defer else EphemeralValue(Any, guard=False)
        triggers[spec.name] = [channel]
    for sources, target in specs.join_pairs:
        if target == END:
            continue
        channel = join_channel(sources, target)
        barrier = NamedBarrierValueAfterFinish if specs.nodes[target].defer else NamedBarrierValue
        channels[channel] = barrier(str, sources)
        triggers[target].append(channel)
    return triggers


def join_channel(sources: tuple[str, ...], target: str) -> str:
    """Name of the channel of a list edge: `join:a+b:target`."""
    return f"{JOIN_PREFIX}{'+'.join(sources)}:{target}"


def _constant_writes(specs: GraphSpecs, source: str) -> tuple[tuple[str, Any], ...]:
    plain = [(BRANCH_PREFIX + target, None) for start, target in specs.edge_pairs if start == source and target != END]
    joins = [
        (join_channel(sources, target), source)
        for sources, target in specs.join_pairs
        if source in sources and target != END
    ]
    return (*plain, *joins)


def _node(specs: GraphSpecs, spec: NodeSpec, policies: Policies, triggers: Mapping[str, Sequence[str]]) -> Node:
    info = specs.schema_info(spec.input_schema)
    capabilities = spec.capabilities
    subprogram = None if runs_as_one(policies) else getattr(spec.action, "program", None)
    branches = _branches(specs, spec.name, info)
    path = (PULL, spec.name)
    metadata = spec.metadata
    return Node(
        name=spec.name,
        action=spec.action,
        subprogram=subprogram if isinstance(subprogram, Program) else None,
        triggers=tuple(triggers.get(spec.name, ())),
        input_keys=info.input_keys,
        mapper=info.mapper,
        edges=_constant_writes(specs, spec.name),
        branches=branches,
        router_keys=(*_router_keys(branches), *_own_keys(spec.runnable, info.input_keys)),
        metadata=metadata,
        defer=spec.defer,
        pool=pool_of(spec.name, metadata),
        wants=capabilities.wants,
        has_sync=capabilities.has_sync,
        has_async=capabilities.has_async,
        is_runnable=capabilities.is_runnable,
        trace_policy=spec.trace_policy,
        path=path,
        path_key=path_key_of(path),
        managed_keys=tuple(info.managed),
        ends=spec.ends,
        called=_called(spec, subprogram),
    )


def _called(spec: NodeSpec, subprogram: Any) -> Any:
    if isinstance(subprogram, Program):
        return None
    return spec.action if is_graph(spec.action) else graph_called_by(spec.action)


def runs_as_one(policies: Policies) -> bool:
    """Whether a graph that is this node is called by the node, as its code would, in place of being run node by node.

    A policy of the node is one of the whole graph: tried again is all of it.
    """
    return bool(policies.retry or policies.timeout or policies.cache or policies.handles)


def _start(specs: GraphSpecs) -> Node:
    # Routers of START read the graph's state, even where the input schema is another one.
    branches = _branches(specs, START, specs.schema_info(specs.state_schema))
    path = (PULL, START)
    return Node(
        name=START,
        action=None,
        triggers=(START,),
        input_keys=START,
        edges=_constant_writes(specs, START),
        branches=branches,
        router_keys=_router_keys(branches),
        tags=(TAG_HIDDEN,),
        path=path,
        path_key=path_key_of(path),
    )


def pool_of(name: str, metadata: Mapping[str, Any] | None) -> str:
    """The worker pool that a node's metadata names. GraphDefinitionError if it is no name."""
    pool = (metadata or {}).get("pool", DEFAULT_POOL)
    if not isinstance(pool, str) or not pool:
        raise GraphDefinitionError(
            f"metadata['pool'] of node {name!r} names a worker pool and must be a non-empty string, got {pool!r}."
        )
    if not is_encodable(pool):
        raise GraphDefinitionError(
            f"metadata['pool'] of node {name!r} holds a lone surrogate, which no key in Redis can: {pool!r}."
        )
    return pool


def _branches(specs: GraphSpecs, source: str, own: Schema) -> tuple[Branch, ...]:
    return tuple(_branch(specs, source, own, spec) for spec in specs.branches.get(source, {}).values())


def _branch(specs: GraphSpecs, source: str, own: Schema, spec: BranchSpec) -> Branch:
    annotated = spec.input_schema is not None
    info = specs.schema_info(spec.input_schema) if annotated else own
    capabilities = capabilities_of(spec.path, where=f"The router {spec.name!r} of {source!r}")
    mapper = info.mapper
    return Branch(
        name=spec.name,
        path=spec.path,
        ends=spec.ends,
        input_keys=info.input_keys,
        mapper=mapper,
        plain_dict=not annotated and mapper is None and not info.is_root,
        wants=capabilities.wants,
        has_sync=capabilities.has_sync,
        has_async=capabilities.has_async,
        is_runnable=capabilities.is_runnable,
        origin=source,
    )


def _own_keys(action: Any, keys: list[str] | str) -> tuple[str, ...]:
    """Keys that a node's own code may look up while it runs, beside what it is called with: a tool node says so."""
    if not getattr(action, "reads_state", False):
        return ()
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _router_keys(branches: tuple[Branch, ...]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for branch in branches:
        names = [branch.input_keys] if isinstance(branch.input_keys, str) else branch.input_keys
        keys.update(dict.fromkeys(names))
    return tuple(keys)
