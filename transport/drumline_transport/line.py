"""A line: one connection for one group of verbs, opened when first used, mended when it breaks.

What may be repeated is repeated here and nowhere else: after a lost connection, a lost script, or a
refusal that passes (`PASSING`), for at most `patience_s`. So only verbs that are idempotent, or
promise at least once, go through it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from drumline_protocol.errors import NoBroker
from drumline_transport.connection import (
    ELSEWHERE,
    PASSING,
    REPLY_TIMEOUT_S,
    UNWELCOME,
    Argument,
    Connection,
    Dialer,
    Lost,
    Reply,
    pack,
)
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.scripts import Script

T = TypeVar("T")


class Line:
    """Safe for threads: callers of one line wait for each other, also for a blocking read."""

    def __init__(self, dialer: Dialer, role: str, *, waits_for_refusals: bool = True) -> None:
        self._dialer = dialer
        self._role = role
        self._waits_for_refusals = waits_for_refusals
        self._connection: Connection | None = None
        self._lock = threading.RLock()

    def run(self, use: Callable[[Connection], T]) -> T:
        """`use(connection)`, again and again until it neither loses the connection nor meets a
        passing refusal.

        Raises `NoBroker` when patience ends or the server does not let us in (`BrokerRefuses` when it is
        there but takes no writes), `ServerError` for other refusals.
        """
        with self._lock:
            deadline = 0.0
            attempt = 0
            while True:
                try:
                    connection = self._connection
                    if connection is None:
                        connection = self._connection = self._dialer.dial(self._role)
                    return use(connection)
                except Lost as lost:
                    self._drop()
                    cause, refused = str(lost), False
                except ServerError as refusal:
                    cause, refused = self._judge(refusal), True
                except BaseException:
                    if self._connection is not None and self._connection.busy:
                        self._drop()
                    raise
                now = time.monotonic()
                if not attempt:
                    deadline = now + self._dialer.patience_s
                if now >= deadline or self._dialer.closed.is_set():
                    raise (BrokerRefuses if refused else NoBroker)(self._dialer.url, cause)
                self._dialer.pause(attempt, deadline - now)
                attempt += 1

    def _judge(self, refusal: ServerError) -> str:
        """The cause, if the command may be tried again; raises what the caller shall see if not."""
        code = refusal.code
        if code in ELSEWHERE:
            self._drop()
        if code in UNWELCOME:
            raise NoBroker(self._dialer.url, refusal.text) from None
        if code not in PASSING:
            raise refusal
        if not self._waits_for_refusals:
            raise BrokerRefuses(self._dialer.url, refusal.text) from None
        return refusal.text

    def _drop(self) -> None:
        if self._connection is not None:
            self._dialer.hang_up(self._connection)
            self._connection = None

    def call(self, *arguments: Argument, wait_ms: int = 0) -> Reply:
        """One command. `wait_ms` is how long the command itself may block."""
        return self.call_packed(pack(*arguments), wait_ms)

    def call_packed(self, packed: bytes, wait_ms: int = 0) -> Reply:
        timeout_s = REPLY_TIMEOUT_S + wait_ms / 1000

        def use(connection: Connection) -> Reply:
            connection.send(packed)
            reply = connection.receive(timeout_s)
            if isinstance(reply, ServerError):
                raise reply
            return reply

        return self.run(use)

    def calls(self, commands: Sequence[bytes], tolerated: str = "") -> list[Reply]:
        """Packed commands in one write; their replies.

        Error replies are raised, unless their code is `tolerated`.
        """

        def use(connection: Connection) -> list[Reply]:
            replies = connection.calls(commands)
            for reply in replies:
                if isinstance(reply, ServerError) and reply.code != tolerated:
                    raise reply
            return replies

        return self.run(use)

    def script(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Reply:
        """One call of a Lua script, loaded when the server does not know it."""
        return self.scripts(script, [(keys, arguments)])[0]

    def scripts(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]) -> list[Reply]:
        """Several calls of one script in one write.

        All are repeated when one found the script missing.
        """
        packed = [script.pack(keys, arguments) for keys, arguments in calls]

        def use(connection: Connection) -> list[Reply]:
            for _ in range(3):
                replies = connection.calls(packed)
                errors = [reply for reply in replies if isinstance(reply, ServerError)]
                if not errors:
                    return replies
                others = [error for error in errors if error.code != "NOSCRIPT"]
                if others:
                    raise others[0]
                connection.call("SCRIPT", "LOAD", script.text)
            raise Lost(f"the server forgets script {script.name!r} as soon as it is loaded")

        return self.run(use)
