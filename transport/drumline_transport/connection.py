"""One connection to Redis, as thin as it can be: bytes out, replies in.

redis-py opens it (TLS, passwords, Unix sockets, ACL users); from then on the socket and a hiredis parser are used
directly, because redis-py's own way per reply costs more than the whole trip over loopback. RESP2, replies as bytes.

A connection that failed in the middle of anything is closed, never used again: no reply can be left in it for another
caller (the class of CVE-2023-28858).
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import hiredis
from redis.connection import AbstractConnection

from drumline_transport.after_fork import renew_after_fork
from drumline_transport.errors import ServerError

#: How long a connection may take to open, TLS and password included.
CONNECT_TIMEOUT_S = 5.0
#: How long a reply may take beyond the time for which its command was told to block.
REPLY_TIMEOUT_S = 10.0
#: How long a write may wait for room in the socket.
SEND_TIMEOUT_S = 10.0

_READ_BYTES = 64 * 1024

Argument = str | bytes | int
#: What hiredis makes of a RESP2 reply: bytes, int, None, or a list of these. Its shape is the command's business.
Reply = Any


class Lost(Exception):
    """The connection is gone or never came up; the text says why. Stays inside the transport."""


class _Nothing:
    __slots__ = ()


#: What `Connection.poll` returns when no whole reply is there.
NOTHING = _Nothing()

#: A code of our own: a script is not loaded, and this user may not load it. Somebody else does.
UNLOADED = "UNLOADED"

#: Refusals that pass: the command changed nothing and may be sent again.
PASSING = frozenset(
    {
        *("OOM", "MISCONF", "NOREPLICAS", "LOADING", "BUSY", "MASTERDOWN", "READONLY"),
        *("CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "INBOXFULL", UNLOADED),
        *("MOVED", "ASK"),
    }
)
#: Refusals after which another connection may lead to the right server, or log in again. Not ASK: the slot is still
#: that server's; its keys are on their way, and the command is repeated until they have arrived.
ELSEWHERE = frozenset(["READONLY", "MASTERDOWN", "NOAUTH", "MOVED", "UNBLOCKED", "CLUSTERDOWN"])
#: Refusals of us: waiting does not help, and the operator must be told.
UNWELCOME = frozenset(["NOAUTH", "WRONGPASS", "NOPERM"])


def pack(*arguments: Argument) -> bytes:
    """One command as RESP bytes."""
    packed: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]
    return packed


class Connection:
    """A socket with a parser. For one thread at a time; `abort` may come from any thread."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_opened",
        "_reader",
        "_sock",
        "_timeout_s",
        "_tls",
        "busy",
        "server_id",
    )

    def __init__(self, opened: AbstractConnection) -> None:
        self._opened: Any = opened  # closes the socket when the last reference goes
        sock: Any = opened._sock
        self._sock = sock
        self._tls = hasattr(sock, "pending")
        self._reader: Any = hiredis.Reader(protocolError=Lost, replyError=ServerError, notEnoughData=NOTHING)
        self._buffer = bytearray(_READ_BYTES)
        self._timeout_s = -1.0
        self.server_id = ""
        #: a command is under way: a connection that is busy must not serve another caller
        self.busy = False
        if not self._tls:
            # Kernel timeouts on a blocking socket: one system call a read in place of poll + recv.
            sock.settimeout(None)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_TIMEOUT_S))
        renew_after_fork(self)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port at the other end."""
        return self._opened.host, self._opened.port

    def fileno(self) -> int:
        number: int = self._sock.fileno()
        return number

    def send(self, data: bytes) -> None:
        """Write all of `data`. Raises `Lost`, and has closed the connection then."""
        self.busy = True
        try:
            if self._tls and self._timeout_s != SEND_TIMEOUT_S:
                self._sock.settimeout(SEND_TIMEOUT_S)
                self._timeout_s = SEND_TIMEOUT_S
            self._sock.sendall(data)
        except OSError as error:
            self.close()
            raise Lost(f"cannot write: {error}") from None
        except BaseException:
            self.close()
            raise

    def receive(self, timeout_s: float) -> Reply:
        """The next reply; error replies come back as `ServerError` objects, not raised.

        Raises `Lost`.
        """
        reply = self._reader.gets()
        if reply is NOTHING:
            reply = self._wait(timeout_s)
        self.busy = False
        return reply

    def _wait(self, timeout_s: float) -> Reply:
        gets, feed, buffer = self._reader.gets, self._reader.feed, self._buffer
        try:
            if timeout_s != self._timeout_s:
                self._set_timeout(timeout_s)
            receive = self._sock.recv_into
            while True:
                size = receive(buffer)
                if not size:
                    raise Lost("the server closed the connection")
                feed(buffer, 0, size)
                reply = gets()
                if reply is not NOTHING:
                    return reply
        except (BlockingIOError, TimeoutError):
            self.close()
            raise Lost(f"no answer within {timeout_s:g} s") from None
        except OSError as error:
            self.close()
            raise Lost(f"cannot read: {error}") from None
        except BaseException:
            self.close()
            raise

    def _set_timeout(self, timeout_s: float) -> None:
        if self._tls:
            self._sock.settimeout(timeout_s)
        else:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeout_s))
        self._timeout_s = timeout_s

    def poll(self) -> Reply:
        """The next reply if it is there, else `NOTHING`. Never waits. Raises `Lost`."""
        reply = self._reader.gets()
        while reply is NOTHING:
            try:
                size = self._receive_now()
            except (BlockingIOError, InterruptedError):
                return NOTHING
            except OSError as error:
                if type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError"):
                    return NOTHING
                self.close()
                raise Lost(f"cannot read: {error}") from None
            if not size:
                self.close()
                raise Lost("the server closed the connection")
            self._reader.feed(self._buffer, 0, size)
            reply = self._reader.gets()
        self.busy = False
        return reply

    def wait(self, timeout_s: float) -> None:
        """Until there may be something to read, or `timeout_s` is over."""
        if not (self._tls and self._sock.pending()):
            _wait_readable(self._sock, timeout_s)

    def _receive_now(self) -> int:
        if not self._tls:
            size: int = self._sock.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
            return size
        self._sock.settimeout(0)
        self._timeout_s = 0
        size = self._sock.recv_into(self._buffer)
        return size

    def call(self, *arguments: Argument, timeout_s: float = REPLY_TIMEOUT_S) -> Reply:
        """Send one command and return its reply; error replies are raised."""
        self.send(pack(*arguments))
        reply = self.receive(timeout_s)
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def calls(self, commands: Iterable[bytes], timeout_s: float = REPLY_TIMEOUT_S) -> list[Reply]:
        """Send packed commands in one write and return their replies; `ServerError`s stand in the list.

        Raises `Lost`. A server that has no room for a connection says so in place of the first reply, and hangs up:
        then the error says the same.
        """
        packed = list(commands)
        self.send(b"".join(packed))
        replies: list[Reply] = []
        try:
            for _ in packed:
                self.busy = True
                replies.append(self.receive(timeout_s))
        except Lost as lost:
            if replies and isinstance(replies[-1], ServerError) and replies[-1].code == "ERR":
                raise Lost(f"{replies[-1].text} ({lost})") from None
            raise
        return replies

    def abort(self) -> None:
        """End whatever another thread waits for on this connection: it gets `Lost`."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.busy = True
        self._opened.disconnect()

    def after_fork(self) -> None:
        """The socket is the parent's: close this process's number for it, with no word on the wire (no
        shutdown, no TLS alert). Whoever still holds this object gets `Lost`.
        """
        self.busy = True
        with contextlib.suppress(OSError):
            self._sock.close()


def _wait_readable(sock: socket.socket, timeout_s: float) -> None:
    if sock.fileno() < 0:
        return
    if hasattr(select, "poll"):  # unlike select(), without a bound on the number of files
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.poll(timeout_s * 1000)
    else:
        select.select([sock], [], [], timeout_s)


@lru_cache(maxsize=64)
def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
