"""From embedding functions to LangChain's `Embeddings` interface (LangGraph's `langgraph.store.base.embed`).

LangChain itself is asked for only where a user names a model by text.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from drumline.store.base.texts import get_text_at_path as get_text_at_path
from drumline.store.base.texts import tokenize_path as tokenize_path

#: texts in, one vector for each out
EmbeddingsFunc = Callable[[Sequence[str]], list[list[float]]]
#: the same, async
AEmbeddingsFunc = Callable[[Sequence[str]], Awaitable[list[list[float]]]]

__all__ = ["AEmbeddingsFunc", "EmbeddingsFunc", "EmbeddingsLambda", "ensure_embeddings"]


def ensure_embeddings(embed: Any) -> Any:
    """An object with LangChain's `Embeddings` methods for whatever a user gives.

    Such an object stays as it is, a function is wrapped, a text such as `"openai:text-embedding-3-small"` goes to
    LangChain's `init_embeddings`. ValueError for None, and for a text without LangChain.
    """
    if embed is None:
        raise ValueError("embed must be provided: an embedding function, LangChain's Embeddings, or a model's name")
    if isinstance(embed, str):
        return _by_name(embed)
    return embed if hasattr(embed, "embed_documents") else EmbeddingsLambda(embed)


def _by_name(name: str) -> Any:
    try:
        from langchain.embeddings import init_embeddings
    except ImportError:
        raise ValueError(
            f"Could not load embeddings {name!r}: LangChain is not installed. Install langchain and the package of the "
            "provider, or give an embedding function."
        ) from None
    return init_embeddings(name)


class EmbeddingsLambda:
    """An embedding function with the methods of LangChain's `Embeddings`.

    A sync function serves both kinds of calls; in an event loop it runs in a thread. An async one serves async calls
    only: the others raise ValueError.
    """

    def __init__(self, func: EmbeddingsFunc | AEmbeddingsFunc) -> None:
        if not callable(func):
            raise ValueError(f"func must be a function from texts to vectors, not {func!r}")
        self._func = func
        self._is_async = inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(
            getattr(func, "__call__", None)  # noqa: B004 - the method itself
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        if self._is_async:
            raise ValueError(
                "the embedding function of this store is async, so only its async methods (aput, asearch, ...) work: "
                "use those, or give a function that is not."
            )
        return cast(EmbeddingsFunc, self._func)(texts)

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The twin of `embed_documents` for an event loop."""
        if self._is_async:
            return await cast(AEmbeddingsFunc, self._func)(texts)
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """The twin of `embed_query` for an event loop."""
        return (await self.aembed_documents([text]))[0]
