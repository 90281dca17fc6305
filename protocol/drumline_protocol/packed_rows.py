"""Rows of threads in few bytes: names once, ids as bytes. Pure.

A thread has a checkpoint for each superstep, so what each of them says is most of what a talk of short turns takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from drumline_graph.constants import BRANCH_PREFIX, PULL, PUSH, START, TASKS
from drumline_protocol.checkpoints import FORK, INPUT, LOOP, UPDATE

#: by number: never changed, only added to
_SOURCES = (INPUT, LOOP, UPDATE, FORK)
#: names that most graphs have, by numbers from -1 down: never changed, only added to
_KNOWN = (START, TASKS, PUSH)
_NUMBERS = {name: -1 - at for at, name in enumerate(_KNOWN)}
#: parts of the path of a task that a Send has made
_PUSHED = 3


def packed_id(id_: str) -> str | bytes:
    """An id as it is stored: one that is a UUID in 16 bytes, which sort as the text does."""
    if len(id_) == 36 and id_[8] == id_[13] == id_[18] == id_[23] == "-":
        try:
            data = bytes.fromhex(id_.replace("-", ""))
        except ValueError:
            return id_
        return data if unpacked_id(data) == id_ else id_
    return id_


@lru_cache(maxsize=2**13)  # a reader of a thread gets those of all versions of its cells
def unpacked_id(stored: Any) -> str:
    """An id that was stored."""
    if isinstance(stored, str):
        return stored
    text = stored.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def packed_hex(text: str) -> str | bytes:
    """A hash in hexadecimal digits, in half the bytes."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return text
    return data if data.hex() == text else text


def unpacked_hex(stored: Any) -> Any:
    """The hash that was stored."""
    return stored.hex() if type(stored) is bytes else stored


def packed_source(source: str) -> Any:
    """Where a checkpoint comes from."""
    return _SOURCES.index(source) if source in _SOURCES else source


def unpacked_source(stored: Any) -> Any:
    """The source that was stored."""
    return _SOURCES[stored] if type(stored) is int else stored


def packed_path(path: Any, name: str) -> Any:
    """The path of a task of this name: that of most is known from its name, and a Send is known by its number."""
    if type(path) in (tuple, list):
        if tuple(path) == (PULL, name):
            return 0
        if len(path) == _PUSHED and path[0] == PUSH and path[2] is False and type(path[1]) is int and path[1] >= 0:
            return path[1] + 1
    return path


def unpacked_path(stored: Any, name: str) -> Any:
    """The path that was stored."""
    if type(stored) is int:
        return (PUSH, stored - 1, False) if stored else (PULL, name)
    return stored


class Names:
    """Names of channels and nodes, each by its number. `said` is what stands of them in a row.

    A name that most graphs have has a number below zero, and is not said. The channel that leads to a node is said by
    the number of that.
    """

    def __init__(self, said: Sequence[Any] = ()) -> None:
        self._numbers = dict(_NUMBERS)
        self.said: list[str | int] = list(said)
        names: list[str] = []
        for each in said:
            names.append(each if type(each) is str else BRANCH_PREFIX + names[each])
        #: all of them, so that any number is an index
        self.all = [*names, *reversed(_KNOWN)]

    def number(self, name: str) -> int:
        """The number of a name; a new one for a new name."""
        found = self._numbers.get(name)
        if found is None:
            node = name.removeprefix(BRANCH_PREFIX)
            at = self.number(node) if node != name else -1
            found = self._numbers[name] = len(self.said)
            self.said.append(at if at >= 0 else name)
        return found

    def packed(self, items: Mapping[str, Any]) -> list[Any]:
        """A dict whose keys are names."""
        return [part for name, item in items.items() for part in (self.number(name), item)]

    def unpacked(self, parts: Sequence[Any]) -> dict[str, Any]:
        """The dict that was packed. IndexError, TypeError, ValueError for what was not."""
        return {self.all[n]: item for n, item in zip(parts[::2], parts[1::2], strict=True)}
