"""A proxy between clients and the server that loses answers and cuts lines when told to."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path


class Proxy:
    """Listens on the Unix socket `path` and passes everything to the one at `target`."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path, self.target = path, target
        self.url = f"unix://{path}"
        self.to_drop = self.dropped = self.cuts = 0
        self._lines: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._refusing = False
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self._hang_up()

    async def cut(self, seconds: float) -> None:
        """Close every line, and accept none for a while."""
        self.cuts += 1
        self._refusing = True
        self._hang_up()
        await asyncio.sleep(seconds)
        self._refusing = False

    def _hang_up(self) -> None:
        for line in list(self._lines):
            for writer in line:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            writer.transport.abort()
            return
        line = (writer, up_writer)
        self._lines.add(line)
        asked = [b""]
        try:
            pumps = [
                asyncio.ensure_future(self._up(reader, up_writer, asked)),
                asyncio.ensure_future(self._down(up_reader, writer, asked)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self._lines.discard(line)
            for each in line:
                each.transport.abort()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                asked[0] = data[:64]
                writer.write(data)
                await writer.drain()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                # The server has done what it was asked; the client never learns of it.
                if self.to_drop and b"EVALSHA" in asked[0]:
                    self.to_drop -= 1
                    self.dropped += 1
                    return
                writer.write(data)
                await writer.drain()
