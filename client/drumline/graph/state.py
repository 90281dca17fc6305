"""`StateGraph`, and what its `compile()` gives (LangGraph's `langgraph.graph.state`)."""

from __future__ import annotations

import os
from typing import Any

from drumline.graph.compiled import CompiledStateGraph as CompiledStateGraph
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.builder import StateGraph as Builder
from drumline_graph.compile import compile_program
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.types import All, Checkpointer


class StateGraph(Builder[StateT, ContextT, InputT, OutputT]):
    """A graph of nodes that read and write a shared state; built up, then compiled.

    Names and signatures are LangGraph's. `compile()` gives a `CompiledStateGraph`.
    """

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
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """Check the graph and make it runnable.

        `name` is the graph's name on a cluster. `strict_wire` (default: the environment's `DRUMLINE_STRICT_WIRE`)
        sends every value of embedded runs through the wire codec, to find early what a cluster would refuse.
        `DRUMLINE_VERSION` in the environment is the deployment's version, part of the graph's fingerprint.
        Raises GraphDefinitionError (a ValueError) for a graph that cannot run, FeatureNotBuilt for parts of
        LangGraph's interface that are not built yet.
        """
        refused = {
            "checkpointer": checkpointer,
            "cache": cache,
            "store": store,
            "interrupt_before": interrupt_before,
            "interrupt_after": interrupt_after,
            "transformers": transformers,
        }
        for feature, value in refused.items():
            if value:
                raise FeatureNotBuilt(f"compile({feature}=...)")
        if strict_wire is None:
            strict_wire = os.environ.get("DRUMLINE_STRICT_WIRE", "") not in ("", "0")
        program = compile_program(self, name)
        program.version = os.environ.get("DRUMLINE_VERSION") or None
        return CompiledStateGraph(program, debug=debug, strict_wire=strict_wire)
