"""What a process that was forked makes anew before it does anything else.

A fork copies memory, but no thread; and it shares every socket. So a child has locks that nobody
will release, background threads that do not run, and connections on which its parent speaks. Who
keeps such a thing names it here, and is called in the child, once, before any other code of the
child runs. There no other thread exists, so the callee takes no lock. `docs/decisions/0014-fork.md`
tells what was chosen and why.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that a child of a fork cannot use as it was."""

    def after_fork(self) -> None:
        """In the child: be as new. Say nothing on what is shared with the parent, and take no lock."""
        ...


_things: weakref.WeakSet[Forkable] = weakref.WeakSet()


def renew_after_fork(thing: Forkable) -> None:
    """Call `thing.after_fork()` in every child that this process forks while `thing` lives."""
    _things.add(thing)


def _in_child() -> None:
    for thing in list(_things):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
