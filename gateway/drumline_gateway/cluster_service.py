"""The service of a cluster: each call is one of `drumline.Cluster`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from drumline.cli.survey import survey
from drumline.cluster import Cluster
from drumline.cluster.attendance import alive
from drumline.cluster.thread_runs import summary
from drumline_gateway.clock import BrokerClock
from drumline_gateway.service import Bell, Item, Row, RunItems, Start, Wanted
from drumline_gateway.thread_bells import ThreadBells
from drumline_gateway.thread_look import ClusterLook
from drumline_gateway.watching import Watching
from drumline_protocol.errors import ClusterError, InvalidRequest, ThreadBusy, UnknownGraph, UnknownRun
from drumline_protocol.retention import Retention

#: errors with which a run is refused before it has begun
_REFUSALS = (ThreadBusy, InvalidRequest, UnknownGraph)


class ClusterService:
    """Serves the graphs of a cluster. `graphs`: those that this process holds too."""

    ignored = frozenset({"durability"})

    def __init__(self, cluster: Cluster, graphs: Mapping[str, Any] | None = None) -> None:
        self._cluster = cluster
        self._given = dict(graphs or {})
        self.graphs: Mapping[str, Any] = {name: graph.on(cluster, name) for name, graph in self._given.items()}

    async def open(self) -> None:
        """From now on all that this loop reads of runs is read together. Connects when it is first asked."""
        self._watching = Watching(self._cluster)
        self._clock = BrokerClock(lambda: self._cluster.link.broker().time_ms())
        self._bells = ThreadBells(ClusterLook(self._cluster.link))
        await self._watching.open()

    async def aclose(self) -> None:
        """End the reading; the cluster is its owner's to close."""
        await self._bells.aclose()
        await self._watching.aclose()

    async def names(self) -> Sequence[str]:
        """The graphs of the coordinators that are there."""
        there = await asyncio.to_thread(alive, self._cluster.link, "coordinators")
        return sorted({name for coordinator in there for name in coordinator.graphs})

    async def trouble(self) -> str:
        """Why no run would begin: the broker does not answer, or nobody holds the partitions."""
        try:
            there = await asyncio.to_thread(alive, self._cluster.link, "coordinators")
            partitions = self._cluster.link.broker().partitions
        except ClusterError as error:
            return str(error)
        missing = set(range(partitions)).difference(*(coordinator.partitions for coordinator in there))
        return f"nobody holds {len(missing)} of {partitions} partitions" if missing else ""

    async def now_ms(self) -> float:
        """Redis TIME, which coordinators stamp with."""
        return await self._clock.now_ms()

    # -- threads --------------------------------------------------------------------------------------

    async def make_thread(self, thread: str, metadata: Mapping[str, Any], *, refuse: bool) -> Row:
        return await self._cluster.threads.acreate(thread, metadata, if_exists="raise" if refuse else "do_nothing")

    async def thread(self, thread: str) -> Row:
        return await self._cluster.threads.aget(thread)

    async def threads(
        self, status: str | None = None, metadata: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> list[Row]:
        return await self._cluster.threads.alist(status=status, metadata=metadata, limit=limit)

    async def note(self, thread: str, metadata: Mapping[str, Any]) -> Row:
        return await self._cluster.threads.aupdate(thread, metadata)

    async def delete_thread(self, thread: str) -> None:
        await self._cluster.threads.adelete(thread)

    async def copy_thread(self, thread: str, to: str, metadata: Mapping[str, Any]) -> Row:
        await self._cluster.threads.acopy(thread, to)
        await self._cluster.threads.acreate(to, if_exists="do_nothing")
        return await self._cluster.threads.aupdate(to, metadata)

    async def prune(self, threads: Sequence[str], strategy: Literal["keep_latest", "delete"]) -> None:
        await self._cluster.threads.aprune(threads, strategy=strategy)

    async def keep(self, thread: str, rules: Retention) -> None:
        await self._cluster.threads.aretain(thread, rules)

    async def rules(self, thread: str) -> Retention | None:
        return await self._cluster.threads.aretention(thread)

    async def update(self, graph: str, thread: str, config: dict[str, Any], steps: Sequence[Any]) -> dict[str, Any]:
        row = await self.thread(thread)
        if row["status"] == "busy":  # else it would wait for the run; one that begins just now, it waits for
            raise ThreadBusy(thread, row["run_id"])
        found: dict[str, Any] = await self.graphs[graph].abulk_update_state(config, steps)
        return found

    # -- runs -----------------------------------------------------------------------------------------

    async def start(self, start: Start) -> str:
        """Start a run, and see whether it was refused at once."""
        graph = self._cluster.graph(start.graph, graph=self._given.get(start.graph))
        config: dict[str, Any] = dict(start.config)
        if start.thread is not None:
            config["configurable"] = {**config.get("configurable", {}), "thread_id": start.thread}
        run_id = await graph.astart(
            start.input,
            config,  # type: ignore[arg-type]
            context=start.context,
            interrupt_before=start.stops_before,
            interrupt_after=start.stops_after,
            multitask_strategy=start.strategy if start.thread is not None else None,  # type: ignore[arg-type]
            after_seconds=start.after_seconds,
        )
        if start.thread is not None:
            self._bells.ring(start.thread)
        row = await self.run(run_id, start.thread)
        if row["status"] == "failed":
            try:
                await self.result(run_id, start.thread)
            except _REFUSALS:
                raise
            except Exception:  # it has failed by itself: whoever reads it is told
                pass
        return run_id

    async def run(self, run_id: str, thread: str | None) -> Row:
        found = await asyncio.to_thread(summary, self._cluster.link, run_id, thread)
        if found is None:
            raise UnknownRun(run_id)
        return found

    async def runs(self, thread: str, status: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        return await self._cluster.threads.aruns(thread, status=status, limit=limit, offset=offset)

    def items(self, run_id: str, thread: str | None, wanted: Wanted) -> RunItems:
        return _Items(self._cluster, run_id, thread, wanted)

    async def result(self, run_id: str, thread: str | None) -> Any:
        return await self._cluster.aresult(run_id, thread_id=thread)

    async def cancel(self, run_id: str, thread: str | None, *, rollback: bool) -> None:
        await self._cluster.acancel(run_id, "its client asked for that", thread_id=thread, rollback=rollback)

    async def delete_run(self, run_id: str, thread: str | None) -> None:
        await self._cluster.adelete(run_id, thread_id=thread)

    async def assistants(self) -> dict[str, bytes]:
        return await asyncio.to_thread(lambda: self._cluster.link.broker().assistants())

    async def assistant(self, assistant: str) -> bytes | None:
        return await asyncio.to_thread(lambda: self._cluster.link.broker().assistant(assistant))

    async def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        return await asyncio.to_thread(lambda: self._cluster.link.broker().swap_assistant(assistant, was, data))

    def bell(self, thread: str) -> Bell:
        return self._bells.bell(thread)

    async def overview(self, runs_max: int) -> Row:
        return await asyncio.to_thread(self._overview, runs_max)

    def _overview(self, runs_max: int) -> Row:
        found = survey(self._cluster, runs_max=runs_max)
        for run in (*found["runs"], *found["failed"]):
            try:
                record = self._cluster.link.record(run["run_id"])
            except (UnknownRun, InvalidRequest):  # it is deleted meanwhile, or its id does not say where it lives
                record = {}
            run["thread_id"] = record.get("thread", b"").decode("utf-8", "replace") or None
        return found

    @property
    def store(self) -> Any:
        return self._cluster.store


class _Items:
    """A run's stream as `Item`s."""

    def __init__(self, cluster: Cluster, run_id: str, thread: str | None, wanted: Wanted) -> None:
        modes: Any = list(wanted.modes)
        self._stream = cluster.ajoin(
            run_id,
            wanted.after,
            stream_mode=modes,
            subgraphs=wanted.subgraphs,
            version="v2",
            thread_id=thread,
        )

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for part in self._stream:
            shown: Any = part
            yield Item(self._stream.position, shown["type"], shown["ns"], shown["data"], shown.get("interrupts") or ())

    async def aclose(self) -> None:
        """Stop reading."""
        await self._stream.aclose()
