"""What each managed file should hold, and why: one claim per certificate.

A managed file = the current CA of each remote + those not yet retired + foreign ones + extra ones. Whatever a file
holds that nobody here can account for is `foreign` and stays.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from syncd.core.bundle import Cert, Fingerprint, Published
from syncd.core.java.trust import Rotation, classify
from syncd.core.model import (
    Alias,
    CaRecord,
    Claim,
    Hold,
    Known,
    Memory,
    Observed,
    Policy,
    RemotePolicy,
    RemoteSeen,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Current:
    """What one remote publishes, judged by its `accept` policy."""

    alias: Alias
    ca: Cert | None
    """None: nothing readable and accepted is published now."""
    rotation: Rotation | None
    hold: Hold | None
    source_uid: str = ""


def judge_published(remote: RemotePolicy, seen: RemoteSeen, memory: Memory, on_nodes: Collection[Cert] = ()) -> Current:
    """Whether what a remote publishes may become trust. `on_nodes`: what the managed files hold."""
    if not remote.publishes:
        return Current(remote.alias, None, None, None)
    match seen.published:
        case Known(value=published):
            ca = published.ca
            rotation = _rotation(remote.alias, published, memory)
            unknown_past = rotation is Rotation.FIRST and not memory.cas
            hold = _refusal(remote, ca, _since_nodes(ca, on_nodes) if unknown_past else rotation, memory)
            return Current(remote.alias, None if hold else ca, rotation, hold, published.uid)
        case Unknown(rule=rule, text=text):
            return Current(remote.alias, None, None, Hold(remote.alias, rule, text))
        case _:
            return Current(remote.alias, None, None, Hold(remote.alias, "nothing_published", "nothing is published"))


def _rotation(alias: Alias, published: Published, memory: Memory) -> Rotation | None:
    """The kind of change from what was current before; None: no change."""
    ca = published.ca
    before = [record for record in memory.cas if record.alias == alias and record.origin == "eck"]
    current = [record for record in before if record.superseded_at is None]
    if any(record.fingerprint == ca.fingerprint for record in current):
        return None
    if not before:
        return Rotation.FIRST
    last = current[-1] if current else max(before, key=lambda record: record.first_seen)
    other = bool(published.uid and last.source_uid and published.uid != last.source_uid)
    return classify(last.key, last.ski, ca, other_object=other)


def _since_nodes(ca: Cert, on_nodes: Collection[Cert]) -> Rotation | None:
    """Where nothing is remembered, what the nodes trusted before stands for what was published before.

    Else whoever deletes the state, or makes it unreadable, would have a new CA taken without anybody's word.
    """
    if ca in on_nodes or not on_nodes:
        return None if on_nodes else Rotation.FIRST
    kinds = [classify(cert.key, cert.ski, ca) for cert in on_nodes]
    return min(kinds, key=lambda kind: kind.urgent)


def _refusal(remote: RemotePolicy, ca: Cert, rotation: Rotation | None, memory: Memory) -> Hold | None:
    if ca.fingerprint in memory.revoked:
        text = f"{ca.short} is published but was revoked; syncd approve {ca.short} takes it back"
        return Hold(remote.alias, "revoked", text)
    if ca.fingerprint in memory.approved or ca.fingerprint in remote.pins:
        return None
    how = f"compare {ca.fingerprint} with what ECK holds, then: syncd approve {ca.short}"
    match remote.accept:
        case "pinned":
            return Hold(remote.alias, "not_pinned", f"the published CA {ca.short} is not among the pins; {how}")
        case "approved" if rotation not in (None, Rotation.FIRST):
            return Hold(remote.alias, "not_approved", f"the published CA {ca.short} waits for approval; {how}")
        case "same_key" if rotation is not None and rotation.urgent:
            return Hold(remote.alias, "not_same_key", f"the published CA {ca.short} has a new key; {how}")
        case _:
            return None


def shared_claims(
    policy: Policy,
    seen: Observed,
    memory: Memory,
    currents: Mapping[Alias, Current],
    keeping: Mapping[Fingerprint, tuple[Hold, ...]],
) -> tuple[Claim, ...]:
    """What every managed file of the cluster should hold, whatever else one of them holds."""
    claims: dict[Fingerprint, Claim] = {}
    for remote in policy.remotes:
        current = currents[remote.alias].ca
        if current:
            claims[current.fingerprint] = Claim(current, "eck", remote.alias, "current")
    for cert in sorted(seen.certs.values()):
        record = _unretired(memory, cert)
        if record and cert.fingerprint not in claims and currents.get(record.alias, _NONE).ca:
            rules = tuple(hold.rule for hold in keeping.get(cert.fingerprint, ()))
            claims[cert.fingerprint] = Claim(cert, "eck", record.alias, "retiring", rules)
    for alias, remote_seen in seen.remotes.items():
        for cert in remote_seen.extra.value if isinstance(remote_seen.extra, Known) else ():
            claims.setdefault(cert.fingerprint, Claim(cert, "extra", alias, "current"))
    return tuple(claims.values())


_NONE = Current(Alias(""), None, None, None)


def node_claims(shared: Iterable[Claim], file_certs: Iterable[Cert], memory: Memory) -> tuple[Claim, ...]:
    """The claims on one node's file: what all share, and what this file holds besides."""
    claims = {claim.cert.fingerprint: claim for claim in shared}
    for cert in file_certs:
        if cert.fingerprint not in claims and not is_gone(memory, cert):
            claims[cert.fingerprint] = _kept(memory, cert)
    return tuple(claim for claim in claims.values() if claim.cert.fingerprint not in memory.revoked)


def _kept(memory: Memory, cert: Cert) -> Claim:
    """A certificate that stays though no readable source asks for it."""
    record = _unretired(memory, cert)
    if record is None:
        return Claim(cert, "foreign", None, "kept")
    return Claim(cert, "eck", record.alias, "kept", ("source_unknown",))


def _unretired(memory: Memory, cert: Cert) -> CaRecord | None:
    for record in memory.cas:
        if record.fingerprint == cert.fingerprint and not record.retired_at:
            return record
    return None


def is_gone(memory: Memory, cert: Cert) -> bool:
    """Whether it was revoked, or has been proven unneeded by every remote that ever published it."""
    records = [r for r in memory.cas if r.fingerprint == cert.fingerprint and r.origin != "left"]
    retired = bool(records) and all(record.retired_at for record in records)
    return retired or cert.fingerprint in memory.revoked
