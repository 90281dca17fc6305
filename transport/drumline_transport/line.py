"""A line: one connection for one group of verbs, opened when first used, mended when it breaks.

What may be repeated is repeated here and nowhere else: after a lost connection, a lost script, or a refusal that passes
(`PASSING`), for at most `patience_s`. So only verbs that are idempotent, or promise at least once, go through it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from drumline_protocol.errors import NoBroker
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.backoff import Pause
from drumline_transport.connection import (
    ELSEWHERE,
    PASSING,
    REPLY_TIMEOUT_S,
    UNLOADED,
    UNWELCOME,
    Argument,
    Connection,
    Lost,
    Reply,
    pack,
)
from drumline_transport.dialer import Dialer
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.scripts import Script

T = TypeVar("T")


class Line:
    """Safe for threads: callers of one line wait for each other, also for a blocking read.

    `timeout_s` is how long a reply, and each step of opening the connection, may take: short for a line that must
    notice soon that nobody is at the other end. None: `REPLY_TIMEOUT_S` and `CONNECT_TIMEOUT_S`.
    """

    def __init__(
        self, dialer: Dialer, role: str, *, waits_for_refusals: bool = True, timeout_s: float | None = None
    ) -> None:
        self._dialer = dialer
        #: None: as patient as the dialer says; 0: it tries once
        self.patience_s: float | None = None
        self._role = role
        self._waits_for_refusals = waits_for_refusals
        self._connect_timeout_s = timeout_s
        self._timeout_s = REPLY_TIMEOUT_S if timeout_s is None else timeout_s
        self._connection: Connection | None = None
        self._lock = threading.RLock()
        self._pause = Pause()
        #: the latest attempt failed; no new connection is opened before `_not_before`
        self._troubled = False
        self._not_before = 0.0
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The connection is the parent's, and nobody in this process holds the lock."""
        self._connection = None
        self._lock = threading.RLock()
        self._pause = Pause()
        self._troubled = False

    def run(self, use: Callable[[Connection], T]) -> T:
        """`use(connection)`, again and again until it neither loses the connection nor meets a passing refusal.

        Raises `NoBroker` when patience ends or the server does not let us in (`BrokerRefuses` when it is there but
        takes no writes), `ServerError` for other refusals. A caller that calls again at once is held up before a new
        connection is opened, so that no loop knocks a thousand times a second.
        """
        with self._lock:
            deadline = 0.0
            if self._troubled and self._connection is None:
                self._dialer.closed.wait(max(0.0, self._not_before - time.monotonic()))
            while True:
                try:
                    connection = self._connection
                    if self._dialer.moves and connection is not None and self._dialer.is_behind(connection):
                        self._drop()
                        connection = None
                    if connection is None:
                        connection = self._connection = self._dialer.dial(self._role, self._connect_timeout_s)
                    result = use(connection)
                    if self._troubled:
                        self._troubled = False
                        self._pause.reset()
                    return result
                except Lost as lost:
                    self._drop()
                    cause, refused = str(lost), False
                except ServerError as refusal:
                    cause, refused = self._judge(refusal), True
                except NoBroker:  # not let in
                    self._failed()
                    raise
                except BaseException:
                    if self._connection is not None and self._connection.busy:
                        self._drop()
                    raise
                now = time.monotonic()
                if not deadline:
                    deadline = now + (self._dialer.patience_s if self.patience_s is None else self.patience_s)
                self._failed()
                if now >= deadline or self._dialer.closed.is_set():
                    raise (BrokerRefuses if refused else NoBroker)(self._dialer.url, cause)
                self._dialer.closed.wait(max(0.0, min(self._not_before, deadline) - now))

    def _failed(self) -> None:
        self._troubled = True
        self._not_before = time.monotonic() + self._pause.seconds()

    def _judge(self, refusal: ServerError) -> str:
        """The cause, if the command may be tried again; raises what the caller shall see if not."""
        code = refusal.code
        if code in ELSEWHERE:
            self._drop()
            self._dialer.astray()
        if code in UNWELCOME:
            self._failed()
            raise NoBroker(self._dialer.url, refusal.text) from None
        if code not in PASSING:
            raise refusal
        if not self._waits_for_refusals:
            self._failed()
            raise BrokerRefuses(self._dialer.url, refusal.text) from None
        return refusal.text

    def _drop(self) -> None:
        if self._connection is not None:
            self._dialer.hang_up(self._connection)
            self._connection = None

    def call(self, *arguments: Argument) -> Reply:
        """One command."""
        return self.call_packed(pack(*arguments))

    def call_packed(self, packed: bytes) -> Reply:
        """One packed command."""
        timeout_s = self._timeout_s

        def use(connection: Connection) -> Reply:
            connection.send(packed)
            reply = connection.receive(timeout_s)
            if isinstance(reply, ServerError):
                raise reply
            return reply

        return self.run(use)

    def read_streams(self, packed: bytes, names: Container[bytes], wait_ms: int) -> Reply:
        """One packed `XREAD` or `XREADGROUP` that may block for `wait_ms`: `[[name, rows], ...]`, or None.

        A reply that names another stream than one of `names` was meant for somebody else: the connection is given up,
        and the command sent on a new one.
        """
        timeout_s = self._timeout_s + wait_ms / 1000

        def use(connection: Connection) -> Reply:
            connection.send(packed)
            reply = connection.receive(timeout_s)
            if isinstance(reply, ServerError):
                raise reply
            check_streams(reply, names)
            return reply

        return self.run(use)

    def calls(self, commands: Sequence[bytes], tolerated: Container[str] = ()) -> list[Reply]:
        """Packed commands in one write; their replies.

        Error replies are raised, unless their code is among those `tolerated`.
        """

        def use(connection: Connection) -> list[Reply]:
            replies = connection.calls(commands, self._timeout_s)
            for reply in replies:
                if isinstance(reply, ServerError) and reply.code not in tolerated:
                    raise reply
            return replies

        return self.run(use)

    def script(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """One call of a Lua script, loaded when the server does not know it.

        A user that may not load it waits until a coordinator's keeper has, which looks in each of its turns.
        """
        return self.scripts(script, [(keys, arguments)])[0]

    def scripts(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]) -> list[Reply]:
        """Several calls of one script in one write.

        All are repeated when one found the script missing.
        """
        packed = [script.pack(keys, arguments) for keys, arguments in calls]

        def use(connection: Connection) -> list[Reply]:
            for _ in range(3):
                replies = connection.calls(packed, self._timeout_s)
                errors = [reply for reply in replies if isinstance(reply, ServerError)]
                if not errors:
                    return replies
                others = [error for error in errors if error.code != "NOSCRIPT"]
                if others:
                    raise others[0]
                load_script(connection, script, self._timeout_s)
            raise Lost(f"the server forgets script {script.name!r} as soon as it is loaded")

        return self.run(use)


def load_script(connection: Connection, script: Script, timeout_s: float = REPLY_TIMEOUT_S) -> None:
    """Load a script that the server does not know. Raises a `ServerError` that passes if this user may not."""
    try:
        connection.call("SCRIPT", "LOAD", script.text, timeout_s=timeout_s)
    except ServerError as refusal:
        if refusal.code != "NOPERM":
            raise
        raise ServerError(
            f"{UNLOADED} the script {script.name!r} is not loaded, and this user may not load it. A coordinator does, "
            "or `drumline install-scripts`"
        ) from None


def check_streams(reply: Reply, names: Container[bytes]) -> None:
    """Raise `Lost` unless `reply` is what a read of the streams `names` can bring."""
    if reply is None:
        return
    if not isinstance(reply, list) or not all(map(_is_stream, reply)):
        raise Lost("the reply belongs to another command")
    for name, _rows in reply:
        if name not in names:
            raise Lost(f"the reply is of {name!r}, which was not asked for: it belongs to somebody else")


def _is_stream(row: Reply) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], bytes)
