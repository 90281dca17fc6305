"""The stream mode `tools` where tools run in other processes, and what of it cannot cross."""
