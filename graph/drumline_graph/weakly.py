"""A function's results kept beside the objects that they were made of, for as long as those live."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K")
T = TypeVar("T")


def once_per_object(make: Callable[[K], T]) -> Callable[[K], T]:
    """`make`, called once for each object and never again.

    The object must have an identity of its own as its hash (as a `Program` has), and the result must not refer to it:
    then neither would ever be freed. Two threads that ask first at the same time may both call `make`; one result is
    kept.
    """
    made: WeakKeyDictionary[Any, T] = WeakKeyDictionary()

    @wraps(make)
    def kept(key: K) -> T:
        try:
            return made[key]
        except KeyError:
            return made.setdefault(key, make(key))

    return kept
