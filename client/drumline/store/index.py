"""What a store with an index embeds: the texts of puts and the queries of searches, each text once a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline.store.base import IndexConfig, PutOp, ensure_embeddings, get_text_at_path, tokenize_path
from drumline.store.plan import Place, Plan
from drumline.store.ranking import Vector


@dataclass(slots=True)
class Vectors:
    """The vectors of a batch: of each put, by its place, and of each query, by its text."""

    puts: dict[Place, list[Vector]] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)


#: of a store without an index
NO_VECTORS = Vectors()


class Index:
    """The embedding function of a store, and which fields it is for."""

    def __init__(self, config: IndexConfig) -> None:
        self.embeddings: Any = ensure_embeddings(config.get("embed"))
        self._paths = [_path(field) for field in config.get("fields") or ["$"]]

    def embed(self, plan: Plan) -> Vectors:
        """The vectors that a batch needs. Whatever the user's function raises passes."""
        texts, queries = self._texts(plan), _queries(plan)
        unique = _unique(texts)
        found = self.embeddings.embed_documents(unique) if unique else []
        asked = {query: self.embeddings.embed_query(query) for query in queries}
        return _vectors(texts, unique, found, asked)

    async def aembed(self, plan: Plan) -> Vectors:
        """The twin of `embed` for an event loop."""
        texts, queries = self._texts(plan), _queries(plan)
        unique = _unique(texts)
        found = await self.embeddings.aembed_documents(unique) if unique else []
        answers = await asyncio.gather(*map(self.embeddings.aembed_query, queries))
        return _vectors(texts, unique, found, dict(zip(queries, answers, strict=True)))

    def _texts(self, plan: Plan) -> dict[Place, list[str]]:
        return {place: found for place, put in plan.puts.items() if (found := self._texts_of(put))}

    def _texts_of(self, put: PutOp) -> list[str]:
        if put.value is None or put.index is False:
            return []
        paths = self._paths if put.index is None else [tokenize_path(path) for path in put.index]
        return [text for path in paths for text in get_text_at_path(put.value, path)]


def _path(field: str) -> str | list[str]:
    return field if field == "$" else tokenize_path(field)


def _queries(plan: Plan) -> list[str]:
    return list(dict.fromkeys(op.query for op in plan.searches.values() if op.query))


def _unique(texts: dict[Place, list[str]]) -> list[str]:
    return list(dict.fromkeys(text for found in texts.values() for text in found))


def _vectors(
    texts: dict[Place, list[str]], unique: list[str], found: Sequence[Vector], queries: dict[str, Vector]
) -> Vectors:
    if len(found) != len(unique):
        raise ValueError(f"the embedding function gave {len(found)} vectors for {len(unique)} texts")
    by_text = dict(zip(unique, found, strict=True))
    return Vectors({place: [by_text[text] for text in own] for place, own in texts.items()}, queries)
