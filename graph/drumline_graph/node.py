"""The compiled form of a node and of a conditional edge: all that a runner needs to run one
task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drumline_graph.constants import DEFAULT_POOL

if TYPE_CHECKING:
    from drumline_graph.program import Program


@dataclass(slots=True)
class Branch:
    """A conditional edge: `path` is called after the node's body and says where to go.

    `ends` maps what the router returns to node names (None: it returns node names). `input_keys`
    are read fresh (state plus this task's own writes) and turned by `mapper` into the router's
    schema class. `plain_dict` marks a router whose first parameter has no usable annotation and
    whose graph has a dict state: extra keys of the node's returned dict are then merged in under
    the state, as in LangGraph.
    """

    name: str
    path: Any
    ends: dict[Any, str] | None = None
    input_keys: list[str] | str = field(default_factory=list)
    mapper: Callable[[dict[str, Any]], Any] | None = None
    plain_dict: bool = False
    wants: tuple[str, ...] = ()
    has_sync: bool = True
    has_async: bool = False
    is_runnable: bool = False
    origin: str = ""
    """Node that this branch leaves from; for error texts."""

    @property
    def is_async(self) -> bool:
        """Whether only an async implementation exists."""
        return not self.has_sync


@dataclass(slots=True)
class Node:
    """A node as it runs: what triggers it, what it reads, what it calls and which edges it fires.

    `action` is the user's callable, a Runnable (then `is_runnable`: it has `invoke` and `ainvoke`)
    or an object with `.program` (then `subprogram` is that Program). `mapper` turns the dict of available
    `input_keys` into the schema class of the node (None: the dict is passed). `edges` are constant
    writes fired after the body. `wants` names the injected parameters (`config`, `writer`, `store`,
    `runtime`, `previous`). `has_sync`/`has_async` tell which implementations exist; the runner
    chooses.

    A `foreign` node is one of another engine's compiled graph: its action makes the writes itself,
    by `run(context)` or `await arun(context)` with the task's context. If it holds a `subprogram`,
    its writers run on a worker after that, in phase `route`, with what the subgraph returned as the
    one write to channel RETURN.
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
    foreign: bool = False
    trace_policy: Any = None
    path: tuple[Any, ...] = ()
    """Path of the PULL task of this node: ("__pregel_pull", name)."""
    path_key: str = ""
    """`path` as the string that tasks are sorted by."""
    managed_keys: tuple[str, ...] = ()
    """Those of `input_keys` that are managed values."""

    @property
    def is_async(self) -> bool:
        """Whether only an async implementation exists."""
        return not self.has_sync
