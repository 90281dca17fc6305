"""Errors about bytes and values that cross between processes. Import them from `drumline_protocol.errors`."""

from __future__ import annotations

import re

from drumline_graph.errors import DrumlineError


class WireError(DrumlineError):
    """Root of the errors about bytes and values that cross between processes."""


class EncodeError(WireError):
    """A value cannot be sent to another process: its type is not known to drumline, or it exceeds a bound.

    `path` leads to the culprit inside the value (`state['docs'][3].handle`), `type_name` is its type, `place` says
    whose value it is (`what node 'fetch' returned`; "" if nobody told). Nothing was sent. Either turn the culprit into
    data (ids, dicts, bytes, text), or tell drumline how to write it with `drumline.types.register(T, to_fields=...,
    from_fields=...)`, or keep it out of what is sent: open files, sockets, clients and locks belong into the process
    that uses them. The text ends with what helps at that place.
    """

    def __init__(self, path: str, type_name: str, reason: str, place: str = "") -> None:
        super().__init__(path, type_name, reason, *([place] if place else ()))
        self.path = path
        self.type_name = type_name
        self.reason = reason
        self.place = place

    def at(self, place: str) -> EncodeError:
        """The same error, told of the place."""
        return EncodeError(self.path, self.type_name, self.reason, place)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        remedy = ""
        if REGISTER in self.reason:
            root = _ROOT.match(self.path)
            remedy = f", or {_REMEDIES.get(root[0] if root else '', _REMEDY)}"
        return f"{where}cannot encode {self.path} of type {self.type_name}: {self.reason}{remedy}"


#: what a reason says where registering the type is one way out
REGISTER = "drumline.types.register"
_ROOT = re.compile(r"\w+")
_REMEDY = "keep it out of what is sent"
#: the other way out, by what the path begins with
_REMEDIES = {
    "state": "keep it out of the state: make it in the node that uses it",
    "Send": "send what it is made of (an id, a path, text), and make it in the node",
    "goto": "send what it is made of (an id, a path, text), and make it in the node",
    "input": "give the graph what it is made of (an id, a path, text), and make it in a node",
    "context": "put what it is made of (an address, a name) into the context, and make it in the node",
    "config": "put what it is made of (an address, a name) into the config, and make it in the node",
    "event": "write what a reader can use: text, numbers, lists, dicts",
    "message": "keep it out of the message's fields",
    "metadata": "keep it out of the config's metadata",
    "interrupts": "ask with text, numbers, lists, dicts",
}


class DecodeError(WireError):
    """Bytes from outside are not what drumline writes, or exceed a bound. Nothing of them was used.

    Something else wrote to drumline's keys, or an entry was damaged. `size` is the number of bytes. The entry is set
    aside by the services; if it came back after a restart, look for another program that shares the key prefix.
    """

    def __init__(self, reason: str, size: int = 0) -> None:
        super().__init__(reason, size)
        self.reason = reason
        self.size = size

    def __str__(self) -> str:
        return f"cannot decode {self.size} bytes: {self.reason}"


class ValueMissing(WireError):
    """A large value that a message names is not there (any more): its run has moved on or is over, or somebody deleted
    keys by hand. Whoever has an old message gives it back; the coordinator knows what holds now.
    """


class CellMissing(ValueMissing):
    """Version `version` of a cell cannot be put together: that needs version `lacking`, which is not stored (any more),
    or is no version that can come before it.
    """

    def __init__(self, version: int, lacking: int) -> None:
        super().__init__(version, lacking)
        self.version = version
        self.lacking = lacking

    def __str__(self) -> str:
        return f"version {self.version} of a cell needs version {self.lacking}, which is not there"


class BlobMissing(ValueMissing):
    """The large value of `size` bytes that lay in the blob `blob` is not there (any more).

    Its run has dropped it, or ended more than `LOG_TTL_S` ago; or it waited longer than `BLOB_UNNAMED_TTL_S` for the
    commit that names it. A reader cannot get it again; a worker gives its task back.
    """

    def __init__(self, blob: str, size: int) -> None:
        super().__init__(blob, size)
        self.blob = blob
        self.size = size

    def __str__(self) -> str:
        return f"the value of {self.size} bytes in blob {self.blob!r} is gone"


class ProtocolTooNew(WireError):
    """A newer drumline than this one wrote an entry, or raised the version that the cluster speaks.

    Upgrade this process. In a rolling deployment raise the version (`drumline protocol --raise`) when no older process
    is left.
    """

    def __init__(self, found: int, spoken: int) -> None:
        super().__init__(found, spoken)
        self.found = found
        self.spoken = spoken

    def __str__(self) -> str:
        return (
            f"met an entry of protocol version {self.found}; this process speaks up to "
            f"{self.spoken}. Upgrade drumline here."
        )
