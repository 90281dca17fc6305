"""Fixtures of the gateway's tests."""

from __future__ import annotations

from tests.servers import own_server, real_backend

__all__ = ["own_server", "real_backend"]
