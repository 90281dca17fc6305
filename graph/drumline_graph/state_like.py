"""What type checkers take as a state: a TypedDict, a dataclass or a pydantic model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Union

if TYPE_CHECKING:
    from pydantic import BaseModel


class TypedDictLike(Protocol):
    """What each TypedDict has."""

    __required_keys__: ClassVar[frozenset[str]]
    __optional_keys__: ClassVar[frozenset[str]]


class DataclassLike(Protocol):
    """What each dataclass has."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


StateLike = Union[TypedDictLike, DataclassLike, "BaseModel"]
