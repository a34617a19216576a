"""What is worth a Kubernetes Event on the Secret: rotations, writes, retirements, and faults of the source."""

from collections.abc import Mapping
from typing import Literal

from syncd.core.java.trust import Rotation
from syncd.core.model import Alias, EndRestart, Known, PutFile, PutMirror, Report, Unknown
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
        self._grave: dict[str, frozenset[tuple[str, str]]] = {}

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
            self._tell_restarts(report, notices)
            self._tell_mirror(report, alias, notices)
            self._tell_source(report, alias, notices)
        self._grave = {report.cluster: frozenset((hold.subject, hold.rule) for hold in report.plan.holds if hold.grave)}

    def _tell_restarts(self, report: Report, notices: Notices) -> None:
        for outcome in report.outcomes:
            step = outcome.step
            if outcome.result == "done" and isinstance(step, EndRestart):
                done = step.outcome.result == "done"
                text = f"{report.cluster}: {step.record.node}: {step.why}"
                notices.tell("Normal" if done else "Warning", "NodeRestarted" if done else "RestartFailed", text)
        told = self._grave.get(report.cluster, frozenset())
        for hold in report.plan.holds:
            if hold.grave and (hold.subject, hold.rule) not in told:
                notices.tell("Warning", _camel(hold.rule), f"{report.cluster}: {hold.subject}: {hold.text}")

    def _tell_mirror(self, report: Report, alias: Alias, notices: Notices) -> None:
        for outcome in report.outcomes:
            if outcome.result == "done" and isinstance(outcome.step, PutMirror) and outcome.step.alias == alias:
                kind: Literal["Normal", "Warning"] = "Warning" if outcome.step.urgent else "Normal"
                notices.tell(kind, "MirrorWritten", f"{report.cluster}: {outcome.step.why}")

    def _tell_source(self, report: Report, alias: Alias, notices: Notices) -> None:
        remote = report.seen.remotes[alias]
        published = remote.published
        if isinstance(published, Known) or not remote.publishes:
            self._unread.pop(alias, None)
            return
        text = published.text if isinstance(published, Unknown) else "it does not exist"
        if self._unread.get(alias) != text:
            self._unread[alias] = text
            notices.tell("Warning", "SourceUnreadable", f"{report.cluster}: {text}; the nodes keep what they have")


def _reason(rotation: Rotation) -> str:
    return _camel(rotation)


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))
