"""The files that a configuration names on the machine where syncd runs: where they are, and whether they can be used."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syncd.cli.check import Check
from syncd.config.model import Cluster, Config, FileSource, Ssh
from syncd.config.secrets import secret_path

_MOST = 65_536
"""Bytes of a credential that are looked at: no credential is as long."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, the key of the configuration that names it, and where that leads."""

    key: str
    path: str
    holds: Literal["api_key", "secret", "other"] = "other"

    @property
    def state(self) -> Literal["there", "missing", "not readable"]:
        """Whether it can be read by whoever asks."""
        try:
            with Path(self.path).open("rb") as file:
                file.read(1)
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "not readable"
        return "there"


def files_of(whole: Config, config: Path) -> Iterator[NamedFile]:
    """All of them, in the order of the configuration."""
    if whole.kubernetes.kubeconfig:
        yield NamedFile("kubernetes.kubeconfig", str(Path(whole.kubernetes.kubeconfig).expanduser()))
    for number, cluster in enumerate(whole.clusters):
        for file in cluster_files(cluster, config):
            yield NamedFile(f"clusters[{number}].{file.key}", file.path, file.holds)


def cluster_files(cluster: Cluster, config: Path) -> Iterator[NamedFile]:
    """Those of one cluster; what is on its nodes is looked at there."""
    said, ssh = cluster.elasticsearch, cluster.transport
    named: dict[str, str | None] = {
        "elasticsearch.ca_file": said.ca_file,
        "elasticsearch.api_key_file": said.api_key_file,
        "elasticsearch.password_file": said.password_file,
        "layout.keystore_password_file": cluster.layout.keystore_password_file,
    }
    for at, node in enumerate(cluster.nodes):
        own = cluster.layout_of(node).keystore_password_file
        if own != cluster.layout.keystore_password_file:
            named[f"nodes[{at}].layout.keystore_password_file"] = own
    if isinstance(ssh, Ssh):
        named["transport.key_file"] = ssh.key_file
        named["transport.passphrase_file"] = ssh.passphrase_file
        named["transport.known_hosts_file"] = ssh.known_hosts_file
    named |= {f"remotes[{at}].credential_file": remote.credential_file for at, remote in enumerate(cluster.remotes)}
    for key, name in named.items():
        if name:
            yield NamedFile(key, secret_path(name, config.absolute()), _holds(key))
    for at, remote in enumerate(cluster.remotes):
        if isinstance(remote.source, FileSource):
            yield NamedFile(f"remotes[{at}].source.path", remote.source.path)
        for number, path in enumerate(remote.extra_ca_files):
            yield NamedFile(f"remotes[{at}].extra_ca_files[{number}]", path)


def _holds(key: str) -> Literal["api_key", "secret", "other"]:
    if key.endswith(("api_key_file", "credential_file")):
        return "api_key"
    return "secret" if key.endswith(("password_file", "passphrase_file", "key_file")) else "other"


def file_checks(cluster: Cluster, config: Path) -> Iterator[Check]:
    """Each as a line of `syncd check`. Of what a credential holds its form is told, never the value."""
    for file in cluster_files(cluster, config):
        what = f"{file.key} can be read"
        match file.state:
            case "there":
                yield Check("files", what, "ok", file.path)
            case "missing":
                cure = "Make it, or correct the configuration; a relative name is looked for beside the configuration"
                yield Check("files", what, "wrong", f"{file.path} is missing", cure)
            case "not readable":
                yield Check("files", what, "wrong", f"{file.path} cannot be read", "Let syncd's user read it")
        if file.holds == "api_key" and file.state == "there" and not _is_encoded_key(file.path):
            text = f"{file.path} is not base64 of id:key"
            cure = "Put the value `encoded` of the answer that made the API key there, and nothing else"
            yield Check("files", f"{file.key} has the form of an API key", "wrong", text, cure)


def _is_encoded_key(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            told = base64.b64decode(file.read(_MOST).strip(), validate=True)
    except (OSError, binascii.Error):
        return False
    name, colon, key = told.partition(b":")
    return bool(name and colon and key)
