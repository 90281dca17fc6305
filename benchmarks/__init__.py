"""Benchmarks: drumline beside LangGraph and beside the bare Redis loop, in one run. `python -m benchmarks`."""
