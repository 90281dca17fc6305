"""Compare two streams of one graph exactly, up to what LangGraph itself leaves to a race (see `tree`)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from drumline.testing._streams.shown import Recorded, exact_lines
from drumline.testing._streams.tree import Tree

_SHOWN_LINES = 80


def _racy_difference(reference: Tree, other: Tree) -> Iterator[str]:
    """What must agree where tasks failed: the siblings that ended in both, and the error.

    Which one of several failing tasks comes first is a race: then the errors may differ.
    """
    race = len(reference.failed | other.failed) > 1 and reference.failed and other.failed
    if not race:
        yield from _diff(reference.raised, other.raised, "error")
    for label, lines in reference.racy.items():
        theirs = other.racy.get(label)
        if lines is not None and theirs is not None:
            # The exception may cut off the last item: a result in `tasks`, but not in `debug`.
            length = min(len(lines), len(theirs))
            yield from _diff(lines[:length], theirs[:length], label)


def _diff(reference: list[str], other: list[str], label: str) -> Iterator[str]:
    if reference != other:  # difflib is quadratic on long equal streams
        names = f"reference {label}", f"other {label}"
        yield from difflib.unified_diff(reference, other, *names, lineterm="")


def _text(lines: list[str]) -> str | None:
    """The first lines of a diff: what comes after the first difference seldom helps."""
    left = len(lines) - _SHOWN_LINES
    more = [f"... and {left} lines more"] if left > 0 else []
    return "\n".join([*lines[:_SHOWN_LINES], *more]) or None


def difference(reference: Recorded, other: Recorded) -> str | None:
    """A unified diff of the two streams, or None when they agree up to RACE."""
    trees = Tree(reference), Tree(other)
    found = list(_diff(trees[0].lines, trees[1].lines, "stream"))
    return _text([*found, *_racy_difference(*trees)])


def exact_difference(reference: Recorded, other: Recorded) -> str | None:
    """A unified diff of the two streams item by item: for graphs in which nothing races."""
    return _text(list(_diff(exact_lines(reference), exact_lines(other), "stream")))
