"""Copy a file to many hosts with parallel-ssh, twice over the same connections; prints {"cold": seconds, "warm": seconds}."""

import json
import sys
import time
from pathlib import Path

from gevent import joinall
from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

task = json.loads(Path(sys.argv[1]).read_text())
addresses = [address for address, _, _ in task["hosts"]]
configs = [HostConfig(port=port) for _, port, _ in task["hosts"]]
copies = [{"local_file": task["source"], "remote_file": path} for _, _, path in task["hosts"]]


def copy(client):
    began = time.monotonic()
    joinall(client.copy_file("%(local_file)s", "%(remote_file)s", copy_args=copies), raise_error=True)
    return time.monotonic() - began


client = ParallelSSHClient(
    addresses, user="root", pkey=task["key"], host_config=configs, pool_size=len(addresses), allow_agent=False
)
print(json.dumps({"cold": copy(client), "warm": copy(client)}))
