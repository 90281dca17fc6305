"""The address of a broker: one server, a Redis Cluster, or a master that sentinels watch. Pure.

| address | what it names |
|---|---|
| `redis://[user:password@]host:port/db`, `rediss://...`, `unix://...` | one server; redis-py reads it |
| `redis+cluster://[user:password@]host:port,host:port` | a Redis Cluster, by any of its nodes |
| `redis+sentinel://[user:password@]host:port,host:port/service[/db]` | the master that these sentinels name |

`rediss+cluster` and `rediss+sentinel` speak TLS with every server. User, password and query (`?ssl_ca_certs=...`) are
as in redis-py's own addresses and go for every data server; sentinels are asked with `sentinel_username` and
`sentinel_password` of the query, and with its TLS options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_KINDS: dict[str, Literal["cluster", "sentinel"]] = {"cluster": "cluster", "sentinel": "sentinel"}
_PORTS = {"cluster": 6379, "sentinel": 26379}


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address in its parts."""

    kind: Literal["one", "cluster", "sentinel"]
    #: an address for redis-py, with what all connections share; its host is the first of `hosts`
    base: str
    #: who is asked where the servers are; none for one server
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    @property
    def tls(self) -> bool:
        return self.base.startswith("rediss:")


def parse_address(url: str) -> Address:
    """The parts of `url`. ValueError, in words for its author, for one that cannot be."""
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    if not kind:
        return Address("one", url)
    if scheme not in ("redis", "rediss") or kind not in _KINDS:
        raise ValueError(
            f"{scheme}+{kind}:// is no scheme of an address: Redis URL must specify one of the following schemes "
            "(redis://, rediss://, unix://, redis+cluster://, rediss+cluster://, redis+sentinel://, rediss+sentinel://)"
        )
    split = urlsplit(url)
    login, at, places = split.netloc.rpartition("@")
    hosts = tuple(_host(place, _PORTS[kind]) for place in places.split(",") if place)
    if not hosts:
        raise ValueError("it names no host")
    path = [unquote(part) for part in split.path.strip("/").split("/") if part]
    service = ""
    if kind == "sentinel":
        if not path:
            raise ValueError(
                "it names no service: behind its hosts stands the sentinels' name for the master, as in /mymaster"
            )
        service = path.pop(0)
    db = path.pop(0) if path else "0"
    if path or not db.isdecimal():
        raise ValueError(f"invalid DB index {'/'.join([db, *path])!r}: it is a number")
    if kind == "cluster" and db != "0":
        raise ValueError(f"invalid DB index {db!r}: a Redis Cluster has database 0 only")
    query = dict(parse_qsl(split.query))
    username, password = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    host, port = hosts[0]
    base = f"{scheme}://{login}{at}{f'[{host}]' if ':' in host else host}:{port}/{db}"
    if query:
        base += "?" + urlencode(query)
    return Address(_KINDS[kind], base, hosts, service, username, password)


def _host(place: str, port: int) -> tuple[str, int]:
    host, colon, number = place.rpartition(":")
    if not colon or place.endswith("]"):
        return place.strip("[]"), port
    if not number.isdecimal():
        raise ValueError(f"{place!r} is no host:port")
    return host.strip("[]") or "localhost", int(number)
