"""Hosts over SSH, on paramiko: host keys from known_hosts only, safe writes over SFTP, a bound on warm sessions."""

from syncd.adapters.lean import without

with without("invoke"):  # runs `Match exec` of an ssh_config, which is not read here: 2 MB
    import paramiko  # noqa: F401 - loaded here, so that it is loaded in this way

from syncd.adapters.ssh.fleet import SshFleet
from syncd.adapters.ssh.settings import SshSettings

__all__ = ["SshFleet", "SshSettings"]
