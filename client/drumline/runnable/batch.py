"""Many calls of one graph side by side: `batch` and `abatch`, of compiled graphs and of graphs on a cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from drumline_graph.builder import ContextT, InputT, OutputT, StateT

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from drumline.graph.call_types import BatchOptions, RunConfig
    from drumline_graph.types import Command

Configs = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

#: threads of one `batch` when `max_concurrency` does not say how many
THREADS_MAX = 32


class Batches(Generic[StateT, ContextT, InputT, OutputT]):
    """The batches of a graph that has `invoke` and `ainvoke`."""

    def batch(
        self,
        inputs: Sequence[InputT | Command[Any] | None],
        config: RunConfig | Sequence[RunConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[BatchOptions[ContextT]],
    ) -> list[Any]:
        """`invoke` for each input, side by side in threads; results in input order. Options are those of `invoke`.

        At most `config["max_concurrency"]` of them run at once. Raises what the first failed one raised, unless
        `return_exceptions`.
        """
        graph: Any = self
        return batch(partial(graph.invoke, **options), inputs, config, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[InputT | Command[Any] | None],
        config: RunConfig | Sequence[RunConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[BatchOptions[ContextT]],
    ) -> list[Any]:
        """`ainvoke` for each input, side by side on the caller's loop; results in input order."""
        graph: Any = self
        return await abatch(partial(graph.ainvoke, **options), inputs, config, return_exceptions=return_exceptions)


def batch(invoke: Callable[..., Any], inputs: Sequence[Any], config: Configs, *, return_exceptions: bool) -> list[Any]:
    """`invoke(input, config)` for each input, in threads with the caller's context; results in input order."""
    configs = _one_each(config, len(inputs))
    if not inputs:
        return []

    def one(index: int) -> Any:
        try:
            return invoke(inputs[index], configs[index])
        except Exception as error:
            if return_exceptions:
                return error
            raise

    limit = configs[0].get("max_concurrency") or min(THREADS_MAX, len(inputs))
    with ThreadPoolExecutor(limit, "drumline-batch") as threads:
        futures = [threads.submit(copy_context().run, one, index) for index in range(len(inputs))]
        return [future.result() for future in futures]


async def abatch(
    ainvoke: Callable[..., Awaitable[Any]], inputs: Sequence[Any], config: Configs, *, return_exceptions: bool
) -> list[Any]:
    """The same on the running event loop."""
    import asyncio

    configs = _one_each(config, len(inputs))
    if not inputs:
        return []
    limit = asyncio.Semaphore(configs[0].get("max_concurrency") or len(inputs))

    async def one(index: int) -> Any:
        async with limit:
            return await ainvoke(inputs[index], configs[index])

    return await asyncio.gather(*(one(index) for index in range(len(inputs))), return_exceptions=return_exceptions)


def _one_each(config: Configs, count: int) -> list[Mapping[str, Any]]:
    if config is None or isinstance(config, Mapping):
        return [config or {}] * count
    if len(config) != count:
        raise ValueError(f"batch got {count} inputs but {len(config)} configs")
    return list(config)
