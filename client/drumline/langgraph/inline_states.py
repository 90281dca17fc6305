"""The state API of graphs that LangGraph's own loop runs: it keeps their threads, so it reads and changes them too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from drumline.graph.state_api import StateApi
from drumline_graph.types import StateUpdate


class InlineStates(StateApi):
    """Where `inline_states` has LangGraph's graph, its methods answer; else drumline's."""

    @property
    def inline_states(self) -> Any:
        """LangGraph's graph, if its own loop runs it; else None."""
        raise NotImplementedError

    def get_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> Any:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        return where.get_state(config, subgraphs=subgraphs)

    async def aget_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> Any:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        return await where.aget_state(config, subgraphs=subgraphs)

    def get_state_history(self, config: Mapping[str, Any], **limits: Any) -> Iterator[Any]:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        yield from where.get_state_history(config, **limits)

    async def aget_state_history(self, config: Mapping[str, Any], **limits: Any) -> AsyncIterator[Any]:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        async for snapshot in where.aget_state_history(config, **limits):
            yield snapshot

    def bulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        found: dict[str, Any] = where.bulk_update_state(config, _plain(supersteps))
        return found

    async def abulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        graph = self.inline_states
        where: Any = super() if graph is None else graph
        found: dict[str, Any] = await where.abulk_update_state(config, _plain(supersteps))
        return found


def _plain(supersteps: Sequence[Sequence[StateUpdate]]) -> list[list[StateUpdate]]:
    """Updates that LangGraph unpacks: they are three fields, whichever engine's class they are of."""
    return [[StateUpdate(*each) for each in updates] for updates in supersteps]
