"""A server for the tests of each module."""

from tests.servers import server

__all__ = ["server"]
