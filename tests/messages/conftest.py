"""A server that OpenAI's clients talk to, for this folder's tests and for the processes that they start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, Engine
from tests.servers import session_server

from .openai_server import OpenAIServer

__all__ = ["session_server"]


@pytest.fixture(scope="session")
def openai_server() -> Iterator[OpenAIServer]:
    """Runs for the whole session; the environment of every process names it."""
    with OpenAIServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(params=[DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT], ids=lambda engine: engine.name)
def other(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine whose stream is compared with LangGraph's."""
    engine: Engine = request.param
    if engine.strict:
        monkeypatch.setenv("DRUMLINE_STRICT_WIRE", "1")
    return engine
