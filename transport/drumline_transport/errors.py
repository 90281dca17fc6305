"""Errors that only a broker can raise, beside those of `drumline_protocol.errors`.

ClusterError
  NoBroker
    BrokerRefuses      it is there, but takes no writes for now      fault: its memory, disk or replication
      PartlyAway       a part of a Redis Cluster is so            fault: one of its masters
  ServerError          it refuses a command for good                 fault: foreign keys, ACL, or drumline
"""

from __future__ import annotations

import re

from drumline_protocol.errors import ClusterError, NoBroker

_SCRIPT_NOISE = re.compile(r"^.*@user_script: ?\d+: ?-?", re.DOTALL)


class ServerError(ClusterError):
    """Redis refused a command for a reason that waiting does not mend.

    `code` is the first word of its answer (`WRONGTYPE`, `NOPERM`, `ERR`, ...). Most often another program writes to
    keys under drumline's prefix, or the ACL user lacks a command or a key pattern. Nothing was changed.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Redis 6.2 wraps what a script met: "ERR Error running script ...: @user_script: 74: -OOM ..."
        self.text = _SCRIPT_NOISE.sub("", text) if "@user_script" in text else text

    @property
    def code(self) -> str:
        return self.text.partition(" ")[0]

    def __str__(self) -> str:
        return f"Redis refused a command: {self.text}"


class BrokerRefuses(NoBroker):
    """Redis is there, but takes no writes for now: its memory or disk is full, it loads its files, or it is a replica.

    `cause` is what it answered (`OOM ...`, `MISCONF ...`, `LOADING ...`, `READONLY ...`). Nothing was changed and
    nothing is lost; drumline goes on by itself as soon as Redis does. Give it memory or disk, or look at its
    replication.
    """

    def __str__(self) -> str:
        return f"Redis at {self.url} takes no writes for now: {self.cause}"


class PartlyAway(BrokerRefuses):
    """Some masters of a Redis Cluster are away, or take no writes for now; what was for the others is stored.

    `partitions` are those that lie on the former: of what was for them nothing is known.
    """

    def __init__(self, url: str, cause: str, partitions: frozenset[int]) -> None:
        super().__init__(url, cause)
        self.args = (self.url, cause, partitions)
        self.partitions = partitions

    def __str__(self) -> str:
        told = ", ".join(map(str, sorted(self.partitions)))
        return f"the Redis Cluster at {self.url} takes nothing for partitions {told} for now: {self.cause}"
