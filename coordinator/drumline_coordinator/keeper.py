"""The keeper: a coordinator's second thread. It renews leases, beats, and looks who is there. `balance` decides on the
shares, and `sweep` finds what is stale or lost.

One turn costs a round trip, and one more where something must be taken or swept. Nothing that lies in Redis ends the
keeper: a key that holds something else costs what it stands for, and the log names it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from drumline_coordinator.apps import Apps
from drumline_coordinator.balance import TURNS_PER_LEASE, Balance, View
from drumline_coordinator.retention_sweep import RetentionSweep
from drumline_coordinator.sweep import Sweep
from drumline_coordinator.troubles import Troubles
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import PRESENCE_BYTES_MAX, PRESENCE_TTL_MS
from drumline_protocol.messages import WorkersChanged
from drumline_protocol.new_ids import new_run_id
from drumline_transport.backoff import Pause
from drumline_transport.broker import Lease
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import KeeperVerbs, Survey

if TYPE_CHECKING:
    from drumline_coordinator.service import CoordinatorSettings

log = logging.getLogger("drumline.coordinator")

#: After so many turns in a row that end in an error which nobody expected, the process ends with that error.
BAD_TURNS_MAX = 40


class Renewer(Protocol):
    """Renews in place of this process while user code holds the interpreter."""

    def tell(self, info: bytes, held: Sequence[int] = ()) -> None:
        """This process lives and has just renewed these partitions. `info` is its heartbeat."""
        ...

    def close(self) -> None:
        """Renew no more."""
        ...


class Keeper:
    """Renews the leases of the main loop. The two threads share only `changes`, `let_go` and `lost`."""

    def __init__(self, broker: KeeperVerbs, apps: Apps, name: str, settings: CoordinatorSettings) -> None:
        self._broker = broker
        self._apps = apps
        self._name = name
        #: told to who watches the cluster: a pool that no worker takes is known by nobody else
        self._pools = apps.pools()
        self._lease_ms = settings.lease_ms
        #: owner of this process's leases: never used again, and readable in `lease_owners`
        self._nonce = f"{name}#{new_run_id()}"
        self._balance = Balance(name, self._nonce, broker.partitions, settings.lease_ms)
        self._troubles = Troubles(log, time.monotonic)
        self._pause = Pause()
        self._sweep = Sweep(broker, apps, settings, self._troubles)
        self._retention = RetentionSweep(broker, apps, settings, self._troubles)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        #: partitions this process holds, and those of them that the main loop was told to let go of
        self._held: set[int] = set()
        self._leaving: set[int] = set()
        #: partitions whose parked tasks must be offered again
        self._retry: set[int] = set()
        self._changes: list[Lease | int] = []
        self._holders: dict[tuple[str, str], int] = {}
        self._workers: frozenset[str] = frozenset()
        #: set when `changes()` has something new
        self.changed = threading.Event()
        #: who keeps the leases while user code holds the interpreter; None: nobody
        self.renewer: Renewer | None = None
        #: what ended the keeper, for the main loop to raise
        self.failure: Exception | None = None

    @property
    def nonce(self) -> str:
        """Owner of this process's leases."""
        return self._nonce

    # -- called by the main loop ----------------------------------------------------------------------

    def changes(self) -> list[Lease | int]:
        """Leases gained and (by their numbers) partitions lost since the last call, in order."""
        with self._lock:
            changes, self._changes = self._changes, []
            self.changed.clear()
        return changes

    def let_go(self, index: int) -> None:
        """The main loop has stopped work on the partition, so that it may be released."""
        with self._lock:
            leaving = index in self._leaving
            if leaving:
                self._leaving.discard(index)
                self._held.discard(index)
        if leaving:
            self._broker.release(index, self._nonce)

    def lost(self, index: int, progressed: bool) -> None:
        """The main loop threw the partition away. Lease it again: at once, unless that happens again and again."""
        with self._lock:
            self._held.discard(index)
            self._leaving.discard(index)
            at_once = self._balance.lost(index, progressed)
        if at_once:
            self._wake.set()

    def holders(self, graph: str, fingerprint: str) -> int:
        """How many registered workers hold this version of the graph, as of the last heartbeat."""
        return self._holders.get((graph, fingerprint), 0)

    def retry_later(self, index: int) -> None:
        """Tasks of the partition are parked though workers hold their graph: offer them again in the next round."""
        with self._lock:
            self._retry.add(index)

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()
        self.changed.set()

    def stop(self) -> None:
        """End the thread; release all leases."""
        self._stopped = True
        self.wake()

    # -- the thread -----------------------------------------------------------------------------------

    def run(self) -> None:
        """A turn in each quarter of a lease, until stopped."""
        bad_turns = 0
        turn_s = self._lease_ms / 1000 / TURNS_PER_LEASE
        try:
            while not self._stopped:
                try:
                    self.turn()
                    bad_turns = 0
                    self._pause.reset()
                except NoBroker as error:
                    self._pause.warn(log, f"the keeper waits for the broker: {error}")
                    self._pause.wait(self._wake, turn_s)
                    continue
                except Exception as error:
                    bad_turns += 1
                    if bad_turns >= BAD_TURNS_MAX:
                        raise
                    kind = f"{type(error).__name__} in a turn"
                    self._troubles.tell(kind, f"the keeper goes on after {error!r}", level=logging.ERROR, error=error)
                self._wake.wait(turn_s)
                self._wake.clear()
        except BaseException as error:
            if not self._stopped:
                # An `Exception` whatever it was: a SystemExit would end the process as if all were well.
                self.failure = RuntimeError(f"the keeper thread ended, and without it no lease is kept: {error!r}")
                self.failure.__cause__ = error
                self.changed.set()
        finally:
            self._release_all()

    def turn(self) -> None:
        """One round. `run` repeats it; the simulator calls it by itself."""
        with self._lock:
            held = sorted(self._held)
        info = self._info(held)
        look = self._broker.survey(self._name, info, self._nonce, held, self._lease_ms)
        for key, text in look.unusable.items():
            self._troubles.tell(f"unusable {key}", f"key {key} cannot be used, and is left alone: {text}")
        self._note_lost([index for index in held if index not in look.kept])
        self._share_out(look, info)
        self._step(self._watch_workers, look)
        if self._leads(look):
            self._step(self._sweep.stale, min(self._settled(), default=0))
            self._step(self._sweep.consumers, look.workers)
        self._step(self._sweep.lost, self._settled())
        self._step(self._retention.step, self._settled(), look.now_ms)

    def _step(self, step: Callable[..., None], *args: Any) -> None:
        """Make a step that is not about leases. Leases are kept also when it fails in a way that nobody expected."""
        try:
            step(*args)
        except NoBroker:
            raise
        except Exception as error:
            kind = f"{type(error).__name__} in {step.__name__}"
            self._troubles.tell(kind, f"the keeper goes on after {error!r}", level=logging.ERROR, error=error)

    def _info(self, held: list[int]) -> bytes:
        graphs = {name: program.fingerprint for name, program in self._apps.programs.items()}
        here = {"host": socket.gethostname(), "pid": os.getpid()}
        return json.dumps({"partitions": held, "graphs": graphs, "pools": self._pools, **here}).encode()

    def _settled(self) -> list[int]:
        with self._lock:
            return sorted(self._held - self._leaving)

    def _note_lost(self, gone: list[int]) -> None:
        if gone:
            with self._lock:
                self._held.difference_update(gone)
                self._leaving.difference_update(gone)
                self._changes.extend(gone)
                self.changed.set()

    def _share_out(self, look: Survey, info: bytes) -> None:
        """Hold a fair share: take what has no owner, let go of what is too much.

        The renewer hears of new leases before the main loop does, whose user code may hold the interpreter after that.
        """
        with self._lock:
            ages = {name: age for name, (_, age) in look.coordinators.items()}
            held = self._held - self._leaving
            view = View(look.now_ms, held, set(self._leaving), look.leases, look.unserved, ages)
            take, give = self._balance.decide(view)
            if give:
                self._leaving.update(give)
                self._changes.extend(give)
                self.changed.set()
        leases = self._broker.acquire_all(take, self._nonce, self._lease_ms)
        with self._lock:
            gained = {lease.partition for lease in leases}
            self._held |= gained
            self._retry |= gained  # the old owner may not have heard of a worker that came before the takeover
            charge = sorted(self._held)
        if self.renewer is not None:
            self.renewer.tell(info, charge)
        if leases:
            with self._lock:
                self._changes.extend(leases)
                self.changed.set()

    def _leads(self, look: Survey) -> bool:
        """Whether this coordinator sweeps for all: the holder of the first partition that has a living owner."""
        with self._lock:
            first = min(self._held, default=None)
        if first is None:
            return False
        others = (p for p, lease in look.leases.items() if lease.owner and lease.remaining_ms > 0)
        return all(p >= first for p in others)

    def _watch_workers(self, look: Survey) -> None:
        """Count how many workers hold which graph, and tell the partitions when a new worker is there."""
        holders: dict[tuple[str, str], int] = {}
        names = set()
        for name, (info, age) in look.workers.items():
            if age > PRESENCE_TTL_MS:
                continue
            names.add(name)
            for graph, fingerprint in _graphs(info):
                holders[graph, fingerprint] = holders.get((graph, fingerprint), 0) + 1
        self._holders = holders
        with self._lock:
            told = sorted(self._held if names - self._workers else self._held & self._retry)
        for index in told:
            self._tell_of_workers(index)
            with self._lock:
                self._retry.discard(index)
        self._workers = frozenset(names)

    def _tell_of_workers(self, index: int) -> None:
        try:
            self._broker.push_inbox(index, "", wire.encode(self._apps.codec, WorkersChanged(index)))
        except ServerError as error:
            self._troubles.tell(f"inbox {index}", f"partition {index} cannot be told of new workers: {error}")

    def _release_all(self) -> None:
        with self._lock:
            held = sorted(self._held | self._leaving)
        if self.renewer is not None:
            self.renewer.close()  # else it would take the leases again
        try:
            for index in held:
                self._broker.release(index, self._nonce)
            self._broker.leave("coordinators", self._name)
        except DrumlineError as error:
            log.warning(
                "could not release the leases of coordinator %s: %s; they run out after %d ms",
                *(self._name, error, self._lease_ms),
            )


def _graphs(info: bytes) -> Sequence[tuple[str, str]]:
    """The graphs that a worker says it holds. None of them if its info is not of the shape that workers write."""
    if len(info) > PRESENCE_BYTES_MAX:
        return []
    try:
        graphs = json.loads(info).get("graphs", {})
        return [(name, fingerprint) for name, fingerprint in graphs.items() if isinstance(fingerprint, str)]
    except (ValueError, AttributeError, RecursionError):
        return []
