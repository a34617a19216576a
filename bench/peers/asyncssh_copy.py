"""Copy a file to many hosts with asyncssh, twice over the same connections; prints {"cold": seconds, "warm": seconds}."""

import asyncio
import json
import sys
import time
from pathlib import Path

import asyncssh


async def main(task):
    began = time.monotonic()

    async def connect(address, port, path):
        connection = await asyncssh.connect(
            address, port, username="root", client_keys=[task["key"]], known_hosts=None, config=None, agent_path=None
        )
        client = await connection.start_sftp_client()
        await client.put(task["source"], path)
        return connection, client, path

    opened = await asyncio.gather(*(connect(*host) for host in task["hosts"]))
    cold = time.monotonic() - began
    began = time.monotonic()
    await asyncio.gather(*(client.put(task["source"], path) for _, client, path in opened))
    warm = time.monotonic() - began
    for connection, _, _ in opened:
        connection.close()
    print(json.dumps({"cold": cold, "warm": warm}))


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
