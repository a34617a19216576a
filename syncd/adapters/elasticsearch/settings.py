"""How a cluster's REST API is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.core.model import NodeName


@dataclass(frozen=True, slots=True)
class ElasticsearchSettings:
    """How the cluster is reached. Certificates are always verified; files are read anew when they change."""

    urls: tuple[str, ...]
    ca_file: str | None = None
    """The only CAs that a REST certificate may come from; None: the system's."""
    verify_hostname: bool = True
    """Whether a certificate must name the host of the URL. An address that a node publishes without a host name must be
    an IP in its certificate; else `node_urls` gives the name."""
    api_key_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    node_urls: Mapping[NodeName, str] = field(default_factory=dict)
    """The nodes' own URLs, where the operator said them."""
    proof_alias: str = "syncd-proof"
    """The remote alias that exists while a proof by handshake is made."""
    config_dirs: Mapping[NodeName, str] = field(default_factory=dict)
    """The folder that relative certificate paths of a node are relative to."""
