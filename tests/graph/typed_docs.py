"""Schemas whose annotations name what this module does not have at run time."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from typing_extensions import TypedDict

if TYPE_CHECKING:
    import tests.graph.typed_models as models
    from tests.graph.typed_models import Author, merge
    from tests.graph.typed_models import Review as Opinion
    from tests.graph.typed_never import Never  # type: ignore[import-not-found]


@dataclass
class Cover:
    colour: str = "red"


@dataclass
class Doc:
    title: str
    cover: Cover
    author: Author | None = None
    reviews: list[Opinion] = field(default_factory=list)
    other: models.Review | None = None
    never: Never | None = None


class State(TypedDict, total=False):
    """Its own annotations are all here."""

    doc: Doc
    log: Annotated[list[Any], operator.add]


class Direct(TypedDict, total=False):
    """Its own annotations are not."""

    author: Author
    authors: Annotated[list[Author], operator.add]
    never: Never
    cover: Cover


class Reduced(TypedDict, total=False):
    log: Annotated[list[str], merge]


class Lost(TypedDict, total=False):
    cover: Cover
    nowhere: Nowhere  # type: ignore[name-defined]  # noqa: F821
