"""Clients that mean harm, or behave as if they did, beside good ones."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
from tests.chaos.bad_graphs import GRAPHS, SELDOM
from tests.chaos.fleet import PREFIX
from tests.chaos.takeover import plain_client

from drumline import Cluster
from drumline.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.facts import Emitted, PlanMade
from drumline_protocol.ids import partition_of_run
from drumline_protocol.keys import Keys
from drumline_protocol.messages import (
    AttemptLost,
    Cancel,
    CancelRun,
    Events,
    Refused,
    RunRequest,
    TaskError,
    TaskResult,
    WorkersChanged,
)

#: run ids and names that hostile clients use begin so
MARK = "hostile"
#: how long a misbehaving run may go on before its caller cancels it, and until it must have ended
CANCEL_AFTER_S, MUST_END_S = 5.0, 60.0
#: a run request whose first field is an array of 16 Mi empty arrays
_COUNT = 16 * 1024 * 1024 - 64
_EMPTY_LISTS = b"\x93\x01\x20\xdd" + _COUNT.to_bytes(4, "big") + b"\x90" * _COUNT


def _message(rng: random.Random, codec: Codec) -> bytes:
    """A message as the protocol has it, about runs and tasks that nobody knows."""
    run, task = f"{MARK}-{rng.randrange(10**9)}", f"{rng.randrange(10**9)}"
    made = rng.choice(
        [
            RunRequest(run, "no such graph", {"x": 1}),
            RunRequest(run, "tokens", ["no", "dict"]),
            RunRequest(run, "tokens", {}, config={"tags": 7, "metadata": [], "recursion_limit": "many"}),
            RunRequest(run, "needs_context", {}, context={"number": "none"}),
            CancelRun(run, "because"),
            Events(run, task, 1, "nobody", 1, [b"\xc1"]),
            TaskResult(run, task, 1, "nobody", codec.box([["out", 1]])),
            TaskError(run, task, 1, "nobody", "no failure"),
            Refused(run, task, 1, "nobody", "no reason"),
            AttemptLost(run, task, 99, "no reason"),
            WorkersChanged(10**6),
            Cancel(run, ("x",)),
        ]
    )
    return wire.encode(codec, made)


def _changed(rng: random.Random, data: bytes) -> bytes:
    """The message with one of its parts made into something else: near-valid."""
    row = msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogatepass")
    other = rng.choice([None, -1, 2**63, "\ud800", "x" * 5000, b"\xff", [], {}, [[[]]] * 50, 1.5, True, float("nan")])
    row[rng.randrange(len(row))] = other
    return bytes(msgpack.packb(row, unicode_errors="surrogatepass"))


def _newer(data: bytes) -> bytes:
    row = msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogatepass")
    row[0] = 99
    return bytes(msgpack.packb(row, unicode_errors="surrogatepass"))


def _flipped(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


class Hostile:
    """Sends and starts bad things until told to stop."""

    def __init__(self, url: str, seed: int) -> None:
        self._raw = plain_client(url)
        self._rng = random.Random(f"hostile {seed}")
        self._codec = Codec(TypeTable())
        self._keys = Keys(PREFIX)
        self._partitions = int(self._raw.execute_command("HGET", self._keys.meta(), "partitions"))
        self._cluster = Cluster(url, prefix=PREFIX)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.sent: Counter[str] = Counter()
        #: graph -> how its runs ended, and how often
        self.ends: Counter[str] = Counter()
        #: bad runs that did not end, refusals of the server
        self.failures: list[str] = []

    def start(self) -> None:
        """One client with raw messages, three with graphs."""
        for work in (self._send_all, self._run_all, self._run_all, self._run_all):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Stop, and wait for the bad runs to end."""
        self._stop.set()
        deadline = time.monotonic() + MUST_END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.failures.append("a hostile client did not come to its end")
        self._cluster.close()
        self._raw.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # told in the report
            self.failures.append(f"{work.__name__}: {type(error).__name__}: {error}")

    # -- raw messages -----------------------------------------------------------------------------------

    def _send_all(self) -> None:
        acts = [
            self._noise,
            self._near_valid,
            self._too_new,
            self._bit,
            self._wrong_fields,
            self._junk,
            self._keys_taken,
            self._forged,
        ]
        big_at = time.monotonic() + 5
        while not self._stop.wait(0.1):
            act = self._rng.choice(acts)
            self.sent[act.__name__.strip("_").replace("_", " ")] += 1
            act()
            if time.monotonic() > big_at:
                big_at += 30
                self.sent["16 MiB of empty lists"] += 1
                self._add(self._streams()[0], _EMPTY_LISTS)

    def _inboxes(self, partition: int) -> list[str]:
        """The streams that a partition's coordinator reads: what clients ask first."""
        return [self._keys.requests(partition), self._keys.inbox(partition)]

    def _streams(self) -> list[str]:
        """One stream of each kind, of a partition drawn by chance."""
        partition = self._rng.randrange(self._partitions)
        return [*self._inboxes(partition), self._keys.tasks("default"), self._keys.ctl()]

    def _stream(self) -> str:
        return self._rng.choice(self._streams())

    def _add(self, stream: str, data: bytes) -> None:
        run = ["r", f"{MARK}-{self._rng.randrange(10**9)}"] if stream.startswith("{") else []
        self._raw.execute_command("XADD", stream, "*", *run, "d", data)

    def _noise(self) -> None:
        self._add(self._stream(), self._rng.randbytes(self._rng.randrange(1, 2000)))

    def _near_valid(self) -> None:
        self._add(self._stream(), _changed(self._rng, _message(self._rng, self._codec)))

    def _too_new(self) -> None:
        self._add(self._stream(), _newer(_message(self._rng, self._codec)))

    def _bit(self) -> None:
        self._add(self._stream(), _flipped(self._rng, _message(self._rng, self._codec)))

    def _wrong_fields(self) -> None:
        names = self._rng.choice(
            [["x", "y"], ["d", ""], ["r", "\udcff".encode("utf-8", "surrogateescape"), "d", b"\x90"]]
        )
        self._raw.execute_command("XADD", self._stream(), "*", *names)  # type: ignore[misc]

    def _junk(self) -> None:
        """Members that are nobody, and fields of a lease that mean nothing."""
        key = self._rng.choice([self._keys.workers(), self._keys.coordinators(), self._keys.graphs()])
        value = self._rng.choice([b"\xff\xfe", b"[]", b"9" * 30 + b" {}", b'99999999999999 {"pools": 7}', b""])
        self._raw.execute_command("HSET", key, f"{MARK}-{self._rng.randrange(20)}", value)
        lease = self._keys.lease(self._rng.randrange(self._partitions))
        self._raw.execute_command("HSET", lease, MARK, b"\xff")

    def _keys_taken(self) -> None:
        """A run whose record or log is a key of another type before it begins."""
        run = f"{MARK}-taken-{self._rng.randrange(10**9)}"
        partition = partition_of_run(run, self._partitions)
        name = self._rng.choice([self._keys.run, self._keys.log])(partition, run)
        self._raw.execute_command("SET", name, "not what you think", "EX", 600)
        request = wire.encode(self._codec, RunRequest(run, "tokens", {"count": 3}, recorded=("custom",)))
        stream = self._keys.requests(partition)
        self._raw.execute_command("XADD", stream, "*", "r", run, "d", request)

    def _forged(self) -> None:
        """An answer for a task of a good run, with its executor as the log tells it: only the token is guessed."""
        partition = self._rng.randrange(self._partitions)
        run = self._raw.execute_command("SRANDMEMBER", self._keys.open(partition))
        if run is None or run.startswith(MARK.encode()):
            return
        run_id = run.decode()
        log = self._keys.log(partition, run_id)
        task, executor = "", "nobody"
        for _, fields in reversed(self._raw.execute_command("XREVRANGE", log, "+", "-", "COUNT", 20)):
            for fact in wire.decode_facts(self._codec, dict(zip(fields[::2], fields[1::2], strict=True))[b"d"]):
                if isinstance(fact, PlanMade) and fact.tasks:
                    task = fact.tasks[0].id
                elif isinstance(fact, Emitted) and fact.task == task:
                    executor = fact.executor
        if task:
            forged = TaskResult(
                run_id, task, 1, executor, self._codec.box([["said", "forged"]]), token="0" * 32, events=0
            )
            data = wire.encode(self._codec, forged)
            for stream in self._inboxes(partition):
                self._raw.execute_command("XADD", stream, "*", "r", run_id, "d", data)

    # -- graphs -----------------------------------------------------------------------------------------

    def _run_all(self) -> None:
        rng = random.Random(self._rng.random())
        usual = [name for name in GRAPHS if name not in SELDOM]
        due = {name: time.monotonic() + rng.uniform(1, 60 / times) for name, times in SELDOM.items()}
        while not self._stop.wait(0.2):
            name = next((name for name, at in due.items() if at <= time.monotonic()), "")
            if name:
                # three clients share the rate
                due[name] = time.monotonic() + 3 * 60 / SELDOM[name]
            self._run(name or rng.choice(usual))

    def _cancel(self, run_id: str, ended: threading.Event) -> None:
        with suppress(DrumlineError):  # not accepted yet, or no broker: its caller is told
            if not ended.is_set():
                self._cluster.cancel(run_id, "for too long")

    def _run(self, name: str) -> None:
        """One run of a bad graph, cancelled when it goes on for too long: it must end."""
        graph = self._cluster.graph(name)
        context: Any = {"number": "none"} if name == "needs_context" else None
        run_id = f"{MARK}-{name}-{time.monotonic_ns()}"
        ended = threading.Event()
        cancel = threading.Timer(CANCEL_AFTER_S, self._cancel, args=(run_id, ended))
        complain = threading.Timer(MUST_END_S, lambda: self.failures.append(f"{run_id} did not end"))
        for timer in (cancel, complain):
            timer.daemon = True
            timer.start()
        try:
            stream: Any = graph.stream({}, {"run_id": run_id}, context=context, stream_mode=["custom", "updates"])
            for _ in stream:
                pass
            how = "returned"
        except DrumlineError as error:
            how = type(error).__name__
        except Exception as error:  # what the node raised
            how = type(error).__name__
        except BaseException as error:  # SystemExit of a node, raised here as the run's own
            how = f"{type(error).__name__} here"
        finally:
            ended.set()
            for timer in (cancel, complain):
                timer.cancel()
        self.ends[f"{name}: {how}"] += 1
