"""A whole cluster in one thread: one virtual clock, one seed.

`simulate(seed)` draws the cluster, its runs and its faults from the seed, then lets a scheduler choose one enabled step
after another: a coordinator's turn, its keeper's turn, a commit's arrival, a line of a node's output, a worker's write,
a reader's read, a tick of the clock. Between steps faults happen. After a while the trouble ends (`heal`): every run
must then come to its end in bounded time, and what everybody saw is compared with the run without faults.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import Any
from unittest.mock import patch

from drumline_coordinator import attempts, cells, intake, opened, staging
from drumline_coordinator.apps import Apps
from drumline_worker import crew, outbox
from drumline_worker.registry import Registry

from . import graphs
from .checks import LogWatch, Violation, Watch, check_rest, check_run, demand
from .clients import SimClient, new_run
from .coordinators import SimCoordinator
from .ears import Ears
from .faults import Faults
from .network import SimServer
from .trouble import Ghost, Trouble
from .vandals import Vandals
from .workers import SimWorker

#: steps in which things may go wrong; and how much the cluster needs at most from then on
FAULTY_STEPS_MAX = 900
HEALED_STEPS_MAX = 20_000
HEALED_MS_MAX = 180_000
#: leases and messages of a dead process may haunt the cluster for this long after the last run ended
SETTLE_MS_MAX = 40_000

MODES = ("values", "updates", "custom", "tasks")

_NO_GRAPHS = Registry({})
#: bounds that a small graph would never reach, and what is drawn for them
_LIMITS = (
    (intake, "INBOX_BATCH_ENTRIES_MAX", (500, 500, 3, 1)),
    (staging, "HEAD_EVERY_BYTES", (262144, 3000, 300)),
    (opened, "IDLE_RUN_MS", (30_000, 2_000, 0)),
    (attempts, "DISPATCH_WINDOW_ENTRIES_MAX", (1000, 1000, 4, 1)),
    (staging, "DISPATCH_WINDOW_ENTRIES_MAX", (1000, 1000, 5, 1)),
    (staging, "DISPATCH_WINDOW_BYTES_MAX", (2**20, 2**20, 3000)),
    (staging, "LOG_ENTRY_BYTES_MAX", (2**20, 2**20, 2000, 100)),
    (cells, "CELL_INLINE_BYTES_MAX", (65536, 65536, 1000, 100)),
    (outbox, "BURST_ITEMS_MAX", (512, 512, 2)),
    (crew, "TAKE_PARTS", (4, 1)),
)


class World:
    """One simulated cluster. `trace` has a line for every step; `echo` gets each as it is written."""

    def __init__(self, seed: int, *, faults: Faults | None = None, echo: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.trace: list[str] = []
        self._echo = echo
        self.drawn = self.faults = Faults.draw(rng) if faults is None else faults
        self.server = SimServer(partitions=rng.choice((1, 1, 2, 3)))
        self._began_ms = self.server.now_ms
        runs = rng.choice((1, 1, 1, 2, 3))
        subjects = [self._choose_subject() for _ in range(runs)]
        self.programs = {subject.name: subject.graph.program for subject in subjects}
        # One for all processes: they only add to its caches, and a codec takes its time to build.
        self.apps = Apps(self.programs)
        self.registry = Registry(self.programs)
        self.watch = Watch(self.server, self.apps.codec, self.programs)
        self.clients = [self._new_client(number, subject) for number, subject in enumerate(subjects)]
        self._names = 0
        self.coordinators: list[SimCoordinator] = []
        self.workers: list[SimWorker] = []
        for _ in range(rng.randint(1, 3)):
            self.start_coordinator()
        for _ in range(rng.randint(2, 4)):
            self.start_worker()
        #: (when, start) of processes to come; what dead ones left on the wire
        self.coming: list[tuple[int, Callable[[], None]]] = []
        self.ghosts: list[Ghost] = []
        self.trouble = Trouble(self)
        self.vandals = Vandals(self)
        #: the services' own bounds, often so small that they matter
        self.limits = [(module, name, rng.choice(values)) for module, name, values in _LIMITS]
        self.healed = False
        self.outcomes: list[str] = []

    def _choose_subject(self) -> graphs.Subject:
        rng = self.rng
        if rng.random() < 0.6:
            return graphs.fixed(rng.choice(graphs.FIXED))
        return graphs.random_subject(rng.randrange(graphs.RANDOM_GRAPHS))

    def _new_client(self, number: int, subject: graphs.Subject) -> SimClient:
        rng, faults = self.rng, self.faults
        modes = (*MODES, "debug") if rng.random() < 0.2 else MODES
        run = new_run(number, subject, modes, len(self.server.partitions), rng)
        if rng.random() < faults.repeat_submit:
            run.submits_left += rng.randint(1, 2)
        if rng.random() < faults.cancel:
            run.cancels_left = 1
        run.poison = rng.random() < faults.poison
        return SimClient(self.server, run, rng, faults.drop_reader)

    # -- processes --------------------------------------------------------------------------------

    def start_coordinator(self) -> None:
        name = self._name("coord")
        coordinator = SimCoordinator(name, self.server, self.apps, self.faults.lose_reply, self.rng)
        coordinator.broker.poison = frozenset(client.run.id for client in self.clients if client.run.poison)
        self.coordinators.append(coordinator)
        self.note(name, "starts")

    def start_worker(self, holds: bool | None = None) -> None:
        if holds is None:
            holds = self.rng.random() >= self.faults.stranger
        name = self._name("worker")
        registry = self.registry if holds else _NO_GRAPHS
        worker = SimWorker(name, self.server, registry, self.faults, self.rng)
        self.workers.append(worker)
        self.note(name, "starts" if holds else "starts without the graphs")

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}-{self._names}"

    def note(self, who: str, what: str) -> None:
        line = f"{self.server.now_ms - self._began_ms:>7} {who:<9} {what}"
        self.trace.append(line)
        if self._echo is not None:
            self._echo(line)

    def heal(self) -> None:
        """No more faults: everybody runs, and what is missing comes."""
        self.healed = True
        calm = Faults()
        self.faults = calm
        for coordinator in self.coordinators:
            coordinator.paused_until_ms = None
            coordinator.broker._loses_reply = lambda: False
        for worker in self.workers:
            worker.paused_until_ms = None
            worker.faults = calm
        for client in self.clients:
            client.drop_reader = 0.0
            client.run.submits_left = min(client.run.submits_left, 1)
        if not self.coordinators:
            self.start_coordinator()
        if not any(worker.holds for worker in self.workers):
            self.start_worker(holds=True)
        self.note("world", "heals")

    # -- steps ------------------------------------------------------------------------------------

    def _actions(self) -> list[tuple[float, str, Callable[[], str | None]]]:
        """Every step that could be taken now: (weight, who, what)."""
        now = self.server.now_ms
        found: list[tuple[float, str, Callable[[], Any]]] = []
        add = found.append
        for c in self.coordinators:
            if c.broker.in_flight and not (c.wire_stopped and c.paused_until_ms is not None):
                add((1 - self.faults.slow_wire, c.name, c.broker.deliver))
            if c.paused_until_ms is not None:
                continue
            if c.has_news:
                add((2, c.name, lambda c=c: self.trouble.turn(c)))  # type: ignore[misc]
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
        for client in self.clients:
            run = client.run
            if run.submits_left:
                add((0.3, "client", client.submit))
            elif run.cancels_left:
                add((0.02, "client", client.cancel))
            if client.has_news:
                add((0.7, "reader", client.read))
        for ghost in self.ghosts:
            add((0.3, ghost.name, lambda ghost=ghost: self.trouble.appear(ghost)))  # type: ignore[misc]
        return found

    def _due(self) -> list[tuple[int, Callable[[], None]]]:
        """What the clock brings, and when."""
        due = list(self.coming)
        for process in (*self.coordinators, *self.workers):
            if process.paused_until_ms is not None:  # type: ignore[attr-defined]
                due.append((process.paused_until_ms, lambda p=process: self._resume(p)))  # type: ignore[attr-defined, misc]
            else:
                due.append((process.keep_at_ms, lambda: None))  # type: ignore[attr-defined]
        return due

    def _resume(self, process: SimCoordinator | SimWorker) -> None:
        process.paused_until_ms = None
        self.note(process.name, "goes on")

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

    def _tick(self, ms: int) -> None:
        self.server.now_ms += ms

    # -- a whole life -----------------------------------------------------------------------------

    def run(self) -> None:
        """Trouble, healing, the end, the checks. Raises Violation."""
        with Ears() as ears, ExitStack() as stack:
            for module, name, value in self.limits:
                stack.enter_context(patch.object(module, name, value))
            for _ in range(self.rng.randint(100, FAULTY_STEPS_MAX)):
                self.step()
                if self._over():
                    break
            self.heal()
            self._bring_to_end(self._over, HEALED_MS_MAX, "I1: runs do not come to their end")
            self._bring_to_end(self._quiet, SETTLE_MS_MAX, "the cluster does not come to rest")
            unexpected = [line for line in ears.heard if not self._explains(line)]
            demand(not unexpected, f"a service logged an error: {unexpected}")
            check_rest(self.server)
            for client in self.clients:
                log = self.watch.logs.get(client.run.id) or LogWatch(client.run.id)
                demand(not log.noticed or self.drawn.late_event > 0, "nothing was late, but the log notices something")
                self.outcomes.append(check_run(client, log))

    def _explains(self, line: str) -> bool:
        """Whether an error in the log of a service is what a fault of this world must lead to."""
        drawn = self.drawn
        if "brought its coordinator down" in line or "PoisonedRun" in line or "kills" in line:
            return drawn.poison > 0
        if any(words in line for words in ("set aside", "left to the coordinator", "passed over")):
            return drawn.hostile > 0
        return drawn.damage > 0 and ("damaged" in line or "is forgotten" in line)

    def _bring_to_end(self, reached: Callable[[], bool], ms_max: int, otherwise: str) -> None:
        until_ms = self.server.now_ms + ms_max
        for _ in range(HEALED_STEPS_MAX):
            if reached():
                return
            demand(self.server.now_ms < until_ms, f"{otherwise} within {ms_max} ms: {self._open_things()}")
            self.step()
        raise Violation(f"{otherwise} within {HEALED_STEPS_MAX} steps: {self._open_things()}")

    def _over(self) -> bool:
        return all(client.run.ended for client in self.clients)

    def _quiet(self) -> bool:
        """Nobody has anything left to do, and no task entry is left."""
        server = self.server
        return (
            not self.ghosts
            and not any(w.running or w.queued or w.sending for w in self.workers)
            and not any(c.broker.in_flight or c.has_news for c in self.coordinators)
            and not any(len(part.inbox) or len(part.requests) or part.open for part in server.partitions)
            and not any(len(tasks.stream) or tasks.pending for tasks in server.tasks.values())
            and not any(client.has_news for client in self.clients)
        )

    def _open_things(self) -> str:
        server = self.server
        return ", ".join(
            [
                *(f"run {client.run.id} is open" for client in self.clients if not client.run.ended),
                *(
                    f"partition {i} keeps {sorted(part.open)} open"
                    for i, part in enumerate(server.partitions)
                    if part.open
                ),
                *(f"inbox {i} holds {len(part.inbox)}" for i, part in enumerate(server.partitions) if len(part.inbox)),
                *(
                    f"pool {pool} holds {len(tasks.stream)}, pending {sorted(tasks.pending.items())}"
                    for pool, tasks in server.tasks.items()
                    if len(tasks.stream)
                ),
                *(f"{w.name} has {w.running} tasks" for w in self.workers if w.running),
                f"{len(self.ghosts)} ghosts",
            ]
        )

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


def simulate(seed: int, *, faults: Faults | None = None, echo: Callable[[str], None] | None = None) -> World:
    """Run a seed. Raises Violation, with the end of the trace and the command that replays it."""
    world = World(seed, faults=faults, echo=echo)
    try:
        world.run()
    except Exception as error:
        tail = "\n".join(world.trace[-60:])
        text = f"{type(error).__name__}: {error}" if not isinstance(error, Violation) else str(error)
        raise Violation(
            f"seed {seed}: {text}\n\nthe end of its trace ({len(world.trace)} lines):\n{tail}\n\n"
            f"seed {seed}: {text}\nfaults: {world.drawn}\nreplay: python -m tests.simulation {seed} --trace"
        ) from error
    return world
