"""OpenTelemetry's SDK, which keeps the spans that have ended in memory, in the place of the process's own provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.otel.told import Told


@pytest.fixture(scope="module")
def module_told() -> Iterator[Told]:
    told = Told()
    with pytest.MonkeyPatch.context() as patched:
        told.install(patched)
        yield told


@pytest.fixture
def told(module_told: Told) -> Told:
    """What has been told since the test began."""
    module_told.clear()
    return module_told
