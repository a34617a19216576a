"""Ways to put one small file on many hosts: syncd's own SSH layer and its peers, each measured on the same hosts.

`cold` is from nothing (connect, authenticate, copy); `warm` is one more copy over connections that are open already.
Only syncd and bare paramiko check what was there, write beside, fsync, rename and read back; the others overwrite.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

from bench.bare import PARALLEL, Bare
from bench.hosts import Hosts
from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.core.bundle import Digest
from syncd.core.model import NodeName, Ownership
from syncd.ports import Deadline

CACHE = Path.home() / ".cache" / "syncd-bench"
PEERS = ("parallel-ssh", "asyncssh", "ansible-core", "matplotlib")
_SECONDS = 300.0


def syncd(hosts: Hosts, content: bytes) -> dict[str, float]:
    """The SSH adapter as the daemon uses it: a crew of threads, and as many warm sessions as by default."""
    addresses = {NodeName(name): (server.address, server.port) for name, server in hosts.servers.items()}
    known = str(hosts.folder / "known_hosts")
    fleet = SshFleet(SshSettings("root", known, str(hosts.key)), addresses)
    owner = Ownership(os.getuid(), os.getgid(), 0o640)

    def put(name: NodeName, new: bytes) -> None:
        path = hosts.file(name)
        expect = Digest(sha256(path.read_bytes()).hexdigest()) if path.exists() else None
        fleet.host(name).put(str(path), new, owner, expect, Deadline.after(_SECONDS))

    def everywhere(new: bytes) -> None:
        with ThreadPoolExecutor(min(PARALLEL, len(addresses))) as pool:
            list(pool.map(put, addresses, [new] * len(addresses)))

    took = {"cold": timed(lambda: everywhere(content)), "warm": timed(lambda: everywhere(content + b"#\n"))}
    fleet.close()
    return took


def bare_paramiko(hosts: Hosts, content: bytes) -> dict[str, float]:
    """The library under syncd, with the same promises and nothing else: the floor."""
    bare = Bare(hosts)
    try:
        cold = timed(lambda: bare.everywhere(content))
        return {"cold": cold, "warm": timed(lambda: bare.everywhere(content + b"#\n"))}
    finally:
        bare.close()


def scp(hosts: Hosts, content: bytes) -> dict[str, float]:
    """OpenSSH's own scp, all at once."""
    source = _source(hosts, content)
    options = [
        "-q",
        "-o",
        f"UserKnownHostsFile={hosts.folder / 'known_hosts'}",
        "-i",
        str(hosts.key),
        "-o",
        "IdentitiesOnly=yes",
    ]

    def everywhere() -> None:
        copies = [
            subprocess.Popen(
                ["scp", *options, "-P", str(server.port), source, f"root@{server.address}:{hosts.file(name)}"]
            )
            for name, server in hosts.servers.items()
        ]
        for copy in copies:
            if copy.wait(_SECONDS):
                raise RuntimeError("scp failed")

    return {"cold": timed(everywhere)}


def ansible(hosts: Hosts, content: bytes) -> dict[str, float]:
    """The copy module of ansible, a fork for each host, pipelining on."""
    lines = [
        f"{name} ansible_host={server.address} ansible_port={server.port} target={hosts.file(name)}"
        for name, server in hosts.servers.items()
    ]
    inventory = hosts.folder / "inventory"
    inventory.write_text("\n".join(lines) + "\n")
    arguments = f"src={_source(hosts, content)} dest={{{{ target }}}} mode=0640"
    options = f"-o UserKnownHostsFile={hosts.folder / 'known_hosts'} -o ControlMaster=no -o IdentitiesOnly=yes"
    command = [
        str(peers_python().parent / "ansible"), "all", "-i", str(inventory), "-u", "root", "--private-key", str(hosts.key),
        "-f", str(len(hosts.servers)), f"--ssh-common-args={options}", "-m", "copy", "-a", arguments, "-o",
    ]  # fmt: skip
    environment = os.environ | {
        "ANSIBLE_PIPELINING": "1", "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCAL_TEMP": str(hosts.folder / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(hosts.folder / "ansible-remote"), "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    return {"cold": timed(partial(_run, command, environment))}


def asyncssh(hosts: Hosts, content: bytes) -> dict[str, float]:
    """Its SFTP client."""
    return _peer("asyncssh_copy.py", hosts, content)


def parallel_ssh(hosts: Hosts, content: bytes) -> dict[str, float]:
    """parallel-ssh over libssh2."""
    return _peer("parallel_ssh_copy.py", hosts, content)


WAYS: dict[str, Callable[[Hosts, bytes], dict[str, float]]] = {
    "syncd": syncd,
    "bare paramiko": bare_paramiko,
    "parallel-ssh": parallel_ssh,
    "asyncssh": asyncssh,
    "scp": scp,
    "ansible copy": ansible,
}


def peers_python() -> Path:
    """The interpreter of the peers' own virtual environment, made when it is not there."""
    python = CACHE / "peers" / "bin" / "python"
    if not (CACHE / "peers" / ".ready").exists():
        print(f"installing {', '.join(PEERS)} into {CACHE / 'peers'}")
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / "peers")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS], check=True)
        (CACHE / "peers" / ".ready").touch()
    return python


def peer_versions() -> Iterable[str]:
    """`name version` of each peer."""
    listed = subprocess.run(
        [str(peers_python()), "-m", "pip", "list", "--format=json"], check=True, capture_output=True
    )
    for row in json.loads(listed.stdout):
        if row["name"].lower() in PEERS:
            yield f"{row['name']} {row['version']}"


def timed(action: Callable[[], object]) -> float:
    """Seconds that something took."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _peer(script: str, hosts: Hosts, content: bytes) -> dict[str, float]:
    """A peer's client in its own interpreter; it prints its seconds, without the import."""
    task = {
        "source": _source(hosts, content),
        "key": str(hosts.key),
        "hosts": [[server.address, server.port, str(hosts.file(name))] for name, server in hosts.servers.items()],
    }
    (hosts.folder / "task.json").write_text(json.dumps(task))
    command = [str(peers_python()), str(Path(__file__).parent / "peers" / script), str(hosts.folder / "task.json")]
    took: dict[str, float] = json.loads(_run(command, dict(os.environ)).splitlines()[-1])
    return took


def _source(hosts: Hosts, content: bytes) -> str:
    path = hosts.folder / "source.crt"
    path.write_bytes(content)
    return str(path)


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
