"""Which host keys are known: nothing is taken on faith.

paramiko's own loader gives up at the first line that it does not understand, so lines are sorted out before that.
"""

from collections.abc import Mapping
from pathlib import Path

from paramiko import PKey
from paramiko.hostkeys import HostKeyEntry, HostKeys

from syncd.config.secrets import where_else
from syncd.core.errors import HostError

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""The signature algorithms of a key that known_hosts calls ssh-rsa; the third, SHA-1, is not used."""


class KnownHosts:
    """The content of one known_hosts file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._keys = HostKeys()
        self._revoked: set[bytes] = set()
        try:
            lines = Path(path).expanduser().read_text(errors="replace").splitlines()
        except OSError as error:
            text = f"the known hosts cannot be read: {error.strerror}"
            cure = f"Set transport.known_hosts_file to a file that syncd can read. {where_else(path)}".removesuffix(
                ". "
            )
            raise HostError("host_key", text, where=path, cure=cure) from error
        for line in lines:
            self._take(line.strip())

    def _take(self, line: str) -> None:
        if line.startswith("@revoked"):
            entry = _entry(line.partition(" ")[2].strip())
            if entry and entry.key:
                self._revoked.add(entry.key.asbytes())
        elif line and not line.startswith(("#", "@")):
            entry = _entry(line)
            if entry and entry.key:
                for name in entry.hostnames or ():
                    self._keys.add(name, entry.key.get_name(), entry.key)

    def algorithms(self, address: str, port: int) -> tuple[str, ...]:
        """The host key algorithms to ask for, so that the server shows a key that is known."""
        known: Mapping[str, PKey] = self._keys.lookup(_name(address, port)) or {}
        return tuple(algorithm for kind in known for algorithm in (_RSA if kind == "ssh-rsa" else (kind,)))

    def check(self, address: str, port: int, key: PKey) -> None:
        """Raise HostError `host_key` unless this key is known for this host, and not revoked."""
        name = _name(address, port)
        shown = f"{key.get_name()} {key.fingerprint}"
        if key.asbytes() in self._revoked:
            raise self._error(name, f"the host shows a revoked key ({shown})", "Do not connect; ask who runs this host")
        known: Mapping[str, PKey] | None = self._keys.lookup(name)
        if not known:
            cure = f"Check the key on the host itself, then add it: ssh-keyscan -p {port} {address} >> {self._path}"
            raise self._error(name, f"the host is not known; it shows {shown}", cure)
        if not self._keys.check(name, key):
            cure = f"If the host was made anew, drop its line: ssh-keygen -R '{name}' -f {self._path}"
            raise self._error(name, f"the host key CHANGED; it shows {shown}", cure)

    def _error(self, name: str, text: str, cure: str) -> HostError:
        return HostError("host_key", f"{text}, by {self._path}", where=name, cure=cure)


def _name(address: str, port: int) -> str:
    return address if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - the port that known_hosts leaves out


def _entry(line: str) -> HostKeyEntry | None:
    """One line, or None where it is damaged or of a kind that is not known here."""
    try:
        return HostKeyEntry.from_line(line)
    except Exception:  # noqa: BLE001 - paramiko raises many kinds; a line that cannot be read knows no host
        return None
