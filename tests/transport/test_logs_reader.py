"""Any number of run logs are read as one: what comes is told once, in order, on a constant number of connections."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from tests.servers import wait_until
from tests.transport.commits import commit_of, lease_of, log, settle
from tests.transport.test_real_servers import blocked, clients

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_transport import logs_reader
from drumline_transport.broker import LogsReader
from drumline_transport.errors import ServerError
from drumline_transport.watches import Watch

#: longer than any test waits
FOR_EVER_MS = 60_000


class Writer:
    """Commits log entries, each of one fact."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.leases: dict[int, Any] = {}
        self.commits: dict[int, int] = {}
        self.facts: dict[tuple[int, str], int] = {}

    def write(self, *runs: tuple[int, str]) -> None:
        for p, run in runs:
            lease = self.leases.get(p)
            if lease is None:
                lease = self.leases[p] = lease_of(self.broker, p)
            self.commits[p] = number = self.commits.get(p, 0) + 1
            self.facts[p, run] = fact = self.facts.get((p, run), 0) + 1
            settle(self.broker, commit_of(lease, number, logs=[log(run, fact, fact, b"%s %d" % (run.encode(), fact))]))


def told(found: list[Any]) -> dict[tuple[int, str], list[int]]:
    return {(p, run): [entry.first for entry in entries] for p, run, entries in found}


def read_all(reader: LogsReader, wanted: int, block_ms: int = 5_000) -> dict[tuple[int, str], list[int]]:
    """What comes until there are so many entries."""
    every: dict[tuple[int, str], list[int]] = {}
    for _ in range(1000):
        for name, firsts in told(reader.read(100, block_ms)).items():
            every.setdefault(name, []).extend(firsts)
        if sum(map(len, every.values())) >= wanted:
            break
    return every


@pytest.fixture
def named(real_backend: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many logs each read of this test has named. Readers that other tests have left running read as well."""
    found: list[int] = []
    genuine = logs_reader.RedisLogsReader._name

    def name(server: Any, watch: Any, logs: Any, count: int, block_ms: int) -> bool:
        if f"{real_backend.prefix}:" in logs[0].key.decode():
            found.append(len(logs))
        return genuine(server, watch, logs, count, block_ms)

    monkeypatch.setattr(logs_reader.RedisLogsReader, "_name", staticmethod(name))
    return found


# -- promises, on every broker -----------------------------------------------------------------------


def test_all_logs_that_are_followed_are_read_and_no_other(backend: Any) -> None:
    broker = backend.connect()
    writer, reader = Writer(broker), broker.logs_reader()
    writer.write((0, "a"), (1, "b"), (0, "c"), (0, "a"))
    assert reader.read(10, 0) == []
    reader.follow(0, "a", "-")
    reader.follow(1, "b", "0-0")
    reader.follow(0, "later", "-")
    assert read_all(reader, 3, 0) == {(0, "a"): [1, 2], (1, "b"): [1]}
    assert reader.read(10, 0) == []
    writer.write((0, "later"), (1, "b"), (0, "c"))
    assert read_all(reader, 2, 0) == {(0, "later"): [1], (1, "b"): [2]}
    reader.leave(1, "b")
    writer.write((1, "b"), (0, "a"))
    assert read_all(reader, 1, 0) == {(0, "a"): [3]}
    reader.close()
    assert reader.read(10, 0) == []


def test_a_log_is_read_behind_an_entry_and_at_most_so_many_at_once(backend: Any) -> None:
    broker = backend.connect()
    writer, reader = Writer(broker), broker.logs_reader()
    for _ in range(5):
        writer.write((0, "a"))
    first = broker.load_log(0, "a")[1].id
    reader.follow(0, "a", first)
    assert [told(reader.read(2, 0)) for _ in range(3)] == [{(0, "a"): [3, 4]}, {(0, "a"): [5]}, {}]
    reader.follow(0, "a", "-")
    ((p, run, entries),) = reader.read(10, 0)
    assert (p, run, [entry.data for entry in entries]) == (0, "a", [b"a %d" % n for n in range(1, 6)])
    reader.close()


# -- on real servers: waiting ------------------------------------------------------------------------


class Reading:
    """A thread that reads on and on."""

    def __init__(self, reader: LogsReader) -> None:
        self.reader = reader
        self.told: dict[tuple[int, str], list[int]] = {}
        self.ended = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self.ended:
                for name, firsts in told(self.reader.read(100, FOR_EVER_MS)).items():
                    self.told.setdefault(name, []).extend(firsts)
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self.ended = True
        self.reader.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture(params=[True, False], ids=["recalled", "not recalled"])
def reading(any_real_backend: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads for ever: where a read may be called off, it never ends by itself, nor does a log become quiet."""
    if request.param:
        monkeypatch.setattr(logs_reader, "STANDING_MS", FOR_EVER_MS)
        monkeypatch.setattr(logs_reader, "UNRECALLED_MS", 20)
    else:
        genuine = Watch.ask

        def ask(self: Watch, *args: Any) -> bool:
            asked = genuine(self, *args)
            self.client_id = None
            return asked

        monkeypatch.setattr(Watch, "ask", ask)
    made = Reading(any_real_backend.connect().logs_reader())
    yield made
    made.stop()
    assert made.error is None


def test_what_is_followed_while_a_read_waits_is_read(any_real_backend: Any, reading: Reading) -> None:
    writer = Writer(any_real_backend.connect())
    for number in range(30):
        name = (number % 4, f"r{number}")
        reading.reader.follow(*name, "-")
        writer.write(name)
        wait_until(lambda name=name: reading.told.get(name) == [1])
    for number in range(0, 30, 3):
        writer.write((number % 4, f"r{number}"))
        wait_until(lambda n=number: reading.told[n % 4, f"r{n}"] == [1, 2])


def test_many_threads_follow_and_leave_and_nothing_is_lost(any_real_backend: Any, reading: Reading) -> None:
    writer = Writer(any_real_backend.connect())
    names = [(number % 3, f"r{number}") for number in range(40)]

    def follow(name: tuple[int, str]) -> None:
        reading.reader.follow(0, f"other {name}", "-")
        reading.reader.follow(*name, "-")
        reading.reader.leave(0, f"other {name}")

    with ThreadPoolExecutor(8) as pool:
        done = pool.map(follow, names)
        writer.write(*names, *names)
        list(done)
        writer.write(*names)
    wait_until(lambda: all(reading.told.get(name) == [1, 2, 3] for name in names))


# -- on one server: which reads there are ------------------------------------------------------------


def test_quiet_logs_are_named_once_and_lively_ones_each_time(
    real_backend: Any, named: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + shift[0])
    monkeypatch.setattr(logs_reader, "time", clock)
    monkeypatch.setattr(logs_reader, "QUIET_AFTER_S", 1_000.0)
    monkeypatch.setattr(logs_reader, "NEW_FOR_S", 1_000.0)
    monkeypatch.setattr(logs_reader, "STANDING_MS", FOR_EVER_MS)
    writer, reading = Writer(real_backend.connect()), Reading(real_backend.connect().logs_reader())
    for number in range(100):
        reading.reader.follow(0, f"r{number}", "-")
    wait_until(lambda: max(named, default=0) == 100 and blocked(real_backend) >= 1)
    shift[0] = 2_000.0
    writer.write((0, "r9"))
    wait_until(lambda: sorted(named[-2:]) == [1, 99])  # all but the log that spoke are quiet now
    del named[:]
    for _ in range(20):
        writer.write((0, "r9"))
    wait_until(lambda: len(reading.told[0, "r9"]) == 21)
    assert named and set(named) == {1}, "a lively log does not name the quiet ones anew"
    reading.stop()
    assert reading.error is None


def test_quiet_logs_that_speak_one_after_the_other_are_not_named_anew_for_each(
    real_backend: Any, named: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry of a quiet log ends the read that stands for all of them."""
    monkeypatch.setattr(logs_reader, "NEW_FOR_S", 0.0)
    monkeypatch.setattr(logs_reader, "QUIET_AGAIN_S", 0.3)
    monkeypatch.setattr(logs_reader, "STANDING_MS", FOR_EVER_MS)
    writer, reading = Writer(real_backend.connect()), Reading(real_backend.connect().logs_reader())
    names = [(0, f"r{number}") for number in range(100)]
    for name in [*names, *((0, f"silent{number}") for number in range(100))]:
        reading.reader.follow(*name, "-")
    wait_until(lambda: max(named, default=0) == 200 and blocked(real_backend) >= 1)
    del named[:]
    for name in names:
        writer.write(name)
    wait_until(lambda: len(reading.told) == len(names))
    assert sum(count >= 100 for count in named) < len(names) / 2
    reading.stop()
    assert reading.error is None


def test_connections_do_not_grow_with_logs(real_backend: Any) -> None:
    writer, reading = Writer(real_backend.connect()), Reading(real_backend.connect().logs_reader())
    for number in range(500):
        reading.reader.follow(number % 8, f"r{number}", "-")
    writer.write((3, "r3"), (499 % 8, "r499"))
    wait_until(lambda: len(reading.told) == 2)
    assert len(clients(real_backend, "logs")) <= 3
    reading.stop()
    wait_until(lambda: not clients(real_backend, "logs"))


def test_connections_are_mended(real_backend: Any) -> None:
    writer, reading = Writer(real_backend.connect()), Reading(real_backend.connect().logs_reader())
    for number in range(20):
        reading.reader.follow(0, f"r{number}", "-")
    writer.write((0, "r1"))
    wait_until(lambda: reading.told == {(0, "r1"): [1]})
    for number in range(3):
        for client in clients(real_backend, "logs"):
            real_backend.raw("CLIENT", "KILL", "ID", client)
        writer.write((0, "r1"), (0, "r2"))
        wait_until(lambda n=number: reading.told.get((0, "r2")) == list(range(1, n + 2)))
        wait_until(lambda n=number: reading.told[0, "r1"] == list(range(1, n + 3)))
    reading.stop()
    assert reading.error is None


def test_who_may_not_call_a_read_off_reads_all_the_same(real_backend: Any) -> None:
    writer = Writer(real_backend.connect())
    words = ["on", ">pw", "~*", "+@all", "-client|unblock", "-client|id"]
    if real_backend.name == "redis62":
        words = ["on", ">pw", "~*", "+@all", "-client", "+client|setname"]
    real_backend.raw("ACL", "SETUSER", "narrow", *words)
    narrow = real_backend.url.replace("redis://", "redis://narrow:pw@")
    from drumline_transport import connect

    broker = connect(narrow, prefix=real_backend.prefix, name="test")
    reading = Reading(broker.logs_reader())
    try:
        for number in range(10):
            reading.reader.follow(0, f"r{number}", "-")
            writer.write((0, f"r{number}"))
            wait_until(lambda n=number: (0, f"r{n}") in reading.told)
    finally:
        reading.stop()
        broker.close()
        real_backend.raw("ACL", "DELUSER", "narrow")
    assert reading.error is None


def test_a_key_of_another_type_costs_nobody_else(real_backend: Any) -> None:
    writer, broker = Writer(real_backend.connect()), real_backend.connect()
    real_backend.raw("SET", Keys(real_backend.prefix).log(0, "bad"), "x")
    reader = broker.logs_reader()
    for run in ("a", "bad", "b"):
        reader.follow(0, run, "-")
    writer.write((0, "a"), (0, "b"))
    assert read_all(reader, 2) == {(0, "a"): [1], (0, "b"): [1]}
    with pytest.raises(ServerError):  # and who reads that log alone is told
        broker.log_reader(0, "bad").read("-", 1, 0)
    reader.close()


def test_closing_ends_the_wait_and_so_does_closing_the_broker(real_backend: Any) -> None:
    for closes_broker in (False, True):
        broker = real_backend.connect()
        reading = Reading(broker.logs_reader())
        reading.reader.follow(0, "r", "-")
        wait_until(lambda: blocked(real_backend) >= 1)
        if closes_broker:
            broker.close()
            wait_until(lambda reading=reading: reading.error is not None)
            assert isinstance(reading.error, NoBroker)
        reading.stop()
        wait_until(lambda: not clients(real_backend, "logs"))


def test_a_server_that_is_away_is_told_and_comes_back(own_server: Any) -> None:
    from drumline_transport import connect

    broker = connect(own_server.url, prefix="away", create=True, name="test")
    writer, reader = Writer(broker), broker.logs_reader()
    reader.follow(0, "r", "-")
    writer.write((0, "r"))
    assert read_all(reader, 1) == {(0, "r"): [1]}
    own_server.kill()
    with pytest.raises(NoBroker):
        read_all(reader, 1, 50)
    own_server.start()
    found: dict[tuple[int, str], list[int]] = {}

    def reads() -> bool:
        try:
            found.update(told(reader.read(10, 50)))
        except NoBroker:
            return False
        return bool(found)

    writer.write((0, "r"))
    wait_until(reads)
    assert found == {(0, "r"): [2]}
    broker.close()
