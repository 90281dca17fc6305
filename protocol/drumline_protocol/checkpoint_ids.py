"""Ids of checkpoints, and of questions. Pure: the time comes from the caller.

An id of a checkpoint is a UUID of version 6 as text: it begins with the time, so that ids of a thread sort in the order
in which its checkpoints were made, as text too. LangGraph's savers rely on that.
"""

from __future__ import annotations

from hashlib import blake2b

#: among answers by the ids of their questions: the one for whichever question is asked next
NEXT = ""

#: 100 ns steps between the beginning of the UUID's clock (1582-10-15) and that of Unix
_EPOCH = 0x01B2_1DD2_1381_4000
_TIME_BITS = 60


def next_checkpoint_id(last: str, at_ms: float, run: str) -> str:
    """The id of a checkpoint made at `at_ms` (Unix time) by `run`; it sorts behind `last`, whatever the clock says."""
    time = int(at_ms * 10_000) + _EPOCH
    if last:
        time = max(time, checkpoint_time(last) + 1)
    time &= (1 << _TIME_BITS) - 1
    tail = blake2b(f"{time}\0{run}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    high, low = time >> 12, time & 0xFFF
    bits = high << 80 | 0x6 << 76 | low << 64 | 0b10 << 62 | int.from_bytes(tail, "big") >> 2
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def checkpoint_time(id_: str) -> int:
    """The time in an id, in steps of 100 ns: what ids sort by. 0 for a text that is no UUID of version 6."""
    digits = id_.replace("-", "")
    if len(digits) != 32 or digits[12] != "6":
        return 0
    try:
        return int(digits[:12], 16) << 12 | int(digits[13:16], 16)
    except ValueError:
        return 0


def made_ms(id_: str) -> float:
    """When a checkpoint was made (Unix time), or a little later, if the clock had gone back; below 0 for other ids."""
    return (checkpoint_time(id_) - _EPOCH) / 10_000


def interrupt_id(ns: str, number: int) -> str:
    """The id of a question: that of the task at `ns` which `number` answers have been given to. 32 hex digits."""
    text = f"{ns}|{number}" if number else ns
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
