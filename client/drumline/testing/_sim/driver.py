"""Drives the simulated cluster while a test waits for something: as far as the next entry of a log, or a moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from drumline.testing._sim.ears import Ears
from drumline.testing._sim.engine import Engine
from drumline.testing._sim.mercy import Survivable
from drumline.testing._sim.watch import check_rest
from drumline.testing.errors import InvariantViolation, SimulationStuck

#: steps in which faults by chance happen, drawn for each run; then the cluster is calm, so that the run can end
FAULTY_STEPS = (100, 900)
#: how much a calm cluster needs at most until the next thing happens to a run
CALM_STEPS_MAX = 20_000
CALM_MS_MAX = 180_000
#: lines of the trace that an error shows, and lines that tell of faults
SHOWN_LINES = 40
SHOWN_FAULTS = 20

_BUG = "drumline broke one of its own rules. A bug in drumline, not in your graph: please report it with this text"


@dataclass(slots=True)
class SimRun:
    """A run that a test has started."""

    id: str
    partition: int
    damaged: bool = False


class Driver:
    """One simulated cluster, and whether faults by chance happen in it now."""

    def __init__(self, engine: Engine, seed: int, what: str, *, rough: bool) -> None:
        self.engine = engine
        self.seed = seed
        self._what = what
        self._rough = rough
        self._left = 0
        self._inside = False
        self.notes = Notes()
        engine.healed = True
        engine.mercy = Survivable(engine.apps.codec, lambda: all(run.id in engine.watch.logs for run in engine.runs))

    # -- steps ------------------------------------------------------------------------------------

    def check_outside(self) -> None:
        """RuntimeError if the caller is a node of a run that is being simulated: it would wait for itself."""
        if self._inside:
            raise RuntimeError(
                "a node calls the simulated cluster that runs it: the simulation would wait for itself. Test graphs "
                "whose nodes start runs of a cluster with drumline.testing.local_cluster."
            )

    def submitted(self, run_id: str, partition: int) -> None:
        """A client has asked for a run: faults may happen again."""
        if all(run.id != run_id for run in self.engine.runs):
            self.engine.runs.append(SimRun(run_id, partition))
        if self._rough:
            self._left = max(self._left, self.engine.rng.randint(*FAULTY_STEPS))
            if self.engine.healed:
                self.engine.disturb()

    def _step(self) -> None:
        self.check_outside()
        self.notes.run()
        engine = self.engine
        if not engine.healed:
            self._left -= 1
            if self._left <= 0:
                engine.heal()
        self._inside = True
        try:
            engine.step()
        except InvariantViolation as violation:
            raise InvariantViolation(f"{_BUG}:\n{violation}\n{self.story()}") from None
        except Exception as error:  # what nodes raise ends their run, and nothing else
            told = f"a service raised {type(error).__name__}: {error}"
            raise InvariantViolation(f"{_BUG}:\n{told}\n{self.story()}") from error
        finally:
            self._inside = False

    def until(self, reached: Callable[[], bool], waits_for: str) -> None:
        """Step until it is reached. SimulationStuck, or InvariantViolation if nothing but drumline is to blame."""
        if not reached():
            with Ears(lambda line: self.engine.note("log", line.partition("\n")[0])):
                self._until(reached, waits_for)

    def advance(self, ms: int) -> None:
        """Step until so much time is over."""
        until_ms = self.engine.server.now_ms + ms
        with Ears(lambda line: self.engine.note("log", line.partition("\n")[0])):
            while self.engine.server.now_ms < until_ms:
                self._step()

    def check_rest(self) -> None:
        """Nothing may be left of runs that are over. InvariantViolation."""
        self.until(lambda: self.engine.is_quiet, "the cluster to come to rest")
        try:
            check_rest(self.engine.server)
        except InvariantViolation as violation:
            raise InvariantViolation(f"{_BUG}:\n{violation}\n{self.story()}") from None

    def _until(self, reached: Callable[[], bool], waits_for: str) -> None:
        engine = self.engine
        steps, until_ms = 0, engine.server.now_ms + CALM_MS_MAX
        while not reached():
            self._step()
            if not engine.healed:
                steps, until_ms = 0, engine.server.now_ms + CALM_MS_MAX
            steps += 1
            if steps > CALM_STEPS_MAX or engine.server.now_ms > until_ms:
                self._give_up(waits_for)

    def _give_up(self, waits_for: str) -> None:
        engine = self.engine
        things = "; ".join(engine.open_things())
        for kind, processes in (("worker", engine.workers), ("coordinator", engine.coordinators)):
            if all(process.paused_until_ms is not None for process in processes):
                raise SimulationStuck(
                    f"the test waits for {waits_for}, and no {kind} is running. Start one with "
                    f"cluster.start_{kind}(), or kill with restart_after=. Open: {things}\n{self.story()}"
                )
        raise InvariantViolation(
            f"{_BUG}:\nI1: the test waits for {waits_for}, which does not come within {CALM_MS_MAX // 1000} virtual "
            f"seconds. Open: {things}\n{self.story()}"
        )

    # -- what is told -----------------------------------------------------------------------------

    def story(self) -> str:
        """The end of the trace, and how to see all of it again."""
        trace, faulty = self.engine.trace, self.engine.faulty
        shown, struck = "\n".join(trace[-SHOWN_LINES:]), "\n".join(faulty[-SHOWN_FAULTS:]) or "nothing"
        return (
            f"\nwhat went wrong (virtual ms, who, what):\n{struck}\n\n"
            f"the end of its trace ({len(trace)} lines):\n{shown}\n\nseed {self.seed}, {self._what}\n{self.replay}"
        )

    @property
    def replay(self) -> str:
        """The command that runs this seed alone, with its trace."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
        where = f' "{test}"' if test else ""
        return f"replay: DRUMLINE_SEED={self.seed} DRUMLINE_TRACE=1 python -m pytest -s{where}"


class Notes:
    """Ends the runs of streams that were dropped, between two steps: the twin of `Canceller` without a thread."""

    def __init__(self) -> None:
        self._acts: list[Callable[[], None]] = []
        self._watched: set[int] = set()
        self._numbers = 0

    def watch(self, cancel: Callable[[], None]) -> int:
        """Remember that a stream would cancel its run. Nothing outlives this process, so nothing is done about it."""
        del cancel
        self._numbers += 1
        self._watched.add(self._numbers)
        return self._numbers

    def unwatch(self, number: int) -> bool:
        """The run has ended, or its caller cancels it."""
        known = number in self._watched
        self._watched.discard(number)
        return known

    def soon(self, act: Callable[[], None], done: Future[None] | None = None) -> None:
        """Call `act` before the next step; at once if somebody waits for it to be `done`."""
        if done is None:
            self._acts.append(act)
            return
        try:
            act()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def run(self) -> None:
        """Do what was noted."""
        acts, self._acts = self._acts, []
        for act in acts:
            act()

    def flush(self) -> None:
        """The same, for who closes the link."""
        self.run()
