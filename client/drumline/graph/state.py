"""`StateGraph`, and what its `compile()` gives (LangGraph's `langgraph.graph.state`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from drumline.call import node_names
from drumline.graph.compiled import CompiledStateGraph as CompiledStateGraph
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.builder import StateGraph as Builder
from drumline_graph.compile import compile_program
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.types import All, Checkpointer, ensure_valid_checkpointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from typing_extensions import Self

    from drumline.graph.node_types import NodeInputT, Router, StateNode
    from drumline_graph.types import CachePolicy, RetryPolicy, TimeoutPolicy, TracePolicy
    from drumline_protocol.retention import Retention


class StateGraph(Builder[StateT, ContextT, InputT, OutputT]):
    """A graph of nodes that read and write a shared state; built up, then compiled.

    Names and signatures are LangGraph's. `compile()` gives a `CompiledStateGraph`.
    """

    if TYPE_CHECKING:  # what the builder does, with types that rooms below do not know

        def add_node(  # type: ignore[override]  # names that LangGraph gave up are left out
            self,
            node: str | StateNode[NodeInputT, ContextT],
            action: StateNode[NodeInputT, ContextT] | None = None,
            *,
            defer: bool = False,
            metadata: dict[str, Any] | None = None,
            input_schema: type[NodeInputT] | None = None,
            retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
            cache_policy: CachePolicy[Any] | None = None,
            error_handler: Any = None,
            destinations: dict[str, str] | tuple[str, ...] | None = None,
            timeout: float | timedelta | TimeoutPolicy | None = None,
            trace_policy: TracePolicy | None = None,
        ) -> Self:
            """Add a node."""
            ...

        def add_conditional_edges(
            self, source: str, path: Router, path_map: Mapping[Any, str] | list[str] | None = None
        ) -> Self:
            """Let a router choose where to go after a node."""
            ...

        def set_conditional_entry_point(
            self, path: Router, path_map: Mapping[Any, str] | list[str] | None = None
        ) -> Self:
            """Let a router choose where to begin."""
            ...

    def compile(
        self,
        checkpointer: Checkpointer = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: All | list[str] | None = None,
        interrupt_after: All | list[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        transformers: Any = None,
        strict_wire: bool | None = None,
        migrate: Callable[..., Any] | None = None,
        retention: Retention | None = None,
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """Check the graph and make it runnable.

        `name` is the graph's name on a cluster. `cache` keeps results of nodes that have a `CachePolicy`. `store` is
        what nodes get as `store` and `runtime.store`: any object with the methods of `BaseStore`, LangGraph's own ones
        too. `strict_wire` (default: the environment's `DRUMLINE_STRICT_WIRE`) sends every value of embedded runs
        through the wire codec, to find early what a cluster would refuse. `DRUMLINE_VERSION` in the environment is the
        deployment's version, part of the graph's fingerprint. `migrate(values)`, or `migrate(values, fingerprint)`,
        makes the state of a thread that another version of the graph has left into one of this version: a dict by key
        in, a dict of all keys out; `fingerprint` is the beginning of the other version's ("" if it is not known).
        `retention` says what a cluster keeps of its threads. Raises GraphDefinitionError (a ValueError) for a graph
        that cannot run, TypeError for a store or a checkpointer that is none, FeatureNotBuilt for parts of LangGraph's
        interface that are not built yet.
        """
        refused = {
            "transformers": transformers,
        }
        for feature, value in refused.items():
            if value:
                raise FeatureNotBuilt(f"compile({feature}=...)")
        ensure_valid_checkpointer(checkpointer)
        if strict_wire is None:
            strict_wire = os.environ.get("DRUMLINE_STRICT_WIRE", "") not in ("", "0")
        program = compile_program(
            self,
            name,
            version=os.environ.get("DRUMLINE_VERSION") or None,
            stops_before=node_names(interrupt_before),
            stops_after=node_names(interrupt_after),
            persists=checkpointer if isinstance(checkpointer, bool) else None,
            store=store,
            cache=cache,
            migrate=migrate,
            retention=retention,
        )
        return CompiledStateGraph(
            program, builder=self, debug=debug, strict_wire=strict_wire, checkpointer=checkpointer or None
        )
