"""Ids that must be new each time: the one file of this room that reads clock and randomness."""

from __future__ import annotations

import time
from os import urandom

from drumline_protocol.ids import home_of, make_run_id


def new_token() -> str:
    """The token of an attempt: 16 characters that nobody can guess."""
    return urandom(8).hex()


def new_run_id(thread_id: str | None = None) -> str:
    """A run id (see `ids`), for a run on that thread; without one it lies in any partition."""
    random = urandom(7)
    home = int.from_bytes(random[3:], "big") if thread_id is None else home_of(thread_id)
    return make_run_id(home, time.time_ns(), random)
