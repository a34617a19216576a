"""`python -m tests.bed.forward HOST:PORT=HOST:PORT ...`: carries TCP connections from one address to another.

Elasticsearch holds nodes off loopback to limits (65,535 open files) that not every machine lets a test raise. Nodes in
network namespaces of their own therefore speak to one another on their loopbacks, which are joined by this.
"""

import asyncio
import sys
from functools import partial


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until it ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def meet(peer: tuple[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A connection: both directions."""
    try:
        there, back = await asyncio.open_connection(*peer)
    except OSError:
        writer.close()
        return
    await asyncio.gather(carry(reader, back), carry(there, writer))


async def main(pairs: list[str]) -> None:
    """Listen on all, for ever."""
    servers = []
    for here, there in (pair.split("=") for pair in pairs):
        host, port = here.split(":")
        target, target_port = there.split(":")
        servers.append(await asyncio.start_server(partial(meet, (target, target_port)), host, int(port)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
