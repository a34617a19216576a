"""How a remote's mirror stands when a pass has ended: against what is wanted in it, not by whether a step was planned.

A step may be held back (somebody undoes it, it is too large, the guard refuses it), and then there is none in the plan.
"""

from syncd.core.bundle import bundle_digest
from syncd.core.model import Alias, Context, Hold, Known, MirrorState, PutMirror, RemoteSeen, Report, Unknown
from syncd.core.proof.markers import marker_names

_BESIDES = frozenset(
    {"mirror_faults", "mirror_found", "mirror_unproven", "mirror_unloaded", "guard_foreign_field", "guard_switches_off",
     "guard_mirror_missing"}
)  # fmt: skip
"""Of others' blocks, of an old CA that stays as is wanted, of what ECK's nodes have loaded, and of the resource."""
_UNKNOWN = frozenset({"own_trust_unknown", "eck_ca_unknown"})
"""What is wanted in a mirror is not known then."""


def mirror_as_wanted(report: Report, alias: Alias) -> bool | None:
    """Whether the mirror is known to hold all that is wanted of us; None: the remote has none."""
    remote = report.seen.remotes[alias]
    if not _has_one(remote):
        return None
    sharers = _sharers(report, alias)
    done = [o.step for o in report.outcomes if o.result == "done" and _is_of(o.step, sharers)]
    steps = (*report.plan.now, *(step for step, _ in report.plan.later))
    left = any(_is_of(step, sharers) and step not in done for step in steps)
    there = bool(done) or (isinstance(remote.mirror, Known) and _is_whole(remote.mirror.value))
    return there and not left and not any(_keeps_from(hold, sharers) for hold in report.plan.holds)


def _has_one(remote: RemoteSeen) -> bool:
    """Only the policy says so; what was looked at tells it too: a mirror comes with a resource of the same model."""
    if isinstance(remote.mirror, Known | Unknown):
        return not _is_unasked(remote.mirror)
    return remote.context is Context.TRANSPORT and not _is_unasked(remote.resource)


def _is_unasked(seen: object) -> bool:
    return isinstance(seen, Unknown) and seen.rule == "not_asked"


def _sharers(report: Report, alias: Alias) -> set[Alias]:
    """The remotes of one mirror: steps and holds are of one of them."""
    uid = _uid(report.seen.remotes[alias])
    return {alias} | {other for other, remote in report.seen.remotes.items() if uid and _uid(remote) == uid}


def _uid(remote: RemoteSeen) -> str | None:
    return remote.mirror.value.uid if isinstance(remote.mirror, Known) else None


def _is_whole(state: MirrorState) -> bool:
    """Whether our marker is there and names what is ours there: nobody has taken anything of it."""
    ours = state.ours or ()
    digest = bundle_digest(cert for cert in state.certs if cert.fingerprint in ours)
    return any(marker_names(marker, digest) for marker in state.markers if marker.fingerprint in ours)


def _is_of(step: object, sharers: set[Alias]) -> bool:
    return isinstance(step, PutMirror) and step.alias in sharers


def _keeps_from(hold: Hold, sharers: set[Alias]) -> bool:
    """A rule of the mirror or the guard that is not known here counts: better a mirror that is looked at in vain."""
    if hold.rule in _UNKNOWN:
        return True
    is_about_it = hold.subject in sharers and hold.rule.startswith(("mirror_", "guard_"))
    return is_about_it and hold.rule not in _BESIDES
