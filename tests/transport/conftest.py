"""Fixtures of the transport tests, and a line in the summary: which brokers they ran on."""

from __future__ import annotations

from typing import Any

from tests.servers import any_real_backend, backend, broker, not_run, own_server, ran_on, real_backend

__all__ = ["any_real_backend", "backend", "broker", "own_server", "real_backend"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if ran_on or not_run:
        ran = ", ".join(f"{name} ({version})" for name, version in sorted(ran_on.items()))
        terminalreporter.write_line(f"brokers under test: {ran or 'none'}")
        for reason in not_run.values():
            terminalreporter.write_line(f"NOT TESTED: {reason}", yellow=True)
