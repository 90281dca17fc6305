"""Compare two streams of one graph exactly, up to what LangGraph itself leaves to a race: the kit's own comparison."""

from drumline.testing._streams.compare import difference, exact_difference
from drumline.testing._streams.shown import Recorded
from drumline.testing._streams.tree import Tree

__all__ = ["canonical_lines", "difference", "exact_difference"]


def canonical_lines(recorded: Recorded) -> list[str]:
    """The lines that are compared: for printing a stream, and for tests of this module."""
    tree = Tree(recorded)
    return [*tree.lines, *tree.raised]
