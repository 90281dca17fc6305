"""`Cluster`: the client of a drumline cluster. Start runs, read their streams from any position, cancel, ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from drumline.cluster.link import Link
from drumline.cluster.opening import Opening
from drumline.cluster.status import run_status
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.settings import Settings
from drumline.views import FinalOutput
from drumline_protocol.errors import without_password

if TYPE_CHECKING:
    from drumline.cluster.remote import ClusterGraph
    from drumline.graph.state import CompiledStateGraph

P = ParamSpec("P")
T = TypeVar("T")


class Cluster:
    """A drumline cluster, reached through its broker.

    Connects when first used; close it, or use it as a context manager. It works in the children of a fork too: each
    connects for itself.

    `url` is `redis://[user:password@]host:port/db`, `rediss://` for TLS, `redis+cluster://host:port,host:port` or
    `redis+sentinel://host:port,host:port/service`; `prefix` tells clusters on one broker apart.
    Left out, they come from where the command line takes them: `DRUMLINE_BROKER` and `DRUMLINE_PREFIX`, a `drumline up`
    that runs in this folder, `[tool.drumline]` of its pyproject.toml; ValueError if no broker is named. `types` are
    dataclass, pydantic or Enum classes and `errors` exception classes that results may hold: what this process is not
    given arrives as `Opaque` and as `RemoteError`. One `Cluster` serves threads and event loops alike.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        prefix: str | None = None,
        types: Sequence[type] = (),
        errors: Sequence[type[BaseException]] = (),
    ) -> None:
        settings = Settings(SimpleNamespace(broker=url or None, prefix=prefix))
        self.url = settings.broker()
        self.prefix = settings.prefix()
        #: the connection and what goes over it
        self.link = Link(self.url, self.prefix, types, errors)

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
        return Opening(
            run_id,
            stream_mode,
            begin=self._known(run_id),
            after=after,
            subgraphs=subgraphs,
            output_keys=output_keys,
            version=version,
        ).stream(self.link)

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
        return Opening(
            run_id,
            stream_mode,
            begin=self._known(run_id),
            after=after,
            subgraphs=subgraphs,
            output_keys=output_keys,
            version=version,
        ).astream(self.link)

    def result(self, run_id: str) -> Any:
        """Wait for the run's end and return its output, as `invoke` does; raises what the run raised."""
        output = FinalOutput("v1")
        for item in self._output(run_id).stream(self.link):
            output.add(item)
        return output.result()

    async def aresult(self, run_id: str) -> Any:
        """The twin of `result` for an event loop."""
        output = FinalOutput("v1")
        async for item in self._output(run_id).astream(self.link):
            output.add(item)
        return output.result()

    def _output(self, run_id: str) -> Opening:
        return Opening(run_id, "values", begin=self._known(run_id), outputs=True)

    def _known(self, run_id: str) -> Callable[[], None]:
        """What a joining stream does first: make sure that the run exists."""

        def check() -> None:
            self.link.record(run_id)

        return check

    def cancel(self, run_id: str, reason: str = "") -> None:
        """End a run: no new task starts, running async nodes are cancelled, readers get `RunCancelled`.

        A run that has ended already is left as it is. UnknownRun if there is none.
        """
        self.link.record(run_id)
        self.link.cancel(run_id, reason)

    async def acancel(self, run_id: str, reason: str = "") -> None:
        """The twin of `cancel` for an event loop."""
        await _in_thread(self.cancel, run_id, reason)

    def delete(self, run_id: str) -> None:
        """Delete a run: its record, its log and the values of both. One that has not ended is cancelled first.

        Returns when they are gone. UnknownRun if there is none; NotDeleted if no coordinator does it within 10 s.
        """
        self.link.delete(run_id)

    async def adelete(self, run_id: str) -> None:
        """The twin of `delete` for an event loop."""
        await _in_thread(self.delete, run_id)

    def status(self, run_id: str) -> dict[str, Any]:
        """What is known of a run, without waiting.

        `{"run_id", "graph", "status", "created_ms", "open_tasks"}`: the status is "open", "done", "failed",
        "cancelled" or "paused"; each open task is
        `{"id", "node", "ns", "pool", "attempt", "state": "dispatched" | "planned" | "parked", "reason"}`.
        """
        return run_status(self.link, run_id)

    async def astatus(self, run_id: str) -> dict[str, Any]:
        """The twin of `status` for an event loop."""
        return await _in_thread(self.status, run_id)

    # -- the connection -------------------------------------------------------------------------------

    def broker(self) -> Any:
        """The broker behind the cluster, connected: for tools. NoBroker, NoCluster, EvictingBroker, ProtocolTooNew."""
        return self.link.broker()

    def close(self) -> None:
        """Close all connections. The cluster and its runs go on."""
        self.link.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Cluster {without_password(self.url)} prefix {self.prefix!r}>"


async def _in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # only callers that have a loop pay for it

    return await asyncio.to_thread(call, *args, **kwargs)
