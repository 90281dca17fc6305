"""A whole cluster in one thread: one virtual clock, one seed.

`simulate(seed)` draws the cluster, its runs and its faults from the seed, then lets a scheduler choose one enabled step
after another: a coordinator's turn, its keeper's turn, a commit's arrival, a line of a node's output, a worker's write,
a reader's read, a tick of the clock. Between steps faults happen. After a while the trouble ends (`heal`): every run
must then come to its end in bounded time, and what everybody saw is compared with the run without faults.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from unittest.mock import patch

from drumline.testing._sim.ears import Ears
from drumline.testing._sim.engine import Action, Engine
from drumline.testing._sim.watch import LogWatch, check_rest, demand
from drumline.testing.errors import InvariantViolation as Violation
from drumline_coordinator import attempts, cells, intake, log_entries, opened, staging
from drumline_worker import outbox, runner

from . import graphs
from .checks import check_run
from .clients import SimClient, new_run
from .faults import Faults

#: steps in which things may go wrong; and how much the cluster needs at most from then on
FAULTY_STEPS_MAX = 900
HEALED_STEPS_MAX = 20_000
HEALED_MS_MAX = 180_000
#: leases and messages of a dead process may haunt the cluster for this long after the last run ended
SETTLE_MS_MAX = 40_000

MODES = ("values", "updates", "custom", "tasks")

#: bounds that a small graph would never reach, and what is drawn for them
_LIMITS = (
    (intake, "INBOX_BATCH_ENTRIES_MAX", (500, 500, 3, 1)),
    (staging, "HEAD_AFTER_BYTES_MIN", (262144, 3000, 300)),
    (opened, "IDLE_RUN_MS", (30_000, 2_000, 0)),
    (attempts, "DISPATCH_WINDOW_ENTRIES_MAX", (1000, 1000, 4, 1)),
    (staging, "DISPATCH_WINDOW_ENTRIES_MAX", (1000, 1000, 5, 1)),
    (staging, "DISPATCH_WINDOW_BYTES_MAX", (2**20, 2**20, 3000)),
    (log_entries, "LOG_ENTRY_BYTES_MAX", (2**20, 2**20, 2000, 100)),
    (cells, "CELL_INLINE_BYTES_MAX", (65536, 1000, 100, 16)),
    (outbox, "BURST_ITEMS_MAX", (512, 512, 2)),
    (runner, "TAKE_PARTS", (4, 1)),
)


class World(Engine):
    """One simulated cluster with its clients, drawn from a seed."""

    drawn: Faults
    faults: Faults

    def __init__(
        self,
        seed: int,
        *,
        faults: Faults | None = None,
        subject: str = "",
        echo: Callable[[str], None] | None = None,
    ) -> None:
        """`subject` is the one graph that all runs are of."""
        self.seed = seed
        self._subject = subject
        self.rng = rng = Random(seed)
        drawn = Faults.draw(rng) if faults is None else faults
        partitions = rng.choice((1, 1, 2, 3))
        runs = rng.choice((1, 1, 1, 2, 3))
        subjects = [self._choose_subject() for _ in range(runs)]
        programs = {subject.name: subject.graph.program for subject in subjects}
        super().__init__(rng, programs, partitions=partitions, faults=drawn, echo=echo)
        self.clients = [self._new_client(number, subject) for number, subject in enumerate(subjects)]
        self.runs = [client.run for client in self.clients]
        for _ in range(rng.randint(1, 3)):
            self.start_coordinator()
        for _ in range(rng.randint(2, 4)):
            self.start_worker()
        #: the services' own bounds, often so small that they matter
        self.limits = [(module, name, rng.choice(values)) for module, name, values in _LIMITS]
        self.outcomes: list[str] = []

    def _choose_subject(self) -> graphs.Subject:
        rng = self.rng
        if self._subject:
            return graphs.fixed(self._subject)
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

    def start_coordinator(self) -> None:
        super().start_coordinator()
        self.coordinators[-1].broker.poison = frozenset(client.run.id for client in self.clients if client.run.poison)

    def heal(self) -> None:
        """No more faults: everybody runs, what is missing comes, and clients are calm."""
        super().heal()
        for client in self.clients:
            client.drop_reader = 0.0
            client.run.submits_left = min(client.run.submits_left, 1)

    def client_actions(self) -> list[Action]:
        found: list[Action] = []
        for client in self.clients:
            run = client.run
            if run.submits_left:
                found.append((0.3, "client", client.submit))
            elif run.cancels_left:
                found.append((0.02, "client", client.cancel))
            if client.has_news:
                found.append((0.7, "reader", client.read))
        return found

    # -- a whole life -----------------------------------------------------------------------------

    def run(self) -> None:
        """Trouble, healing, the end, the checks. Raises Violation."""
        heard: list[str] = []
        with Ears(heard.append), warnings.catch_warnings(), ExitStack() as stack:
            warnings.simplefilter("ignore")
            for module, name, value in self.limits:
                stack.enter_context(patch.object(module, name, value))
            for _ in range(self.rng.randint(100, FAULTY_STEPS_MAX)):
                self.step()
                if self._over():
                    break
            self.heal()
            self._bring_to_end(self._over, HEALED_MS_MAX, "I1: runs do not come to their end")
            self._bring_to_end(self._quiet, SETTLE_MS_MAX, "the cluster does not come to rest")
            unexpected = [line for line in heard if not self._explains(line)]
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
        """Nobody has anything left to do, and every reader has read."""
        return self.is_quiet and not any(client.has_news for client in self.clients)

    def _open_things(self) -> str:
        runs = [f"run {client.run.id} is open" for client in self.clients if not client.run.ended]
        return ", ".join([*runs, *self.open_things()])


def simulate(
    seed: int, *, faults: Faults | None = None, subject: str = "", echo: Callable[[str], None] | None = None
) -> World:
    """Run a seed. Raises Violation, with the end of the trace and the command that replays it."""
    world = World(seed, faults=faults, subject=subject, echo=echo)
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
