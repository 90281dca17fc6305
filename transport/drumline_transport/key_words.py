"""Keys in a commit: the words of its script for them. Pure.

All keys of a partition begin alike, and most of them end in the id of a run or a thread, which several share. So a key
is said by what is its own, and an id is said once.

Redis Cluster must know each key by its whole name: while a slot moves, it refuses a script before it begins if one of
the keys that are told lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from drumline_protocol.keys import Keys, PartitionKeys

#: what stands before a name that is none of the partition's, and in the place of an id
_WHOLE, _ID = "=", "*"
#: what stands between words
_BETWEEN = "\x01"
#: what stands before the id of a thread in the name of a cell
_OF_THREAD = "%t"


def key_words(keys: Keys, partition: int, names: Sequence[str]) -> tuple[Sequence[str], str]:
    """The names that are said whole, and a text for the others: ids, and behind them a word for each key."""
    if isinstance(keys, PartitionKeys):
        return names, ""
    tag = keys.tag(partition) + ":"
    parts = [_parts(name, tag) for name in names]
    numbers: dict[str, int] = {}
    words = [part if isinstance(part, str) else _numbered(part, numbers) for part in parts]
    text = _BETWEEN.join((*numbers, *words))
    if text.count(_BETWEEN) != len(numbers) + len(words) - 1:  # somebody has it in an id
        return names, ""
    return (), text


def _parts(name: str, tag: str) -> str | tuple[str, str, str]:
    """A name as one word, or what stands before its id, the id, and what stands behind that."""
    if not name.startswith(tag):
        return _WHOLE + name
    kind, colon, rest = name[len(tag) :].partition(":")
    if not colon:
        return kind
    if kind != "cells":  # all others end in their id, which may hold any character
        return f"{kind}:", rest, ""
    owner, colon, cell = rest.partition(":")
    if owner.startswith(_OF_THREAD):
        return f"{kind}:{_OF_THREAD}", owner[len(_OF_THREAD) :], colon + cell
    return f"{kind}:", owner, colon + cell


def _numbered(part: tuple[str, str, str], numbers: dict[str, int]) -> str:
    before, id_, after = part
    return f"{numbers.setdefault(id_, len(numbers) + 1)}{before}{_ID}{after}"
