"""A server that speaks RESP as its script says: for answers that a real one gives only in trouble."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hiredis

#: gets one command, gives the bytes to answer with; None: no answer, ever
Answer = Callable[[list[bytes]], bytes | None]

INFO = b"run_id:abc\r\nredis_version:7.2.4\r\n"


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def error(code: str) -> bytes:
    return b"-%s what the server says of it\r\n" % code.encode()


def array(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def stream_reply(key: bytes, *entries: tuple[bytes, list[bytes]]) -> bytes:
    rows = [array(bulk(entry_id), array(*map(bulk, values))) for entry_id, values in entries]
    return array(array(bulk(key), array(*rows)))


OK = b"+OK\r\n"
NIL = b"*-1\r\n"
_QUIET = (b"CLIENT", b"INFO", b"SCRIPT")


@dataclass
class Answering:
    """Listens on a port. `answer` says what each command gets, but for those of a connection's beginning.

    `refusals` are given first: the next commands get them, one each. `refuse_login`: what every connection hears first.
    """

    answer: Answer
    refusals: deque[bytes] = field(default_factory=deque)
    refuse_login: bytes | None = None
    #: every command, but for those of a connection's beginning
    heard: list[list[bytes]] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"

    def close(self) -> None:
        # without a shutdown the thread that accepts would go on
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        reader: Any = hiredis.Reader()
        try:
            while data := sock.recv(65536):
                reader.feed(data)
                while (command := reader.gets()) is not False:
                    reply = self._reply(command)
                    if reply is not None:
                        sock.sendall(reply)
        except OSError:
            return

    def _reply(self, command: list[bytes]) -> bytes | None:
        if command[0] in _QUIET:
            if self.refuse_login is not None:
                return self.refuse_login
            return bulk(INFO) if command[0] == b"INFO" else OK
        self.heard.append(command)
        return self.refusals.popleft() if self.refusals else self.answer(command)
