"""A compiled graph: everything needed to plan, run and merge its supersteps, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drumline_graph.channels.barrier import Barrier
from drumline_graph.channels.base import Channel
from drumline_graph.node import Node

if TYPE_CHECKING:
    from drumline_graph.builder import StateGraph


@dataclass(slots=True, eq=False)
class Program:
    """What `compile_program()` makes of a builder. Not to be changed afterwards.

    `nodes` leaves out the hidden `__start__` node, which is `start`. `channels` holds every
    channel, those of edges (`branch:to:*`, `join:*`), of Sends (`__pregel_tasks`) and of the input
    (`__start__`) too. The key lists are lists, or the string `"__root__"` for a graph whose state
    is a single bare value.
    """

    name: str
    nodes: dict[str, Node]
    start: Node
    channels: dict[str, Channel]
    managed: dict[str, type]
    input_keys: list[str] | str
    output_keys: list[str] | str
    stream_keys: list[str] | str
    trigger_to_nodes: dict[str, tuple[str, ...]]
    state_schema: Any
    input_schema: Any
    output_schema: Any
    context_schema: Any
    input_reader: Callable[[Any], list[tuple[str, Any]] | None]
    builder: StateGraph[Any, Any, Any, Any] | Any
    version: str | None = None
    """Free text of the user (`--version`) that tells two deployments of the same graph apart."""
    types: tuple[type, ...] = ()
    """Classes that values of the state may have, beside those that the schemas name."""
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
    unseen_defaults: dict[str, str] = field(default_factory=dict)
    """Keys whose default in the schema no node sees when the input is a dict, each with the reason."""
    volatile: tuple[str, ...] = field(init=False)
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
    _fingerprint: str | None = field(init=False, default=None)
    sketches: Any = field(init=False, default=None)
    """Memo of `drumline_coordinator.sketch`."""

    def __post_init__(self) -> None:
        items = self.channels.items()
        self.volatile = tuple(name for name, channel in items if channel.volatile)
        self.consumable = frozenset(name for name, channel in items if channel.consumable)
        self.finishing = tuple(name for name, channel in items if channel.finishing)
        self.joins = tuple(name for name, channel in items if isinstance(channel, Barrier))
        self.delta_keys = frozenset(name for name, channel in items if channel.kind == "delta")
        self.special = frozenset(name for name, channel in items if not channel.plain)
        keys = self.stream_keys
        self.is_root = isinstance(keys, str)
        self.state_keys = frozenset([keys] if isinstance(keys, str) else keys)
        self.special_keys = bool(self.managed) or not self.special.isdisjoint(self.state_keys)

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything two processes must agree on to run this graph together."""
        if self._fingerprint is None:
            from drumline_graph.fingerprint import fingerprint_of

            self._fingerprint = fingerprint_of(self)
        return self._fingerprint

    def schema_types(self) -> Iterable[type]:
        """Dataclass, pydantic and Enum classes that the schemas name, walked through all type
        arguments.
        """
        from drumline_graph.schema_types import walk_schemas

        return walk_schemas(self)
