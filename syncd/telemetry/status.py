"""The status document: what `/status` serves and `syncd status` prints. Its shape is stable."""

from collections.abc import Iterable
from datetime import datetime

from syncd.core.bundle import bundle_digest
from syncd.core.model import Absent, Claim, Hold, Known, NodeName, Report, Unknown, Verdict


def status_document(reports: Iterable[Report]) -> dict[str, object]:
    """All clusters, each with a row per node and remote."""
    return {"clusters": [_cluster(report) for report in reports]}


def _cluster(report: Report) -> dict[str, object]:
    plan = report.plan
    return {
        "cluster": report.cluster,
        "at": report.finished.isoformat(),
        "settled": report.settled,
        "rows": [_row(report, verdict) for verdict in plan.verdicts] or _bare_rows(report),
        "remotes": [_remote(report, alias) for alias in report.seen.remotes],
        "holds": [_hold(hold) for hold in plan.holds],
        "failures": [{"rule": outcome.rule, "text": outcome.text} for outcome in report.failures],
    }


def _bare_rows(report: Report) -> list[dict[str, object]]:
    return [{"node": name, "remote": "", **_file(report, name)} for name in report.seen.nodes]


def _row(report: Report, verdict: Verdict) -> dict[str, object]:
    link = {True: "up", False: "down", None: "unknown"}[verdict.up]
    return {
        "node": verdict.node,
        "remote": verdict.alias,
        **_file(report, verdict.node),
        "link": link,
        "reason": verdict.reason,
        "note": verdict.text,
        "breaks_at": _moment(verdict.breaks_at),
    }


def _file(report: Report, name: NodeName) -> dict[str, object]:
    node = report.seen.nodes[name]
    waiting = {step.node for step in report.plan.now if hasattr(step, "node")}
    waiting |= {step.node for step, _ in report.plan.later if hasattr(step, "node")}
    done = {o.step.node for o in report.outcomes if o.result == "done" and hasattr(o.step, "node")}
    match node.file:
        case Unknown(text=text):
            return {"file": "unknown", "bundle": None, "loaded": "unknown", "note": text}
        case Absent() if name not in done:
            file = "missing"
        case _:
            file = "in step" if name not in waiting - done else "behind"
    sight = report.plan.proven.get(name)
    bundle = bundle_digest(node.file.value.trust.certs)[:16] if isinstance(node.file, Known) else None
    return {"file": file, "bundle": bundle, "loaded": f"proven by {sight.by}" if sight else "not proven"}


def _remote(report: Report, alias: str) -> dict[str, object]:
    mine = [verdict for verdict in report.plan.verdicts if verdict.alias == alias]
    breaks = [verdict.breaks_at for verdict in mine if verdict.breaks_at]
    claims = {claim.cert: claim for each in report.plan.claims.values() for claim in each}
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
    return {"subject": hold.subject, "rule": hold.rule, "text": hold.text, "until": _moment(hold.until)}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
