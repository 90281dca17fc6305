"""Compare two streams of one graph exactly, up to what LangGraph itself leaves to a race: the kit's own comparison."""

from drumline.testing._streams.compare import canonical_lines, difference, exact_difference

__all__ = ["canonical_lines", "difference", "exact_difference"]
