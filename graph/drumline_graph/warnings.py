"""Warnings about graphs that run, but hardly as their author meant. Each text names the graph, and the node or key."""

from __future__ import annotations

import sys
import warnings


class DrumlineWarning(UserWarning):
    """Root of drumline's warnings about graphs: `warnings.filterwarnings("error", category=DrumlineWarning)` makes each
    of them an error.
    """


class ReducerWarning(DrumlineWarning):
    """A function in `Annotated[T, ...]` is not its last item, so it is no reducer: writes replace the value.

    Put the reducer last: `Annotated[list, "what it is", operator.add]`.
    """


class DefaultWarning(DrumlineWarning):
    """A schema gives a key a default value that no node sees.

    The state begins with what the input writes, and with the empty value of a reducer's type; defaults count only where
    an instance of the class is made. Write the value in the input, or in the first node.
    """


class LostUpdateWarning(DrumlineWarning):
    """A node's generator function yielded several results that cannot be added: only the last counts."""


class RunWarning(DrumlineWarning, RuntimeWarning):
    """Something that a run tells its caller once: a join that still waited when the run ended, events that came too
    late, a task that waits for a worker.
    """


class LangGraphDeprecationWarning(DeprecationWarning):
    """A name that LangGraph gave up, and which drumline takes for old code's sake. LangGraph's class of this name."""


class LangGraphDeprecatedSinceV05(LangGraphDeprecationWarning):
    """Given up by LangGraph 0.5."""


class LangGraphDeprecatedSinceV10(LangGraphDeprecationWarning):
    """Given up by LangGraph 1.0."""


class LangGraphDeprecatedSinceV11(LangGraphDeprecationWarning):
    """Given up by LangGraph 1.1."""


def tell(text: str, category: type[Warning]) -> None:
    """Warn, as of the line of the user's code that led here."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("drumline"):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
