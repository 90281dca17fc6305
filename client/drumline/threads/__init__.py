"""Threads of graphs that run in this process: what is kept of them, read and written."""
