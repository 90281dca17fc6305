"""Classes that `typed_docs` imports only for type checkers."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass
class Author:
    name: str
    tags: list[str] = field(default_factory=list)


class Review(BaseModel):
    stars: int
    by: Author | None = None


@dataclass
class Unlisted:
    """Nobody names it."""

    x: int = 0


def merge(one: list[Any], other: list[Any]) -> list[Any]:
    return operator.add(one, other)
