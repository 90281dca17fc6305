"""LangGraph's own test suite of savers, on drumline's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.checkpoint.sqlite.aio import AsyncSqliteSaver

conformance = pytest.importorskip("langgraph.checkpoint.conformance")


async def memory() -> AsyncIterator[Any]:
    yield InMemorySaver()


async def sqlite() -> AsyncIterator[Any]:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


async def async_sqlite() -> AsyncIterator[Any]:
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


async def over_aiosqlite() -> AsyncIterator[Any]:
    aiosqlite = pytest.importorskip("aiosqlite")
    async with aiosqlite.connect(":memory:") as connection:
        yield AsyncSqliteSaver(connection)


@pytest.mark.parametrize("make", [memory, sqlite, async_sqlite, over_aiosqlite])
def test_conformance(make: Any) -> None:
    report = asyncio.run(conformance.validate(conformance.checkpointer_test(name=make.__name__)(make)))
    assert len(report.results) == 8
    for capability, result in report.results.items():
        assert result.detected, capability
        assert result.tests_passed, capability
        assert not result.failures, (capability, result.failures)
