"""What to do about a broker that cannot be reached or does not let us in, told from what the connection said. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

#: what is there, and what to do; the first pattern that the cause matches tells
_RULES: list[tuple[str, str, str | Callable[[str], str]]] = [
    (
        r"NOAUTH|[Aa]uthentication required",
        "Redis at {url} wants a password",
        "Put it into the address: redis://:PASSWORD@host:port, or redis://USER:PASSWORD@host:port; DRUMLINE_BROKER "
        "keeps it out of command lines",
    ),
    (
        r"WRONGPASS|invalid (username|password)|without any password configured",
        "Redis at {url} does not take this user and password",
        "Check both in the address, redis://USER:PASSWORD@host:port (without USER it is the user `default`)",
    ),
    (
        r"NOPERM",
        "Redis at {url} lets this user in, and does not permit what drumline needs",
        "Give the user the rights of deploy/users.acl.template",
    ),
    (
        r"is a node of a Redis Cluster|^MOVED",
        "{url} is a part of a Redis Cluster",
        "Begin the address with redis+cluster://, or rediss+cluster:// for TLS, and name a few of its nodes",
    ),
    (
        r"cluster support disabled",
        "{url} is no Redis Cluster",
        "Begin the address with redis:// or rediss://",
    ),
    (
        r"[Nn]o sentinel names",
        "the sentinels of {url} name no master",
        "Check that they run and watch a service of that name; right after a failover it takes a moment",
    ),
    (
        r"names no service|names no host|is no host:port",
        "{url} is not whole",
        "The forms are redis+sentinel://host:26379,host:26379/service and redis+cluster://host:6379,host:6379",
    ),
    (
        r"must specify one of the following schemes",
        "{url} is no address of a Redis",
        "It begins with redis://, with rediss:// for TLS, or with unix://, as in redis://localhost:6379; "
        "docs/deployment.md has the forms for Redis Cluster and Sentinel",
    ),
    (
        r"DB index is out of range|invalid DB index",
        "Redis at {url} has no database of that number",
        "Most have 0 to 15: change the number behind the last / of the address, or leave it out",
    ),
    (
        r"Protocol error, got|unexpected reply|illegal multibulk|Protocol Error",
        "what answers at {url} is no Redis",
        "Check the port",
    ),
    (
        r"(?i)certificate",
        "the TLS certificate of {url} is not accepted",
        "Name its authority in the address: rediss://host:port?ssl_ca_certs=/path/ca.pem",
    ),
    (
        r"(?i)ssl|tls|wrong.version",
        "no TLS with {url}",
        "If that port speaks plain Redis, begin the address with redis:// in place of rediss://",
    ),
    (
        r"max number of clients",
        "Redis at {url} takes no more connections",
        "It has as many as its `maxclients` allows: raise that, or see in CLIENT LIST who has them",
    ),
    (
        r"closed the connection|[Cc]onnection (closed|reset)|broken pipe|Broken pipe",
        "{url} hangs up",
        "Does Redis still run there? If it never answered, it may be no Redis, or one that speaks TLS (rediss://)",
    ),
    (
        r"no answer within|[Tt]imeout",
        "whoever listens at {url} does not answer as a Redis does",
        lambda url: (
            "If that port speaks plain Redis, begin the address with redis:// in place of rediss://"
            if url.startswith("rediss:")
            else "Check the port and the network between"
        ),
    ),
]
_ELSE = "no Redis at {url}", "Check the address, or start one with `drumline up`"


def broker_trouble(url: str, cause: str) -> str:
    """One line: what is wrong with the broker at `url`, what the connection said, and what to do."""
    cause = " ".join(cause.split()).rstrip(".")
    head, advice = _ELSE
    for pattern, what, remedy in _RULES:
        if re.search(pattern, cause):
            head, advice = what, remedy(url) if callable(remedy) else remedy
            break
    return f"{head.replace('{url}', url)}: {cause}. {advice}."
