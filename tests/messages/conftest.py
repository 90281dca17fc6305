"""A server that OpenAI's clients talk to, for this folder's tests and for the processes that they start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .openai_server import OpenAIServer


@pytest.fixture(scope="session")
def openai_server() -> Iterator[OpenAIServer]:
    """Runs for the whole session; the environment of every process names it."""
    with OpenAIServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
