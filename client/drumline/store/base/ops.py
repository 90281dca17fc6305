"""The operations of a store, as values: what `batch` and `abatch` take. Pure. Names and fields are LangGraph's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Union

from drumline.store.base.items import Item, SearchItem


class NotProvided:
    """The type of `NOT_PROVIDED`: an argument that was left out, where None means something."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_PROVIDED = NotProvided()

#: a namespace in which `*` stands for any one label
NamespacePath = tuple[Union[str, Literal["*"]], ...]  # noqa: UP007 - evaluated on Python 3.10
NamespaceMatchType = Literal["prefix", "suffix"]


class GetOp(NamedTuple):
    """Read one item. `refresh_ttl`: an item with a lifetime begins it anew."""

    namespace: tuple[str, ...]
    key: str
    refresh_ttl: bool = True


class SearchOp(NamedTuple):
    """Find items in a namespace and those below it.

    `filter` compares fields of the value, by equality or with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`. `query` ranks
    by meaning, in a store with an index. `refresh_ttl` is for the items that are returned.
    """

    namespace_prefix: tuple[str, ...]
    filter: dict[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool = True


class MatchCondition(NamedTuple):
    """A condition on a namespace: that it begins, or ends, with a path. `*` in the path is any one label."""

    match_type: NamespaceMatchType
    path: NamespacePath


class ListNamespacesOp(NamedTuple):
    """List namespaces that hold items, sorted; cut to `max_depth` labels, each once."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


class PutOp(NamedTuple):
    """Put an item in place of what is there; `value` None deletes it.

    `index` names the fields that are embedded (None: the store's own choice, False: none). `ttl` is its lifetime in
    minutes (None: for ever).
    """

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Any] | None
    index: Literal[False] | list[str] | None = None  # type: ignore[assignment]  # a tuple has a method of this name
    ttl: float | None = None


Op = Union[GetOp, SearchOp, PutOp, ListNamespacesOp]  # noqa: UP007 - evaluated on Python 3.10
Result = Union[Item, list[Item], list[SearchItem], list[tuple[str, ...]], None]  # noqa: UP007
