"""After every decision of a machine its state must agree with itself: a fixture for folders of tests."""

from typing import Any

import pytest

from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.state import troubles


@pytest.fixture(autouse=True)
def states_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Run.handle

    def handle(self: Run, event: Any, now_ms: float) -> Effects:
        effects = genuine(self, event, now_ms)
        assert not troubles(self.state), troubles(self.state)
        return effects

    monkeypatch.setattr(Run, "handle", handle)
