"""A client's link to the simulated cluster: the production client on the memory broker, whose reads drive the clock."""

from __future__ import annotations

from typing import Any

from drumline.cluster.link import Link
from drumline.testing._sim.driver import Driver
from drumline_protocol.messages import DeleteRun
from drumline_transport.broker import LogEntry
from drumline_transport.memory import MemoryBroker
from drumline_transport.memory_streams import parse_id


class SimLink(Link):
    """Never connects: the cluster is here."""

    def __init__(self, driver: Driver) -> None:
        super().__init__("memory://simulated", "simulated", (), ())
        self._driver = driver
        self._client = ClientBroker(driver)
        self._codecs = driver.engine.roles.codecs
        notes: Any = driver.notes
        self.canceller = notes

    def broker(self) -> Any:
        """The broker, as clients see it."""
        self._driver.check_outside()
        return self._client

    def whole_broker(self) -> Any:
        """The same: it has the verbs of all roles."""
        return self.broker()

    def await_cluster(self) -> None:
        """It is there."""

    def delete(self, run_id: str, thread: str | None = None) -> None:
        """Ask for a run to be deleted and let the cluster work until nothing is left of it. UnknownRun."""
        self.record(run_id, thread)
        self.ask_by(run_id, DeleteRun(run_id), thread)
        part = self._driver.engine.server.partitions[self.partition(run_id, thread)]
        self._driver.until(lambda: run_id not in part.runs and run_id not in part.logs, f"the end of run {run_id}")

    def close(self) -> None:
        """Nothing is open."""


class ClientBroker(MemoryBroker):
    """A client's side of the broker: who reads a log lets the cluster work until there is something to read."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver.engine.server)
        self._driver = driver

    def submit(self, p: int, run_id: str, data: bytes) -> None:
        super().submit(p, run_id, data)
        self._driver.submitted(run_id, p)
        self._driver.engine.note("client", "submits")

    def log_reader(self, p: int, run_id: str) -> Any:
        return SimLogReader(self._driver, p, run_id)

    def alog_reader(self, p: int, run_id: str) -> Any:
        return SimAsyncLogReader(SimLogReader(self._driver, p, run_id))


class SimLogReader:
    """`LogReader` that never comes back empty, unless the log was deleted."""

    def __init__(self, driver: Driver, p: int, run_id: str) -> None:
        self._driver, self._p, self._run_id = driver, p, run_id
        self._reader = MemoryBroker(driver.engine.server).log_reader(p, run_id)
        self._seen = False

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """Entries behind `after`, as soon as there are some."""
        position = parse_id(after)
        logs = self._driver.engine.server.partitions[self._p].logs

        def has_news() -> bool:
            log = logs.get(self._run_id)
            self._seen = self._seen or log is not None
            return self._seen if log is None else log.last > position

        self._driver.until(has_news, f"the next entry in the log of run {self._run_id}")
        return self._reader.read(after, count, block_ms)

    def exists(self) -> bool:
        """Whether there is a log."""
        return self._reader.exists()

    def close(self) -> None:
        """Nothing is open."""


class SimAsyncLogReader:
    """The twin for an event loop, which stands still while the cluster works."""

    def __init__(self, reader: SimLogReader) -> None:
        self._reader = reader

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """See `SimLogReader.read`."""
        return self._reader.read(after, count, block_ms)

    async def exists(self) -> bool:
        """Whether there is a log."""
        return self._reader.exists()

    async def close(self) -> None:
        """Nothing is open."""

    def release(self) -> None:
        """Nothing is open."""
