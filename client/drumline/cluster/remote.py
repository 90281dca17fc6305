"""A graph on a cluster: the same calls as an embedded one, and those that only a cluster has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.cluster.cluster import Cluster, record_of, request_of
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.embedded.call import merge_configs
from drumline.views import parse_modes
from drumline_graph.types import GraphOutput

if TYPE_CHECKING:
    from drumline.embedded.call import Call
    from drumline.graph.state import CompiledStateGraph


class ClusterGraph:
    """A graph that a cluster serves as `name`. Get one from `Cluster.graph(name)`."""

    def __init__(self, cluster: Cluster, name: str, graph: CompiledStateGraph[Any, Any, Any, Any] | None) -> None:
        self.cluster = cluster
        self.name = name
        self._graph = graph

    def __repr__(self) -> str:
        return f"<ClusterGraph {self.name!r} of {self.cluster!r}>"

    # -- the calls of an embedded graph -------------------------------------------------------------

    def stream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> RunStream:
        """Run the graph on the cluster and yield what happens: arguments and items of `CompiledStateGraph.stream`.

        Also `on_close="cancel" | "continue"`: what closing the stream early does to the run. The stream has `.run_id`
        and `.position`. Raises what the run raised; NoCoordinator if nobody accepts the run within 10 s; UnknownGraph,
        GraphMismatch, EncodeError, NoBroker.
        """
        return self.cluster.open_stream(**self._open(input, config, **options))

    def astream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> AsyncRunStream:
        """The twin of `stream` for an event loop."""
        return self.cluster.open_async_stream(**self._open(input, config, **options))

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """Run the graph to its end and return its output, as `CompiledStateGraph.invoke` does."""
        outputs = stream_mode == "values" and options.get("output_keys") is None
        items = self.stream(input, config, stream_mode=stream_mode, outputs=outputs, **options)
        if stream_mode != "values":
            return list(items)
        last = None
        for item in items:
            last = item
        return _output(last, options.get("version"))

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """The twin of `invoke` for an event loop."""
        outputs = stream_mode == "values" and options.get("output_keys") is None
        items = self.astream(input, config, stream_mode=stream_mode, outputs=outputs, **options)
        if stream_mode != "values":
            return [item async for item in items]
        last = None
        async for item in items:
            last = item
        return _output(last, options.get("version"))

    # -- what only a cluster has --------------------------------------------------------------------

    def start(self, input: Any, config: Mapping[str, Any] | None = None, *, context: Any = None) -> str:
        """Start a run that records everything and return its id; read it with `join`, wait with `result`.

        Returns when a coordinator has accepted the run: from then on it is never lost. NoCoordinator if nobody does
        within 10 s. An input that the graph refuses is accepted and fails: `result` raises why.
        """
        codec = self.cluster.codec(self._graph)
        request = request_of(
            self.name,
            input,
            merge_configs(config),
            context,
            record_of(()),
            subgraphs=True,
            fingerprint=self._fingerprint,
        )
        self.cluster.submit(request, codec)
        self.cluster.await_accepted(request.run_id)
        return request.run_id

    async def astart(self, input: Any, config: Mapping[str, Any] | None = None, *, context: Any = None) -> str:
        """The twin of `start` for an event loop."""
        import asyncio

        return await asyncio.to_thread(self.start, input, config, context=context)

    # -- calls of a CompiledStateGraph that is bound to this one -------------------------------------

    def run(self, call: Call) -> RunStream:
        """The stream of a prepared call."""
        return self.cluster.open_stream(**self._prepared(call, "cancel"))

    def arun(self, call: Call) -> AsyncRunStream:
        """The twin of `run`."""
        return self.cluster.open_async_stream(**self._prepared(call, "cancel"))

    @property
    def _fingerprint(self) -> str | None:
        return None if self._graph is None else self._graph.program.fingerprint

    def _open(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] | None = None,
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        debug: bool = False,
        version: str = "v1",
        outputs: bool = False,
        on_close: str = "cancel",
        durability: Any = None,
    ) -> dict[str, Any]:
        from drumline.embedded.call import Call

        del durability
        modes, listed = parse_modes("updates" if stream_mode is None else stream_mode)
        printed = parse_modes(print_mode)[0] if print_mode else ()
        if debug:
            printed = tuple(dict.fromkeys((*printed, "updates", "values")))
        call = Call(
            input,
            merge_configs(config),
            context,
            modes,
            listed,
            printed,
            output_keys,
            subgraphs,
            version,
        )
        return self._prepared(call, on_close, outputs=outputs)

    def _prepared(self, call: Call, on_close: str, *, outputs: bool = False) -> dict[str, Any]:
        if on_close not in ("cancel", "continue"):
            raise ValueError(f"on_close is 'cancel' or 'continue', not {on_close!r}")
        cluster = self.cluster
        codec = cluster.codec(self._graph)
        request = request_of(
            self.name,
            call.input,
            call.config,
            call.context,
            call.record,
            subgraphs=call.subgraphs,
            fingerprint=self._fingerprint,
        )
        run_id = request.run_id
        return {
            "run_id": run_id,
            "modes": list(call.modes) if call.listed else call.modes[0],
            "printed": call.printed,
            "subgraphs": call.subgraphs,
            "output_keys": call.output_keys,
            "outputs": outputs,
            "version": call.version,
            "graph": self._graph,
            "begin": lambda: cluster.submit(request, codec),
            "cancel": (lambda: cluster.send_cancel(run_id)) if on_close == "cancel" else None,
        }


def _output(last: Any, version: str | None) -> Any:
    if version != "v2":
        return last
    if last is None:
        return GraphOutput(value=None, interrupts=())
    return GraphOutput(value=last["data"], interrupts=last["interrupts"])
