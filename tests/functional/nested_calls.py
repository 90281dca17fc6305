"""Calls of `@task`s that wait for calls, many at each depth."""

from __future__ import annotations

from typing import Any

from drumline.func import entrypoint, task


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def other(a: int) -> int:
    return a


@task
def down(levels: int) -> int:
    return 0 if not levels else 1 + down(levels - 1).result()


def deep(width: int) -> Any:
    """An entrypoint that calls so many which call so many, each of which goes so many levels down as it is given."""

    @task
    def wide(levels: int) -> int:
        return sum(future.result() for future in [down(levels) for _ in range(width)])

    @entrypoint()
    def deep(levels: int) -> int:
        return sum(future.result() for future in [wide(levels) for _ in range(width)])

    return deep
