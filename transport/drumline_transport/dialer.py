"""Opening connections: to one address, or to whichever server plays a part in a deployment just now."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - `getaddrinfo` imports it late: a fork meanwhile would leave its lock held in the child
import inspect
import threading
import weakref
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.connection import AbstractConnection, parse_url

from drumline_protocol.errors import NoBroker
from drumline_transport.address import Address, parse_address
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.connection import CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, Connection, Lost, pack
from drumline_transport.errors import ServerError

#: How long one sentinel may take to name the master, and a server of a deployment to let us in: there may be another.
PLACE_TIMEOUT_S = 1.0


class Dialer:
    """Opens connections to one address, and knows what all of them share. Safe for threads."""

    #: whether another server may take this one's place: then a connection to an earlier one is of no use any more
    moves = False

    def __init__(self, url: str, name: str, patience_s: float) -> None:
        self.url = url
        self.name = "".join(c if c.isprintable() and c != " " else "-" for c in name)
        self.patience_s = patience_s
        self.closed = threading.Event()
        self.server_id = ""
        #: the Redis version whose commands it knows (Valkey says 7.2.4); "" when it does not tell
        self.server_version = ""
        #: "standalone", "cluster", ...; "" when it does not tell
        self.server_mode = ""
        self._open: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self.address = address_of(url)
        self._kind, self._options = _connecting(url, self.address)
        renew_after_fork(self)

    def dial(self, role: str, timeout_s: float | None = None) -> Connection:
        """A new connection, named for `CLIENT LIST`.

        `timeout_s` bounds each step of opening it (None: `CONNECT_TIMEOUT_S`). Raises `Lost`, or `NoBroker` when we
        are not let in.
        """
        if self.closed.is_set():
            raise NoBroker(self.url, "this broker object was closed")
        return self._dial(role, timeout_s)

    def astray(self) -> None:
        """A server said that it is the wrong one: look again where the right one is, before the next connection."""

    def _dial(self, role: str, timeout_s: float | None) -> Connection:
        """Where one address may stand for several servers: find the right one, and `dial_at` it."""
        return self.dial_at(None, role, timeout_s)

    def dial_at(self, place: tuple[str, int] | None, role: str, timeout_s: float | None) -> Connection:
        """As `dial`, of a server at (host, port); None: the one that the address names."""
        options = self._options
        if place is not None:
            options = {**options, "host": place[0], "port": place[1]}
        if timeout_s is not None:
            options = {**options, "socket_connect_timeout": timeout_s, "socket_timeout": timeout_s}
        try:
            opened = self._kind(**options)
            opened.connect()
        except redis.AuthenticationError as error:
            raise NoBroker(self.url, str(error)) from None
        except redis.ResponseError as error:
            # redis-py words refusals without their code; a login that fails is not mended by waiting
            if "LOADING" in str(error) or isinstance(error, redis.ReadOnlyError):
                raise Lost(str(error)) from None
            raise NoBroker(self.url, str(error)) from None
        except (redis.RedisError, OSError) as error:
            raise Lost(str(error)) from None
        connection = Connection(opened)
        self._greet(connection, role, REPLY_TIMEOUT_S if timeout_s is None else timeout_s)
        with self._lock:
            self._open.add(connection)
        if self.closed.is_set():
            connection.close()
            raise NoBroker(self.url, "this broker object was closed")
        return connection

    def _greet(self, connection: Connection, role: str, timeout_s: float) -> None:
        """Name the connection, learn the server's `run_id`, and see that it is a master, in one round trip.

        All three may be forbidden.
        """
        commands = [pack("CLIENT", "SETNAME", f"{self.name}:{role}"), pack("INFO", "server")]
        named, info, *played = connection.calls([*commands, *([pack("ROLE")] if self.moves else [])], timeout_s)
        for reply in (named, info):
            if isinstance(reply, ServerError) and reply.code in ("NOAUTH", "WRONGPASS", "LOADING"):
                connection.close()
                if reply.code == "LOADING":
                    raise Lost(reply.text)
                raise NoBroker(self.url, reply.text)
        if played and isinstance(played[0], list) and played[0][0] != b"master":
            connection.close()
            raise Lost(f"the server is a {played[0][0].decode()}, and nobody is known to have taken the master's place")
        if isinstance(info, bytes):
            self.server_id = connection.server_id = info_field(info, "run_id")
            self.server_version = info_field(info, "redis_version")
            self.server_mode = info_field(info, "redis_mode")

    def is_behind(self, connection: Connection) -> bool:
        """Whether a newer connection has found another server in the place of the one that this connection leads to."""
        return self.moves and connection.server_id != self.server_id

    def hang_up(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        self.closed.set()
        with self._lock:
            connections = list(self._open)
            self._open.clear()
        for connection in connections:
            connection.abort()

    def after_fork(self) -> None:
        """Nobody in this process holds the lock or waits for the event; the connections are the parent's."""
        closed = self.closed.is_set()
        self.closed = threading.Event()
        if closed:
            self.closed.set()
        self._lock = threading.Lock()
        self._open = weakref.WeakSet()


class SentinelDialer(Dialer):
    """Connects to the master of a service: the server that its sentinels name just now."""

    moves = True

    def __init__(self, url: str, name: str, patience_s: float) -> None:
        super().__init__(url, name, patience_s)
        #: the one that answered last stands first
        self._sentinels = list(self.address.hosts)

    def _dial(self, role: str, timeout_s: float | None) -> Connection:
        if timeout_s is None:
            timeout_s = PLACE_TIMEOUT_S
        return self.dial_at(self._master(min(PLACE_TIMEOUT_S, timeout_s)), role, timeout_s)

    def _master(self, timeout_s: float) -> tuple[str, int]:
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        from redis.sentinel import Sentinel

        asked: dict[str, Any] = {name: value for name, value in self._options.items() if name.startswith("ssl_")}
        asked.update(socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0))
        asked.update(username=self.address.sentinel_username, password=self.address.sentinel_password, protocol=2)
        asked["ssl"] = self.address.tls
        causes = []
        for place in list(self._sentinels):
            sentinel = Sentinel([place], sentinel_kwargs=asked)  # type: ignore[no-untyped-call]
            try:
                host, port = sentinel.discover_master(self.address.service)  # type: ignore[no-untyped-call]
            except (redis.RedisError, OSError) as error:
                causes.append(f"{place[0]}:{place[1]}: {error}")
                continue
            finally:
                for client in sentinel.sentinels:
                    client.close()
            with self._lock:
                self._sentinels.remove(place)
                self._sentinels.insert(0, place)
            return host.decode() if isinstance(host, bytes) else str(host), int(port)
        raise Lost(f"no sentinel names a master of {self.address.service!r} ({'; '.join(causes)})")


def dialer_of(url: str, name: str, patience_s: float) -> Dialer:
    """The dialer for an address that leads to one server at a time. NoBroker for one that cannot be."""
    kind = SentinelDialer if address_of(url).kind == "sentinel" else Dialer
    return kind(url, name, patience_s)


def address_of(url: str) -> Address:
    """The parts of an address. NoBroker for one that cannot be."""
    try:
        return parse_address(url)
    except ValueError as error:
        raise NoBroker(url, str(error)) from None


def _connecting(url: str, address: Address) -> tuple[Any, dict[str, Any]]:
    """redis-py's class of connection for an address, and the options to make one with."""
    try:
        options: dict[str, Any] = parse_url(address.base)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise NoBroker(url, str(error)) from None
    path = urlsplit(address.base).path.strip("/")
    if path and "path" not in options and not path.isdecimal():
        # redis-py would take database 0
        raise NoBroker(url, f"invalid DB index {path!r}: it is a number")
    kind = options.pop("connection_class", redis.Connection)
    for pool_option in ("max_connections", "timeout", "decode_responses", "protocol"):
        options.pop(pool_option, None)
    options.setdefault("socket_connect_timeout", CONNECT_TIMEOUT_S)
    options.setdefault("socket_timeout", CONNECT_TIMEOUT_S)
    options.setdefault("protocol", 2)
    if "path" not in options:
        options.setdefault("socket_keepalive", True)
    known = inspect.signature(AbstractConnection.__init__).parameters
    if "driver_info" in known:  # spares two round trips (CLIENT SETINFO) a connection
        options["driver_info"] = None
    else:
        options["lib_name"] = options["lib_version"] = None
    return kind, options


def info_field(info: bytes, name: str) -> str:
    """One field of an `INFO` reply, or ""."""
    for line in info.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key == name:
            return value
    return ""
