"""The self-managed cluster's own transport certificates, as a company's people keep them: on the nodes, by hand."""

from collections.abc import Mapping
from pathlib import Path

from syncd.core.bundle import Cert
from syncd.demo.pki import EckCa
from syncd.ports import now

CA_FILE, CHAIN_FILE, KEY_FILE = "own-ca.crt", "own.crt", "own.key"
YML = f"""\
# Written by hand, long ago
cluster.name: onprem
xpack.security.transport.ssl:
  enabled: true
  verification_mode: certificate
  certificate: {CHAIN_FILE}
  key: {KEY_FILE}
  certificate_authorities: ["{CA_FILE}"]   # our own nodes
"""
"""An elasticsearch.yml that knows of no remote."""


class OwnCas:
    """The CA of the transport layer, and its files on the nodes."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        self.ca = EckCa.create(now(), cluster="onprem", company="Our transport CA")
        self.trusted: tuple[Cert, ...] = (self.ca.cert,)
        self._write_trust()
        self.issue()

    def announce(self) -> Cert:
        """A CA to come, which all nodes trust from now on, beside the present one."""
        self.ca = EckCa.create(now(), cluster="onprem-next", company="Our next transport CA")
        self.trusted = (*self.trusted, self.ca.cert)
        self._write_trust()
        return self.ca.cert

    def issue(self) -> None:
        """Certificates for all nodes by the newest CA; a node that meets one file without the other keeps what it has."""
        for name, folder in self._folders.items():
            leaf = self.ca.leaf(name)
            _replace(folder / KEY_FILE, leaf.key_pem)
            _replace(folder / CHAIN_FILE, leaf.cert.pem)

    def drop(self) -> None:
        """Trust the newest CA alone."""
        self.trusted = (self.ca.cert,)
        self._write_trust()

    def _write_trust(self) -> None:
        for folder in self._folders.values():
            _replace(folder / CA_FILE, b"".join(cert.pem for cert in self.trusted))


def _replace(path: Path, content: bytes) -> None:
    temp = path.with_name(f"{path.name}.new")
    temp.write_bytes(content)
    temp.rename(path)
