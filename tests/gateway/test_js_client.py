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

SCRIPTS = Path(__file__).parent / "node"


def seen_by(script: str, url: str) -> dict[str, Any]:
    """What the client saw of the gateway at `url`."""
    program, modules = shutil.which("node"), os.environ.get("DRUMLINE_NODE_MODULES", "")
    if program is None or not modules:
        reason = "LangGraph's JavaScript client did not run: `make test-node` does that, where npm is"
        warnings.warn(reason, stacklevel=2)
        pytest.skip(reason)
    told = subprocess.run(
        [program, str(SCRIPTS / script), modules, url], capture_output=True, text=True, timeout=100, check=False
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_the_client_streams_asks_stops_and_looks(url: str) -> None:
    seen = seen_by("sdk.mjs", url)
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


def test_the_client_follows_threads(url: str) -> None:
    seen = seen_by("threads.mjs", url)
    for transport in ("sse", "websocket"):
        found = seen[transport]
        assert found["talks"] == {
            "messages": [["model", "you said hi there"]],
            "said": ["hi there", "you said hi there"],
        }
        assert found["asks"] == {
            "payload": {"question": "why"},
            "said": ["heard 0", "because"],
            "steps": [2, 1, 0, -1],
            "tree": {"namespace": [], "status": "completed", "graph_name": "ask"},
        }
        assert found["looks"] == [["inner", "inner", "edge"]]
