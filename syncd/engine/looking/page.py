"""What the prover has seen lately: an immutable page that each pass reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import (
    Absent,
    Alias,
    ClusterState,
    Context,
    EckResource,
    Known,
    NodeName,
    NodeSeen,
    Presented,
    Seen,
    Shown,
    Sighting,
    Site,
    Unknown,
)
from syncd.ports import NodeAnswer


@dataclass(frozen=True, slots=True)
class Page:
    """The latest observations of everything that is slower than a file."""

    cluster: Seen[ClusterState]
    answers: Mapping[NodeName, Seen[NodeAnswer]] = field(default_factory=dict)
    handshakes: Mapping[tuple[NodeName, Alias], Seen[Presented]] = field(default_factory=dict)
    presented: Mapping[Alias, tuple[Presented, ...]] = field(default_factory=dict)
    endpoints: Mapping[Alias, Seen[int]] = field(default_factory=dict)
    strangers: Mapping[tuple[Context, Alias], Seen[Presented]] = field(default_factory=dict)
    keys: Mapping[tuple[NodeName, Alias], Seen[str]] = field(default_factory=dict)
    evidence: tuple[Sighting, ...] = ()
    sites: Mapping[NodeName, Seen[Site]] = field(default_factory=dict)
    resources: Mapping[Alias, Seen[EckResource]] = field(default_factory=dict)
    shown: Mapping[Alias, tuple[Shown, ...]] = field(default_factory=dict)

    @classmethod
    def nothing_yet(cls, at: datetime) -> "Page":
        """Before the first look."""
        return cls(cluster=Unknown("not_asked", "Elasticsearch has not been asked yet", at))

    @property
    def restarting(self) -> NodeName | None:
        """The node whose restart is open, as far as the cluster was asked."""
        record = self.cluster.value.restart if isinstance(self.cluster, Known) else None
        return record.node if record else None

    def node(self, name: NodeName, at: datetime) -> NodeSeen:
        """One node without its file."""
        answer = self.answers.get(name, Unknown("not_asked", "the node has not been asked yet", at))
        known = answer.value if isinstance(answer, Known) else None
        unseen = answer if isinstance(answer, Unknown) else Unknown("not_asked", "the node did not answer", at)
        return NodeSeen(
            name=name,
            file=Absent(at),
            files={},
            site=self.sites.get(name, Unknown("not_asked", "the node's installation has not been looked at yet", at)),
            owner=Absent(at),
            process=Known(known.process, answer.at) if known and isinstance(answer, Known) else unseen,
            trust_paths=known.trust_paths if known else unseen,
            links={link.alias: link for link in known.links} if known else {},
            handshakes={alias: seen for (node, alias), seen in self.handshakes.items() if node == name},
            keys={alias: seen for (node, alias), seen in self.keys.items() if node == name},
        )

    def gist(self) -> object:
        """What makes a difference to a plan: everything but the times at which it was seen again."""
        return (
            _gist(self.cluster),
            {name: _gist(answer) for name, answer in self.answers.items()},
            {key: _leaf(seen) for key, seen in self.handshakes.items()},
            {alias: frozenset(sight.leaf for sight in sights) for alias, sights in self.presented.items()},
            {alias: _gist(seen) for alias, seen in self.endpoints.items()},
            {key: _leaf(seen) for key, seen in self.strangers.items()},
            {pair: _gist(seen) for pair, seen in self.keys.items()},
            frozenset((s.node, s.context, s.digest, s.process_started, s.by, s.refused) for s in self.evidence),
            {name: _site(seen) for name, seen in self.sites.items()},
            {alias: _gist(seen) for alias, seen in self.resources.items()},
            {alias: frozenset((s.presented.leaf, s.accepted) for s in shown) for alias, shown in self.shown.items()},
        )


def _gist(seen: Seen[object]) -> object:
    match seen:
        case Known(value=NodeAnswer() as answer):
            paths = answer.trust_paths
            links = frozenset((link.alias, link.connected, link.has_credential) for link in answer.links)
            return answer.process, _gist(paths), links
        case Known(value=value):
            return value
        case Unknown(rule=rule):
            return rule
        case _:
            return None


def _site(seen: Seen[Site]) -> object:
    if not isinstance(seen, Known):
        return _gist(seen)
    site = seen.value
    shown = (site.shown.value.presented.leaf, site.shown.value.accepted) if isinstance(site.shown, Known) else None
    unit = (site.unit.value.active, site.unit.value.invocation) if isinstance(site.unit, Known) else _gist(site.unit)
    parts = (site.yml, site.keystore, site.trust, site.key)
    return tuple(map(_gist, parts)), unit, shown or _gist(site.shown)


def _leaf(seen: Seen[Presented]) -> object:
    return seen.value.leaf if isinstance(seen, Known) else _gist(seen)
