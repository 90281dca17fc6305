"""The Lua scripts, as values that know their text, digest and calling form.

Each `scripts/<name>.lua` opens with a table of its KEYS and ARGV; the verb that calls it builds them in that order.
They need Redis 6.2 and no more. None fails after its first write: what could fail is looked at before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from drumline_transport.connection import Argument, pack

_FOLDER = Path(__file__).parent / "scripts"


class Script:
    """One Lua script: `text` to load, `sha` to call."""

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def pack(self, keys: Sequence[str], arguments: Sequence[Argument]) -> bytes:
        """The EVALSHA command as bytes."""
        return pack("EVALSHA", self.sha, len(keys), *keys, *arguments)


COMMIT = Script("commit")
ACQUIRE = Script("acquire")
RENEW_LEASE = Script("renew_lease")
RELEASE = Script("release")
RENEW_REQUESTS = Script("renew_requests")
NOTE_TRY = Script("note_try")
DUE = Script("due")
NEXT_TIMER = Script("next_timer")
BEAT = Script("beat")
PUBLISH = Script("publish")
MISSING = Script("missing")
RENEW_TASKS = Script("renew_tasks")
RENEW_ALL = Script("renew_all")
QUIT = Script("quit")
STORE = Script("store")
CACHE = Script("cache")
SWAP = Script("swap")

#: All of them: what a server must hold for roles that may call scripts and load none.
ALL = (
    *(COMMIT, ACQUIRE, RENEW_LEASE, RELEASE, RENEW_REQUESTS, NOTE_TRY, DUE, NEXT_TIMER),
    *(BEAT, PUBLISH, MISSING, RENEW_TASKS, RENEW_ALL, QUIT, STORE, CACHE, SWAP),
)
