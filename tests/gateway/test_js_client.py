"""LangGraph's JavaScript client against a gateway: `make test-node`. A loud skip where there is no Node or package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "node" / "sdk.mjs"


@pytest.fixture
def seen(url: str) -> dict[str, Any]:
    """What the client saw of the gateway at `url`."""
    program, modules = shutil.which("node"), os.environ.get("DRUMLINE_NODE_MODULES", "")
    if program is None or not modules:
        reason = "LangGraph's JavaScript client did not run: `make test-node` does that, where npm is"
        warnings.warn(reason, stacklevel=2)
        pytest.skip(reason)
    told = subprocess.run(
        [program, str(SCRIPT), modules, url], capture_output=True, text=True, timeout=100, check=False
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_the_client_streams_asks_stops_and_looks(seen: dict[str, Any]) -> None:
    assert seen["talks"] == {
        "events": ["metadata", "values", "updates", "end"],
        "isTheRun": True,
        "said": ["hello", "heard 1"],
        "joined": ["metadata", "values", "updates", "end"],
        "history": 3,
        "topic": "changed",
        "listed": [True],
        "waited": 4,
        "gone": 404,
    }
    assert seen["asks"] == {
        "question": {"question": "why"},
        "status": "interrupted",
        "said": ["heard 0", "because"],
        "next": [],
    }
    assert seen["stops"] == {"status": "interrupted"}
    assert seen["looks"] == {"nodes": ["__start__", "speak", "__end__"], "schema": "speak", "alone": 2, "n": 1}
