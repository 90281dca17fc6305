"""A task's answer as bytes that an entry can hold: large values are moved out of it, under names. No IO."""

from __future__ import annotations

from itertools import count
from typing import Any

from drumline_graph.constants import TASKS
from drumline_graph.types import Command, Send
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.encode_paths import place_of_answer, root_of_write
from drumline_protocol.errors import EncodeError
from drumline_protocol.limits import (
    ENTRY_BYTES_MAX,
    NAMED_BYTES_MIN,
    NAMED_CROWDED_BYTES_MIN,
    RESULT_INLINE_BYTES_MAX,
)
from drumline_protocol.named import Blob, Named, looks_large, move_out
from drumline_protocol.new_ids import new_token

#: what the fields of a message take beside the values in it, at most
_ENVELOPE_BYTES = 4096
_VALUES_BYTES_MAX = ENTRY_BYTES_MAX - _ENVELOPE_BYTES

#: what a value must take to be moved out, one round after the other, until the rest is small enough
_ROUNDS = (NAMED_BYTES_MIN, 1024, NAMED_CROWDED_BYTES_MIN)

_REMEDY = "Return less at once, or put the data into a store of your own and return where it lies"


class Results:
    """Boxes the writes and commands of tasks. `nonce` tells the ids of this worker's blobs from those of all others."""

    def __init__(self, nonce: str = "") -> None:
        self._nonce = nonce or new_token()
        self._numbers = count(1)

    def boxed(self, codec: Codec, found: Any, run: str, node: str) -> tuple[Boxed, list[Blob]]:
        """The writes of a task, or its command for the graph above, without what is large; and that, as blobs to put.

        EncodeError for a value that the codec does not take, and for an answer that is too large all the same.
        """
        if type(found) is Command or not looks_large(found):
            data = codec.encode(plain_writes(found))
            if len(data) <= NAMED_BYTES_MIN:
                return Boxed(data, codec), []
        prefix = f"{run}:{self._nonce}-{next(self._numbers)}-"
        blobs: list[Blob] = []
        left, data = found, b""
        for least in _ROUNDS:
            left, more = move_out(codec, left, prefix, least, first=len(blobs))
            blobs += more
            data = codec.encode(plain_writes(left))
            if len(data) <= RESULT_INLINE_BYTES_MAX:
                break
        if len(data) > _VALUES_BYTES_MAX:
            raise _too_large(codec, left, len(data), node)
        return Boxed(data, codec), blobs

    def named(self, data: bytes, run: str) -> tuple[Named, Blob]:
        """A name for encoded bytes, and the blob to put."""
        id_ = f"{run}:{self._nonce}-{next(self._numbers)}-0"
        return Named(id_, len(data)), (id_, data)


def check_entry(data: bytes, path: str, what: Any, place: str) -> None:
    """EncodeError if `data`, that of `what`, does not fit into an entry."""
    if len(data) > _VALUES_BYTES_MAX:
        raise _error(path, type(what).__name__, len(data), place)


def plain_writes(found: Any) -> Any:
    """Writes as lists of two, which is how they cross; a command as it is."""
    return found if type(found) is Command else [list(pair) for pair in found]


def _too_large(codec: Codec, left: Any, size: int, node: str) -> EncodeError:
    """The error of an answer that does not fit, told of the largest of the values that stayed in it."""
    place = place_of_answer(node)
    if type(left) is Command:
        return _error("Command", "Command", size, place)
    sizes: dict[str, int] = {}
    kinds: dict[str, str] = {}
    for channel, value in left:
        path = "Send" if channel == TASKS else root_of_write(channel, value)
        sizes[path] = sizes.get(path, 0) + len(codec.encode(value.arg if type(value) is Send else value))
        kinds[path] = type(value).__name__
    path = max(sizes, key=lambda name: sizes[name])
    return _error(path, kinds[path], size, place, f", {sizes[path]} of them for {path}")


def _error(path: str, kind: str, size: int, place: str, part: str = "") -> EncodeError:
    reason = f"what stays in one message takes {size} bytes{part}; the limit is {_VALUES_BYTES_MAX}. {_REMEDY}"
    return EncodeError(path, kind, reason, place)
