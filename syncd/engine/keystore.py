"""Secure settings of a node, through Elasticsearch's own keystore tool: a value goes by stdin, never in an argument."""

from dataclasses import dataclass
from posixpath import join

from syncd.core.errors import HostError
from syncd.core.model import Ownership
from syncd.ports import Deadline, Host

_OUTPUT = 10_000
_NOT_THERE = 78
"""Exit status of `remove` for a setting that is not there."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Where a node's tools are."""

    home: str = "/usr/share/elasticsearch"
    config_dir: str = "/etc/elasticsearch"
    java_home: str | None = None
    """For the tools; None: the JDK that came with Elasticsearch."""

    @property
    def keystore(self) -> str:
        """Path of the keystore."""
        return join(self.config_dir, "elasticsearch.keystore")


def add(host: Host, box: Toolbox, name: str, value: bytes, deadline: Deadline) -> None:
    """Set a secure setting; the process uses it after `reload_secure_settings`. Raises HostError `keystore`."""
    _run(host, box, ("add", "-x", "-f", name), value, deadline)


def remove(host: Host, box: Toolbox, name: str, deadline: Deadline) -> None:
    """Remove a secure setting; one that is not there is no error. Raises HostError `keystore`."""
    _run(host, box, ("remove", name), b"", deadline)


def _run(host: Host, box: Toolbox, argv: tuple[str, ...], stdin: bytes, deadline: Deadline) -> None:
    before = host.owner(box.keystore, deadline)
    if before is None:
        raise HostError("keystore", "there is no keystore", where=box.keystore, cure="Check layout.config_dir")
    java = (f"ES_JAVA_HOME={box.java_home}",) if box.java_home else ()
    tool = ("env", f"ES_PATH_CONF={box.config_dir}", *java, join(box.home, "bin/elasticsearch-keystore"))
    done = host.run((*_as(before), *tool, *argv), stdin, _OUTPUT, deadline)
    _keep_owner(host, box.keystore, before, deadline)
    if done.exit_code not in (0, _NOT_THERE):
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        text = f"elasticsearch-keystore {argv[0]} ended with {done.exit_code}: {said[-1][:200] if said else ''}"
        cure = "A keystore with a password cannot be written by syncd; see also layout.home and layout.java_home"
        raise HostError("keystore", text, where=box.keystore, cure=cure)


def _as(owner: Ownership) -> tuple[str, ...]:
    """Run as the keystore's owner: Elasticsearch refuses a keystore that it may not read (deb and rpm: root's)."""
    if owner.uid == 0:
        return ()
    return ("setpriv", f"--reuid={owner.uid}", f"--regid={owner.gid}", "--clear-groups")


def _keep_owner(host: Host, path: str, before: Ownership, deadline: Deadline) -> None:
    """The tool replaces the file; where the folder does not hand down the group, the process could not read it."""
    if host.owner(path, deadline) not in (before, None):
        host.run(("chown", f"{before.uid}:{before.gid}", path), b"", _OUTPUT, deadline)
        host.run(("chmod", f"{before.mode:o}", path), b"", _OUTPUT, deadline)
