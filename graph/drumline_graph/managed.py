"""Managed values: keys that a node lists in its schema and the engine computes, never stored or streamed."""

from __future__ import annotations

from typing import Annotated, Any


class ManagedValue:
    """Base of managed values. `get(step, stop)` gives the value a node of superstep `step` sees."""

    @staticmethod
    def get(step: int, stop: int) -> Any:
        """Value for superstep `step` of a run that fails if it is not done before step `stop`.

        `stop` is the run's input step (-1 for a fresh run) + recursion limit + 1, as in LangGraph.
        """
        raise NotImplementedError


class IsLastStepManager(ManagedValue):
    """True in the last superstep that the recursion limit allows."""

    @staticmethod
    def get(step: int, stop: int) -> bool:
        return step == stop - 1


class RemainingStepsManager(ManagedValue):
    """Number of supersteps left, this one included."""

    @staticmethod
    def get(step: int, stop: int) -> int:
        return stop - step


IsLastStep = Annotated[bool, IsLastStepManager]
"""Annotation of a state key that tells a node whether the recursion limit ends the run after it."""

RemainingSteps = Annotated[int, RemainingStepsManager]
"""Annotation of a state key that tells a node how many supersteps are left."""
