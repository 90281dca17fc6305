"""Classes of warnings: drumline's own about graphs, and LangGraph's about names that it gave up."""

from drumline_graph.warnings import (
    DefaultWarning,
    DrumlineWarning,
    LangGraphDeprecatedSinceV05,
    LangGraphDeprecatedSinceV10,
    LangGraphDeprecatedSinceV11,
    LangGraphDeprecationWarning,
    LostUpdateWarning,
    ReducerWarning,
    RunWarning,
)

__all__ = [
    "DefaultWarning",
    "DrumlineWarning",
    "LangGraphDeprecatedSinceV05",
    "LangGraphDeprecatedSinceV10",
    "LangGraphDeprecatedSinceV11",
    "LangGraphDeprecationWarning",
    "LostUpdateWarning",
    "ReducerWarning",
    "RunWarning",
]
