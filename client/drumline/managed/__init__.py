"""Values that the engine computes for each task (LangGraph's `langgraph.managed`)."""

from drumline_graph.managed import IsLastStep, RemainingSteps

__all__ = ["IsLastStep", "RemainingSteps"]
