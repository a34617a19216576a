"""What the mirror should hold, and the step that makes it so; pure.

The mirror is one string for everybody: other clusters' CAs and other people's blocks stay byte for byte, ours are added
behind them. ECK issues no certificates while it is missing, so drift is repaired at once; only an old CA of ours waits.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from syncd.core.bundle import Cert, Digest, bundle_digest
from syncd.core.eck.mirror_case import Case, echo, groups, remote_of, state_of
from syncd.core.eck.mirror_retire import Retiring, keeps, unloaded
from syncd.core.eck.mirror_share import Share, needed_elsewhere, share
from syncd.core.eck.mirror_text import read_mirror
from syncd.core.eck.own_cas import Own, eck_trusts, own_cas, unverified
from syncd.core.eck.writes import hours, older_than_ours, undone
from syncd.core.model import (
    Hold,
    Known,
    Observed,
    Policy,
    PutMirror,
    RemotePolicy,
    Step,
    Unknown,
)
from syncd.core.proof.markers import MarkerSource, marker_names

CONTESTED = timedelta(hours=1)
"""What is undone twice within this is somebody's wish, or somebody's controller. Then it is written more seldom, and
not never: ECK's nodes would refuse ours for as long as no person looks, and two writes an hour harm nobody."""
_UNDONE = 2
_MOST_BYTES = 900 * 1024
"""An object may have about a mebibyte in all."""
_NOTHING_THERE = ("source_not_found",)
"""A Secret that is not there has no echo either: ECK makes none before the mirror that its resource names is there."""


def mirror_steps(policy: Policy, seen: Observed, now: datetime, fresh: MarkerSource) -> tuple[list[Step], list[Hold]]:
    """What to write into the mirrors now, and why something is not written."""
    mirrors = groups(policy, seen)
    if not mirrors:
        return [], []
    steps: list[Step] = []
    holds: list[Hold] = []
    for remotes in mirrors:
        own = own_cas(policy, seen, {remote.alias for remote in remotes}, now)
        more, waiting = _one_mirror(policy, seen, now, fresh, remotes, own)
        steps += more
        holds += [hold for hold in (*own.holds, *waiting) if hold not in holds]
    return steps, holds


def _one_mirror(
    policy: Policy, seen: Observed, now: datetime, fresh: MarkerSource, remotes: tuple[RemotePolicy, ...], own: Own
) -> tuple[list[Step], list[Hold]]:
    state, mirror = state_of(seen, remotes[0]), remotes[0].mirror
    if isinstance(state, Unknown) or mirror is None:
        said = state.text if isinstance(state, Unknown) else "it is not configured"
        rule = state.rule if isinstance(state, Unknown) else "not_asked"
        return [], [Hold(remotes[0].alias, rule, f"the mirror cannot be read: {said}")]
    if older_than_ours(seen, {remote.alias for remote in remotes}, "mirror", state.at, now):
        return [], []
    value = state.value if isinstance(state, Known) else None
    case = Case(policy, seen, now, fresh, remotes, mirror, value, own, echo(seen, remotes))
    if case.lost and (hold := _echo_unknown(case)):
        return [], [hold]
    contribution, holds = _contribution(case)
    holds += [*_faults(case), *unverified(policy, seen, (*contribution, *eck_trusts(seen, case.aliases)), now)]
    if not contribution and not (case.lost and case.echo):
        text = f"no CA of the nodes is known yet that could be published in {case.name}"
        return [], [*holds, Hold(remotes[0].alias, "mirror_nothing", text)]
    step, more = _write(case, contribution)
    return ([step] if step else []), [*holds, *more]


def _contribution(case: Case) -> tuple[tuple[Cert, ...], list[Hold]]:
    """Our certificates: what the nodes trust their peers by, and what of ours may not leave yet."""
    own, holds = case.own, []
    if (blind := _blind(case)) is not None:
        there = set(read_mirror(case.text).certs)
        own = Own(tuple(cert for cert in own.certs if cert in there), own.unread, own.holds)
        holds.append(blind)
    retiring = Retiring(case.policy, case.seen, case.remotes, case.state, own, case.former, case.now)
    kept_by = list(keeps(retiring)) if retiring.old else []
    if not retiring.old and (hold := unloaded(retiring)):
        holds.append(hold)
    kept = retiring.old if kept_by or holds else ()
    return tuple(sorted({*own.certs, *kept})), holds + kept_by


def _write(case: Case, contribution: tuple[Cert, ...]) -> tuple[Step | None, list[Hold]]:
    """The one step that brings the mirror there, unless it is there."""
    digest = bundle_digest(contribution)
    marker = (_marker(case, digest),) if contribution else ()
    mine = share(case.text, case.state, contribution, marker)
    holds = _found(case, mine)
    why = _why(case, mine)
    if not why:
        return None, holds
    if hold := _cannot(case, mine.text):
        return None, [*holds, hold]
    expect = (case.state.version, case.state.uid) if case.state else None
    urgent = case.lost or bool(mine.added)
    step, more = _unless_contested(
        case,
        PutMirror(
            case.remotes[0].alias,
            mine.text,
            mine.needed,
            digest,
            expect,
            mine.added,
            mine.removed,
            why,
            urgent,
            mine.origins,
        ),
    )
    return step, [*holds, *more]


def _why(case: Case, mine: Share) -> str:
    """In a person's words; empty: nothing is to be written."""
    state = case.state
    if state is None or state.content is None:
        what = "is not there" if state is None else f"has no key {case.mirror.key}"
        return f"{case.name} {what}, and ECK issues no certificates without it"
    if mine.added:
        return f"{_shorts(mine.added)} of the self-managed cluster is missing in {case.name}"
    if mine.removed:
        return f"{_shorts(mine.removed)} is needed by no node any more"
    if mine.text != state.content:
        return f"the marker in {case.name} does not name what is ours in it"
    if not state.watched:
        return f"{case.name} lacks the label by which ECK may be told to watch it"
    same = set(mine.needed) == case.ours and mine.origins == state.origins
    return "" if same else f"our annotation of {case.name} does not say what is ours in it"


def _found(case: Case, mine: Share) -> list[Hold]:
    """What a person should look at: no syncd put it there, so none takes it out."""
    left = set(mine.origins.found) - needed_elsewhere(case.state)
    if not left:
        return []
    certs = _shorts(cert for cert in read_mirror(mine.text).certs if cert.fingerprint in left)
    text = (
        f"{certs} was in {case.name} before syncd noted it as its own, and this cluster needs it no longer: "
        "take it out by hand when nobody else does"
    )
    return [Hold(case.remotes[0].alias, "mirror_found", text)]


def _marker(case: Case, digest: Digest) -> Cert:
    for marker in case.state.markers if case.state else ():
        if marker.fingerprint in case.ours and marker_names(marker, digest):
            return marker
    return case.fresh(digest)


def _unless_contested(case: Case, step: PutMirror) -> tuple[Step | None, list[Hold]]:
    lately = undone(case.seen, case.aliases, "mirror", step.digest, case.now - CONTESTED, case.now)
    if len(lately) < _UNDONE:
        return step, []
    until = lately[_UNDONE - 1] + CONTESTED
    text = (
        f"somebody undid what syncd wrote to {case.name} {len(lately)} times within the {hours(CONTESTED)} ({step.why})"
    )
    cure = "Find who else writes it (kubectl get configmap --show-managed-fields), and let it keep what is not its own"
    if case.lost:  # writing again is harmless, and not writing stops ECK
        return step, [Hold(step.alias, "mirror_contested", f"{text}; it is made again each time. {cure}")]
    again = f"written again at {until:%H:%M}Z, since ECK's nodes may refuse this cluster meanwhile"
    return None, [Hold(step.alias, "mirror_contested", f"{text}; {again}. {cure}", until)]


def _cannot(case: Case, text: str) -> Hold | None:
    if (size := len(text.encode())) <= _MOST_BYTES:
        return None
    said = f"{case.name} would have {size} bytes, more than an object can hold: take out what nobody needs"
    return Hold(case.remotes[0].alias, "mirror_too_large", said)


def _faults(case: Case) -> list[Hold]:
    faults = [*(case.state.faults if case.state else ()), *_damaged(case), *_not_made_anew(case)]
    if not faults:
        return []
    text = f"{case.name}: {'; '.join(faults)}. ECK passes it to its nodes as it is, and syncd leaves it: correct it"
    return [Hold(case.remotes[0].alias, "mirror_faults", text)]


def _damaged(case: Case) -> list[str]:
    return [f"annotation {name} cannot be read" for name in (case.state.damaged if case.state else ())]


def _not_made_anew(case: Case) -> list[str]:
    """What a lost mirror had that only its echo's reader could tell."""
    seen = [remote_of(case.seen, remote).published for remote in case.remotes] if case.lost else []
    faults = [fault for published in seen if isinstance(published, Known) for fault in published.value.echo_faults]
    return [f"of what it had before it was lost, {fault}; it is not made anew" for fault in faults]


def _echo_unknown(case: Case) -> Hold | None:
    """Made anew without the echo, it would take the others' CAs from ECK."""
    for remote in case.remotes:
        published = remote_of(case.seen, remote).published
        if isinstance(published, Unknown) and published.rule not in _NOTHING_THERE:
            text = (
                f"{case.name} is lost, and what others had in it cannot be read from the Secret ({published.text}): "
                "syncd makes it anew when it can. ECK issues no certificates meanwhile: if this lasts, make it by hand"
            )
            return Hold(remote.alias, "mirror_echo_unknown", text)
    return None


def _blind(case: Case) -> Hold | None:
    """Whether an old CA of this ECK among the nodes' own would not be known as such."""
    records = case.seen.remembered.cas
    for remote in case.remotes:
        published = remote_of(case.seen, remote).published
        if not isinstance(published, Unknown) or published.rule in _NOTHING_THERE:
            continue
        if not any(record.alias == remote.alias and record.origin != "left" for record in records):
            text = f"what ECK publishes is not known ({published.text}), and its own CA must not be sent back to it"
            return Hold(remote.alias, "eck_ca_unknown", f"nothing new is added to {case.name}: {text}")
    return None


def _shorts(certs: Iterable[Cert]) -> str:
    return ", ".join(cert.short for cert in certs)
