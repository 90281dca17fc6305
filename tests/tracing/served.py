"""The graphs of these tests as an app, with a handler that writes down what it hears."""

from __future__ import annotations

import json
import os
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from tests.tracing.graphs import GRAPHS

from drumline.tracing import worker_callbacks

__all__ = ["GRAPHS"]


class Scribe(BaseCallbackHandler):
    """Appends a line for each chain that begins."""

    def on_chain_start(  # type: ignore[override]
        self, _serialized: Any, _inputs: Any, *, run_id: Any, parent_run_id: Any = None, **rest: Any
    ) -> None:
        line = json.dumps({"id": str(run_id), "parent": str(parent_run_id), "name": rest.get("name")})
        with open(os.environ["HEARD"], "a") as out:
            out.write(line + "\n")


if "HEARD" in os.environ:
    worker_callbacks(Scribe())
