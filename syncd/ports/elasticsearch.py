"""The self-managed cluster's REST API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from syncd.core.model import Alias, ClusterState, Link, NodeName, Process, Restarted, RestartRecord, Seen
from syncd.ports.clock import Deadline


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What one node says of itself at its own address."""

    process: Process
    trust_paths: Seen[frozenset[str]]
    """Absolute paths; Unknown where the version or a privilege does not allow it."""
    links: tuple[Link, ...]


class Elasticsearch(Protocol):
    """The self-managed cluster's REST API.

    Methods raise ClusterError with one of these rules: `es_unreachable`, `es_tls`, `es_unauthorized`, `es_forbidden`,
    `es_unhealthy`, `es_no_such_node`, `es_owner`, `es_error`.
    """

    def cluster(self, deadline: Deadline) -> ClusterState:
        """Health, nodes, licence and owner, from any of the configured URLs."""

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        """One node, asked at its own address; `es_no_such_node` when another node answers there."""

    def reconnect(self, name: NodeName, alias: Alias, deadline: Deadline) -> bool:
        """Ask `GET _resolve/cluster/<alias>:*`, which makes a lost link reconnect; whether the link is up then."""

    def claim(self, owner: str, expect: str | None, deadline: Deadline) -> None:
        """Set `cluster.metadata.syncd.owner` if it is still what was expected; raises ClusterError `es_owner`."""

    def note_proof(self, nodes: frozenset[NodeName], deadline: Deadline) -> None:
        """Write to `cluster.metadata.syncd.proof` on which nodes a proof may have left something; none: remove it."""

    def point_proof(self, address: str | None, deadline: Deadline) -> None:
        """Make the alias of proofs point to an address, or remove it (None).

        An alias of that name that is not ours is left alone; making ours is then ClusterError `es_alias_taken`.
        """

    def reload_secure_settings(self, deadline: Deadline, password: bytes | None = None) -> Mapping[NodeName, str]:
        """Let every node read its keystore again, with the password of protected ones.

        What went wrong, by node, for each that was reached: empty where it has read it.
        """

    def key_in_use(self, name: NodeName, alias: Alias, deadline: Deadline) -> str | None:
        """The id of the API key with which a node speaks to a remote; None: the remote does not name it.

        Asks for an index that nobody was granted, so that the remote refuses by name. The remote audits that refusal.
        """

    def sole_copies(self, deadline: Deadline) -> Mapping[NodeName, tuple[str, ...]]:
        """Indices by node of which it holds the only started copy of a shard: they are away while it is."""

    def begin_restart(self, record: RestartRecord, deadline: Deadline) -> None:
        """Set allocation to `primaries`, in the scope in which it is in force, and write the record, in one request.

        Raises ClusterError `es_owner`, `es_restart_open` (there is a record, another one) or `es_allocation` (what is in
        force is not what the record says): then nothing was changed. The same record again is no error.
        """

    def free_allocation(self, record: RestartRecord, deadline: Deadline) -> None:
        """Put allocation back as the open record says, as `end_restart` does, and leave the record open.

        Raises ClusterError `es_restart_changed` when the record is not that one, or when there is none.
        """

    def note_fault(self, record: RestartRecord, deadline: Deadline) -> None:
        """Write the record with its fault over the open one, which must be the same but for `fault` and `refused`.

        In the same request allocation is restricted again, if it is as it was before the restart.
        Raises ClusterError `es_restart_changed` when it is another, or when there is none. The same again is no error.
        """

    def end_restart(self, record: RestartRecord, outcome: Restarted, deadline: Deadline) -> None:
        """Put allocation back as the record says, note the outcome for the node and remove the record, in one request.

        Allocation that is no longer `primaries` where the record put it was changed by somebody meanwhile and stays.
        Raises ClusterError `es_restart_changed` when the record is not that one; none at all is no error.
        """

    def remove_remote(self, alias: Alias, deadline: Deadline) -> None:
        """Remove every setting `cluster.remote.<alias>.*`, persistent and transient; none is no error."""

    def close(self) -> None:
        """Close the connections."""
