"""What a simulated cluster stands on: its processes, its clock, what has happened in it, and what is yet to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from drumline.testing._sim.coordinators import SimCoordinator
from drumline.testing._sim.mercy import Mercy
from drumline.testing._sim.network import Sent, SimServer
from drumline.testing._sim.roles import roles_of
from drumline.testing._sim.watch import Watch
from drumline.testing._sim.workers import SimWorker
from drumline.testing.faults import Faults
from drumline_graph.program import Program
from drumline_worker.registry import Registry

_NO_GRAPHS = Registry({})


@dataclass(slots=True, eq=False)
class Ghost:
    """What a dead process had written, and what still is to arrive: `more` tells whether there is more after this."""

    name: str
    arrive: Callable[[], str]
    more: Callable[[], bool]


class KnownRun(Protocol):
    """A run as far as faults must know it."""

    @property
    def id(self) -> str: ...
    @property
    def partition(self) -> int: ...

    damaged: bool


class Ground:
    """The processes of one simulated cluster and what they share. `trace` has a line for each step; `echo` gets it."""

    def __init__(
        self,
        rng: Random,
        programs: Mapping[str, Program],
        *,
        partitions: int,
        faults: Faults,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.rng = rng
        self.trace: list[str] = []
        #: the lines of it that tell of faults
        self.faulty: list[str] = []
        self._echo = echo
        self.drawn = self.faults = faults
        self.server = SimServer(partitions)
        self._began_ms = self.server.now_ms
        self.roles = roles_of(programs)
        self.programs, self.apps, self.registry = self.roles.programs, self.roles.apps, self.roles.registry
        self._pools = self.apps.pools()
        self.watch = Watch(self.server, self.apps)
        self.mercy = Mercy()
        self.runs: list[KnownRun] = []
        self._names = 0
        self.coordinators: list[SimCoordinator] = []
        self.workers: list[SimWorker] = []
        #: (when, start) of processes to come; what dead ones left on the wire
        self.coming: list[tuple[int, Callable[[], None]]] = []
        self.ghosts: list[Ghost] = []
        self.healed = False

    # -- processes --------------------------------------------------------------------------------

    def start_coordinator(self) -> None:
        """One more coordinator."""
        name = self._name("coord")
        coordinator = SimCoordinator(name, self.server, self.apps, self.loses_reply)
        self.coordinators.append(coordinator)
        self.note(name, "starts")

    def loses_reply(self, sent: Sent) -> bool:
        """A commit has arrived: whether its reply gets lost."""
        del sent
        chance = self.faults.lose_reply
        return chance > 0 and self.rng.random() < chance

    def start_worker(self, holds: bool | None = None) -> None:
        """One more worker. Whether it holds the graphs is drawn, if it is not said."""
        if holds is None:
            holds = self.rng.random() >= self.faults.stranger
        name = self._name("worker")
        registry = self.registry if holds else _NO_GRAPHS
        worker = SimWorker(name, self.server, registry, self.faults, self.rng, mercy=self.mercy, pools=self._pools)
        self.workers.append(worker)
        self.note(name, "starts" if holds else "starts without the graphs")

    @property
    def processes(self) -> list[SimCoordinator | SimWorker]:
        """All that live."""
        return [*self.coordinators, *self.workers]

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}-{self._names}"

    @property
    def clock_ms(self) -> int:
        """Virtual milliseconds since the beginning."""
        return self.server.now_ms - self._began_ms

    def note(self, who: str, what: str, *, fault: bool = False) -> None:
        """Add a line to the trace."""
        line = f"{self.clock_ms:>7} {who:<9} {what}"
        self.trace.append(line)
        if fault:
            self.faulty.append(line)
        if self._echo is not None:
            self._echo(line)

    def heal(self) -> None:
        """No more faults by chance: everybody runs, and what is missing comes."""
        self.healed = True
        self._charge(Faults())
        for process in self.processes:
            process.paused_until_ms = None
        if not self.coordinators:
            self.start_coordinator()
        if not any(worker.holds for worker in self.workers):
            self.start_worker(holds=True)
        self.note("world", "heals")

    def disturb(self) -> None:
        """Faults by chance again, after `heal`."""
        self.healed = False
        self._charge(self.drawn)

    def _charge(self, faults: Faults) -> None:
        self.faults = faults
        for worker in self.workers:
            worker.faults = faults

    def resume(self, process: SimCoordinator | SimWorker) -> None:
        """A process that was stopped goes on."""
        process.paused_until_ms = None
        self.note(process.name, "goes on")
