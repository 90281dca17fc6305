"""`make demo`: one graph, three worker processes, one ordered stream. Checks what it shows: exit code 0 if it all held.

Starts a real broker (redis-server, valkey-server, or the one that pip brings), a coordinator and three workers, all on
this machine, by the same commands that you would type. Ends by itself in some seconds.

    demo.py [--broker URL]    the broker at that address, of any kind, in place of a new one
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from drumline import Cluster
from drumline_transport.local_server import LocalServer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from app import graph  # noqa: E402

APP = "report=app.py:graph"
WORKERS = 3
INPUT: dict[str, Any] = {"topics": ["tides", "bridges", "bread"]}
MODES = ["custom", "updates", "tasks", "values", "messages"]
COLOURS = {"custom": "magenta", "updates": "cyan", "tasks": "blue", "values": "green", "messages": "yellow"}

console = Console(highlight=False, soft_wrap=True)
Item = tuple[tuple[str, ...], str, Any]


# -- processes --------------------------------------------------------------------------------------


class Role:
    """A coordinator or worker process, as `drumline coordinator` and `drumline worker` start it."""

    def __init__(self, kind: str, name: str, url: str, *more: str) -> None:
        self.kind, self.name = kind, name
        self.lines: list[str] = []
        self._ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drumline.cli.main", kind, "--app", APP, "--name", name, *more],
            cwd=HERE,
            env={**os.environ, "DRUMLINE_BROKER": url},
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if f"{self.kind} {self.name} ready" in line:
                self._ready.put(True)
        self._ready.put(False)

    def await_ready(self) -> None:
        if not self._ready.get(timeout=30):
            sys.exit(f"{self.kind} {self.name} did not start:\n{''.join(self.lines)}")
        console.print(f"  {self.kind:<11} [bold]{self.name}[/]  pid {self.process.pid}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def main(words: list[str]) -> int:
    began = time.monotonic()
    given = words[1] if words[:1] == ["--broker"] and len(words) == 2 else None
    os.environ.pop("DRUMLINE_BROKER", None)  # it would send the run that is to be embedded to a cluster
    console.rule("[bold]drumline: one graph on three workers, one ordered stream")
    with nullcontext() if given else LocalServer() as broker:
        url = broker.url if broker else str(given)
        console.print(f"  {'broker':<11} [bold]{broker.program.name if broker else 'given'}[/]  {url}")
        roles = [Role("coordinator", "c1", url)]
        # one task at a time each, so that the parallel tasks of this small graph must spread
        roles += [Role("worker", f"w{number}", url, "--concurrency", "1") for number in range(1, WORKERS + 1)]
        try:
            for role in roles:
                role.await_ready()
            with Cluster(url) as cluster:
                held = show(cluster, {role.process.pid: role.name for role in roles if role.kind == "worker"})
        finally:
            for role in roles:
                role.stop()
    console.rule(f"[bold]{'all of it held' if held else 'something did not hold'}, {time.monotonic() - began:.1f} s")
    return 0 if held else 1


# -- what is shown ----------------------------------------------------------------------------------


def show(cluster: Cluster, workers: dict[int, str]) -> bool:
    """Run the graph, show its streams, and check them. `workers`: names by process id."""
    console.print(f"\n[bold]One stream[/], stream_mode={MODES}, subgraphs=True:\n")
    run_id = cluster.graph("report", graph=graph).start(INPUT)
    stream = cluster.join(run_id, stream_mode=MODES, subgraphs=True)
    items: list[Item] = []
    positions: list[str] = []
    printer = Printer(workers)
    for item in stream:
        printer.print(item)
        items.append(item)
        positions.append(stream.position)
    printer.end_line()

    middle = len(items) // 2
    again = list(cluster.join(run_id, positions[middle - 1], stream_mode=MODES, subgraphs=True))
    debug = list(cluster.join(run_id, stream_mode="debug"))
    embedded = list(graph.stream(INPUT, stream_mode=MODES, subgraphs=True))

    console.print("\n[bold]Who ran what[/]  (this process, the client, ran nothing)")
    ran = who_ran(items)
    for node, pids in ran.items():
        console.print(f"  {node:<18} {', '.join(workers.get(pid, f'pid {pid}?') for pid in pids)}")
    console.print("\n[bold]The same run once more[/], joined later by its id: its first event in mode debug is")
    console.print(f"  {escape(repr(debug[0]))}")

    used = {pid for pids in ran.values() for pid in pids}
    topics = INPUT["topics"]
    console.print("\n[bold]Checked[/]")
    checks = [
        check(len(used) >= 2 and used <= set(workers), f"nodes of this run ran in {len(used)} worker processes"),
        check(os.getpid() not in used, "none of them in the process that reads the stream"),
        check(all(tokens_in_order(items, topic) for topic in topics), "each token came once, in its node's order"),
        check(said_in_messages(items) == last_message(items), "what mode messages said is the message in the state"),
        check(set(MODES) == {mode for _, mode, _ in items}, f"one stream carried the modes {', '.join(MODES)}"),
        check(
            final_state(items)["sections"] == final_state(embedded)["sections"],
            "writes merged in the order of the tasks, whichever worker was first",
        ),
        check(essence(items) == essence(embedded), "the embedded run yields the same items, up to races"),
        check(again == items[middle:], f"joined behind item {middle}: exactly the other {len(again)} items"),
        check([event["type"] for event in debug].count("task") >= 6, f"debug, read afterwards: {len(debug)} events"),
    ]
    return all(checks)


def check(held: bool, claim: str) -> bool:
    console.print(f"  [bold {'green' if held else 'red'}]{'yes' if held else 'NO '}[/]  {escape(claim)}")
    return held


class Printer:
    """Items as lines: mode, place, who ran it, payload. Tokens follow each other on one line, with their worker."""

    def __init__(self, workers: dict[int, str]) -> None:
        self._workers = workers
        self._topics: dict[str, str] = {}
        self._in_line = False

    def print(self, item: Item) -> None:
        ns, mode, payload = item
        if mode == "custom" and "progress" in payload:
            return  # `drumline run` draws these as bars
        if mode == "custom" and "token" in payload:
            worker = self._topics[payload["topic"]]
            if not self._in_line:
                console.print("  [magenta]custom  [/]  ", end="")
            console.print(f"[dim]{worker}:[/]{payload['token']} ", end="")
            self._in_line = True
            return
        if mode == "messages":
            if not self._in_line:
                console.print("  [yellow]messages[/]  ", end="")
            console.print(escape(payload[0].content), end="")
            self._in_line = True
            return
        self.end_line()
        worker = self._workers.get(payload.get("pid"), "") if mode == "custom" else ""
        if mode == "custom" and "topic" in payload:
            self._topics[payload["topic"]] = worker
        if worker:
            text = f"{worker} runs {payload['node']} {payload.get('topic', '')}"
        elif mode == "tasks":
            what, key = ("starts", "input") if "input" in payload else ("ended", "result")
            text = short(f"{payload['name']} {what}: {payload[key]}")
        else:
            text = short(repr(payload))
        place = "".join(f"{part.partition(':')[0]}: " for part in ns)
        console.print(f"  [{COLOURS[mode]}]{mode:<8}[/]  [bold]{place}[/]{escape(text)}")

    def end_line(self) -> None:
        if self._in_line:
            self._in_line = False
            console.print()


def short(text: str) -> str:
    return text if len(text) <= 110 else f"{text[:107]}..."


# -- what is checked --------------------------------------------------------------------------------


def who_ran(items: list[Item]) -> dict[str, list[int]]:
    """Process ids by node, as the nodes told by their events."""
    ran: dict[str, list[int]] = defaultdict(list)
    for _, mode, payload in items:
        if mode == "custom" and "pid" in payload:
            ran[payload["node"]].append(payload["pid"])
    return ran


def tokens_in_order(items: list[Item], topic: str) -> bool:
    events = [payload for _, mode, payload in items if mode == "custom" and payload.get("topic") == topic]
    said = [event["token"] for event in events if "token" in event]
    section = next(text for text in final_state(items)["sections"] if text.startswith(f"{topic}: "))
    return bool(f"{topic}: {' '.join(said)}." == section)


def said_in_messages(items: list[Item]) -> str:
    return "".join(payload[0].content for _, mode, payload in items if mode == "messages")


def last_message(items: list[Item]) -> str:
    """The text of the last message in the state: an object with langchain-core, else a dict."""
    message = final_state(items)["messages"][-1]
    return str(message["content"] if isinstance(message, dict) else message.content)


def final_state(items: list[Item]) -> dict[str, Any]:
    """The last state of the whole graph."""
    states: list[dict[str, Any]] = [payload for ns, mode, payload in items if mode == "values" and not ns]
    return states[-1]


def essence(items: list[Item]) -> dict[Any, list[str]]:
    """What must be equal in every run: the items of each source in order, without ids, pids and times.

    Tasks of one superstep race, so items of different sources may come in any order; those of equal name are sorted.
    """
    found: dict[Any, list[str]] = defaultdict(list)
    for ns, mode, payload in items:
        source: Any = ""
        if mode == "custom":
            source = payload.get("topic") or payload.get("task") or payload.get("node")
            payload = {key: value for key, value in payload.items() if key != "pid"}
        elif mode == "tasks":
            source = payload["name"], "input" in payload
            payload = {key: value for key, value in payload.items() if key != "id"}
        elif mode == "updates":
            source = next(iter(payload))
        elif mode == "messages":
            payload = payload[0]
        place = tuple(part.partition(":")[0] for part in ns)
        found[place, mode, source].append(repr(plain(payload)))
    return {key: sorted(texts) if key[1] in ("tasks", "updates") else texts for key, texts in found.items()}


def plain(value: Any) -> Any:
    """A value without the ids of messages, which are other ones in each run."""
    if isinstance(value, dict):
        if "role" in value and "content" in value:
            return value["role"], value["content"]
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return (value.type, value.content) if hasattr(value, "content") else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
