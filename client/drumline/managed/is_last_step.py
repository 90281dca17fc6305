"""LangGraph's `langgraph.managed.is_last_step`."""

from drumline_graph.managed import IsLastStep, IsLastStepManager, RemainingSteps, RemainingStepsManager

__all__ = ["IsLastStep", "IsLastStepManager", "RemainingSteps", "RemainingStepsManager"]
