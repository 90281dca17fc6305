"""Lists and dicts that refuse to be changed: what a compiled graph is made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise TypeError("The keys of a compiled graph cannot be changed. Change the builder and compile it again.")


_REFUSED: Any = _refuse


class Keys(list[str]):
    """Keys of a state. Still a list, because LangGraph gives lists; TypeError for every attempt to change it."""

    __slots__ = ()

    append = extend = insert = remove = pop = clear = sort = reverse = _REFUSED
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _REFUSED

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is a plain list: copying item by item would be refused.
        return list, (list(self),)


def frozen_keys(keys: list[str] | str) -> list[str] | str:
    """The keys of a state as nobody can change them; a single key (a string) as it is."""
    return keys if isinstance(keys, str) else Keys(keys)


def frozen_table(table: Mapping[K, V]) -> Mapping[K, V]:
    """A copy of a dict that nobody can change: TypeError for every attempt."""
    return MappingProxyType(dict(table))
