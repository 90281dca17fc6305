"""`BaseStore`: the interface of every store. Each method makes one operation, and `batch` or `abatch` runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from drumline.store.base.items import Item, SearchItem
from drumline.store.base.namespaces import check_labels, check_namespace
from drumline.store.base.ops import (
    NOT_PROVIDED,
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    NamespacePath,
    NotProvided,
    Op,
    PutOp,
    Result,
    SearchOp,
)
from drumline.store.base.settings import TTLConfig, lifetime_of, refresh_of

#: LangGraph's class of the same name
_THEIRS = ("langgraph.store.base", "BaseStore")


class BaseStore(ABC):
    """Items under namespaces, shared by all threads and runs (LangGraph's `BaseStore`).

    A subclass gives `batch` and `abatch`. What a namespace may look like is checked by the other methods
    (InvalidNamespaceError). `supports_ttl` says whether it knows lifetimes: else a `put` with one is a
    NotImplementedError.
    """

    supports_ttl: bool = False
    ttl_config: TTLConfig | None = None

    __slots__ = ("__weakref__",)

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        # LangGraph's stores count: tools that ask for a `BaseStore` are checked for what they get.
        if cls is BaseStore and any((base.__module__, base.__qualname__) == _THEIRS for base in other.__mro__):
            return True
        return NotImplemented

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations; their results, in their order. Reads see what was there before the batch."""

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The twin of `batch` for an event loop."""

    def get(self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """The item under `key`; None if there is none. InvalidNamespaceError."""
        return cast("Item | None", self.batch([self._get_op(namespace, key, refresh_ttl)])[0])

    async def aget(self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """The twin of `get` for an event loop."""
        return cast("Item | None", await self._ask(self._get_op(namespace, key, refresh_ttl)))

    def search(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Items in a namespace and below it (`SearchOp`). InvalidNamespaceError; ValueError for an unknown operator."""
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return cast("list[SearchItem]", self.batch([op])[0])

    async def asearch(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """The twin of `search` for an event loop."""
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return cast("list[SearchItem]", await self._ask(op))

    def put(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Put a value in place of what is under `key` (`PutOp`).

        InvalidNamespaceError; NotImplementedError for a `ttl` that the store does not know.
        """
        self.batch([self._put_op(namespace, key, value, index, ttl)])

    async def aput(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """The twin of `put` for an event loop."""
        await self._ask(self._put_op(namespace, key, value, index, ttl))

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
        """Delete what is under `key`, if anything is. InvalidNamespaceError."""
        self.batch([self._delete_op(namespace, key)])

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        """The twin of `delete` for an event loop."""
        await self._ask(self._delete_op(namespace, key))

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """Namespaces that hold items, sorted (`ListNamespacesOp`). InvalidNamespaceError."""
        op = self._list_op(prefix, suffix, max_depth, limit, offset)
        return cast("list[tuple[str, ...]]", self.batch([op])[0])

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """The twin of `list_namespaces` for an event loop."""
        op = self._list_op(prefix, suffix, max_depth, limit, offset)
        return cast("list[tuple[str, ...]]", await self._ask(op))

    async def _ask(self, op: Op) -> Result:
        """Run one operation for an event loop: a batch of its own."""
        return (await self.abatch([op]))[0]

    # -- operations -----------------------------------------------------------------------------------

    def _get_op(self, namespace: tuple[str, ...], key: str, refresh_ttl: bool | None) -> GetOp:
        return GetOp(check_labels(namespace), str(key), refresh_of(self.ttl_config, refresh_ttl))

    def _search_op(
        self,
        prefix: tuple[str, ...],
        filter: dict[str, Any] | None,
        limit: int,
        offset: int,
        query: str | None,
        refresh_ttl: bool | None,
    ) -> SearchOp:
        return SearchOp(check_labels(prefix), filter, limit, offset, query, refresh_of(self.ttl_config, refresh_ttl))

    def _put_op(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None,
        ttl: float | NotProvided | None,
    ) -> PutOp:
        labels = check_namespace(namespace)
        if ttl not in (NOT_PROVIDED, None) and not self.supports_ttl:
            raise NotImplementedError(
                f"TTL is not supported by {type(self).__name__}. Use a store that knows lifetimes, or set ttl=None."
            )
        return PutOp(labels, str(key), value, index, lifetime_of(self.ttl_config, ttl))

    def _delete_op(self, namespace: tuple[str, ...], key: str) -> PutOp:
        return PutOp(check_labels(namespace), str(key), None)

    def _list_op(
        self,
        prefix: NamespacePath | None,
        suffix: NamespacePath | None,
        max_depth: int | None,
        limit: int,
        offset: int,
    ) -> ListNamespacesOp:
        conditions = []
        if prefix:
            conditions.append(MatchCondition("prefix", check_labels(prefix)))
        if suffix:
            conditions.append(MatchCondition("suffix", check_labels(suffix)))
        return ListNamespacesOp(tuple(conditions), max_depth, limit, offset)
