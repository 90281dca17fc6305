"""A LangGraph graph as drumline's: the same calls, on drumline's engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drumline.call import Call
from drumline.graph.compiled import CompiledStateGraph
from drumline.langgraph.inline_states import InlineStates
from drumline.langgraph.versions import check_version

if TYPE_CHECKING:
    from drumline_protocol.retention import Retention


def is_langgraph(value: Any) -> bool:
    """Whether `value` is a graph that LangGraph compiled, told without importing LangGraph."""
    return any((cls.__module__, cls.__qualname__) == ("langgraph.pregel.main", "Pregel") for cls in type(value).__mro__)


def adapt(graph: Any, *, strict_wire: bool | None = None, retention: Retention | None = None) -> AdaptedGraph:
    """A graph that LangGraph compiled, to be run by drumline: embedded, or on a cluster with `.on(cluster)`.

    `graph` stays as it is. `strict_wire` and `retention` are those of drumline's `compile()`. Raises
    UnsupportedLangGraph for a version that drumline was not tested with, FeatureNotBuilt for a part of the graph that
    it cannot run (channels of a user's own class), TypeError for something that is no graph of LangGraph.
    """
    check_version()
    if not is_langgraph(graph):
        kind = f"{type(graph).__module__}.{type(graph).__qualname__}"
        hint = ": it is not compiled yet, add .compile()" if callable(getattr(graph, "compile", None)) else ""
        raise TypeError(f"adapt() takes a graph that LangGraph compiled, not a {kind}{hint}")
    from drumline.langgraph.inline import inline_program_of
    from drumline.langgraph.program import is_plannable, program_of

    version = os.environ.get("DRUMLINE_VERSION") or None
    make = program_of if is_plannable(graph) else inline_program_of
    program = make(graph, version=version)
    if retention is not None:
        program = replace(program, retention=retention)
    return AdaptedGraph(graph, program, strict_wire=strict_wire)


class AdaptedGraph(InlineStates, CompiledStateGraph[Any, Any, Any, Any]):
    """What `adapt()` gives. `langgraph` is the graph as LangGraph compiled it, which draws and describes itself."""

    def __init__(self, graph: Any, program: Any, *, strict_wire: bool | None) -> None:
        if strict_wire is None:
            strict_wire = os.environ.get("DRUMLINE_STRICT_WIRE", "") not in ("", "0")
        super().__init__(
            program,
            debug=bool(graph.debug),
            strict_wire=strict_wire,
            config=graph.config,
            checkpointer=graph.checkpointer or None,
        )
        self.langgraph = graph
        self.stream_mode = graph.stream_mode

    def get_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """LangGraph's own drawing."""
        return self.langgraph.get_graph(config, xray=xray)

    @property
    def InputType(self) -> Any:
        """LangGraph's own."""
        return self.langgraph.InputType

    @property
    def OutputType(self) -> Any:
        """LangGraph's own."""
        return self.langgraph.OutputType

    def get_input_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """LangGraph's own pydantic class of the input."""
        return self.langgraph.get_input_schema(config)

    def get_output_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """LangGraph's own pydantic class of the output."""
        return self.langgraph.get_output_schema(config)

    def get_input_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """LangGraph's own JSON schema of the input."""
        schema: dict[str, Any] = self.langgraph.get_input_jsonschema(config)
        return schema

    def get_output_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """LangGraph's own JSON schema of the output."""
        schema: dict[str, Any] = self.langgraph.get_output_jsonschema(config)
        return schema

    if TYPE_CHECKING:  # what is returned is of LangGraph's classes

        def invoke(self, *args: Any, **kwargs: Any) -> Any: ...
        async def ainvoke(self, *args: Any, **kwargs: Any) -> Any: ...

    def get_subgraphs(self, *, namespace: str | None = None, recurse: bool = False) -> Iterator[tuple[str, Any]]:
        """LangGraph's own graphs within."""
        subgraphs: Iterator[tuple[str, Any]] = self.langgraph.get_subgraphs(namespace=namespace, recurse=recurse)
        return subgraphs

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget the results of these nodes (None: of all). ValueError if the graph has no cache."""
        if self.program.eager:
            self.langgraph.clear_cache(nodes)
        else:
            super().clear_cache(nodes)

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """The twin of `clear_cache` for an event loop."""
        if self.program.eager:
            await self.langgraph.aclear_cache(nodes)
        else:
            await super().aclear_cache(nodes)

    def as_result(self, output: Any) -> Any:
        """What LangGraph's `invoke` returns."""
        from drumline.langgraph.values import their_output

        return their_output(output)

    @property
    def inline_states(self) -> Any:
        """LangGraph's graph, if its own loop keeps its threads."""
        return self.langgraph if self.program.eager else None

    def as_snapshot(self, snapshot: Any) -> Any:
        """What LangGraph's `get_state` returns."""
        from drumline.langgraph.values import their_snapshot

        return their_snapshot(snapshot)

    def prepare_call(self, input: Any, config: Mapping[str, Any] | None, **asked: Any) -> Call:
        """The call, with what is LangGraph's in its input as drumline's."""
        from drumline.langgraph.values import our_value

        if isinstance(input, dict):
            input = {key: our_value(value) for key, value in input.items()}
        input = our_value(input)
        if self.program.eager:
            input = self._packed(input, asked)
        call = super().prepare_call(input, config, **asked)
        answers = getattr(input, "resume", None) is not None
        if answers and call.saver is None and call.caller is None and not asked.get("elsewhere"):
            raise RuntimeError(
                f"Cannot use Command(resume=...) without checkpointer: compile graph {self.name!r} with one."
            )
        if self.program.eager:  # LangGraph's own loop keeps its thread
            call.saver = None
        return call

    @property
    def _keeps(self) -> bool:
        return bool(self.langgraph.checkpointer)

    def _packed(self, input: Any, asked: dict[str, Any]) -> Any:
        """The input of a graph that runs as one task, with what LangGraph's `stream` is to be asked beside it."""
        from drumline.langgraph.inline import INPUT, OPTIONS

        options = {name: asked.pop(name) for name in _OPTIONS if asked.get(name) is not None}
        known, keys = self.langgraph.channels, options.get("output_keys", ())
        for key in (keys,) if isinstance(keys, str) else keys:
            if key not in known:
                raise ValueError(
                    f"Key {key!r} of output_keys is not in channels of graph {self.name!r}: {', '.join(sorted(known))}"
                )
        if self._keeps:
            return {INPUT: input, OPTIONS: options}
        if input is None or not options:
            return input
        return {INPUT: input, OPTIONS: options}


#: arguments of a call that are LangGraph's business in a graph that runs as one task
_OPTIONS = ("output_keys", "durability", "interrupt_before", "interrupt_after")
