"""The keeper: a coordinator's second thread. Leases, heartbeat, and the sweep for tasks that nobody holds any more."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drumline_coordinator.apps import Apps
from drumline_coordinator.recovery import slot_of
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import unbox
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import PRESENCE_TTL_MS
from drumline_protocol.messages import Abandoned, TaskMessage, WorkersChanged
from drumline_protocol.new_ids import new_run_id
from drumline_transport.broker import SWEEP_START, CoordinatorVerbs, Lease, StaleTask

if TYPE_CHECKING:
    from drumline_coordinator.service import CoordinatorSettings

log = logging.getLogger("drumline.coordinator")

#: pending entries that one sweep step looks at
SWEEP_COUNT = 500


class Keeper:
    """Keeps what the main loop owns. They meet only in `changes`, `let_go` and `lost`."""

    def __init__(self, broker: CoordinatorVerbs, apps: Apps, name: str, settings: CoordinatorSettings) -> None:
        self._broker = broker
        self._apps = apps
        self._name = name
        self._lease_ms = settings.lease_ms
        self._task_lease_ms = settings.task_lease_ms
        #: owner of this process's leases: never used again, and readable in `lease_owners`
        self._nonce = f"{name}#{new_run_id()}"
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        #: partitions this process holds, and those that the main loop was told to let go of
        self._held: set[int] = set()
        self._leaving: set[int] = set()
        #: partitions whose parked tasks are to be offered again
        self._retry: set[int] = set()
        self._changes: list[Lease | int] = []
        self._cursors: dict[str, str] = {}
        self._holders: dict[tuple[str, str], int] = {}
        self._workers: frozenset[str] = frozenset()
        #: set when `changes()` has something new
        self.changed = threading.Event()
        #: what ended the keeper, for the main loop to raise
        self.failure: BaseException | None = None

    # -- called by the main loop ----------------------------------------------------------------------

    def changes(self) -> list[Lease | int]:
        """Leases gained and (by their numbers) partitions lost since the last call, in order."""
        with self._lock:
            changes, self._changes = self._changes, []
            self.changed.clear()
        return changes

    def let_go(self, index: int) -> None:
        """The main loop works on the partition no more: it may be released."""
        with self._lock:
            leaving = index in self._leaving
            if leaving:
                self._leaving.discard(index)
                self._held.discard(index)
        if leaving:
            self._broker.release(index, self._nonce)

    def lost(self, index: int) -> None:
        """The main loop threw the partition away: lease it again."""
        with self._lock:
            self._held.discard(index)
            self._leaving.discard(index)
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
        """Until stopped: beat, renew, acquire, sweep; then wait a third of a lease."""
        try:
            while not self._stopped:
                try:
                    self.turn()
                except NoBroker as error:
                    log.warning("the keeper waits for the broker: %s", error)
                self._wake.wait(self._lease_ms / 3000)
                self._wake.clear()
        except BaseException as error:
            if not self._stopped:
                self.failure = error
                self.changed.set()
        finally:
            self._release_all()

    def turn(self) -> None:
        """One round; `run` repeats it, the simulator calls it by itself."""
        self._renew()
        self._balance()
        self._beat()
        if 0 in self._held:
            self._sweep()
        self._watch_workers()

    def _beat(self) -> None:
        with self._lock:
            held = sorted(self._held)
        info = {
            "partitions": held,
            "graphs": {n: p.fingerprint for n, p in self._apps.programs.items()},
        }
        self._broker.beat("coordinators", self._name, json.dumps(info).encode())

    def _renew(self) -> None:
        with self._lock:
            held = sorted(self._held)
        kept = self._broker.renew_leases(self._nonce, held, self._lease_ms) if held else []
        gone = [index for index, mine in zip(held, kept, strict=True) if not mine]
        if gone:
            with self._lock:
                self._held.difference_update(gone)
                self._leaving.difference_update(gone)
                self._changes.extend(gone)
                self.changed.set()

    def _balance(self) -> None:
        """Hold a fair share: take what is free up to it, let go of what is more."""
        members = self._broker.members("coordinators").items()
        alive = {self._name, *(name for name, (_, age) in members if age < 2 * self._lease_ms)}
        share = -(-self._broker.partitions // len(alive))
        with self._lock:
            held = set(self._held)
            leaving = len(self._leaving)
        for index in range(self._broker.partitions):
            if index not in held and len(held) < share:
                lease = self._broker.acquire(index, self._nonce, self._lease_ms)
                if lease is not None:
                    held.add(index)
                    with self._lock:
                        self._held.add(index)
                        self._changes.append(lease)
                        self.changed.set()
                    self._tell_of_workers(index)  # who came before, the old owner may not have heard
        surplus = len(held) - leaving - share
        if surplus > 0:
            with self._lock:
                going = sorted(self._held - self._leaving)[-surplus:]
                self._leaving.update(going)
                self._changes.extend(going)
                self.changed.set()

    def _sweep(self) -> None:
        """Report tasks whose worker has not renewed them. Nothing is claimed: the machine decides.

        An entry that its run's record does not name is left over from a worker that died between its answer and its
        acknowledgement, or from an earlier dispatch: it goes.
        """
        for pool in self._apps.pools():
            self._broker.ensure_pool(pool)
            cursor = self._cursors.get(pool, SWEEP_START)
            stale, self._cursors[pool] = self._broker.stale_tasks(pool, self._task_lease_ms, cursor, SWEEP_COUNT)
            records: dict[str, dict[str, bytes]] = {}  # read after the entries: an entry comes with its name in there
            for task in stale:
                self._report(pool, task, records)

    def _report(self, pool: str, stale: StaleTask, records: dict[str, dict[str, bytes]]) -> None:
        if stale.data is None:
            return
        try:
            message = wire.decode(self._apps.codec, stale.data)
            if not isinstance(message, TaskMessage):
                raise DrumlineError("not a task")
            shared = wire.from_row(unbox(message.shared))
        except DrumlineError as error:
            log.error("entry %s of pool %s cannot be read: %s", stale.id, pool, error)
            return
        run_id = shared.run_id
        if run_id not in records:
            records[run_id] = self._broker.load_run(shared.partition, run_id)
        slot = slot_of(message.task, message.attempt)
        if records[run_id].get(f"t:{slot}") != f"{pool} {stale.id}".encode():
            self._broker.drop_tasks(pool, [stale.id])
            return
        reason = f"worker {stale.consumer} has not renewed it for {stale.idle_ms} ms"
        log.warning("task %s of node %s is abandoned: %s", message.task, message.node, reason)
        abandoned = Abandoned(run_id, message.task, message.attempt, reason)
        self._broker.push_inbox(shared.partition, run_id, wire.encode(self._apps.codec, abandoned))

    def _watch_workers(self) -> None:
        """Count who holds which graph; tell the partitions when somebody new is there."""
        holders: dict[tuple[str, str], int] = {}
        names = set()
        for name, (info, age) in self._broker.members("workers").items():
            if age > PRESENCE_TTL_MS:
                continue
            names.add(name)
            for graph, fingerprint in _graphs(info):
                holders[graph, fingerprint] = holders.get((graph, fingerprint), 0) + 1
        self._holders = holders
        with self._lock:
            told = self._held if names - self._workers else self._held & self._retry
            told = set(told)
            self._retry.clear()
        for index in sorted(told):
            self._tell_of_workers(index)
        self._workers = frozenset(names)

    def _tell_of_workers(self, index: int) -> None:
        self._broker.push_inbox(index, "", wire.encode(self._apps.codec, WorkersChanged(index)))

    def _release_all(self) -> None:
        with self._lock:
            held = sorted(self._held | self._leaving)
        try:
            for index in held:
                self._broker.release(index, self._nonce)
            self._broker.leave("coordinators", self._name)
        except DrumlineError as error:
            log.warning("leases run out by themselves: %s", error)


def _graphs(info: bytes) -> Sequence[tuple[str, str]]:
    try:
        graphs = json.loads(info).get("graphs", {})
        return [(str(name), str(fingerprint)) for name, fingerprint in graphs.items()]
    except (ValueError, AttributeError):
        return []
