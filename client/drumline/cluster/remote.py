"""A graph on a cluster: the same calls as an embedded one, and those that only a cluster has."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.call import Call, Callee, parse_call, portable_input
from drumline.call_config import is_of_task
from drumline.cluster.calls import ClusterCalls
from drumline.cluster.children import Caller, child_run_id, holder_of_thread, is_within_holder, travelling
from drumline.cluster.controls import ControlledRun
from drumline.cluster.link import thread_held
from drumline.cluster.opening import KnownErrors, Opening
from drumline.cluster.places import Place, place_for
from drumline.cluster.states import ClusterStates
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.reading import mappers_of
from drumline.tracing.begin import cluster_trace
from drumline.views import MODES
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.types import StateUpdates
from drumline_protocol.messages import RunRequest
from drumline_protocol.new_ids import new_run_id
from drumline_protocol.request_digest import Asked
from drumline_protocol.requests import after_ms_of
from drumline_protocol.threads import STRATEGIES
from drumline_protocol.trace_context import trace_here
from drumline_protocol.trace_ids import TRACE, root_trace_id

if TYPE_CHECKING:
    from drumline.cluster.cluster import Cluster
    from drumline.graph.call_types import RunConfig
    from drumline.graph.state import CompiledStateGraph
    from drumline_graph.program import Program
    from drumline_graph.types import All, Command
    from drumline_protocol.threads import Strategy


class ClusterGraph(ClusterStates, ClusterCalls[StateT, ContextT, InputT, OutputT]):
    """A graph that a cluster serves as `name`. Get one from `Cluster.graph(name)`."""

    def __init__(
        self, cluster: Cluster, name: str, graph: CompiledStateGraph[StateT, ContextT, InputT, OutputT] | None
    ) -> None:
        self.cluster = cluster
        self.name = name
        self._graph = graph
        self._program = None if graph is None else graph.program
        self._link = cluster.link
        #: what `with_config` bound, here or to the graph at hand
        self.config: dict[str, Any] = {} if graph is None else dict(graph.config or {})

    def __repr__(self) -> str:
        return f"<ClusterGraph {self.name!r} of {self.cluster!r}>"

    # -- what only a cluster has --------------------------------------------------------------------

    def start(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        multitask_strategy: Strategy | None = None,
        after_seconds: float = 0,
    ) -> str:
        """Start a run that records everything and return its id; read it with `join`, wait with `result`.

        Returns when a coordinator has accepted the run: from then on it is never lost. NoCoordinator if nobody does
        within 10 s. An input that the graph refuses is accepted and fails: `result` raises why. On a thread that is
        busy the run is accepted, and waits (`multitask_strategy`, as in `stream`).

        With `after_seconds` it begins that much later, whatever restarts meanwhile. Until then it is `queued`, holds
        nothing, and may be cancelled; its thread is looked at when its time has come.
        """
        stops = {"interrupt_before": interrupt_before, "interrupt_after": interrupt_after}
        return self._start(input, config, context, multitask_strategy, after_seconds, is_async=False, **stops)

    def _start(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        context: Any,
        strategy: str | None,
        after_seconds: float,
        *,
        is_async: bool,
        **stops: Any,
    ) -> str:
        call = self._parse(input, config, context=context, stream_mode=MODES, subgraphs=True, **stops)
        if call.config.get("callbacks") and call.caller is None and not is_of_task(config):
            warnings.warn(
                "config['callbacks'] hear nothing of a run that is started: they hear what `stream` or `invoke` reads",
                RuntimeWarning,
                stacklevel=3,
            )
        request = self._request(call, strategy, is_async=is_async)
        request.after_ms = after_ms_of(after_seconds)
        place = self._place(call, request)
        asked = Asked(request.graph, request.fingerprint)
        asked.digest = self._link.submit(request, self._link.codec(self._program))
        self._link.await_accepted(request.run_id, asked, thread_held(request))
        if place is not None and call.caller is not None:
            call.caller.places.started[request.run_id] = place
        return request.run_id

    async def astart(
        self,
        input: InputT | Command[Any] | None,
        config: RunConfig | None = None,
        *,
        context: ContextT | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        multitask_strategy: Strategy | None = None,
        after_seconds: float = 0,
    ) -> str:
        """The twin of `start` for an event loop.

        Who is cancelled in it, and let drumline choose the id, leaves no run behind: nobody would know its id.
        """
        import asyncio

        started: list[str] = []
        left = False

        def start() -> str:
            stops = {"interrupt_before": interrupt_before, "interrupt_after": interrupt_after}
            strategy = multitask_strategy
            started.append(self._start(input, config, context, strategy, after_seconds, is_async=True, **stops))
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

    def run(self, call: Call) -> RunStream[Any]:
        """The stream of a prepared call."""
        return self._opening(call, "cancel", is_async=False).stream(self._link)

    def arun(self, call: Call) -> AsyncRunStream[Any]:
        """The twin of `run`."""
        return self._opening(call, "cancel", is_async=True).astream(self._link)

    # -- from arguments to a request ------------------------------------------------------------------

    def _parse(self, input: Any, config: Mapping[str, Any] | None, **asked: Any) -> Call:
        """The call as the graph understands it, if this process holds it."""
        if self._graph is not None:
            call: Call = self._graph.prepare_call(input, config, bound=self.config, elsewhere=True, **asked)
            return call
        return parse_call(Callee(self.name, config=self.config, elsewhere=True), input, config, **asked)

    def _as_result(self, output: Any) -> Any:
        return output if self._graph is None else self._graph.as_result(output)

    def _open(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        *,
        is_async: bool,
        on_close: str = "cancel",
        multitask_strategy: str | None = None,
        **asked: Any,
    ) -> Opening:
        return self._opening(self._parse(input, config, **asked), on_close, multitask_strategy, is_async=is_async)

    def _opening(self, call: Call, on_close: str, strategy: str | None = None, *, is_async: bool) -> Opening:
        if on_close not in ("cancel", "continue"):
            raise ValueError(f"on_close is 'cancel' or 'continue', not {on_close!r}")
        link, program = self._link, self._program
        request = self._request(call, strategy, is_async=is_async)
        place, thread = self._place(call, request), thread_held(request)
        caller = None if call.caller is None else Caller(call.caller, link, place)
        run_id, asked = request.run_id, Asked(request.graph, request.fingerprint)
        trace = cluster_trace(
            self.name,
            program,
            call,
            run_id,
            is_async=is_async,
            mappers=None if program is None else mappers_of(program),
            known=KnownErrors(link.errors, program),
        )

        def begin() -> None:
            if trace is not None:
                request.config[TRACE] = {"id": str(root_trace_id(run_id)), "order": trace.order()}
            if call.control is not None:
                request.drain = call.control.drain_reason or ""
            asked.digest = link.submit(request, link.codec(program))

        def cancel() -> None:
            link.cancel(run_id, "its stream was closed", thread)

        return Opening(
            run_id,
            call.reading,
            begin=begin,
            withdraw=lambda: link.cancel(run_id, "nobody accepted it in time", thread),
            cancel=None if on_close == "continue" else cancel if caller is None else caller.cancels(cancel),
            program=program,
            shown=None if program is None else _graph_updated(program, call.input),
            trace=trace,
            asked=asked,
            caller=caller,
            thread=thread,
            control=None if call.control is None else ControlledRun(call.control, link, run_id, thread),
            may_be_there=bool(call.config.get("run_id")) or caller is not None,
        )

    def _place(self, call: Call, request: RunRequest) -> Place | None:
        """The place of a run that a node starts; None for one on a thread, which keeps what the run asks."""
        if call.caller is None or thread_held(request) is not None:
            return None
        place = place_for(call.caller, request, self._link.codec(self._program))
        if request.within:
            request.below = place.below()
        return place

    def _request(self, call: Call, strategy: str | None = None, *, is_async: bool) -> RunRequest:
        """The request that starts a run. Callbacks stay behind: they are objects of this process."""
        config = travelling(call.config, call.caller)
        if isinstance(call.input, StateUpdates) and is_within_holder(config):
            strategy = "reject"  # it would wait for the node that waits for it
        request = RunRequest(
            run_id=str(config.get("run_id") or ""),
            graph=self.name,
            input=call.input if self._program is None else portable_input(self._program, call.input),
            config={key: value for key, value in config.items() if key not in ("callbacks", "run_id")},
            context=call.context,
            recorded=call.reading.recorded,
            subgraphs=call.reading.subgraphs,
            fingerprint=None if self._program is None else self._program.fingerprint,
            is_async=is_async,
            strategy=strategy or "",
            stops_before=call.stops_before,
            stops_after=call.stops_after,
            within="" if strategy or call.caller is None else holder_of_thread(call.caller, config),
        )
        request.traceparent, request.tracestate = trace_here()
        if strategy and strategy not in STRATEGIES:
            raise ValueError(f"multitask_strategy is one of {', '.join(STRATEGIES)}, not {strategy!r}")
        if not request.run_id:
            known = None
            if call.caller is not None:
                known = child_run_id(call.caller, request, self._link.codec(self._program))
            request.run_id = known or new_run_id(thread_held(request))
        return request


def _graph_updated(program: Program, input: Any) -> Program | None:
    """The graph within whose state the input changes; None for any other input."""
    if not isinstance(input, StateUpdates) or not input.ns:
        return None
    from drumline.threads.loading import program_at

    return program_at(program, "", input.ns)
