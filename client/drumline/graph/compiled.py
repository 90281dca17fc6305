"""A compiled graph as a user holds it: running it, drawing it, binding it to a cluster."""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from drumline.embedded.batch import abatch, batch
from drumline.embedded.call import Call, make_call, merge_configs
from drumline.embedded.config import is_of_task
from drumline.graph.surface import Surface
from drumline.runnable.face import RunnableFace
from drumline.runnable.schemas import model_of
from drumline.views import FinalOutput
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.mistakes import tell_of_unseen_defaults
from drumline_graph.program import Program
from drumline_graph.types import All, Command, Durability
from drumline_graph.warnings import DrumlineWarning, tell
from drumline_transport.after_fork import late_import
from drumline_worker.context import current

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from drumline.cluster import Cluster, ClusterGraph
    from drumline.graph.call_types import Options, OtherMode, RunConfig
    from drumline_graph.types import GraphOutput, StreamMode, StreamPart


class CompiledStateGraph(Surface, RunnableFace, Generic[StateT, ContextT, InputT, OutputT]):
    """A graph that can be run: `stream`, `astream`, `invoke`, `ainvoke`, `batch`, `abatch`.

    It runs inside this process, unless it was bound to a cluster with `on()` or the environment names a broker
    (`DRUMLINE_BROKER`); calling code is the same. `program` is the compiled form that coordinators and workers use.
    """

    #: the mode of calls that name none
    stream_mode: str | Sequence[str] = "updates"

    def __init__(
        self,
        program: Program,
        *,
        builder: Any = None,
        debug: bool = False,
        strict_wire: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = program
        #: the `StateGraph` that it was compiled from
        self.builder = builder
        self.debug = debug
        self.strict_wire = strict_wire
        self.config: dict[str, Any] = dict(config or {})
        self._remote: ClusterGraph | None = None

    # -- what it is ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the graph: `compile(name=...)`, or LangGraph's default. Setting it names this graph anew."""
        return self.program.name

    @name.setter
    def name(self, name: str) -> None:
        self.program = replace(self.program, name=name)

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
        return model_of(self.InputType, self.get_name("Input"))

    def get_output_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """The output as a pydantic class."""
        del config
        return model_of(self.OutputType, self.get_name("Output"))

    def get_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """The graph as something to draw: `.nodes`, `.edges`, `.draw_mermaid()`, `.to_json()`."""
        from drumline_graph.draw import drawable

        del config
        return drawable(self.program, xray)

    async def aget_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """The twin of `get_graph`."""
        return self.get_graph(config, xray=xray)

    def with_config(
        self, config: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """A copy whose runs start from this config (tags are joined, metadata and configurable merged)."""
        copied = copy.copy(self)
        copied.config = merge_configs(self.config, config, kwargs)
        return copied

    def on(self, cluster: Cluster, name: str | None = None) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """A copy that runs on `cluster`, where it must be registered as `name` (default: this graph's name)."""
        copied = copy.copy(self)
        copied._remote = cluster.graph(name or self.name, graph=self)
        return copied

    def __repr__(self) -> str:
        where = f" on {self._remote}" if self._remote is not None else ""
        return f"<CompiledStateGraph {self.name!r}, {len(self.program.nodes)} nodes{where}>"

    # -- running it ---------------------------------------------------------------------------------

    @overload
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[Options],
    ) -> Iterator[Any]: ...

    @overload
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> Iterator[StreamPart[OutputT, StateT]]: ...

    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: str | Sequence[str] | None = None,
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
    ) -> Iterator[Any]:
        """Run the graph and yield what happens, as LangGraph's `stream` does (modes: docs/stream-modes.md).

        Lazy: nothing runs before the first item is asked for, and the run is never further than the caller. On a
        cluster the iterator also has `.run_id` and `.position`.
        Async nodes run too, on a background loop. Raises what a node raised, GraphRecursionError,
        InvalidUpdateError, or ValueError for arguments that cannot be.
        """
        call = self._call(
            input,
            config,
            context=context,
            stream_mode=stream_mode,
            print_mode=print_mode,
            output_keys=output_keys,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
            refused={
                "interrupt_before": interrupt_before,
                "interrupt_after": interrupt_after,
                "control": control,
            },
            durability=durability,
        )
        remote = self._where()
        if remote is not None:
            return remote.run(call)
        with late_import():  # not for a process that only builds graphs: asyncio is heavy
            from drumline.embedded.driver import drive

        return drive(self.program, call, strict=self.strict_wire)

    @overload
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[Options],
    ) -> AsyncIterator[Any]: ...

    @overload
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> AsyncIterator[StreamPart[OutputT, StateT]]: ...

    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: str | Sequence[str] | None = None,
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
    ) -> AsyncIterator[Any]:
        """The same as `stream`, for async callers: async nodes run on the caller's loop, sync ones in threads."""
        call = self._call(
            input,
            config,
            context=context,
            stream_mode=stream_mode,
            print_mode=print_mode,
            output_keys=output_keys,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
            refused={
                "interrupt_before": interrupt_before,
                "interrupt_after": interrupt_after,
                "control": control,
            },
            durability=durability,
        )
        remote = self._where()
        if remote is not None:
            return remote.arun(call)
        with late_import():
            from drumline.embedded.adriver import adrive

        return adrive(self.program, call, strict=self.strict_wire)

    @overload
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[Options],
    ) -> Any: ...

    @overload
    def invoke(  # type: ignore[overload-overlap]  # a mode is a text, and so a sequence of texts
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> GraphOutput[OutputT]: ...

    @overload
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: OtherMode | Sequence[StreamMode],
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> list[StreamPart[OutputT, StateT]]: ...

    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        version: str = "v1",
        **options: Any,
    ) -> Any:
        """Run the graph to its end and return the last state (keys of the output schema).

        With another `stream_mode` than `values`: the list of all items. With `version="v2"`: a `GraphOutput`.
        None if the run never wrote an output key.
        """
        keys = self.program.output_keys if output_keys is None else output_keys
        call: Any = self.stream
        items = call(
            input, config, stream_mode=stream_mode, output_keys=keys, subgraphs=subgraphs, version=version, **options
        )
        if stream_mode != "values":
            return list(items)
        output = FinalOutput(version, subgraphs=subgraphs)
        for item in items:
            output.add(item)
        return output.result()

    @overload
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[Options],
    ) -> Any: ...

    @overload
    async def ainvoke(  # type: ignore[overload-overlap]
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> GraphOutput[OutputT]: ...

    @overload
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: OtherMode | Sequence[StreamMode],
        version: Literal["v2"],
        **options: Unpack[Options],
    ) -> list[StreamPart[OutputT, StateT]]: ...

    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        version: str = "v1",
        **options: Any,
    ) -> Any:
        """The same as `invoke`, for async callers."""
        keys = self.program.output_keys if output_keys is None else output_keys
        call: Any = self.astream
        items = call(
            input, config, stream_mode=stream_mode, output_keys=keys, subgraphs=subgraphs, version=version, **options
        )
        if stream_mode != "values":
            return [item async for item in items]
        output = FinalOutput(version, subgraphs=subgraphs)
        async for item in items:
            output.add(item)
        return output.result()

    def batch(
        self,
        inputs: Sequence[Any],
        config: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """`invoke` for each input, side by side in threads; results in input order.

        At most `config["max_concurrency"]` of them run at once. Raises what the first failed one raised, unless
        `return_exceptions`.
        """
        return batch(partial(self.invoke, **kwargs), inputs, config, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """`ainvoke` for each input, side by side on the caller's loop; results in input order."""
        return await abatch(partial(self.ainvoke, **kwargs), inputs, config, return_exceptions=return_exceptions)

    # -- helpers ------------------------------------------------------------------------------------

    def _call(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        *,
        debug: bool | None,
        stream_mode: str | Sequence[str] | None,
        durability: Durability | None,
        **rest: Any,
    ) -> Call:
        if durability is not None:
            tell(f"graph {self.name!r}: durability= has no effect without a checkpointer", DrumlineWarning)
        if self.program.unseen_defaults and isinstance(input, dict):
            tell_of_unseen_defaults(self.program, input)
        if stream_mode is None and not is_of_task(config):
            stream_mode = self.stream_mode
        return make_call(
            self.program,
            self.config,
            input,
            config,
            debug=self.debug if debug is None else debug,
            stream_mode=stream_mode,
            **rest,
        )

    def _where(self) -> ClusterGraph | None:
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
