"""A compiled graph: everything needed to plan, run and merge its supersteps, and nothing else.

A `Program` is made by `compile_program()` (or by an adapter of another engine) and never changed: every attempt to set
an attribute or to change a table raises. Who needs another one makes it with `dataclasses.replace`. Whatever is worked
out of a program later is kept beside it (`drumline_graph.weakly.once_per_object`), not in it. A program knows nothing
of the builder that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drumline_graph.channels.barrier import Barrier
from drumline_graph.channels.base import Channel
from drumline_graph.constants import DEFAULT_POOL
from drumline_graph.fingerprint import digest_of, langchain_is_there, schema_signature
from drumline_graph.frozen import frozen_keys, frozen_table
from drumline_graph.node_code import functions_of
from drumline_graph.schema_types import walk_schemas
from drumline_graph.weakly import once_per_object


@dataclass(slots=True, frozen=True, eq=False)
class Branch:
    """A conditional edge: `path` is called after the node's body and says where to go.

    `ends` maps what the router returns to node names (None: it returns node names). `input_keys` are read fresh (state
    plus this task's own writes), and `mapper` turns them into the router's schema class. `plain_dict` marks a router
    whose first parameter has no usable annotation and whose graph has a dict state: the router then also sees the other
    keys of the dict that the node returned, as in LangGraph.
    """

    name: str
    path: Any
    ends: Mapping[Any, str] | None = None
    input_keys: list[str] | str = field(default_factory=list)
    mapper: Callable[[dict[str, Any]], Any] | None = None
    plain_dict: bool = False
    wants: tuple[str, ...] = ()
    has_sync: bool = True
    has_async: bool = False
    is_runnable: bool = False
    origin: str = ""
    """Node that this branch leaves from; for error texts."""

    def __post_init__(self) -> None:
        _set(self, "input_keys", frozen_keys(self.input_keys))
        _set(self, "ends", None if self.ends is None else frozen_table(self.ends))

    @property
    def is_async(self) -> bool:
        """Whether only an async implementation exists."""
        return not self.has_sync

    def signature(self) -> tuple[Any, ...]:
        """What makes two branches equal, as stable text: part of the graph's fingerprint."""
        return (self.name, None if self.ends is None else tuple(sorted((repr(k), v) for k, v in self.ends.items())))


@dataclass(slots=True, frozen=True, eq=False)
class Node:
    """A node as it runs: what triggers it, what it reads, what it calls and which edges it fires.

    `action` is the user's callable, a Runnable (then `is_runnable`: it has `invoke` and `ainvoke`) or an object with
    `.program` (then `subprogram` is that Program). `mapper` turns the dict of available `input_keys` into the schema
    class of the node (None: the dict is passed). `edges` are constant writes fired after the body. `wants` names the
    injected parameters (`config`, `writer`, `store`, `runtime`, `previous`). `has_sync` and `has_async` tell which
    implementations exist; the runner chooses. `ends` are targets that only the node's code knows (names, or name ->
    label); they serve drawings.

    A `makes_writes` node is one of another engine's compiled graph: its action makes the writes itself, by
    `run(context)` or `await arun(context)` with the task's context. If it holds a `subprogram`, its writers run on a
    worker after that, in phase `route`, with what the subgraph returned as the one write to channel RETURN.
    """

    name: str
    action: Any
    subprogram: Program | None = None
    triggers: tuple[str, ...] = ()
    input_keys: list[str] | str = field(default_factory=list)
    mapper: Callable[[dict[str, Any]], Any] | None = None
    edges: tuple[tuple[str, Any], ...] = ()
    branches: tuple[Branch, ...] = ()
    router_keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None
    defer: bool = False
    pool: str = DEFAULT_POOL
    wants: tuple[str, ...] = ()
    has_sync: bool = True
    has_async: bool = False
    is_runnable: bool = False
    makes_writes: bool = False
    trace_policy: Any = None
    path: tuple[Any, ...] = ()
    """Path of the PULL task of this node: ("__pregel_pull", name)."""
    path_key: str = ""
    """`path` as the string that tasks are sorted by."""
    managed_keys: tuple[str, ...] = ()
    """Those of `input_keys` that are managed values."""
    ends: tuple[str, ...] | Mapping[str, str] = ()
    retry: tuple[Any, ...] = ()
    """Its `RetryPolicy`s: the first one that matches an exception holds."""
    timeout: Any = None
    """Its `TimeoutPolicy`."""
    cache: Any = None
    """Its `CachePolicy`."""
    handler: str = ""
    """The node that runs when it has failed for good."""
    handles: bool = False
    """It is such a node."""
    called: Any = None
    """The graph that the node's code calls by itself, as far as that shows: its state can be looked up on a thread."""

    def __post_init__(self) -> None:
        _set(self, "input_keys", frozen_keys(self.input_keys))
        if isinstance(self.ends, Mapping):
            _set(self, "ends", frozen_table(self.ends))

    @property
    def is_async(self) -> bool:
        """Whether only an async implementation exists."""
        return not self.has_sync

    def signature(self) -> tuple[Any, ...]:
        """What makes two nodes equal, as stable text: part of the graph's fingerprint. No code is in it."""
        return (
            self.name,
            self.triggers,
            tuple(sorted(map(repr, self.edges))),
            tuple(branch.signature() for branch in self.branches),
            self.input_keys if isinstance(self.input_keys, str) else tuple(self.input_keys),
            self.defer,
            self.pool,
            self.subprogram.fingerprint if self.subprogram is not None else None,
            *((("handler", self.handler, self.handles),) if self.handler or self.handles else ()),
        )


class _Weakly:
    """Lets weak references to an object with slots be made; the dataclass option for it came with Python 3.11."""

    __slots__ = ("__weakref__",)


@dataclass(slots=True, frozen=True, eq=False)
class Program(_Weakly):
    """What `compile_program()` makes of a builder, frozen.

    `nodes` leaves out the hidden `__start__` node, which is `start`. `channels` holds every channel, those of edges
    (`branch:to:*`, `join:*`), of Sends (`__pregel_tasks`) and of the input (`__start__`) too. The key lists are lists,
    or the string `"__root__"` for a graph whose state is a single bare value.

    Raises FrozenInstanceError (an AttributeError) when an attribute is set, TypeError when a table is changed.
    """

    name: str
    nodes: Mapping[str, Node]
    start: Node
    channels: Mapping[str, Channel]
    managed: Mapping[str, type]
    input_keys: list[str] | str
    output_keys: list[str] | str
    stream_keys: list[str] | str
    trigger_to_nodes: Mapping[str, tuple[str, ...]]
    state_schema: Any
    input_schema: Any
    output_schema: Any
    context_schema: Any
    input_reader: Callable[[Any], list[tuple[str, Any]] | None]
    version: str | None = None
    """Free text of the user (`--version`) that tells two deployments of the same graph apart."""
    types: tuple[type, ...] = ()
    """Classes that values of the state may have, beside those that the schemas name."""
    part_schemas: tuple[Any, ...] = ()
    """Schemas that nodes and routers read, beside those of the graph."""
    code: tuple[Any, ...] = ()
    """What its author gave as nodes and routers. A compiled node may call something else that hides it."""
    origin: tuple[Any, ...] | None = None
    """Of a graph that another engine compiled: which, and what of it the fields above do not tell.

    It stands in the fingerprint in place of the schemas, whose annotations are that engine's.
    """
    raised_as: Callable[[BaseException], BaseException] | None = None
    """What a caller is shown in place of an error that ended a run: with that engine's classes."""
    shown_as: Callable[[Any], Any] | None = None
    """What a reader of the stream is shown in place of a payload: with that engine's control values."""
    eager: bool = False
    """Whether tasks tell of more than custom events and messages while they run: the whole stream of another engine."""
    stops_before: tuple[str, ...] = ()
    """Nodes that a run stops in front of; `("*",)`: all."""
    stops_after: tuple[str, ...] = ()
    """Nodes that a run stops behind."""
    persists: bool | None = None
    """Of a graph within another: whether it has checkpoints of its own on a thread. None: as long as its node runs;
    True: one history for all its calls; False: none."""
    step_timeout: float | None = None
    """How many seconds a superstep may last."""
    cache: Any = None
    """The cache that `compile(cache=)` was given: of its nodes, and of graphs below that have none."""
    store: Any = None
    """The store that `compile(store=)` was given: of its runs, and of the graphs that its nodes call. No part of the
    fingerprint: each process has its own object."""
    unseen_defaults: Mapping[str, str] = field(default_factory=dict)
    """Keys whose default in the schema no node sees when the input is a dict, each with the reason."""
    volatile: frozenset[str] = field(init=False)
    consumable: frozenset[str] = field(init=False)
    finishing: tuple[str, ...] = field(init=False)
    joins: tuple[str, ...] = field(init=False)
    """Channels of list edges."""
    delta_keys: frozenset[str] = field(init=False)
    """Channels with a batch reducer: messages that are written to them get ids beforehand."""
    special: frozenset[str] = field(init=False)
    """Channels whose cell is not simply the value that nodes read."""
    special_keys: bool = field(init=False)
    """Whether reading a key of the state may take more than looking at its cell."""
    state_keys: frozenset[str] = field(init=False)
    """`stream_keys` as a set (`{"__root__"}` for an unkeyed state)."""
    is_root: bool = field(init=False)
    """Whether the state is one bare value without keys."""

    def __post_init__(self) -> None:
        for table in ("nodes", "channels", "managed", "trigger_to_nodes", "unseen_defaults"):
            _set(self, table, frozen_table(getattr(self, table)))
        for keys in ("input_keys", "output_keys", "stream_keys"):
            _set(self, keys, frozen_keys(getattr(self, keys)))
        items = self.channels.items()
        _set(self, "volatile", frozenset(name for name, channel in items if channel.volatile))
        _set(self, "consumable", frozenset(name for name, channel in items if channel.consumable))
        _set(self, "finishing", tuple(name for name, channel in items if channel.finishing))
        _set(self, "joins", tuple(name for name, channel in items if isinstance(channel, Barrier)))
        _set(self, "delta_keys", frozenset(name for name, channel in items if channel.kind == "delta"))
        _set(self, "special", frozenset(name for name, channel in items if not channel.plain))
        keys_shown = self.stream_keys
        _set(self, "is_root", isinstance(keys_shown, str))
        _set(self, "state_keys", frozenset([keys_shown] if isinstance(keys_shown, str) else keys_shown))
        _set(self, "special_keys", bool(self.managed) or not self.special.isdisjoint(self.state_keys))

    @property
    def limits_steps(self) -> bool:
        """Whether supersteps have a time limit, of this graph or of one that is a node of it."""
        return _limits_steps(self)

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything two processes must agree on to run this graph together."""
        return _fingerprint(self)

    def signature(self) -> tuple[Any, ...]:
        """What the fingerprint is made of, as nested tuples of text: print it to see why two differ."""
        return (
            "drumline-graph",
            1,
            ("name", self.name),
            ("version", self.version),
            ("langchain-core", langchain_is_there()),
            ("nodes", tuple(node.signature() for _, node in sorted(self.nodes.items()))),
            ("start", self.start.signature()),
            ("channels", tuple((name, channel.signature()) for name, channel in sorted(self.channels.items()))),
            ("managed", tuple(sorted((key, manager.__qualname__) for key, manager in self.managed.items()))),
            *([("origin", self.origin)] if self.origin is not None else self._schema_signatures()),
        )

    def _schema_signatures(self) -> list[tuple[str, Any]]:
        return [
            ("state", schema_signature(self.state_schema)),
            ("input", schema_signature(self.input_schema)),
            ("output", schema_signature(self.output_schema)),
            ("context", None if self.context_schema is None else schema_signature(self.context_schema)),
        ]

    def subprograms(self) -> Iterator[Program]:
        """The programs of its nodes that are graphs, one level down."""
        for node in self.nodes.values():
            if node.subprogram is not None:
                yield node.subprogram

    def schema_types(self) -> list[type]:
        """Dataclass, attrs, pydantic, NamedTuple and Enum classes that it names, in order of discovery."""
        return walk_schemas(self)

    def annotations(self) -> Iterator[Any]:
        """What its schemas and channels are annotated with, those of subgraphs too."""
        yield from (self.state_schema, self.input_schema, self.output_schema, self.context_schema)
        yield from self.types
        yield from self.part_schemas
        for channel in self.channels.values():
            yield getattr(channel, "typ", None)
        for program in self.subprograms():
            yield from program.annotations()

    def tool_schemas(self) -> Iterator[Any]:
        """Schemas of the tools that its nodes can call, those of subgraphs too."""
        for node in self.nodes.values():
            tools = getattr(node.action, "tools_by_name", None)
            if isinstance(tools, dict):
                yield from (getattr(tool, "args_schema", None) for tool in tools.values())
        for program in self.subprograms():
            yield from program.tool_schemas()

    def functions(self) -> Iterator[Any]:
        """The functions of all nodes and routers, those of subgraphs too; one may come more than once."""
        for node in (self.start, *self.nodes.values()):
            yield from functions_of(node.action)
            for branch in node.branches:
                yield from functions_of(branch.path)
        for given in self.code:
            yield from functions_of(given)
        for program in self.subprograms():
            yield from program.functions()


def _set(frozen: Any, name: str, value: Any) -> None:
    """Set a field of a frozen dataclass, for its own `__post_init__`."""
    object.__setattr__(frozen, name, value)


@once_per_object
def _limits_steps(program: Program) -> bool:
    below = (node.subprogram for node in program.nodes.values())
    return program.step_timeout is not None or any(graph is not None and graph.limits_steps for graph in below)


@once_per_object
def _fingerprint(program: Program) -> str:
    return digest_of(program.signature())
