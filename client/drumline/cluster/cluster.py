"""`Cluster`: the client of a drumline cluster. Start runs, read their streams from any position, cancel, ask."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.cluster.position import parse_position
from drumline.cluster.reader import RunReader
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.embedded.call import mappers_of, output_coercion, require_langchain
from drumline.views import MODES, View, parse_modes
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import NoCoordinator, NoWorker, UnknownRun
from drumline_protocol.ids import partition_of
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS, PRESENCE_TTL_MS
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_protocol.new_ids import new_run_id

if TYPE_CHECKING:
    from drumline.cluster.remote import ClusterGraph
    from drumline.graph.state import CompiledStateGraph


class Cluster:
    """A drumline cluster, reached through its broker.

    Connects when first used; close it, or use it as a context manager.

    `url` is `redis://[user:password@]host:port/db` or `rediss://` for TLS (default: the environment's
    `DRUMLINE_BROKER`). `prefix` tells clusters on one broker apart. `types` are dataclass, pydantic or Enum classes and
    `errors` exception classes that results may hold: what this process is not given arrives as `Opaque` and as
    `RemoteError`. One `Cluster` serves threads and event loops alike.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        prefix: str = "drumline",
        types: Sequence[type] = (),
        errors: Sequence[type[BaseException]] = (),
    ) -> None:
        url = url or os.environ.get("DRUMLINE_BROKER")
        if not url:
            raise ValueError('Cluster() needs a broker: Cluster("redis://localhost:6379"), or set DRUMLINE_BROKER')
        self.url = url
        self.prefix = prefix
        self._types = list(types)
        self._errors = list(errors)
        self._lock = threading.Lock()
        self._broker: Any = None

    # -- graphs and runs ----------------------------------------------------------------------------

    def graph(self, name: str, *, graph: CompiledStateGraph[Any, Any, Any, Any] | None = None) -> ClusterGraph:
        """The graph that coordinators and workers serve as `name`: `.stream`, `.astream`, `.invoke`, `.start`, ...

        With `graph` (the same one, compiled here) results come back as the classes that it names, and a cluster that
        serves another version of it is refused with `GraphMismatch`.
        """
        from drumline.cluster.remote import ClusterGraph

        return ClusterGraph(self, name, graph)

    def join(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
    ) -> RunStream:
        """Read a run's stream, while it runs or later, from the beginning or behind a position of an earlier stream.

        Any number of readers may. Closing it does not touch the run. UnknownRun (at the first item), ModeNotRecorded,
        InvalidPosition.
        """
        return self.open_stream(
            run_id,
            modes=stream_mode,
            after=after,
            subgraphs=subgraphs,
            output_keys=output_keys,
            version=version,
            begin=lambda: self._check_known(run_id),
            cancel=None,
        )

    def ajoin(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
    ) -> AsyncRunStream:
        """The twin of `join` for an event loop: `async for item in cluster.ajoin(run_id)`."""
        return self.open_async_stream(
            run_id,
            modes=stream_mode,
            after=after,
            subgraphs=subgraphs,
            output_keys=output_keys,
            version=version,
            begin=lambda: self._check_known(run_id),
            cancel=None,
        )

    def result(self, run_id: str) -> Any:
        """Wait for the run's end and return its output, as `invoke` does; raises what the run raised."""
        last = None
        for item in self.open_stream(
            run_id,
            modes="values",
            outputs=True,
            begin=lambda: self._check_known(run_id),
            cancel=None,
        ):
            last = item
        return last

    async def aresult(self, run_id: str) -> Any:
        """The twin of `result` for an event loop."""
        last = None
        async for item in self.open_async_stream(
            run_id,
            modes="values",
            outputs=True,
            begin=lambda: self._check_known(run_id),
            cancel=None,
        ):
            last = item
        return last

    def cancel(self, run_id: str, reason: str = "") -> None:
        """End a run: no new task starts, running async nodes are cancelled, readers get `RunCancelled`.

        A run that has ended already is left as it is. UnknownRun if there is none.
        """
        self._check_known(run_id)
        self._send_cancel(run_id, reason)

    def status(self, run_id: str) -> dict[str, Any]:
        """What is known of a run, without waiting.

        `{"run_id", "graph", "status": "open" | "done" | "failed" | "cancelled", "created_ms", "open_tasks"}`; each open
        task is `{"id", "node", "ns", "pool", "attempt", "state": "dispatched" | "planned" | "parked", "reason"}`.
        """
        from drumline.cluster.status import run_status

        broker = self.broker()
        partition = partition_of(run_id, broker.partitions)
        record = broker.load_run(partition, run_id)
        if not record:
            raise UnknownRun(run_id)
        return run_status(run_id, record, broker.load_log(partition, run_id), self.codec(None))

    # -- what streams are made of -------------------------------------------------------------------

    def open_stream(self, run_id: str, **options: Any) -> RunStream:
        """A stream of a run; `options` as in `_parts`."""
        reader, rest = self._parts(run_id, **options)
        return RunStream(
            run_id,
            reader,
            lambda: self.broker().log_reader(self._partition(run_id), run_id),
            **rest,
        )

    def open_async_stream(self, run_id: str, **options: Any) -> AsyncRunStream:
        """The twin of `open_stream`."""
        reader, rest = self._parts(run_id, **options)
        return AsyncRunStream(
            run_id,
            reader,
            lambda: self.broker().alog_reader(self._partition(run_id), run_id),
            **rest,
        )

    def _parts(
        self,
        run_id: str,
        *,
        modes: str | Sequence[str],
        begin: Callable[[], None] | None,
        cancel: Callable[[], None] | None,
        after: str | None = None,
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
        printed: Sequence[str] = (),
        outputs: bool = False,
        graph: CompiledStateGraph[Any, Any, Any, Any] | None = None,
    ) -> tuple[RunReader, dict[str, Any]]:
        chosen, listed = parse_modes(modes)
        if "messages" in (*chosen, *printed):
            require_langchain()
        codec = self.codec(graph)
        program = None if graph is None else graph.program
        view = View(
            chosen,
            listed=listed,
            subgraphs=subgraphs,
            output_keys=output_keys,
            outputs=outputs,
            version=version,
            printed=printed,
            coerce=None if program is None else output_coercion(program),
            mappers=None if program is None else mappers_of(program),
            decode_item=lambda data: wire.decode_item(codec, data),
        )
        start = parse_position(after)
        reader = RunReader(
            run_id,
            view,
            codec,
            (*chosen, *printed),
            known=[*self._errors, *_errors_of(graph)],
            start=start,
        )
        idle = _Idle(self, run_id)
        return reader, {"begin": begin, "cancel": cancel, "idle": idle, "start": start}

    def codec(self, graph: CompiledStateGraph[Any, Any, Any, Any] | None) -> Codec:
        """The codec that knows this client's types and those that `graph` names."""
        types = TypeTable().with_types(self._types)
        if graph is not None:
            types = types.with_types(graph.program.schema_types())
        return Codec(types)

    def submit(self, request: RunRequest, codec: Codec) -> None:
        """Put a run request into its inbox. EncodeError for an input that cannot cross."""
        self.broker().submit(self._partition(request.run_id), wire.encode(codec, request))

    def await_accepted(self, run_id: str) -> None:
        """Wait for the first fact of a run. NoCoordinator, after which the run is cancelled should it ever begin."""
        log = self.broker().log_reader(self._partition(run_id), run_id)
        try:
            if not log.read("0-0", 1, ACCEPT_TIMEOUT_MS):
                self._send_cancel(run_id, "nobody accepted it in time")
                raise NoCoordinator(ACCEPT_TIMEOUT_MS / 1000)
        finally:
            log.close()

    def send_cancel(self, run_id: str) -> None:
        """Cancel a run that may not have been accepted yet."""
        self._send_cancel(run_id, "its stream was closed")

    def _send_cancel(self, run_id: str, reason: str) -> None:
        message = wire.encode(self.codec(None), CancelRun(run_id, reason))
        self.broker().submit(self._partition(run_id), message)

    def _check_known(self, run_id: str) -> None:
        if not self.broker().load_run(self._partition(run_id), run_id):
            raise UnknownRun(run_id)

    def _partition(self, run_id: str) -> int:
        return partition_of(run_id, self.broker().partitions)

    # -- the connection -----------------------------------------------------------------------------

    def broker(self) -> Any:
        """The broker, connected. NoBroker, EvictingBroker, ProtocolTooNew."""
        with self._lock:
            if self._broker is None:
                from drumline_transport import connect

                self._broker = connect(self.url, prefix=self.prefix, name="client")
            return self._broker

    def close(self) -> None:
        """Close all connections. The cluster and its runs go on."""
        with self._lock:
            if self._broker is not None:
                self._broker.close()
                self._broker = None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        from drumline_protocol.errors import without_password

        return f"<Cluster {without_password(self.url)} prefix {self.prefix!r}>"


class _Idle:
    """Called when a run's stream has been silent: warns if a task waits for a worker that is not there."""

    def __init__(self, cluster: Cluster, run_id: str) -> None:
        self._cluster = cluster
        self._run_id = run_id

    def __call__(self) -> None:
        status = self._cluster.status(self._run_id)
        waiting = {task["pool"] for task in status["open_tasks"]}
        served: set[str] = set()
        for info, age in self._cluster.broker().members("workers").values():
            if age <= PRESENCE_TTL_MS:
                served.update(json.loads(info).get("pools", ()))
        for pool in sorted(waiting - served):
            warnings.warn(NoWorker(pool, status["graph"]), stacklevel=4)


def _errors_of(graph: CompiledStateGraph[Any, Any, Any, Any] | None) -> list[type[BaseException]]:
    """Exception classes that the modules of a graph's nodes know by name."""
    found: dict[type[BaseException], None] = {}
    if graph is not None:
        for node in graph.program.nodes.values():
            for value in list(getattr(node.action, "__globals__", {}).values()):
                if isinstance(value, type) and issubclass(value, BaseException):
                    found[value] = None
    return list(found)


def record_of(modes: Sequence[str]) -> tuple[str, ...]:
    """What a run records for these modes; all of them if none is named."""
    return tuple(modes) if modes else MODES


def request_of(
    name: str,
    input: Any,
    config: Mapping[str, Any],
    context: Any,
    record: Sequence[str],
    *,
    subgraphs: bool,
    fingerprint: str | None,
) -> RunRequest:
    """The request that starts a run. Callbacks stay behind, with a warning: they are objects of this process."""
    plain = {key: value for key, value in config.items() if key not in ("callbacks", "run_id")}
    if config.get("callbacks"):
        warnings.warn(
            "config['callbacks'] stays in this process: callbacks are not called for nodes that run on a cluster",
            RuntimeWarning,
            stacklevel=3,
        )
    return RunRequest(
        run_id=str(config.get("run_id") or new_run_id()),
        graph=name,
        input=input,
        config=plain,
        context=context,
        record=tuple(record),
        subgraphs=subgraphs,
        fingerprint=fingerprint,
    )
