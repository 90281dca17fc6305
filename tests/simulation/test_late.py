"""Readers that begin at a head see what readers of the whole log see: every head, every position, random programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from tests.differential.normal import show

from drumline.cluster.late import LateStart
from drumline.cluster.position import BEGINNING, Position
from drumline.cluster.reader import RunReader
from drumline.reading import mappers_of, output_coercion, parse_reading, result_of
from drumline.testing._sim.network import Sent
from drumline.views import View
from drumline_coordinator import staging
from drumline_coordinator.partition import Partition
from drumline_coordinator.staging import Stage
from drumline_protocol import wire
from drumline_protocol.cells import CellRow
from drumline_protocol.facts import RunFinished
from drumline_protocol.heads import heads_in
from drumline_transport.broker import CommitReply
from drumline_transport.memory import MemoryBroker

from . import world as world_module
from .clients import Items, SimClient
from .faults import Faults
from .world import World

SEEDS = 25
#: heads of one world that are tried
HEADS_MAX = 12
#: what readers of the same run may ask for, and the version that their items are shaped by
READINGS = (
    (("values",), "v1"),
    (("updates",), "v1"),
    (("custom",), "v2"),
    (("tasks",), "v1"),
    (("debug",), "v1"),
    (("values", "updates", "custom", "tasks", "debug"), "v2"),
)


@dataclass
class Taken:
    """A run's record with a new head in it, as it was when its commit was applied."""

    run_id: str
    record: dict[str, bytes]
    values: Any


class Library(MemoryBroker):
    """The broker at one moment for cells and blobs, which may be trimmed later; the log of now."""

    def __init__(self, world: World, partition: int, run_id: str) -> None:
        super().__init__(world.server)
        part = world.server.partitions[partition]
        self.cells = {
            key: [(id_[0], row) for id_, row in stream.after((0, 0))]
            for key, stream in part.cells.items()
            if key[0] == run_id
        }
        self.blobs = {key: data for key, data in part.blobs.items() if key.startswith(run_id)}

    def read_values(self, _p: int, cells: Any, blobs: Any) -> Any:
        found = [
            [CellRow(n, *row) for n, row in self.cells.get((owner, cell), ()) if after < n <= upto]
            for owner, cell, after, upto in cells
        ]
        return found, [self.blobs.get(blob) for blob in blobs]


class OldLink:
    """As much of a client's link as a late start uses, at the moment of a head."""

    def __init__(self, taken: Taken, partition: int) -> None:
        self._taken, self._partition = taken, partition

    def broker(self) -> Any:
        return self._taken.values

    def partition(self, _run_id: str, _thread: str = "") -> int:
        return self._partition

    def record(self, _run_id: str) -> dict[str, bytes]:
        return self._taken.record


def old_link(taken: Taken, partition: int) -> Any:
    """For mypy it is a whole link."""
    return OldLink(taken, partition)


def live(seed: int) -> tuple[World, list[Taken]]:
    """A whole world in which each commit writes a head, and some of the heads."""
    world, taken = World(seed), []
    world.limits = [limit for limit in world.limits if limit[1] != "HEAD_AFTER_BYTES_MIN"]
    watch = world.server.observe

    def observe(sent: Sent, reply: CommitReply) -> None:
        watch(sent, reply)
        if reply.status == "applied":
            for run_id, fields in sent.commit.fields:
                if "head" in fields and run_id not in world.watch.damaged:
                    p = sent.commit.partition
                    record = dict(world.server.partitions[p].runs[run_id])
                    taken.append(Taken(run_id, record, Library(world, p, run_id)))

    world.server.observe = observe
    with patch.object(staging, "HEAD_AFTER_BYTES_MIN", 1), patch.object(staging, "HEAD_GROWTH", 0):
        world.run()
    sampled = world.rng.sample(range(len(taken)), min(HEADS_MAX, len(taken)))
    return world, [taken[index] for index in sorted(sampled)]


def reader_of(
    client: SimClient, modes: Sequence[str], version: str, start: Position, *, outputs: bool = False
) -> RunReader:
    program = client.run.subject.graph.program
    view = View(
        modes,
        listed=len(modes) > 1,
        subgraphs=not outputs,
        outputs=outputs,
        version=version,
        coerce=output_coercion(program),
        mappers=mappers_of(program),
        decode_item=lambda data: wire.decode_item(client.codec, data),
    )
    run = client.run
    return RunReader(
        run.id,
        view,
        client.codec,
        modes,
        start=start,
        read_values=lambda cells, blobs: client.broker.read_values(run.partition, cells, blobs),
    )


def read(client: SimClient, reader: RunReader) -> Items:
    log = client.broker.log_reader(client.run.partition, client.run.id)
    return reader.feed(log.read(reader.after, 10**6, 0))


def shown(items: Items) -> list[Any]:
    return [(show(item), position) for item, position in items]


def whole_runs(world: World) -> list[SimClient]:
    return [client for client in world.clients if not client.run.damaged and client.run.id in world.watch.logs]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_comes_behind_a_position_is_the_same_from_every_head(seed: int) -> None:
    world, taken = live(seed)
    for client in whole_runs(world):
        heads = [one for one in taken if one.run_id == client.run.id]
        for modes, version in READINGS if heads else ():
            if not {*modes} - {"debug"} <= {*client.run.modes, "debug"}:
                continue
            items = read(client, reader_of(client, modes, version, BEGINNING))
            for one in heads:
                (head,) = heads_in(one.record, ("head",))
                for index in starts(items, head.fact, world):
                    start = items[index][1]
                    reader = reader_of(client, modes, version, start)
                    late = LateStart(
                        old_link(one, client.run.partition), client.run.id, client.codec, start, record=one.record
                    )
                    assert late.enter(reader) == []
                    assert reader.after == head.at, "it begins at the head"
                    assert shown(read(client, reader)) == shown(items[index + 1 :]), (head.at, start, modes)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_whose_log_is_cut_again_and_again_can_be_recovered_and_read(seed: int) -> None:
    """The watch recovers each run at every commit. So do readers here, from each head that its record holds."""
    cut: list[str] = []

    def observe(sent: Sent, reply: CommitReply) -> None:
        cut.extend(run_id for run_id, _ in sent.commit.logs_trimmed if reply.status == "applied")
        for client in world.clients:
            run = client.run
            record = world.server.partitions[run.partition].runs.get(run.id, {})
            for head in () if run.damaged else heads_in(record):
                start = Position(head.fact, 0, head.epoch, True)
                reader = reader_of(client, ("values", "tasks"), "v1", start)
                now = Taken(run.id, record, MemoryBroker(world.server))
                LateStart(old_link(now, run.partition), run.id, client.codec, start, record=record).enter(reader)
                assert reader.after == head.at
                read(client, reader)

    world = World(seed, faults=replace(Faults.draw(Random(seed)), damage=0.0))
    world.limits = [limit for limit in world.limits if limit[1] != "HEAD_AFTER_BYTES_MIN"]
    watch = world.server.observe

    def both(sent: Sent, reply: CommitReply) -> None:
        watch(sent, reply)
        observe(sent, reply)

    world.server.observe = both
    with (
        patch.object(SimClient, "read", _reads_no_more),
        patch.object(staging, "HEAD_GROWTH", 0),
        patch.object(world_module, "check_run", lambda *_: "cut"),
        patch.object(Partition, "_new_stage", _small_stage),
    ):
        world.run()
    assert all(world.watch.logs[client.run.id].ended for client in whole_runs(world))
    long = [client for client in whole_runs(world) if world.watch.logs[client.run.id].last_id[1] > 150]
    assert {client.run.id for client in long} <= set(cut)


def _reads_no_more(client: SimClient) -> str:
    """Its reader only waits for the end: of a log that is cut it would be told."""
    log = client.broker.load_log(client.run.partition, client.run.id)
    client.run.told = client.run.ended = (
        bool(log) and type(wire.decode_facts(client.codec, log[-1].data)[-1]) is RunFinished
    )
    return "looks"


def _small_stage(partition: Partition) -> Stage:
    partition._log_bytes_max = 1_000
    return NEW_STAGE(partition)


NEW_STAGE = Partition._new_stage


def starts(items: Items, fact: int, world: World) -> list[int]:
    """Positions at which a head serves: the first ones, the last ones, and some between them."""
    found = [i for i, (_, at) in enumerate(items) if at.fact > fact or (at.fact == fact and at.whole)]
    return sorted({*found[:3], *found[-2:], *world.rng.sample(found, min(3, len(found)))})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_output_is_the_same_from_every_head(seed: int) -> None:
    world, taken = live(seed)
    reading = parse_reading("values", outputs=True)
    for client in whole_runs(world):
        reader = reader_of(client, ("values",), "v1", BEGINNING, outputs=True)
        whole = result_of(reading, (item for item, _ in read(client, reader)))
        for one in taken:
            if one.run_id == client.run.id:
                mine = reader_of(client, ("values",), "v1", BEGINNING, outputs=True)
                late = LateStart(
                    old_link(one, client.run.partition),
                    client.run.id,
                    client.codec,
                    BEGINNING,
                    True,
                    one.record,
                )
                items = [*late.enter(mine), *read(client, mine)]
                assert show(result_of(reading, (item for item, _ in items))) == show(whole)
                assert type(mine.failure) is type(reader.failure)
