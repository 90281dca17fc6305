"""Carries a plan of faults out, on real processes."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import redis
from tests.chaos.fleet import PREFIX, Fleet
from tests.chaos.plan import Fault
from tests.chaos.takeover import CoordinatorWatch, Takeovers, WorkerWatch, plain_client

from drumline_protocol.keys import Keys


class Injector:
    """One thread keeps the time of the plan, and each fault has one of its own."""

    def __init__(self, fleet: Fleet, faults: list[Fault], *, measure_all: bool) -> None:
        self._fleet = fleet
        self._faults = faults
        #: whether a takeover that is not seen in time counts: no other fault is to blame
        self._measure_all = measure_all
        self._keys = Keys(PREFIX)
        self._broker = threading.Lock()
        #: one for each role: what is killed, is killed once
        self._roles = {name: threading.Lock() for name in fleet.roles}
        self._threads: list[threading.Thread] = []
        self._log = (fleet.folder / "faults.log").open("a")
        self.counts: Counter[str] = Counter()
        self.takeovers = Takeovers()
        #: faults that could not be carried out, which is this program's mistake
        self.failures: list[str] = []

    def run(self, begun_s: float) -> None:
        """Until the last fault is over."""
        for fault in self._faults:
            time.sleep(max(0.0, begun_s + fault.at_s - time.monotonic()))
            thread = threading.Thread(target=self._carry_out, args=(fault, begun_s), daemon=True)
            self._threads.append(thread)
            thread.start()
        for thread in self._threads:
            thread.join()
        self._log.close()

    def _carry_out(self, fault: Fault, begun_s: float) -> None:
        self._log.write(f"at {time.monotonic() - begun_s:6.1f} s: {fault}\n")
        self._log.flush()
        self.counts[fault.kind] += 1
        act = getattr(self, "_" + fault.kind.replace(" ", "_"))
        try:
            act(fault)
        except Exception as error:  # told in the report
            self.failures.append(f"{fault}: {type(error).__name__}: {error}")

    # -- processes --------------------------------------------------------------------------------------

    def _kill_worker(self, fault: Fault) -> None:
        watch = None
        with self._roles[fault.victim]:
            with suppress(redis.RedisError):  # without a broker nothing is measured
                self._fleet.signal(fault.victim, signal.SIGSTOP)
                watch = WorkerWatch(self._fleet.server.url, self._keys, fault.victim)
            killed_s = time.monotonic()
            self._fleet.kill(fault.victim)
            self._fleet.restart(fault.victim)
        self._measure(watch, killed_s)

    def _kill_coordinator(self, fault: Fault) -> None:
        watch = None
        with self._roles[fault.victim]:
            with suppress(redis.RedisError):
                watch = CoordinatorWatch(self._fleet.server.url, self._keys, fault.victim)
            killed_s = time.monotonic()
            self._fleet.kill(fault.victim)
            self._fleet.restart(fault.victim)
        self._measure(watch, killed_s)

    def _measure(self, watch: WorkerWatch | CoordinatorWatch | None, killed_s: float) -> None:
        if watch is None:
            return
        found = Takeovers()
        try:
            watch.measure(killed_s, found)
        except redis.RedisError:
            return  # the broker went away in the meantime: this one was not measured
        self.takeovers.workers += found.workers
        self.takeovers.coordinators += found.coordinators
        if self._measure_all:
            self.takeovers.late += found.late

    def _stop(self, fault: Fault) -> None:
        stopped = self._fleet.signal(fault.victim, signal.SIGSTOP)
        time.sleep(fault.for_s)
        stopped.send_signal(signal.SIGCONT)

    _stop_worker = _stop
    _stop_coordinator = _stop

    # -- the broker -------------------------------------------------------------------------------------

    def _kill_broker(self, fault: Fault) -> None:
        with self._broker:
            self._fleet.server.kill()
            time.sleep(fault.for_s)
            self._fleet.server.start()

    def _client_kill(self, fault: Fault) -> None:
        """All connections of one role, by the names that they gave themselves."""
        with suppress(redis.RedisError):
            client = plain_client(self._fleet.server.url)
            for line in client.execute_command("CLIENT", "LIST").decode().splitlines():
                fields = dict(word.partition("=")[::2] for word in line.split())
                if fields["name"].startswith(f"{fault.victim}:"):
                    client.execute_command("CLIENT", "KILL", "ID", fields["id"])
            client.close()

    def _script_flush(self, _fault: Fault) -> None:
        with suppress(redis.RedisError):
            client = plain_client(self._fleet.server.url)
            client.execute_command("SCRIPT", "FLUSH")
            client.close()

    # -- the network ------------------------------------------------------------------------------------

    def _proxy_delay(self, fault: Fault) -> None:
        self._fleet.proxies.tell(fault.victim, "delay", 0.2)
        time.sleep(fault.for_s)
        self._fleet.proxies.tell(fault.victim, "clear")

    def _proxy_cut(self, fault: Fault) -> None:
        self._fleet.proxies.tell(fault.victim, "cut")

    def _proxy_silent(self, fault: Fault) -> None:
        self._fleet.proxies.tell(fault.victim, "silent")
        time.sleep(fault.for_s)
        self._fleet.proxies.tell(fault.victim, "clear")
