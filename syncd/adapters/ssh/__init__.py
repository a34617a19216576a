"""Hosts over SSH, on paramiko: host keys from known_hosts only, safe writes over SFTP, a bound on warm sessions."""

from syncd.adapters.ssh.fleet import SshFleet
from syncd.adapters.ssh.settings import SshSettings

__all__ = ["SshFleet", "SshSettings"]
