"""A whole cluster in one thread: one virtual clock, one seed.

A scheduler chooses one enabled step after another: a coordinator's turn, its keeper's turn, a commit's arrival, a line
of a node's output, a worker's write, a tick of the clock. Between steps faults happen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from drumline.testing._sim.ground import Ground
from drumline.testing._sim.network import Sent
from drumline.testing._sim.plans import Plans
from drumline.testing._sim.trouble import Trouble
from drumline.testing._sim.vandals import Vandals
from drumline.testing.faults import Faults, NamedFault
from drumline_graph.program import Program

#: (weight, who, what) of a step that could be taken
Action = tuple[float, str, Callable[[], Any]]


class Engine(Ground):
    """One simulated cluster that takes steps, with the faults that strike it."""

    def __init__(
        self,
        rng: Random,
        programs: Mapping[str, Program],
        *,
        partitions: int,
        faults: Faults,
        planned: Sequence[NamedFault] = (),
        echo: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(rng, programs, partitions=partitions, faults=faults, echo=echo)
        self.trouble = Trouble(self)
        self.vandals = Vandals(self)
        self.plans = Plans(self, self.trouble, planned)

    def start_coordinator(self) -> None:
        super().start_coordinator()
        self.coordinators[-1].broker.crash_at = self.plans.crash_at

    def start_worker(self, holds: bool | None = None) -> None:
        super().start_worker(holds)
        self.workers[-1].on_run, self.workers[-1].loses_result = self.plans.on_run, self.plans.loses_result

    def loses_reply(self, sent: Sent) -> bool:
        return self.plans.loses_reply(sent) or super().loses_reply(sent)

    # -- steps ------------------------------------------------------------------------------------

    def client_actions(self) -> list[Action]:
        """What clients could do now, where the scheduler drives them too."""
        return []

    def _actions(self) -> list[Action]:
        """Every step that could be taken now: (weight, who, what)."""
        now = self.server.now_ms
        found: list[Action] = []
        add = found.append
        for c in self.coordinators:
            if c.broker.in_flight and not (c.wire_stopped and c.paused_until_ms is not None):
                add((1 - self.faults.slow_wire, c.name, c.broker.deliver))
            if c.paused_until_ms is not None:
                continue
            if c.has_news:
                add((2, c.name, partial(self.trouble.turn, c)))
            if c.keep_at_ms <= now:
                add((4, c.name, c.keep))
        for w in self.workers:
            if w.paused_until_ms is not None:
                continue
            if w.can_take:
                add((1, w.name, w.take))
            if w.speaking:
                add((2, w.name, w.speak))
            if w.can_gather:
                add((1, w.name, w.gather))
            if w.sending is not None:
                add((2, w.name, w.send))
            if w.keep_at_ms <= now:
                add((4, w.name, w.keep))
            if w.has_orders:
                add((1, w.name, w.listen))
        found += self.client_actions()
        for ghost in self.ghosts:
            add((0.3, ghost.name, partial(self.trouble.appear, ghost)))
        return found

    def _due(self) -> list[tuple[int, Callable[[], None]]]:
        """What the clock brings, and when."""
        due = list(self.coming)
        for process in self.processes:
            if process.paused_until_ms is not None:
                due.append((process.paused_until_ms, partial(self.resume, process)))
            else:
                due.append((process.keep_at_ms, _nothing))
        return due

    def step(self) -> None:
        """One step of somebody, or a tick of the clock."""
        if not self.healed:
            self.trouble.strike()
            self.vandals.strike()
        now = self.server.now_ms
        due = self._due()
        for at, happen in due:
            if at <= now:
                self.coming = [coming for coming in self.coming if coming[1] is not happen or coming[0] != at]
                happen()
        actions = self._actions()
        until = min((at for at, _ in due), default=now + 100) - now
        if until > 0 or not actions:
            tick = self.rng.randint(1, max(1, until)) if actions else max(1, until)
            actions.append((1.5, "", lambda: self._tick(tick)))
        _, who, act = self.rng.choices(actions, [action[0] for action in actions])[0]
        told = act()
        if who:
            self.note(who, told or act.__name__)
        self.plans.look()

    def _tick(self, ms: int) -> None:
        self.server.now_ms += ms

    # -- what is left -----------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Nobody has anything left to do, and no task entry is left."""
        server = self.server
        return (
            not self.ghosts
            and not any(w.running or w.queued or w.sending for w in self.workers)
            and not any(c.broker.in_flight or c.has_news for c in self.coordinators)
            and not any(len(part.inbox) or len(part.requests) or part.open for part in server.partitions)
            and not any(len(tasks.stream) or tasks.pending for tasks in server.tasks.values())
        )

    def open_things(self) -> list[str]:
        """What keeps the cluster from being quiet, for people."""
        server = self.server
        pools = [(pool, tasks) for pool, tasks in server.tasks.items() if len(tasks.stream)]
        return [
            *(f"partition {i} keeps {sorted(part.open)} open" for i, part in enumerate(server.partitions) if part.open),
            *(f"inbox {i} holds {len(part.inbox)}" for i, part in enumerate(server.partitions) if len(part.inbox)),
            *(f"pool {pool} holds {len(t.stream)}, pending {sorted(t.pending.items())}" for pool, t in pools),
            *(f"{w.name} has {w.running} tasks" for w in self.workers if w.running),
            *([f"{len(self.ghosts)} ghosts"] if self.ghosts else []),
        ]

    @property
    def digest(self) -> str:
        """A hash of all that happened and all that was written."""
        heard = hashlib.blake2b(digest_size=16)
        for line in self.trace:
            heard.update(line.encode())
        for part in self.server.partitions:
            for run_id in sorted(part.logs):
                for entry_id, (first, data) in part.logs[run_id].after((0, 0)):
                    heard.update(f"{run_id} {entry_id} {first}".encode())
                    heard.update(data)
        return heard.hexdigest()


def _nothing() -> None:
    """What is due when a process is about to take a step by itself."""
