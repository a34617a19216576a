"""TLS handshakes made to look."""

from typing import Protocol

from syncd.core.bundle import Cert
from syncd.core.model import Shown
from syncd.ports.clock import Deadline
from syncd.ports.host import Marker, Stream


class Handshakes(Protocol):
    """TLS handshakes made to look, not to talk."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        """The chain that the peer presents, leaf first, verified by nobody yet. Raises HostError `tls`."""

    def accepted_names(self, stream: Stream, deadline: Deadline) -> tuple[str, ...]:
        """The subjects (RFC 4514) that a server names in its CertificateRequest, which are its loaded trust.

        Raises HostError `tls`.
        """

    def shown(self, stream: Stream, address: str, deadline: Deadline) -> Shown:
        """Both in one handshake, with what a transport port (9300) shows. Raises HostError `tls`."""

    def mint(self, subject: str, server_name: str) -> Marker:
        """A new self-signed certificate that can sign nothing, for a common name and a DNS name."""

    def answer(self, stream: Stream, marker: Marker, deadline: Deadline) -> bool:
        """Present a marker to whoever connects: whether an Elasticsearch process accepted it. Raises HostError."""
