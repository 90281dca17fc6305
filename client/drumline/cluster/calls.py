"""The calls of a graph on a cluster, with the types of a compiled graph's; their streams are a cluster's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.reading import aresult_of, result_of
from drumline.runnable.remote import RemoteFace
from drumline_graph.builder import ContextT, InputT, OutputT, StateT

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from drumline.cluster.link import Link
    from drumline.cluster.opening import Opening
    from drumline.graph.call_types import ClusterOptions, OtherMode, RunConfig
    from drumline_graph.types import All, Command, Durability, GraphOutput, StreamMode, StreamPart
    from drumline_protocol.threads import Strategy


class ClusterCalls(RemoteFace[StateT, ContextT, InputT, OutputT]):
    """A part of `ClusterGraph`: it says what is called, this how."""

    _link: Link

    def _open(self, input: Any, config: Mapping[str, Any] | None, *, is_async: bool, **asked: Any) -> Opening:
        """What opens the stream of the call that these arguments of `stream` describe."""
        raise NotImplementedError

    def _as_result(self, output: Any) -> Any:
        """What `invoke` returns of a run's output."""
        raise NotImplementedError

    @overload
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[ClusterOptions],
    ) -> RunStream[Any]: ...

    @overload
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v2"],
        **options: Unpack[ClusterOptions],
    ) -> RunStream[StreamPart[StateT, OutputT]]: ...

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
        on_close: str = "cancel",
        multitask_strategy: Strategy | None = None,
    ) -> RunStream[Any]:
        """Run the graph on the cluster and yield what happens: arguments and items of a compiled graph's `stream`.

        `on_close="continue"` lets the run go on when the stream is closed early. `multitask_strategy` says what is done
        if another run holds the thread: `reject` this one (ThreadBusy), let it wait (`enqueue`, the default),
        `interrupt` the other one when its superstep is over, or `rollback` what it did. An answer to a question does
        not wait unless it is told to: the first one wins, the others raise UnknownInterruptError. The stream has
        `.run_id` and `.position`. Raises what the run raised; NoCoordinator if nobody accepts the run within 10 s;
        UnknownGraph, GraphMismatch, EncodeError, NoBroker.
        """
        return self._open(
            input,
            config,
            is_async=False,
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
            on_close=on_close,
            multitask_strategy=multitask_strategy,
        ).stream(self._link)

    @overload
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[ClusterOptions],
    ) -> AsyncRunStream[Any]: ...

    @overload
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        version: Literal["v2"],
        **options: Unpack[ClusterOptions],
    ) -> AsyncRunStream[StreamPart[StateT, OutputT]]: ...

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
        on_close: str = "cancel",
        multitask_strategy: Strategy | None = None,
    ) -> AsyncRunStream[Any]:
        """The twin of `stream` for an event loop."""
        return self._open(
            input,
            config,
            is_async=True,
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
            on_close=on_close,
            multitask_strategy=multitask_strategy,
        ).astream(self._link)

    @overload
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[ClusterOptions],
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
        **options: Unpack[ClusterOptions],
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
        **options: Unpack[ClusterOptions],
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
        """Run the graph to its end and return its output, as that of a compiled graph does."""
        narrowed = {"stream_mode": stream_mode, "output_keys": output_keys, "outputs": output_keys is None}
        opening = self._open(input, config, is_async=False, **narrowed, **options).for_output()
        with opening.stream(self._link) as items:
            return self._as_result(result_of(opening.reading, items))

    @overload
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[ClusterOptions],
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
        **options: Unpack[ClusterOptions],
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
        **options: Unpack[ClusterOptions],
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
        """The twin of `invoke` for an event loop."""
        narrowed = {"stream_mode": stream_mode, "output_keys": output_keys, "outputs": output_keys is None}
        opening = self._open(input, config, is_async=True, **narrowed, **options).for_output()
        async with opening.astream(self._link) as items:
            return self._as_result(await aresult_of(opening.reading, items))
