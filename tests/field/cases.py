"""The cases of the field kit, by name: which package they show, and on which engines they run. Imports no package."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tests.differential.engines import Engine

#: far from what any case needs, so that a script without an end is told soon
RECURSION_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Case:
    """One graph of one package. Function, input and what its models say stand under its name in `graphs.<module>`."""

    name: str
    module: str
    #: the distribution that it shows; "" for a pattern of a tutorial
    package: str = ""
    #: its builder takes drumline's own StateGraph too
    native: bool = False
    #: LangGraph itself can run it under astream() only
    only_async: bool = False
    #: its store is one of the process, so its cluster has one worker
    lone: bool = False
    #: a node calls a graph of LangGraph, which a node of drumline does not stream: no subgraphs are compared
    hides: bool = False
    #: LangGraph leaves to chance what comes out, so nothing is compared with it
    chance: bool = False
    #: names of classes that no schema of the graph names: on a wire, events show the data of their objects
    plain: tuple[str, ...] = ()
    #: it keeps messages without ids where no reducer gives them: on a cluster they have one, as everywhere
    named: bool = False
    #: each run starts processes: it is run once for each way to call it
    slow: bool = False

    @property
    def _graphs(self) -> Any:
        return importlib.import_module(f"tests.field.graphs.{self.module}")

    def build(self, engine: Engine) -> Any:
        """The compiled graph."""
        return getattr(self._graphs, self.name)(engine)

    def given(self) -> tuple[Any, dict[str, Any]]:
        """Input and options of a new run."""
        config = getattr(self._graphs, "CONFIGS", {}).get(self.name, dict)()
        options: dict[str, Any] = {"config": {**config, "recursion_limit": RECURSION_LIMIT}}
        if self.name in getattr(self._graphs, "CONTEXTS", {}):
            options["context"] = self._graphs.CONTEXTS[self.name]
        return self._graphs.GIVEN[self.name], options

    @property
    def is_installed(self) -> bool:
        """Whether its package is here: some need a newer Python than we do."""
        try:
            return not self.package or version(self.package) != ""
        except PackageNotFoundError:
            return False


def _of(module: str, package: str, *names: str, **options: Any) -> list[Case]:
    return [Case(name, module, package, **options) for name in names]


#: states of the graphs inside of trustcall's extractor
_EXTRACTION = ("ExtractionState", "ExtendedExtractState", "DeletionState")

CASES = [
    *_of(
        "supervisor",
        "langgraph-supervisor",
        "supervisor",
        "supervisor_full_history",
        "supervisor_teams",
        "supervisor_custom_handoff",
    ),
    *_of("supervisor", "langgraph-supervisor", "supervisor_parallel", chance=True),
    *_of("swarm", "langgraph-swarm", "swarm", "swarm_with_tasks"),
    *_of("swarm", "langgraph-swarm", "swarm_wrapped", native=True),
    *_of("deep", "deepagents", "deep", "deep_large_message", "deep_compiled_subagent"),
    *_of("memory", "langmem", "memory_tools", lone=True, plain=("SearchItem",)),
    *_of("memory", "langmem", "memory_background", lone=True, only_async=True, plain=_EXTRACTION),
    *_of("memory", "langmem", "memory_summary", native=True, named=True),
    *_of("extractor", "trustcall", "extractor", native=True, hides=True, plain=_EXTRACTION),
    *_of(
        "extractor",
        "trustcall",
        "extractor_update",
        native=True,
        hides=True,
        plain=_EXTRACTION,
        only_async=True,
    ),
    *_of("mcp_tools", "langchain-mcp-adapters", "mcp_agent", only_async=True, slow=True),
    *_of("mcp_tools", "langchain-mcp-adapters", "mcp_graph", native=True, only_async=True, slow=True),
    *_of("reflection", "langgraph-reflection", "reflection"),
    *_of("structured", "langchain", "structured_by_provider", "structured_by_tool"),
    *_of("structured", "langchain-openai", "structured_router", native=True),
    *_of(
        "middleware",
        "langchain",
        "middleware_todos",
        "middleware_selection",
        "middleware_summary",
        "middleware_review",
        "middleware_own",
    ),
    *_of("retrieval", "langchain-text-splitters", "rag", native=True),
    *_of("retrieval", "langchain-text-splitters", "rag_agent", native=True, plain=("Grade",)),
    *_of("templates", "", "plan_execute", native=True, only_async=True, plain=("Plan", "Act", "Response")),
    *_of("templates", "", "map_reduce", native=True, only_async=True),
    *_of("templates", "", "reflexion", "lats", native=True),
]
BY_NAME = {case.name: case for case in CASES}


@cache
def scripts() -> dict[str, Any]:
    """What all models of all installed cases say."""
    found: dict[str, Any] = {}
    for module in dict.fromkeys(case.module for case in CASES if case.is_installed):
        for model, rules in importlib.import_module(f"tests.field.graphs.{module}").SCRIPTS.items():
            assert model not in found, f"two scripts for the model {model!r}"
            found[model] = rules
    return found
