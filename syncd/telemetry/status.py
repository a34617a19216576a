"""The status document: what `/status` serves and `syncd status` prints. Its shape is stable."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from syncd.core.model import Alias, Claim, Context, Hold, Known, NodeName, Report, Restarted, Unknown, Verdict
from syncd.telemetry.standing import standing

_PENDING = frozenset({"late", "not_asked", "not_looked"})
"""Rules of what is not known because a look is still to come, or to end: nothing failed."""


def status_document(reports: Iterable[Report]) -> dict[str, object]:
    """All clusters, each with a row per node and remote."""
    return {"clusters": [_cluster(report) for report in reports]}


def _cluster(report: Report) -> dict[str, object]:
    plan = report.plan
    return {
        "cluster": report.cluster,
        "at": report.finished.isoformat(),
        "settled": report.settled,
        **_keeper(report),
        "rows": _rows(report) or _bare_rows(report),
        "remotes": [_remote(report, alias) for alias in report.seen.remotes],
        "restart": _restart(report),
        "waiting": _waiting(report),
        "holds": [_hold(hold) for hold in plan.holds],
        "failures": [{"rule": outcome.rule, "text": outcome.text} for outcome in report.failures],
    }


def _waiting(report: Report) -> int:
    """How many steps are still to be taken, whatever keeps them."""
    done = [outcome.step for outcome in report.outcomes if outcome.result == "done"]
    return len(report.plan.later) + sum(step not in done for step in report.plan.now)


def _keeper(report: Report) -> dict[str, object]:
    """Who may change the cluster: mode, holder of the permit (null: nobody can hold it), owner (null: none, or not known)."""
    observed = any(hold.rule == "observe" for hold in report.plan.holds)
    cluster = report.seen.cluster
    return {
        "mode": "observe" if observed else "act",
        "permit": None if report.seen.barred else report.seen.standby or "this daemon",
        "owner": cluster.value.owner if isinstance(cluster, Known) else None,
    }


def _restart(report: Report) -> dict[str, object]:
    """The open restart, how the last one ended, the nodes that need one, in order, and what a person has asked for."""
    cluster = report.seen.cluster.value if isinstance(report.seen.cluster, Known) else None
    record = cluster.restart if cluster else None
    memory = report.plan.memory or report.seen.remembered
    return {
        "open": record.node if record else None,
        "since": _moment(record.at if record else None),
        "last": _last_restart(cluster.restarted) if cluster else None,
        "needed": [{"node": name, "why": why} for name, why in report.plan.needs.items()],
        "asked": [{"node": wish.node, "at": wish.asked.isoformat(), "anyway": wish.anyway} for wish in memory.wishes],
    }


def _last_restart(restarted: Mapping[NodeName, Restarted]) -> dict[str, object] | None:
    last = max(restarted.items(), key=lambda item: item[1].at, default=None)
    if last is None:
        return None
    name, ended = last
    return {"node": name, "result": ended.result, "at": ended.at.isoformat(), "text": ended.text}


def _rows(report: Report) -> list[dict[str, object]]:
    """One for each remote and node, also for a node that does not dial it."""
    verdicts = {(verdict.alias, verdict.node): verdict for verdict in report.plan.verdicts}
    pairs = [(alias, name) for alias in report.seen.remotes for name in report.seen.nodes]
    return [_row(report, v) if (v := verdicts.get(pair)) else _undialed(report, *pair) for pair in pairs]


def _undialed(report: Report, alias: Alias, name: NodeName) -> dict[str, object]:
    """A node whose link is not judged: it is known not to dial. In the transport context, remotes may dial it."""
    node, row = report.seen.nodes[name], {"node": name, "remote": alias, **_file(report, name, alias)}
    if node.may_use(Context.REMOTE_CLUSTER_CLIENT):
        return row
    needed = node.may_use(_context(report, alias))
    return {"note": "it does not dial remotes", **row, "loaded": row["loaded"] if needed else "not needed"}


def _bare_rows(report: Report) -> list[dict[str, object]]:
    return [{"node": name, "remote": "", **_file(report, name)} for name in report.seen.nodes]


def _row(report: Report, verdict: Verdict) -> dict[str, object]:
    link = {True: "up", False: "down", None: "unknown"}[verdict.up]
    file = _file(report, verdict.node, verdict.alias)
    notes = (file.get("note"), verdict.text)  # why a file cannot be read is the cause of much that is told of its link
    return {
        "node": verdict.node,
        "remote": verdict.alias,
        **file,
        "link": link,
        "reason": verdict.reason,
        "note": "; ".join(dict.fromkeys(str(note) for note in notes if note)),
        "breaks_at": _moment(verdict.breaks_at),
        "failed": file["failed"] or (verdict.up is None and _link_failed(report, verdict)),
    }


def _link_failed(report: Report, verdict: Verdict) -> bool:
    node = report.seen.nodes[verdict.node]
    return _look_failed(node.process) or _look_failed(node.handshakes.get(Alias(verdict.alias)))


def _look_failed(seen: object) -> bool:
    return isinstance(seen, Unknown) and seen.rule not in _PENDING


def _file(report: Report, name: NodeName, alias: str = "") -> dict[str, object]:
    """The cells of a file. `failed`: it is unknown because a look at it failed, not because one is still to come."""
    context, node = _context(report, alias), report.seen.nodes[name]
    found = standing(report, name, context)
    if found.file == "unknown":
        failed = _look_failed(node.files.get(context, node.file))
        return {"file": "unknown", "bundle": None, "loaded": "unknown", "note": found.note, "failed": failed}
    loaded = f"proven by {found.proof.by}" if found.proof else "not proven"
    bundle = found.bundle[:16] if found.bundle else None
    return {"file": found.file, "bundle": bundle, "loaded": loaded, "failed": False}


def _context(report: Report, alias: str) -> Context:
    """The trust context that a row is about."""
    remote = report.seen.remotes.get(Alias(alias))
    return remote.context if remote else Context.REMOTE_CLUSTER_CLIENT


def _remote(report: Report, alias: str) -> dict[str, object]:
    mine = [verdict for verdict in report.plan.verdicts if verdict.alias == alias]
    breaks = [verdict.breaks_at for verdict in mine if verdict.breaks_at]
    part = report.plan.trust.get(_context(report, alias))
    claims = {claim.cert: claim for each in (part.claims.values() if part else ()) for claim in each}
    return {
        "remote": alias,
        "up": sum(verdict.up is True for verdict in mine),
        "nodes": len(mine),
        "breaks_at": _moment(min(breaks, default=None)),
        "cas": [_claim(claim) for claim in claims.values() if claim.alias in (alias, None)],
    }


def _claim(claim: Claim) -> dict[str, object]:
    return {
        "fingerprint": claim.cert.fingerprint,
        "subject": claim.cert.subject,
        "not_after": claim.cert.not_after.isoformat(),
        "origin": claim.origin,
        "role": claim.role,
        "kept_by": list(claim.kept_by),
    }


def _hold(hold: Hold) -> dict[str, object]:
    body = {"subject": hold.subject, "rule": hold.rule, "text": hold.text, "until": _moment(hold.until)}
    return body | {"grave": hold.grave}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
