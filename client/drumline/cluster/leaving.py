"""Cancels the runs whose streams are gone, wherever and however they went.

A stream may die where nothing can be waited for: as garbage, in any thread, in the middle of any lock; beside an event
loop that is closed; in a task that is being cancelled. So whoever drops it only leaves a note here, and a thread that
is started for it does the rest. Streams that are still open when the interpreter ends are noted by then.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue

from drumline_transport.after_fork import renew_after_fork

log = logging.getLogger("drumline.client")

#: how long the thread waits for more to do before it ends
LINGER_S = 1.0

#: how long the end of the interpreter, and `Cluster.close`, wait for it
FLUSH_S = 5.0

Act = Callable[[], None]
Note = tuple[Act, "Future[None] | None"]


class Canceller:
    """Takes notes, and knows the runs to cancel should the interpreter end. Safe for threads and for `__del__`.

    In the child of a fork it is empty: what the parent began is the parent's.
    """

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)
        _all.add(self)

    def after_fork(self) -> None:
        """No thread runs here, and the notes are the parent's."""
        #: `put` of this queue may be called from `__del__`, also of one that interrupted another `put`
        self._notes: SimpleQueue[Note] = SimpleQueue()
        self._running = False
        #: the interpreter ends: a thread that is started now would never run, and `finish` has done what can be done
        self._over = False
        self._watched: dict[int, Act] = {}
        self._numbers = count()

    def watch(self, cancel: Act) -> int:
        """Call `cancel` when the interpreter ends, unless `unwatch` is told the number first."""
        number = next(self._numbers)
        self._watched[number] = cancel
        return number

    def unwatch(self, number: int) -> bool:
        """The run has ended, or its caller cancels it. False if the end of the interpreter has done so."""
        return self._watched.pop(number, None) is not None

    def soon(self, act: Act, done: Future[None] | None = None) -> None:
        """Call `act` in another thread. `done` is told how it went; without, a failure is only logged."""
        self._notes.put((act, done))
        if not self._running and not self._over:
            self._running = True
            try:
                threading.Thread(target=self._run, name="drumline-cancel", daemon=True).start()
            except RuntimeError:  # the interpreter starts no more threads: `finish` is about to be called
                self._running = False

    def flush(self) -> None:
        """Wait until what was noted is done, but not for ever."""
        if self._running:
            done: Future[None] = Future()
            self._notes.put((_nothing, done))
            wait((done,), FLUSH_S)

    def finish(self) -> None:
        """The interpreter ends, and starts no more threads: do what is left on this one."""
        self.flush()
        self._over = True
        for act in self._watched.values():
            self._notes.put((act, None))
        self._watched = {}
        while not self._notes.empty():
            note = self._notes.get()
            if not _did(note):
                return  # the next one would wait as long for the same broker

    def _run(self) -> None:
        while True:
            with suppress(Empty):
                _did(self._notes.get(timeout=LINGER_S))
                continue
            self._running = False  # whoever notes something from here on starts another thread
            if self._notes.empty() or self._running:
                return
            self._running = True


def _did(note: Note) -> bool:
    act, done = note
    try:
        act()
    except BaseException as error:
        if done is None:
            log.warning("a run whose stream is gone could not be cancelled: %s: %s", type(error).__name__, error)
        else:
            with suppress(InvalidStateError):  # nobody waits any more
                done.set_exception(error)
        return False
    if done is not None:
        with suppress(InvalidStateError):
            done.set_result(None)
    return True


def _nothing() -> None:
    """What `flush` notes."""


_all: weakref.WeakSet[Canceller] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for canceller in list(_all):
        canceller.finish()
