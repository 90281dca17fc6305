"""`drumline health`: is this coordinator or worker alive? For the health check of a container."""

from __future__ import annotations

import os
import socket
from argparse import Namespace

from drumline.cli.endings import FAILED, OK, say
from drumline.settings import Settings
from drumline_protocol.errors import ClusterError, WireError
from drumline_protocol.limits import PRESENCE_TTL_MS
from drumline_protocol.presence import Presence, presences


def run(args: Namespace) -> int:
    """0 if it was heard of lately, else 1 and a line that says why not."""
    from drumline_transport import connect

    settings = Settings(args)
    try:
        broker = connect(settings.broker(), prefix=settings.prefix(), name="health")
        try:
            found = presences(broker.members("workers" if args.kind == "worker" else "coordinators"))
            told = why_not(args.kind, args.name or os.environ.get("DRUMLINE_NAME"), found)
        finally:
            broker.close()
    except (ClusterError, WireError) as error:
        told = str(error)
    if told is None:
        return OK
    say(f"{args.kind} is not well: {told}")
    return FAILED


def why_not(kind: str, name: str | None, found: list[Presence]) -> str | None:
    """Why the member is not well; None if it is. `name` None: the one of this host that was heard of last."""
    host = socket.gethostname()
    mine = [row for row in found if (row.name == name if name else _is_here(row, host))]
    if not mine:
        who = f"named {name!r}" if name else f"on host {host!r}"
        return f"no {kind} {who} has registered; there are {', '.join(row.name for row in found) or 'none'}"
    # of several on one host, as below `drumline up`, one that is well is enough
    heard = min(mine, key=lambda row: row.age_ms)
    if not heard.is_alive:
        return f"{heard.name} was last heard of {heard.age_ms / 1000:.1f} s ago (bound: {PRESENCE_TTL_MS / 1000:g} s)"
    if kind == "coordinator" and not heard.partitions:
        # standing by is well, as long as there is somebody to stand by for
        others = [row for row in found if row.is_alive and row.partitions]
        if not others:
            return f"{heard.name} holds no partition, and nobody else does"
    return None


def _is_here(row: Presence, host: str) -> bool:
    """Whether the member runs on `host`; one of an older drumline is known by its name only."""
    return row.host == host if row.host else row.name.startswith(f"{host}-")
