"""What the prover has seen lately: an immutable page that each pass reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import (
    Absent,
    Alias,
    ClusterState,
    Known,
    NodeName,
    NodeSeen,
    Presented,
    Seen,
    Sighting,
    Unknown,
)
from syncd.ports import NodeAnswer


@dataclass(frozen=True, slots=True)
class Sighted:
    """The latest observations of everything that is slower than a file."""

    cluster: Seen[ClusterState]
    answers: Mapping[NodeName, Seen[NodeAnswer]] = field(default_factory=dict)
    handshakes: Mapping[tuple[NodeName, Alias], Seen[Presented]] = field(default_factory=dict)
    presented: Mapping[Alias, tuple[Presented, ...]] = field(default_factory=dict)
    endpoints: Mapping[Alias, Seen[int]] = field(default_factory=dict)
    strangers: Mapping[Alias, Seen[Presented]] = field(default_factory=dict)
    keys: Mapping[tuple[NodeName, Alias], Seen[str]] = field(default_factory=dict)
    evidence: tuple[Sighting, ...] = ()

    @classmethod
    def nothing_yet(cls, at: datetime) -> "Sighted":
        """Before the first look."""
        return cls(cluster=Unknown("not_asked", "Elasticsearch has not been asked yet", at))

    def node(self, name: NodeName, at: datetime) -> NodeSeen:
        """One node without its file."""
        answer = self.answers.get(name, Unknown("not_asked", "the node has not been asked yet", at))
        known = answer.value if isinstance(answer, Known) else None
        unseen = answer if isinstance(answer, Unknown) else Unknown("not_asked", "the node did not answer", at)
        return NodeSeen(
            name=name,
            file=Absent(at),
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
            {alias: _leaf(seen) for alias, seen in self.strangers.items()},
            {pair: _gist(seen) for pair, seen in self.keys.items()},
            frozenset((s.node, s.digest, s.process_started, s.by, s.refused) for s in self.evidence),
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


def _leaf(seen: Seen[Presented]) -> object:
    return seen.value.leaf if isinstance(seen, Known) else _gist(seen)
