"""What the kit raises. All of these fail a test as a broken `assert` does."""

from __future__ import annotations


class InvariantViolation(AssertionError):
    """drumline broke one of its own rules: a bug in drumline, not in the graph under test. Please report it.

    The text names the rule, the run and the log entry.
    """


class SimulationStuck(AssertionError):
    """A run cannot go on because of what the test did: nobody is left to run its tasks, or to plan the next step."""


class FaultDidNotHappen(AssertionError):
    """A named fault was planned and its moment never came, so the test has shown nothing about it."""


class StreamsDiffer(AssertionError):
    """Two streams that should say the same do not. The text is a diff."""
