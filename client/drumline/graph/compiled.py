"""A compiled graph as a user holds it: what it is, what is bound to it, and where its calls go."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drumline.call import STREAM_MODE, Call, Callee, node_names, parse_call
from drumline.graph.calls import CompiledCalls
from drumline.graph.state_api import StateApi
from drumline.graph.surface import Surface
from drumline.runnable.schemas import model_of, value_model_of
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.compile import checked_store
from drumline_graph.functional import begins_at_once
from drumline_graph.mistakes import tell_of_unseen_defaults
from drumline_graph.program import Program
from drumline_graph.types import All
from drumline_protocol.running import current
from drumline_transport.after_fork import late_import

if TYPE_CHECKING:
    from drumline.cluster import Cluster, ClusterGraph


class CompiledStateGraph(Surface, StateApi, CompiledCalls[StateT, ContextT, InputT, OutputT]):
    """A graph that can be run: `stream`, `astream`, `invoke`, `ainvoke`, `batch`, `abatch`.

    It runs inside this process, unless it was bound to a cluster with `on()` or the environment names a broker
    (`DRUMLINE_BROKER`); calling code is the same. `program` is the compiled form that coordinators and workers use.
    """

    #: the mode of calls that name none
    stream_mode: str | Sequence[str] = STREAM_MODE

    def __init__(
        self,
        program: Program,
        *,
        builder: Any = None,
        debug: bool = False,
        strict_wire: bool = False,
        config: Mapping[str, Any] | None = None,
        checkpointer: Any = None,
    ) -> None:
        self.program = program
        #: what keeps its threads. Of a graph within another: None, True or False (`Program.persists`)
        self.checkpointer = checkpointer
        #: the `StateGraph` that it was compiled from
        self.builder = builder
        self.debug = debug
        self.strict_wire = strict_wire
        self.config: dict[str, Any] = dict(config or {})
        self._remote: ClusterGraph[StateT, ContextT, InputT, OutputT] | None = None

    # -- what it is ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the graph: `compile(name=...)`, or LangGraph's default. Setting it names this graph anew."""
        return self.program.name

    @name.setter
    def name(self, name: str) -> None:
        self.program = replace(self.program, name=name)

    @property
    def store(self) -> Any:
        """What `compile(store=)` was given; None if nothing. It may be set. TypeError for what is no store."""
        return self.program.store

    @store.setter
    def store(self, store: Any) -> None:
        self.program = replace(self.program, store=checked_store(store))

    @property
    def interrupt_before_nodes(self) -> All | Sequence[str]:
        """Nodes that a run stops in front of (`compile(interrupt_before=)`); `"*"`: all. It may be set."""
        return _points(self.program.stops_before)

    @interrupt_before_nodes.setter
    def interrupt_before_nodes(self, names: All | Sequence[str]) -> None:
        self.program = replace(self.program, stops_before=node_names(names))

    @property
    def interrupt_after_nodes(self) -> All | Sequence[str]:
        """Nodes that a run stops behind (`compile(interrupt_after=)`); `"*"`: all. It may be set."""
        return _points(self.program.stops_after)

    @interrupt_after_nodes.setter
    def interrupt_after_nodes(self, names: All | Sequence[str]) -> None:
        self.program = replace(self.program, stops_after=node_names(names))

    @property
    def nodes(self) -> Mapping[str, Any]:
        """Compiled nodes by name, `__start__` first."""
        return {self.program.start.name: self.program.start, **self.program.nodes}

    @property
    def channels(self) -> Mapping[str, Any]:
        """Channel specs by name, those of edges too."""
        return self.program.channels

    @property
    def context_schema(self) -> Any:
        """The type given as `context_schema`."""
        return self.program.context_schema

    @property
    def InputType(self) -> Any:
        """The type given as `input_schema`, or that of the state."""
        return self.program.input_schema

    @property
    def OutputType(self) -> Any:
        """The type given as `output_schema`, or that of the state."""
        return self.program.output_schema

    def get_input_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """The input as a pydantic class."""
        del config
        return self._model_of(self.InputType, self.get_name("Input"))

    def get_output_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """The output as a pydantic class."""
        del config
        return self._model_of(self.OutputType, self.get_name("Output"))

    def _model_of(self, schema: Any, name: str) -> Any:
        return value_model_of(schema, name) if begins_at_once(self.program) else model_of(schema, name)

    def get_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """The graph as something to draw: `.nodes`, `.edges`, `.draw_mermaid()`, `.to_json()`."""
        from drumline_graph.draw import drawable

        del config
        return drawable(self.program, xray)

    def on(self, cluster: Cluster, name: str | None = None) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """A copy that runs on `cluster`, where it must be registered as `name` (default: this graph's name)."""
        copied = copy.copy(self)
        copied._remote = cluster.graph(name or self.name, graph=self)
        return copied

    def __repr__(self) -> str:
        where = f" on {self._remote}" if self._remote is not None else ""
        return f"<CompiledStateGraph {self.name!r}, {len(self.program.nodes)} nodes{where}>"

    # -- running it ---------------------------------------------------------------------------------

    def prepare_call(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        *,
        bound: Mapping[str, Any] | None = None,
        elsewhere: bool = False,
        **asked: Any,
    ) -> Call:
        """The call that these arguments of `stream` describe; `bound` is a config in place of this graph's own."""
        program = self.program
        if program.unseen_defaults and isinstance(input, dict):
            tell_of_unseen_defaults(program, input)
        callee = Callee(
            program.name,
            program,
            self.config if bound is None else bound,
            stream_mode=self.stream_mode,
            debug=self.debug,
            elsewhere=elsewhere,
            saver=self.checkpointer if self.checkpointer is not True else None,
        )
        call = parse_call(callee, input, config, **asked)
        if self.checkpointer is True and call.caller is None:
            raise RuntimeError("checkpointer=True cannot be used for root graphs.")
        if elsewhere:  # this object's breakpoints may be others than those of the graph that is served
            call.stops_before = call.stops_before or program.stops_before
            call.stops_after = call.stops_after or program.stops_after
        return call

    def _where(self) -> ClusterGraph[StateT, ContextT, InputT, OutputT] | None:
        """The cluster that this call goes to: bound with `on()`, or named by the environment outside of any node."""
        if self._remote is not None:
            return self._remote
        if current.get() is None and os.environ.get("DRUMLINE_BROKER"):
            with late_import():
                from drumline.cluster import environment_cluster

            cluster = environment_cluster()
            if cluster is not None:
                return cluster.graph(self.name, graph=self)
        return None


def _points(names: tuple[str, ...]) -> All | Sequence[str]:
    return "*" if names == ("*",) else list(names)
