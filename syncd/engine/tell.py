"""What is worth a Kubernetes Event on the Secret: rotations, writes, retirements, and faults of the source.

Each Event is told on the Secrets of the remotes that it concerns: these may belong to different people. A write concerns
the remotes whose CAs came or went, a hold of an alias that remote. What is of a node or of the whole cluster (a restart, a
host that refuses the login) concerns all of its remotes, as the links of each depend on it.
"""

from collections.abc import Mapping

from syncd.core.java.trust import Rotation
from syncd.core.model import Alias, EndRestart, Hold, Known, NodeName, PutFile, PutMirror, Report, Unknown
from syncd.ports import NoticeKind, Notices

_TEXT = {
    Rotation.FIRST: "The first CA seen is taken as it is",
    Rotation.RENEWED_SAME_KEY: "The CA was renewed with the same key; nothing breaks meanwhile",
    Rotation.CHANGED_SKI: "The CA has another SKI: new connections fail until the nodes trust it",
    Rotation.RECREATED: "The remote was made anew, with a new key: new connections fail until the nodes trust it",
    Rotation.NEW_KEY: "The CA has a new key: new connections fail until the nodes trust it",
}
_OBSERVED = "It would be taken: mode: observe changes nothing"


class Teller:
    """Tells each thing of one cluster once per change, not once per pass."""

    def __init__(self, notices: Mapping[Alias, Notices]) -> None:
        self._notices = notices
        self._unread: dict[Alias, str] = {}
        self._rotations: dict[Alias, tuple[str, str]] = {}
        """The kind and the CA of the rotation that was told last: while nothing may be remembered, each pass sees it."""
        self._grave: frozenset[tuple[str, str]] = frozenset()

    def tell(self, report: Report) -> None:
        """A pass ended."""
        for alias, notices in self._notices.items():
            self._tell_rotation(report, alias, notices)
            self._tell_writes(report, alias, notices)
            self._tell_mirror(report, alias, notices)
            self._tell_source(report, alias, notices)
        self._tell_restarts(report)
        self._tell_holds(report)

    def _tell_rotation(self, report: Report, alias: Alias, notices: Notices) -> None:
        rotation = report.plan.rotations.get(alias)
        if rotation is None:
            return
        told = rotation, _published(report, alias)
        if self._rotations.get(alias) == told:
            return
        self._rotations[alias] = told
        kind = Rotation(rotation)
        text = f"{report.cluster}: {_TEXT[kind]}"
        if any(hold.rule == "observe" for hold in report.plan.holds):
            text = f"{report.cluster}: {_OBSERVED}" if kind is Rotation.FIRST else f"{text}. {_OBSERVED}"
        notices.tell("Warning" if kind.urgent else "Normal", _camel(kind), text)

    def _tell_writes(self, report: Report, alias: Alias, notices: Notices) -> None:
        written = [o.step for o in report.outcomes if o.written and isinstance(o.step, PutFile)]
        ours = [step for step in written if alias in _concerned(step, report)]
        if ours:
            changes = sorted({step.why for step in ours})
            nodes = len({step.node for step in ours})
            notices.tell("Normal", "TrustWritten", f"{report.cluster}: {'; '.join(changes)} on {nodes} nodes")

    def _tell_restarts(self, report: Report) -> None:
        for step in (o.step for o in report.outcomes if o.result == "done" and isinstance(o.step, EndRestart)):
            done = step.outcome.result == "done"
            text = f"{report.cluster}: {step.record.node}: {step.why}"
            self._tell_all("Normal" if done else "Warning", "NodeRestarted" if done else "RestartFailed", text)

    def _tell_holds(self, report: Report) -> None:
        grave = [hold for hold in report.plan.holds if hold.grave]
        for hold in grave:
            if (hold.subject, hold.rule) not in self._grave:
                self._tell_hold(report, hold)
        self._grave = frozenset((hold.subject, hold.rule) for hold in grave)

    def _tell_hold(self, report: Report, hold: Hold) -> None:
        reason, text = _camel(hold.rule), f"{report.cluster}: {hold.subject}: {hold.text}"
        notices = self._notices.get(Alias(hold.subject))
        if notices is None or NodeName(hold.subject) in report.seen.nodes:  # a node may have an alias's name
            self._tell_all("Warning", reason, text)
        else:
            notices.tell("Warning", reason, text)

    def _tell_all(self, kind: NoticeKind, reason: str, text: str) -> None:
        """On each remote's Secret; once where remotes share one."""
        for notices in {id(each): each for each in self._notices.values()}.values():
            notices.tell(kind, reason, text)

    def _tell_mirror(self, report: Report, alias: Alias, notices: Notices) -> None:
        for outcome in report.outcomes:
            if outcome.result == "done" and isinstance(outcome.step, PutMirror) and outcome.step.alias == alias:
                kind: NoticeKind = "Warning" if outcome.step.urgent else "Normal"
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


def _concerned(step: PutFile, report: Report) -> set[Alias]:
    """Whose CAs came or went; all remotes of the trust context where that is not known."""
    trust, memory = report.plan.trust.get(step.context), report.plan.memory or report.seen.remembered
    claimed = {
        (claim.cert.fingerprint, claim.alias)
        for claim in (trust.claims.get(step.node, ()) if trust else ())
        if claim.alias is not None
    }
    remembered = {(record.fingerprint, record.alias) for record in memory.cas if record.context is step.context}
    changed = {cert.fingerprint for cert in (*step.added, *step.removed)}
    whose = {alias for fingerprint, alias in claimed | remembered if fingerprint in changed}
    return whose or {alias for alias, remote in report.seen.remotes.items() if remote.context is step.context}


def _published(report: Report, alias: Alias) -> str:
    published = report.seen.remotes[alias].published
    return published.value.ca.fingerprint if isinstance(published, Known) else ""


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))
