"""A graph on a cluster: the same calls as an embedded one, and those that only a cluster has."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.cluster.children import Caller, child_run_id, remote_config, thread_in, travelling
from drumline.cluster.opening import KnownErrors, Opening
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.embedded.call import Call, mappers_of, portable_input
from drumline.embedded.config import is_of_task
from drumline.runnable.remote import RemoteFace
from drumline.tracing.begin import cluster_trace
from drumline.views import MODES, FinalOutput, parse_modes
from drumline_protocol.messages import RunRequest
from drumline_protocol.new_ids import new_run_id
from drumline_protocol.request_digest import Asked
from drumline_protocol.trace_ids import TRACE, root_trace_id
from drumline_worker.context import TaskContext, current

if TYPE_CHECKING:
    from drumline.cluster.cluster import Cluster
    from drumline.graph.state import CompiledStateGraph


class ClusterGraph(RemoteFace):
    """A graph that a cluster serves as `name`. Get one from `Cluster.graph(name)`."""

    def __init__(self, cluster: Cluster, name: str, graph: CompiledStateGraph[Any, Any, Any, Any] | None) -> None:
        self.cluster = cluster
        self.name = name
        self._program = None if graph is None else graph.program
        self._link = cluster.link
        #: what `with_config` bound, here or to the graph at hand
        self.config: dict[str, Any] = {} if graph is None else dict(graph.config or {})

    def __repr__(self) -> str:
        return f"<ClusterGraph {self.name!r} of {self.cluster!r}>"

    # -- the calls of an embedded graph -------------------------------------------------------------

    def stream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> RunStream:
        """Run the graph on the cluster and yield what happens: arguments and items of `CompiledStateGraph.stream`.

        Also `on_close="cancel" | "continue"`: what closing the stream early does to the run. The stream has `.run_id`
        and `.position`. Raises what the run raised; NoCoordinator if nobody accepts the run within 10 s; UnknownGraph,
        GraphMismatch, EncodeError, NoBroker.
        """
        return self._open(input, config, **options).stream(self._link)

    def astream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> AsyncRunStream:
        """The twin of `stream` for an event loop."""
        return self._open(input, config, is_async=True, **options).astream(self._link)

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """Run the graph to its end and return its output, as `CompiledStateGraph.invoke` does."""
        outputs = options.get("output_keys") is None
        items = self.stream(input, config, stream_mode=stream_mode, outputs=outputs, **options)
        with items:
            if stream_mode != "values":
                return list(items)
            output = FinalOutput(options.get("version", "v1"), subgraphs=bool(options.get("subgraphs")))
            for item in items:
                output.add(item)
        return output.result()

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """The twin of `invoke` for an event loop."""
        outputs = options.get("output_keys") is None
        items = self.astream(input, config, stream_mode=stream_mode, outputs=outputs, **options)
        async with items:
            if stream_mode != "values":
                return [item async for item in items]
            output = FinalOutput(options.get("version", "v1"), subgraphs=bool(options.get("subgraphs")))
            async for item in items:
                output.add(item)
        return output.result()

    # -- what only a cluster has --------------------------------------------------------------------

    def start(self, input: Any, config: Mapping[str, Any] | None = None, *, context: Any = None) -> str:
        """Start a run that records everything and return its id; read it with `join`, wait with `result`.

        Returns when a coordinator has accepted the run: from then on it is never lost. NoCoordinator if nobody does
        within 10 s. An input that the graph refuses is accepted and fails: `result` raises why.
        """
        return self._start(input, config, context)

    def _start(self, input: Any, config: Mapping[str, Any] | None, context: Any, *, is_async: bool = False) -> str:
        given, caller = remote_config(self.config, config)
        if given.get("callbacks") and caller is None and not is_of_task(config):
            warnings.warn(
                "config['callbacks'] hear nothing of a run that is started: they hear what `stream` or `invoke` reads",
                RuntimeWarning,
                stacklevel=3,
            )
        given = travelling(given, caller)
        request = self._request(input, given, context, MODES, caller, subgraphs=True, is_async=is_async)
        asked = Asked(request.graph, request.fingerprint)
        asked.digest = self._link.submit(request, self._link.codec(self._program))
        self._link.await_accepted(request.run_id, asked)
        return request.run_id

    async def astart(self, input: Any, config: Mapping[str, Any] | None = None, *, context: Any = None) -> str:
        """The twin of `start` for an event loop.

        Who is cancelled in it, and let drumline choose the id, leaves no run behind: nobody would know its id.
        """
        import asyncio

        started: list[str] = []
        left = False

        def start() -> str:
            started.append(self._start(input, config, context, is_async=True))
            if left:
                self._unstart(started[0])
            return started[0]

        try:
            return await asyncio.to_thread(start)
        except asyncio.CancelledError:
            left = not (config or {}).get("run_id")
            if left and started:
                self._link.canceller.soon(lambda: self._unstart(started[0]))
            raise

    def _unstart(self, run_id: str) -> None:
        self._link.cancel(run_id, "its caller was cancelled while it was being started")

    # -- calls of a CompiledStateGraph that is bound to this one -------------------------------------

    def run(self, call: Call) -> RunStream:
        """The stream of a prepared call."""
        return self._prepared(call, "cancel").stream(self._link)

    def arun(self, call: Call) -> AsyncRunStream:
        """The twin of `run`."""
        return self._prepared(call, "cancel", is_async=True).astream(self._link)

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
        is_async: bool = False,
    ) -> Opening:
        del durability
        if stream_mode is None:
            stream_mode = "values" if is_of_task(config) else "updates"
        modes, listed = parse_modes(stream_mode)
        printed = parse_modes(print_mode)[0] if print_mode else ()
        if debug:
            printed = tuple(dict.fromkeys((*printed, "updates", "values")))
        given, caller = remote_config(self.config, config)
        call = Call(
            input,
            given,
            context,
            modes,
            listed,
            printed,
            output_keys,
            subgraphs,
            version,
            caller,
        )
        return self._prepared(call, on_close, outputs=outputs, is_async=is_async)

    def _prepared(self, call: Call, on_close: str, *, outputs: bool = False, is_async: bool = False) -> Opening:
        if on_close not in ("cancel", "continue"):
            raise ValueError(f"on_close is 'cancel' or 'continue', not {on_close!r}")
        link, context = self._link, call.caller or current.get()
        given = travelling(call.config, context)
        request = self._request(
            call.input, given, call.context, call.record, context, subgraphs=call.subgraphs, is_async=is_async
        )
        caller = None if context is None else Caller(context, link)
        run_id, program = request.run_id, self._program
        asked = Asked(request.graph, request.fingerprint)
        trace = cluster_trace(
            self.name,
            program,
            call,
            run_id,
            is_async=is_async,
            outputs=outputs,
            mappers=None if program is None else mappers_of(program),
            known=KnownErrors(link.errors, program),
        )

        def begin() -> None:
            if trace is not None:
                request.config[TRACE] = {"id": str(root_trace_id(run_id)), "order": trace.order()}
            asked.digest = link.submit(request, link.codec(program))

        def cancel() -> None:
            link.cancel(run_id, "its stream was closed")

        return Opening(
            run_id,
            list(call.modes) if call.listed else call.modes[0],
            begin=begin,
            withdraw=lambda: link.cancel(run_id, "nobody accepted it in time"),
            cancel=None if on_close == "continue" else cancel if caller is None else caller.cancels(cancel),
            subgraphs=call.subgraphs,
            output_keys=call.output_keys,
            outputs=outputs,
            version=call.version,
            printed=call.printed,
            program=program,
            trace=trace,
            asked=asked,
            caller=caller,
        )

    def _request(
        self,
        input: Any,
        config: Mapping[str, Any],
        context: Any,
        record: Sequence[str],
        caller: TaskContext | None,
        *,
        subgraphs: bool,
        is_async: bool,
    ) -> RunRequest:
        """The request that starts a run. Callbacks stay behind: they are objects of this process."""
        request = RunRequest(
            run_id=str(config.get("run_id") or ""),
            graph=self.name,
            input=input if self._program is None else portable_input(self._program, input),
            config={key: value for key, value in config.items() if key not in ("callbacks", "run_id")},
            context=context,
            record=tuple(record),
            subgraphs=subgraphs,
            fingerprint=None if self._program is None else self._program.fingerprint,
            is_async=is_async,
        )
        if not request.run_id:
            known = None if caller is None else child_run_id(caller, request, self._link.codec(self._program))
            request.run_id = known or new_run_id(thread_in(request.config))
        return request
