"""The clients of the simulated cluster: they submit runs and read their logs, in pieces and again."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from drumline.cluster.position import BEGINNING, Position
from drumline.cluster.reader import RunReader
from drumline.reading import mappers_of, output_coercion
from drumline.testing._sim.network import SimServer
from drumline.views import View
from drumline_protocol import wire
from drumline_protocol.errors import DecodeError, LogGap, RunExpired, RunIdTaken
from drumline_protocol.ids import partition_of_run
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_protocol.request_digest import Asked
from drumline_transport.memory import MemoryBroker
from drumline_transport.memory_streams import Stream

from .graphs import Subject

Items = list[tuple[Any, Position]]


@dataclass(slots=True)
class SimRun:
    """One run: what was asked for, and what its reader has got so far."""

    id: str
    subject: Subject
    modes: tuple[str, ...]
    partition: int
    submits_left: int = 1
    cancels_left: int = 0
    submitted_ms: int = 0
    #: somebody changed what the broker holds of it
    damaged: bool = False
    #: its reader met an error, and reads no more
    told: bool = False
    poison: bool = False
    items: Items = field(default_factory=list)
    ended: bool = False
    failure: BaseException | None = None


class SimClient:
    """A client of one run."""

    def __init__(self, server: SimServer, run: SimRun, rng: Random, drop_reader: float) -> None:
        self.server = server
        self.run = run
        self.rng = rng
        self.drop_reader = drop_reader
        self.broker = MemoryBroker(server)
        self.codec = run.subject.codec
        self.asked = Asked(run.subject.name, run.subject.graph.program.fingerprint, "mine")
        self.reader = self.new_reader(BEGINNING)

    def submit(self) -> str:
        """Ask for the run, again and again; or, once it has begun, for another under its id: that changes nothing."""
        run = self.run
        run.submits_left -= 1
        run.submitted_ms = run.submitted_ms or self.server.now_ms
        begun = run.id in self.server.partitions[run.partition].logs
        rival = begun and not run.damaged and run.submits_left % 2 == 0
        request = RunRequest(
            run_id=run.id,
            graph=run.subject.name,
            input=None if rival else run.subject.input,
            config=run.subject.config,
            recorded=run.modes,
            fingerprint=run.subject.graph.program.fingerprint,
            digest="another" if rival else self.asked.digest,
        )
        self.broker.submit(run.partition, run.id, wire.encode(self.codec, request))
        return f"submits {run.subject.name}" + (" with another input" if rival else "")

    def cancel(self) -> str:
        self.run.cancels_left -= 1
        self.broker.submit(self.run.partition, self.run.id, wire.encode(self.codec, CancelRun(self.run.id, "enough")))
        return "cancels"

    @property
    def has_news(self) -> bool:
        log = self.server.partitions[self.run.partition].logs.get(self.run.id)
        if log is None:  # a reader looks now and then whether there still is one
            return self.run.damaged and not self.run.ended
        return (self._is_behind(log) or self._is_lost) and not self.run.told

    def _is_behind(self, log: Stream[tuple[int, bytes]]) -> bool:
        first, _, second = self.reader.after.partition("-")
        return log.last > (int(first), int(second))

    @property
    def _is_lost(self) -> bool:
        """Whether the run has ended and this reader cannot read that: the log that it was in was deleted by hand."""
        part = self.server.partitions[self.run.partition]
        ended = part.runs.get(self.run.id, {}).get("status", b"open") != b"open"
        return self.run.damaged and ended and not self.run.ended and not self._is_behind(part.logs[self.run.id])

    def read(self) -> str:
        """Read a piece of the log; now and then over a new connection."""
        run = self.run
        if run.damaged and (run.id not in self.server.partitions[run.partition].logs or self._is_lost):
            run.ended, run.failure, run.told = True, RunExpired(run.id), True
            return "finds no log any more"
        if run.items and self.rng.random() < self.drop_reader:
            self.reader = self.new_reader(run.items[-1][1])
            return f"joins again at {run.items[-1][1]}"
        try:
            items = self.read_piece(self.reader, self.rng.randint(1, 6))
        except (DecodeError, LogGap, RunIdTaken) as error:
            if isinstance(error, RunIdTaken) and not run.damaged:  # else what had the id was deleted by hand
                raise
            run.ended, run.failure, run.told = True, error, True
            return f"is told: {error}"
        run.items += items
        run.ended, run.failure = self.reader.ended, self.reader.failure
        return f"reads {len(items)} items"

    def read_piece(self, reader: RunReader, count: int) -> Items:
        log = self.broker.log_reader(self.run.partition, self.run.id)
        return reader.feed(log.read(reader.after, count, 0))

    def read_from(self, start: Position, version: str = "v1") -> Items:
        """What a fresh reader that joins behind `start` gets, to the end of the log."""
        reader = self.new_reader(start, version)
        items: Items = []
        while True:
            before = reader.after
            items += self.read_piece(reader, self.rng.randint(1, 40))
            if reader.after == before:
                return items

    def new_reader(self, start: Position, version: str = "v1") -> RunReader:
        """A reader with a view of its own, as `Cluster.join` makes it."""
        program = self.run.subject.graph.program
        view = View(
            self.run.modes,
            listed=True,
            subgraphs=True,
            version=version,
            coerce=output_coercion(program),
            mappers=mappers_of(program),
            decode_item=lambda data: wire.decode_item(self.codec, data),
        )
        return RunReader(
            self.run.id,
            view,
            self.codec,
            self.run.modes,
            start=start,
            asked=self.asked,
            read_values=lambda cells, blobs: self.broker.read_values(self.run.partition, cells, blobs),
        )


def new_run(number: int, subject: Subject, modes: tuple[str, ...], partitions: int, rng: Random) -> SimRun:
    run_id = f"{rng.getrandbits(32):08x}-run-{number}"
    return SimRun(run_id, subject, modes, partition_of_run(run_id, partitions))
