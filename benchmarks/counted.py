"""Where the bytes of a talk on a thread go, on a cluster: what stays in Redis by kind of key, what is sent by command.

    python -m benchmarks.counted talk 400
    python -m benchmarks.counted agent 100
    python -m benchmarks.counted chat 400

In `talk` each turn is a run; `agent` and `chat` are one run. Commands are those that `MONITOR` shows, in the bytes that
they take on the wire; what scripts do within the server is not sent.
"""

from __future__ import annotations

import argparse
import ast
import re
import socket
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from benchmarks.graphs import GRAPHS
from benchmarks.harness import Bench
from benchmarks.w5_chat import AGENT, CHAT, Talk, state_bytes
from benchmarks.w5_threads import talk_of

_LINE = re.compile(rb"\+?[\d.]+ \[\d+ ([^\]]*)\] (.*)")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_KIND = re.compile(rb"[}:](requests|inbox|lease|log|tasks|cells|history|thread|run|workers|coordinators)\b")


def main() -> None:
    """Talk once, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counted", description=__doc__)
    parser.add_argument("which", choices=("talk", "agent", "chat"))
    parser.add_argument("turns", type=int)
    asked = parser.parse_args()
    bench = Bench()
    try:
        _count(bench, asked.which, asked.turns)
    finally:
        bench.close()


def _count(bench: Bench, which: str, turns: int) -> None:
    server: Any = redis.Redis.from_url(bench.server.url, protocol=2)
    bench.defer(server.close)
    talk = _talk(bench, which)
    talk(20)
    there = set(server.scan_iter(count=1000))
    before = server.info("stats")["total_net_input_bytes"]
    monitor = _Monitor(bench.server.url)
    size = talk(turns)
    written = server.info("stats")["total_net_input_bytes"] - before
    sent = Counter[str]()
    for words in monitor.commands():
        sent[_name(words)] += _bytes_of(words)
    kept = Counter[str]()
    for key in set(server.scan_iter(count=1000)) - there:
        kept[_kind(key)] += server.memory_usage(key, samples=0) or 0
    print(
        f"{which}, {turns} turns: state {size:,} bytes, stored {kept.total() / size:.2f}, written {written / size:.2f}"
    )
    for title, counts in (("stored", kept), ("sent", sent)):
        print(f"\n{title:32} bytes a turn    x state")
        for name, count in counts.most_common(14):
            print(f"{name:32} {count / turns:12,.0f} {count / size:10.3f}")


def _talk(bench: Bench, which: str) -> Any:
    """A talk of so many turns on a new thread; it gives the size of its last state."""
    if which == "talk":
        turned = bench.cluster(workers=1).client.graph("talk", graph=GRAPHS["talk"])
        return lambda turns: talk_of(turned, turns)[2]
    kind: Talk = AGENT if which == "agent" else CHAT
    app = "benchmarks.agents:GRAPHS" if which == "agent" else "benchmarks.graphs:GRAPHS"
    graphs: Any = GRAPHS
    if which == "agent":
        from benchmarks import agents

        graphs = agents.GRAPHS
    graph = bench.cluster(workers=1, app=app).client.graph(which, graph=graphs[which])

    def talk(turns: int) -> int:
        thread = uuid.uuid4().hex
        kind.run(graph, turns, thread)
        return state_bytes(graph.get_state({"configurable": {"thread_id": thread}}).values)

    return talk


class _Monitor:
    """What `MONITOR` shows from now on, in a file."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._connection = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379))
        self._connection.sendall(b"MONITOR\r\n")
        self._connection.recv(5)  # +OK
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := self._connection.recv(1 << 20):
            self._file.write(data)

    def commands(self) -> Iterator[list[bytes]]:
        """The words of each command that a client has sent. Ends the watch."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()
        with self._file as seen:
            seen.seek(0)
            for line in seen:
                found = _LINE.match(line.rstrip(b"\r\n"))
                if found and found[1] != b"lua":
                    yield [ast.literal_eval(f'b"{word.decode("latin-1")}"') for word in _WORD.findall(found[2])]


def _bytes_of(words: list[bytes]) -> int:
    return len(b"*%d\r\n" % len(words)) + sum(len(b"$%d\r\n\r\n" % len(word)) + len(word) for word in words)


def _name(words: list[bytes]) -> str:
    """A command, and the kind of the key that it is about; of a script its first key."""
    name = words[0].upper().decode()
    keys = words[3:4] if name == "EVALSHA" else [word for word in words[1:] if _KIND.search(word)][-1:]
    return f"{name} {_kind(keys[0])}" if keys else name


def _kind(key: bytes) -> str:
    found = _KIND.search(key)
    return found[1].decode() if found else Path(key.decode("latin-1")).name[-20:]


if __name__ == "__main__":
    main()
