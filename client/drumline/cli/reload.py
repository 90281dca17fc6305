"""`--reload`: sources are watched, and what was made of them starts again when one changes.

`drumline up --reload` lets its children end and starts them again (`drumline.cli.up`). `drumline dev --reload` is a
process that starts another one, `drumline dev` without it, and starts that again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from drumline.cli.reaper import Reaper
from drumline.cli.signals import stop_on_signals
from drumline.settings import Settings, UsageError
from drumline_transport.log_setup import say

#: what else than modules says how graphs are served
_NAMES = ("langgraph.json", "pyproject.toml", ".env")
#: how often the watching thread looks whether it is to end
_LOOK_MS = 200
#: how long a `dev` may take to end before it is killed
_KILL_AFTER_S = 15.0


@dataclass(slots=True)
class Changed:
    """Sources have changed."""

    paths: Sequence[str]

    @property
    def told(self) -> str:
        """Which, in a few words."""
        named = sorted({os.path.relpath(path) for path in self.paths})
        return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def folders_of(apps: Sequence[str]) -> list[Path]:
    """The folders in which sources of these apps lie: this one, and those of files that are named elsewhere."""
    found = [Path.cwd()]
    for app in apps:
        place = app.partition("=")[2] or app
        path = Path(place.rpartition(":")[0] or place)
        if path.suffix == ".py":
            folder = path.resolve().parent
            if folder.is_dir() and not any(folder.is_relative_to(known) for known in found):
                found.append(folder)
    return found


@contextlib.contextmanager
def watching(folders: Sequence[Path], on_change: Callable[[Changed], None]) -> Iterator[None]:
    """Within the block `on_change` is told, on a thread of its own, of modules that change there.

    UsageError if watchfiles is not installed.
    """
    try:
        from watchfiles import Change, DefaultFilter, watch
    except ImportError:
        raise UsageError('--reload needs watchfiles: `pip install "drumline[reload]"`') from None

    class Sources(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            return (path.endswith(".py") or os.path.basename(path) in _NAMES) and super().__call__(change, path)

    stop, begun = threading.Event(), threading.Event()

    def listen() -> None:
        for changes in watch(
            *folders, watch_filter=Sources(), stop_event=stop, rust_timeout=_LOOK_MS, yield_on_timeout=True
        ):
            begun.set()
            if changes:
                on_change(Changed([path for _, path in changes]))

    thread = threading.Thread(target=listen, name="drumline-reload", daemon=True)
    thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def run(args: Namespace) -> int:
    """`drumline dev --reload`: a `drumline dev`, started again when a source changes. 0 after a signal."""
    events: SimpleQueue[Changed | int | None] = SimpleQueue()
    folders = folders_of(Settings(args).apps())
    with stop_on_signals(lambda: events.put(None)), watching(folders, events.put):
        reaper = Reaper()
        try:
            return _Dev(events, reaper).run()
        finally:
            reaper.close()


class _Dev:
    """The loop. An event is a change, the exit code of the process, or None: the wish to stop."""

    def __init__(self, events: SimpleQueue[Changed | int | None], reaper: Reaper) -> None:
        self._events = events
        self._reaper = reaper
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Until a signal comes."""
        self._start()
        while (event := self._events.get()) is not None:
            if isinstance(event, Changed):
                say(f"{event.told} changed: starting again")
                if self._stop():
                    return 0
                self._start()
            else:  # by itself: its last words say why
                self._forget()
                say(f"dev ended with exit code {event}: it starts again when a source changes")
        self._stop()
        return 0

    def _start(self) -> None:
        words = [word for word in sys.argv[1:] if word != "--reload"]
        # A session of its own: Ctrl-C reaches this process alone.
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "drumline.cli.main", *words], stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._reaper.watch(process.pid)
        threading.Thread(target=lambda: self._events.put(process.wait()), daemon=True).start()

    def _stop(self) -> bool:
        """Let the process end; whether somebody wishes to stop meanwhile."""
        wishes_to_stop = False
        if self._process is None:
            return False
        self._process.send_signal(signal.SIGTERM)
        timer = threading.Timer(_KILL_AFTER_S, self._process.kill)
        timer.start()
        while not isinstance(event := self._events.get(), int):
            wishes_to_stop = wishes_to_stop or event is None
        timer.cancel()
        self._forget()
        return wishes_to_stop

    def _forget(self) -> None:
        if self._process is not None:
            self._reaper.forget(self._process.pid)
            self._process = None
