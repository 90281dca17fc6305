"""What a process that was forked makes anew before it does anything else.

A fork copies memory, but no thread; and it shares every socket. So a child has locks that nobody will release,
background threads that do not run, and connections on which its parent speaks. An object that keeps such a thing is
named here, and its `after_fork` is called in the child, once, before any other code runs there. No other thread exists
at that moment, so it takes no lock. `docs/decisions/0014-fork.md` tells what was chosen and why.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager
from typing import Protocol


class Forkable(Protocol):
    """Something that a child of a fork cannot use as it was."""

    def after_fork(self) -> None:
        """In the child: be as new. Say nothing on what is shared with the parent, and take no lock."""


_forks = 0
_importing = threading.RLock()
_things: weakref.WeakSet[Forkable] = weakref.WeakSet()


def renew_after_fork(thing: Forkable) -> None:
    """Call `thing.after_fork()` in every child that this process forks while `thing` lives."""
    _things.add(thing)


def forks() -> int:
    """How many forks lie between this process and the one that loaded this module.

    An object that keeps the number can tell by it whether it still lives in the process that made it.
    """
    return _forks


def late_import() -> AbstractContextManager[object]:
    """Hold this around an import inside a function: a fork waits until it is done.

    Python's lock of a module that another thread was just importing would stay locked in the child for ever.
    """
    return _importing


def _before() -> None:
    _importing.acquire()


def _in_parent() -> None:
    _importing.release()


def _in_child() -> None:
    global _forks, _importing
    _forks += 1
    _importing = threading.RLock()
    for thing in list(_things):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
