"""What was seen on ECK's side of a remote of the certificate model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from syncd.core.bundle import Cert, Fingerprint


@dataclass(frozen=True, slots=True)
class Origins:
    """Who put into the mirror what a cluster needs or needed: what it put there itself it may take out again."""

    added: tuple[Fingerprint, ...] = ()
    """Put there by us, markers too, and there still: needed by us, or by another cluster that lists it."""
    found: tuple[Fingerprint, ...] = ()
    """There before us, and needed by us no longer: for a person to take out."""


@dataclass(frozen=True, slots=True)
class MirrorState:
    """The ConfigMap in which ECK finds the self-managed CAs."""

    content: str | None
    """Its key; None: the object has no such key (ECK then issues no certificates)."""
    version: str
    """metadata.resourceVersion."""
    uid: str
    watched: bool
    """Whether it carries `eck.k8s.elastic.co/watched=true`."""
    ours: tuple[Fingerprint, ...] | None = None
    """What our cluster needs of it, its marker too, from our annotation; None: there is none that can be read."""
    origins: Origins = Origins()
    """What of it our cluster put there, from our annotation; what that does not tell was not put there by us."""
    contributions: Mapping[str, tuple[Fingerprint, ...]] = field(default_factory=dict)
    """What the other clusters need of it, by cluster, as `<namespace of its own>/<name>`, from their annotations."""
    damaged: tuple[str, ...] = ()
    """Annotations of contributions that cannot be read: whose the blocks are is then not known."""
    certs: tuple[Cert, ...] = ()
    """What its blocks hold, without markers."""
    markers: tuple[Cert, ...] = ()
    faults: tuple[str, ...] = ()
    """Blocks that are not certificates, in words; they stay as they are."""


@dataclass(frozen=True, slots=True)
class EckService:
    """A Service that somebody made for other clusters to reach the remote's nodes, as ECK 3.0 - 3.2 need it."""

    name: str
    ports: tuple[Mapping[str, object], ...] = ()
    """spec.ports, as they are."""
    fault: str = ""
    """Not empty: why it could not be read."""


@dataclass(frozen=True, slots=True)
class EckResource:
    """The Elasticsearch resource, as far as it matters to remote clusters."""

    version: str
    uid: str
    generation: int
    available_nodes: int | None
    """status.availableNodes."""
    phase: str
    """status.phase: Ready, ApplyingChanges, ..."""
    config_map: str | None
    """spec.transport.tls.certificateAuthorities.configMapName."""
    remote_cluster_server: bool
    """spec.remoteClusterServer.enabled."""
    service: Mapping[str, object] | None = None
    """spec.remoteClusterServer.service (ECK 3.3 and later), as it is."""
    transport_service: Mapping[str, object] | None = None
    """spec.transport.service, as it is."""
    services: tuple[EckService, ...] = ()
    """The Services that the operator named, which were made by hand."""
    ours: frozenset[Literal["config_map", "remote_cluster_server"]] = frozenset()
    """The fields that our field manager owns: each is named again whenever something is applied, or it would go."""
    remote_clusters: tuple[str, ...] = ()
    """Names in spec.remoteClusters: those belong to ECK's own controller."""
