"""`Cluster`: the client of a drumline cluster. Start runs, read their streams from any position, cancel, ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from drumline.cluster.link import Link
from drumline.cluster.opening import opening_of
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.reading import Reading, aresult_of, parse_reading, result_of
from drumline.settings import Settings
from drumline_protocol.errors import without_password
from drumline_transport.after_fork import late_import

if TYPE_CHECKING:
    from typing_extensions import Self

    from drumline.cluster.remote import ClusterGraph
    from drumline.cluster.threads import ThreadsOfCluster
    from drumline.graph.state import CompiledStateGraph
    from drumline.store.base import BaseStore
    from drumline.store.redis import RedisStore
    from drumline_graph.builder import ContextT, InputT, OutputT, StateT
    from drumline_graph.types import StreamMode, StreamPart
    from drumline_transport.broker import Broker

P = ParamSpec("P")
T = TypeVar("T")

#: how who wants a run's output reads it
OUTPUT = Reading(("values",), outputs=True)


class Cluster:
    """A drumline cluster, reached through its broker.

    Connects when first used; close it, or use it as a context manager (`with`, `async with`). It works in the children
    of a fork too: each connects for itself.

    `url` is `redis://[user:password@]host:port/db`, `rediss://` for TLS, `redis+cluster://host:port,host:port` or
    `redis+sentinel://host:port,host:port/service`; `prefix` tells clusters on one broker apart.
    Left out, they come from where the command line takes them: `DRUMLINE_BROKER` and `DRUMLINE_PREFIX`, a `drumline up`
    that runs in this folder, `[tool.drumline]` of its pyproject.toml; ValueError if no broker is named. `types` are
    dataclass, pydantic or Enum classes and `errors` exception classes that results may hold: what this process is not
    given arrives as `Opaque` and as `RemoteError`. `store` is what `.store` gives in place of the cluster's own store:
    name it if its workers were given another one. One `Cluster` serves threads and event loops alike.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        prefix: str | None = None,
        types: Sequence[type] = (),
        errors: Sequence[type[BaseException]] = (),
        store: BaseStore | None = None,
    ) -> None:
        settings = Settings(SimpleNamespace(broker=url or None, prefix=prefix))
        self.url = settings.broker()
        self.prefix = settings.prefix()
        #: the connection and what goes over it
        self.link = Link(self.url, self.prefix, types, errors)
        self._types = types
        self._given_store = store
        self._own_store: RedisStore | None = None

    # -- graphs and runs ----------------------------------------------------------------------------

    @overload
    def graph(self, name: str, *, graph: None = None) -> ClusterGraph[Any, Any, Any, Any]: ...

    @overload
    def graph(
        self, name: str, *, graph: CompiledStateGraph[StateT, ContextT, InputT, OutputT]
    ) -> ClusterGraph[StateT, ContextT, InputT, OutputT]: ...

    def graph(self, name: str, *, graph: CompiledStateGraph[Any, Any, Any, Any] | None = None) -> Any:
        """The graph that coordinators and workers serve as `name`: `.stream`, `.astream`, `.invoke`, `.start`, ...

        With `graph` (the same one, compiled here) results come back as the classes that it names, and a cluster that
        serves another version of it is refused with `GraphMismatch`.
        """
        from drumline.cluster.remote import ClusterGraph

        return ClusterGraph(self, name, graph)

    @overload
    def join(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: Literal["v1"] = "v1",
        thread_id: str | None = None,
    ) -> RunStream[Any]: ...

    @overload
    def join(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: Literal["v2"],
        thread_id: str | None = None,
    ) -> RunStream[StreamPart[Any, Any]]: ...

    def join(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
        thread_id: str | None = None,
    ) -> RunStream[Any]:
        """Read a run's stream, while it runs or later, from the beginning or behind a position of an earlier stream.

        Any number of readers may. Closing it does not touch the run. A run on a thread whose id is the caller's own is
        found with its `thread_id`, here and in the methods below. UnknownRun (at the first item), ModeNotRecorded,
        InvalidPosition.
        """
        reading = parse_reading(stream_mode, subgraphs=subgraphs, output_keys=output_keys, version=version)
        return opening_of(self.link, run_id, reading, after=after, thread=thread_id).stream(self.link)

    @overload
    def ajoin(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: Literal["v1"] = "v1",
        thread_id: str | None = None,
    ) -> AsyncRunStream[Any]: ...

    @overload
    def ajoin(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: Literal["v2"],
        thread_id: str | None = None,
    ) -> AsyncRunStream[StreamPart[Any, Any]]: ...

    def ajoin(
        self,
        run_id: str,
        after: str | None = None,
        *,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
        thread_id: str | None = None,
    ) -> AsyncRunStream[Any]:
        """The twin of `join` for an event loop: `async for item in cluster.ajoin(run_id)`."""
        reading = parse_reading(stream_mode, subgraphs=subgraphs, output_keys=output_keys, version=version)
        return opening_of(self.link, run_id, reading, after=after, thread=thread_id).astream(self.link)

    def result(self, run_id: str, *, thread_id: str | None = None) -> Any:
        """Wait for the run's end and return its output, as `invoke` does; raises what the run raised."""
        opening = opening_of(self.link, run_id, OUTPUT, newest=True, thread=thread_id)
        return result_of(OUTPUT, opening.stream(self.link))

    async def aresult(self, run_id: str, *, thread_id: str | None = None) -> Any:
        """The twin of `result` for an event loop."""
        opening = opening_of(self.link, run_id, OUTPUT, newest=True, thread=thread_id)
        return await aresult_of(OUTPUT, opening.astream(self.link))

    def cancel(self, run_id: str, reason: str = "", *, thread_id: str | None = None, rollback: bool = False) -> None:
        """End a run: no new task starts, running async nodes are cancelled, readers get `RunCancelled`.

        `rollback`: what the run has added to its thread is taken back. A run that has ended already is left as it is.
        UnknownRun if there is none.
        """
        self.link.record(run_id, thread_id)
        self.link.cancel(run_id, reason, thread_id, takes_back=rollback)

    async def acancel(
        self, run_id: str, reason: str = "", *, thread_id: str | None = None, rollback: bool = False
    ) -> None:
        """The twin of `cancel` for an event loop."""
        await _in_thread(self.cancel, run_id, reason, thread_id=thread_id, rollback=rollback)

    def drain(self, run_id: str, reason: str = "shutdown", *, thread_id: str | None = None) -> None:
        """Let a run stop at the end of its open superstep: it ends as "paused", and its readers get `GraphDrained`.

        A run on a thread can go on from there later. One that has ended already is left as it is. UnknownRun if there
        is none.
        """
        self.link.record(run_id, thread_id)
        self.link.drain(run_id, reason, thread_id)

    async def adrain(self, run_id: str, reason: str = "shutdown", *, thread_id: str | None = None) -> None:
        """The twin of `drain` for an event loop."""
        await _in_thread(self.drain, run_id, reason, thread_id=thread_id)

    def delete(self, run_id: str, *, thread_id: str | None = None) -> None:
        """Delete a run: its record, its log and the values of both. One that has not ended is cancelled first.

        Returns when they are gone. UnknownRun if there is none; NotDeleted if no coordinator does it within 10 s.
        """
        self.link.delete(run_id, thread_id)

    async def adelete(self, run_id: str, *, thread_id: str | None = None) -> None:
        """The twin of `delete` for an event loop."""
        await _in_thread(self.delete, run_id, thread_id=thread_id)

    def status(self, run_id: str, *, thread_id: str | None = None) -> dict[str, Any]:
        """What is known of a run, without waiting.

        `{"run_id", "graph", "status", "created_ms", "open_tasks"}`. The status is "queued" (it waits for its thread),
        "open", "done", "failed", "cancelled" or "paused". An open task is a dict too: its "id", "node", "ns", "pool",
        "attempt", "state" ("dispatched", "planned" or "parked") and "reason".
        """
        with late_import():  # it folds the run's facts: readers of streams do not need that
            from drumline.cluster.status import run_status

        return run_status(self.link, run_id, thread_id)

    async def astatus(self, run_id: str, *, thread_id: str | None = None) -> dict[str, Any]:
        """The twin of `status` for an event loop."""
        return await _in_thread(self.status, run_id, thread_id=thread_id)

    # -- threads -------------------------------------------------------------------------------------

    @property
    def threads(self) -> ThreadsOfCluster:
        """The threads of the cluster: `get`, `list`, `search`, `copy`, `delete`."""
        from drumline.cluster.threads import ThreadsOfCluster

        return ThreadsOfCluster(self.link)

    def interrupts(self, *, graph: str | None = None, older_than: float | None = None) -> list[dict[str, Any]]:
        """Questions that wait for an answer, in all threads of the cluster; the oldest first.

        `{"thread_id", "graph", "run_id", "since_ms", "interrupt"}` each; `older_than` leaves out those that wait for
        less than so many seconds. Answer one with `Command(resume={interrupt.id: answer})` on its thread.
        """
        return self.threads.interrupts(graph=graph, older_than=older_than)

    async def ainterrupts(self, *, graph: str | None = None, older_than: float | None = None) -> list[dict[str, Any]]:
        """The twin of `interrupts` for an event loop."""
        return await _in_thread(self.interrupts, graph=graph, older_than=older_than)

    @property
    def store(self) -> Any:
        """The cluster's store, as nodes get it: in the cluster's Redis, or what this client was given as `store`.

        Its methods connect when they are first used (NoBroker).
        """
        if self._given_store is not None:
            return self._given_store
        if self._own_store is None:
            with late_import():
                from drumline.store.redis import RedisStore

            self._own_store = RedisStore(self.url, prefix=self.prefix, types=self._types)
        return self._own_store

    # -- the connection -------------------------------------------------------------------------------

    def broker(self) -> Broker:
        """The broker behind the cluster, connected, with all its verbs: for tools.

        NoBroker, NoCluster, EvictingBroker, ProtocolTooNew.
        """
        return self.link.whole_broker()

    def close(self) -> None:
        """Close all connections. The cluster and its runs go on."""
        self.link.close()
        if self._own_store is not None:
            self._own_store.close()

    async def aclose(self) -> None:
        """The twin of `close` for an event loop."""
        await _in_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Cluster {without_password(self.url)} prefix {self.prefix!r}>"


async def _in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # only callers that have a loop pay for it

    return await asyncio.to_thread(call, *args, **kwargs)
