"""A TCP proxy that misbehaves when told to: between chosen roles and the broker. A process of its own.

    python -m tests.chaos.proxy PORT NAME [NAME ...]

listens on a free port for each name, writes `NAME PORT` lines and then obeys lines on its stdin:

    NAME delay SECONDS     every chunk waits that long, both ways
    NAME cut               half of the next chunk of each connection goes through, then the connection is reset
    NAME silent            half-open: what is said vanishes, nobody is told
    NAME clear             as if nothing had been; connections that were silent are reset
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field

_HOST = "127.0.0.1"
_CHUNK = 64 * 1024
#: closing with this option resets the connection
_RESET = struct.pack("ii", 1, 0)


class Proxies:
    """The proxy process, and where it listens. Close it."""

    def __init__(self, port: int, names: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", str(port), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.urls: dict[str, str] = {}
        for _ in names:
            name, own = self.process.stdout.readline().split()
            self.urls[name] = f"redis://{_HOST}:{own}/0"

    def tell(self, *words: object) -> None:
        """One order, see above."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


@dataclass(eq=False, slots=True)
class _Pair:
    """One connection of a role, and ours to the broker for it."""

    writers: tuple[asyncio.StreamWriter, ...]
    #: something was lost in here: it must not go on
    lossy: bool = False
    doomed: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass(slots=True)
class _Proxy:
    port: int
    delay_s: float = 0.0
    silent: bool = False
    pairs: set[_Pair] = field(default_factory=set)

    def obey(self, order: str, seconds: float) -> None:
        if order == "delay":
            self.delay_s = seconds
        elif order == "cut":
            for pair in self.pairs:
                pair.doomed = True
        elif order == "silent":
            self.silent = True
        else:
            self.delay_s, self.silent = 0.0, False
            for pair in [pair for pair in self.pairs if pair.lossy]:
                pair.reset()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(_HOST, self.port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((writer, up_writer), lossy=self.silent)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self._pass(reader, up_writer, pair), self._pass(up_reader, writer, pair))
        except asyncio.CancelledError:  # the proxy ends: not raised, or asyncio would tell of it
            pair.reset()
        finally:
            self.pairs.discard(pair)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.silent:
                    pair.lossy = True
                    continue
                if pair.lossy:
                    pair.reset()
                    return
                if pair.doomed:
                    writer.write(chunk[: max(1, len(chunk) // 2)])
                    await asyncio.sleep(0.01)  # the half is to arrive before the reset overtakes it
                    pair.reset()
                    return
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pair.reset()
        finally:
            with contextlib.suppress(OSError):
                writer.close()


async def main(port: int, names: list[str]) -> None:
    """Serve until stdin ends."""
    proxies: dict[str, _Proxy] = {}
    for name in names:
        proxy = proxies[name] = _Proxy(port)
        server = await asyncio.start_server(proxy.serve, _HOST, 0)
        print(name, server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, order, *rest = line.split()
        proxies[name].obey(order, float(rest[0]) if rest else 0.0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
