"""How a store is set up: lifetimes, and what it embeds. Keys are LangGraph's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Union

from drumline.store.base.ops import NotProvided

if TYPE_CHECKING:
    from drumline.store.base.embed import AEmbeddingsFunc, EmbeddingsFunc


class TTLConfig(TypedDict, total=False):
    """Lifetimes of items, in minutes.

    `default_ttl` is for puts that say nothing. `refresh_on_read` (default True): a get or search begins the lifetime of
    what it returns anew. `sweep_interval_minutes`: how often `start_ttl_sweeper()` deletes what has expired.
    `omit_expired` is accepted: drumline's stores never show an expired item.
    """

    refresh_on_read: bool
    omit_expired: bool
    default_ttl: float | None
    sweep_interval_minutes: int | None


class IndexConfig(TypedDict, total=False):
    """What makes a store searchable by meaning.

    `embed` is LangChain's `Embeddings`, a function from texts to vectors (async or not), or a name for LangChain's
    `init_embeddings`. `dims` is the length of its vectors. `fields` are the paths of the values that are embedded
    (default `["$"]`: the whole value as JSON).
    """

    dims: int
    embed: Union[EmbeddingsFunc, AEmbeddingsFunc, str, Any]  # noqa: UP007
    fields: list[str] | None


def refresh_of(config: TTLConfig | None, asked: bool | None) -> bool:
    """Whether a read refreshes lifetimes: as it asks, or as the store is set up."""
    if asked is not None:
        return asked
    return True if config is None else config.get("refresh_on_read", True)


def lifetime_of(config: TTLConfig | None, asked: float | NotProvided | None) -> float | None:
    """The lifetime of a put in minutes: as it asks, or as the store is set up."""
    if isinstance(asked, NotProvided):
        return None if config is None else config.get("default_ttl")
    return asked
