"""Which cases run on which engines, sync and async, as parameters of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.differential.engines import Engine

from .cases import CASES, Case


def with_cases(*engines: Engine, slow: bool = True, both_ways: bool = True) -> pytest.MarkDecorator:
    """Parameters `case`, `engine`, and `use_async` if `both_ways`. `slow`: slow cases too, async only."""
    names = ["case", "engine", "use_async"] if both_ways else ["case", "engine"]
    return pytest.mark.parametrize(names, list(_parameters(engines, slow, both_ways)))


def _parameters(engines: tuple[Engine, ...], slow: bool, both_ways: bool) -> Iterator[Any]:
    for case in CASES:
        if case.chance:
            continue
        for engine in engines:
            if not (engine.adapts or case.native) or (case.slow and not slow):
                continue
            told = f"{case.name}-{engine.name}"
            if not both_ways:
                yield pytest.param(case, engine, id=told, marks=_marks(case))
                continue
            for use_async in (True,) if case.slow else (False, True):
                way = "async" if use_async else "sync"
                yield pytest.param(case, engine, use_async, id=f"{told}-{way}", marks=_marks(case))


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    return [] if case.is_installed else [pytest.mark.skip(reason=f"{case.package} is not for this Python")]
