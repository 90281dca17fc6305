"""The graphs that the cluster of two workers serves: `--app tests.field.served:GRAPHS`.

A graph of LangGraph has the name of its case; one that is built with drumline's StateGraph has "native_" before it.
"""

from __future__ import annotations

import warnings

from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.field.cases import CASES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # create_react_agent has been moved, says LangGraph
    _THERE = [case for case in CASES if case.is_installed and not case.lone]
    GRAPHS = {
        **{case.name: case.build(LANGGRAPH) for case in _THERE},
        **{f"native_{case.name}": case.build(DRUMLINE) for case in _THERE if case.native},
    }
