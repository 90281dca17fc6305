"""The calls of a compiled graph: `stream`, `invoke` and their async twins, with the types that LangGraph's have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from drumline.reading import Reading, aresult_of, result_of
from drumline.runnable.batch import Batches
from drumline.runnable.face import RunnableFace
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.program import Program
from drumline_transport.after_fork import late_import

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from drumline.call import Call
    from drumline.cluster import ClusterGraph
    from drumline.graph.call_types import Options, OtherMode, RunConfig
    from drumline_graph.types import All, Command, Durability, GraphOutput, StreamMode, StreamPart


class CompiledCalls(RunnableFace, Batches[StateT, ContextT, InputT, OutputT]):
    """A part of `CompiledStateGraph`: it says what is called, this how."""

    program: Program
    strict_wire: bool

    def prepare_call(
        self, input: Any, config: Mapping[str, Any] | None, *, elsewhere: bool = False, **asked: Any
    ) -> Call:
        """The call that these arguments of `stream` describe; `elsewhere` tells that it runs on a cluster."""
        raise NotImplementedError

    def as_result(self, output: Any) -> Any:
        """What `invoke` returns of a run's output."""
        return output

    def _where(self) -> ClusterGraph[Any, Any, Any, Any] | None:
        """The cluster that a call goes to; None for this process."""
        raise NotImplementedError

    def _begin(self, input: Any, config: Mapping[str, Any] | None, **asked: Any) -> tuple[Reading, Iterator[Any]]:
        remote = self._where()
        call = self.prepare_call(input, config, elsewhere=remote is not None, **asked)
        if remote is not None:
            return call.reading, remote.run(call)
        with late_import():  # not for a process that only builds graphs: asyncio is heavy
            from drumline.embedded.driver import drive

        return call.reading, drive(self.program, call, strict=self.strict_wire)

    def _abegin(self, input: Any, config: Mapping[str, Any] | None, **asked: Any) -> tuple[Reading, AsyncIterator[Any]]:
        remote = self._where()
        call = self.prepare_call(input, config, elsewhere=remote is not None, **asked)
        if remote is not None:
            return call.reading, remote.arun(call)
        with late_import():
            from drumline.embedded.adriver import adrive

        return call.reading, adrive(self.program, call, strict=self.strict_wire)

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
    ) -> Iterator[StreamPart[StateT, OutputT]]: ...

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
        cluster the iterator also has `.run_id` and `.position`. Async nodes run too, on a background loop. Raises what
        a node raised, GraphRecursionError, InvalidUpdateError, or ValueError for arguments that cannot be.
        """
        return self._begin(
            input,
            config,
            context=context,
            stream_mode=stream_mode,
            print_mode=print_mode,
            output_keys=output_keys,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
        )[1]

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
    ) -> AsyncIterator[StreamPart[StateT, OutputT]]: ...

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
        return self._abegin(
            input,
            config,
            context=context,
            stream_mode=stream_mode,
            print_mode=print_mode,
            output_keys=output_keys,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
        )[1]

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
    ) -> list[StreamPart[StateT, OutputT]]: ...

    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """Run the graph to its end and return the last state (keys of the output schema).

        With another `stream_mode` than `values`: the list of all items. With `version="v2"`: a `GraphOutput`.
        None if the run never wrote an output key. Further options are those of `stream`.
        """
        keys = self.program.output_keys if output_keys is None else output_keys
        reading, items = self._begin(input, config, stream_mode=stream_mode, output_keys=keys, **options)
        return self.as_result(result_of(reading, items))

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
    ) -> list[StreamPart[StateT, OutputT]]: ...

    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """The same as `invoke`, for async callers."""
        keys = self.program.output_keys if output_keys is None else output_keys
        reading, items = self._abegin(input, config, stream_mode=stream_mode, output_keys=keys, **options)
        return self.as_result(await aresult_of(reading, items))
