"""Ids that must be new each time: the one file of this room that reads clock and randomness."""

from __future__ import annotations

import time
from os import urandom


def new_token() -> str:
    """The token of an attempt: 16 characters that nobody can guess."""
    return urandom(8).hex()


def new_run_id() -> str:
    """A run id: a UUID (version 7) as text, so that ids sort by the time at which they were drawn.

    48 bits of milliseconds, 12 bits of the fraction of the millisecond (RFC 9562, method 3), 62 random bits.
    """
    ms, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    random = int.from_bytes(urandom(8), "big") >> 2
    bits = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
