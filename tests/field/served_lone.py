"""The graphs that the cluster of one worker serves, for they keep things in a store of the process."""

from __future__ import annotations

import warnings

from tests.differential.engines import LANGGRAPH
from tests.field.cases import CASES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # create_react_agent has been moved, says LangGraph
    GRAPHS = {case.name: case.build(LANGGRAPH) for case in CASES if case.is_installed and case.lone}
