"""What the other side must have of ours."""

from collections.abc import Mapping
from typing import Protocol

from syncd.core.bundle import Fingerprint
from syncd.core.model import EckResource, MirrorState, Origins
from syncd.ports.clock import Deadline


class Mirror(Protocol):
    """The ConfigMap in which ECK finds the self-managed CAs: shared with other clusters and other people."""

    @property
    def name(self) -> str:
        """What a person calls it: `configmap elastic/remote-certs`."""

    def read(self, deadline: Deadline) -> MirrorState | None:
        """What it holds; None: there is no such ConfigMap. Raises MirrorError `mirror_<fault>`."""

    def write(
        self,
        content: str,
        contribution: tuple[Fingerprint, ...],
        expect: tuple[str, str] | None,
        deadline: Deadline,
        origins: Origins | None = None,
    ) -> None:
        """Replace the key, our annotation and the label if it is still the expected (resource version, uid).

        Expect None: it is made. Without origins nothing of it is known as put there by us. Other keys, labels and
        annotations stay. Raises MirrorConflict when somebody wrote first (nothing is written), MirrorError otherwise.
        """


class Resource(Protocol):
    """The Elasticsearch resource of a remote."""

    @property
    def name(self) -> str:
        """What a person calls it: `elasticsearch elastic/quickstart`."""

    def read(self, deadline: Deadline) -> EckResource | None:
        """What it says; None: there is no such resource. Raises MirrorError `resource_<fault>`."""

    def apply(self, manifest: Mapping[str, object], expect: tuple[str, str], deadline: Deadline) -> None:
        """Server-side apply with a field manager of our own, if it is still the expected (resource version, uid).

        Without force: a field that another manager holds is MirrorError `resource_conflict`, with the manager's name.
        """
