"""What is worth a Kubernetes Event on the Secret: rotations, writes, retirements, and faults of the source."""

from collections.abc import Mapping

from syncd.core.model import Alias, Known, PutFile, Report, Unknown
from syncd.core.trust import Rotation
from syncd.ports import Notices

_TEXT = {
    Rotation.FIRST: "The first CA seen is taken as it is",
    Rotation.RENEWED_SAME_KEY: "The CA was renewed with the same key; nothing breaks meanwhile",
    Rotation.CHANGED_SKI: "The CA has another SKI: new connections fail until the nodes trust it",
    Rotation.RECREATED: "The remote was made anew, with a new key: new connections fail until the nodes trust it",
    Rotation.NEW_KEY: "The CA has a new key: new connections fail until the nodes trust it",
}


class Teller:
    """Tells each thing once per change, not once per pass."""

    def __init__(self, notices: Mapping[Alias, Notices]) -> None:
        self._notices = notices
        self._unread: dict[Alias, str] = {}

    def tell(self, report: Report) -> None:
        """A pass ended."""
        written = [outcome for outcome in report.outcomes if outcome.written]
        for alias, notices in self._notices.items():
            rotation = report.plan.rotations.get(alias)
            if rotation:
                kind = Rotation(rotation)
                notices.tell("Warning" if kind.urgent else "Normal", _reason(kind), f"{report.cluster}: {_TEXT[kind]}")
            if written:
                changes = sorted({o.step.why for o in written if isinstance(o.step, PutFile)})
                text = f"{report.cluster}: {'; '.join(changes)} on {len(written)} nodes"
                notices.tell("Normal", "TrustWritten", text)
            self._tell_source(report, alias, notices)

    def _tell_source(self, report: Report, alias: Alias, notices: Notices) -> None:
        published = report.seen.remotes[alias].published
        if isinstance(published, Known):
            self._unread.pop(alias, None)
            return
        text = published.text if isinstance(published, Unknown) else "it does not exist"
        if self._unread.get(alias) != text:
            self._unread[alias] = text
            notices.tell("Warning", "SourceUnreadable", f"{report.cluster}: {text}; the nodes keep what they have")


def _reason(rotation: Rotation) -> str:
    return "".join(part.title() for part in rotation.split("_"))
