"""How what is seen changes syncd's own memory; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core.bundle import Cert, Fingerprint
from syncd.core.model import (
    Alias,
    Answer,
    CaRecord,
    Context,
    EckWrite,
    Known,
    Memory,
    NodeName,
    Observed,
    Process,
    Reloaded,
    Request,
    RestartWish,
    Seen,
    Sighting,
    Written,
)

_MOST_RETIRED = 50
_MOST_ANSWERS = 20
_MOST_ECK_WRITES = 4
_CONSENT = timedelta(days=1)
"""What something held back for so long is not restarted by surprise when nothing holds it any more."""


def note_published(memory: Memory, alias: Alias, ca: Cert, now: datetime, uid: str, context: Context) -> Memory:
    """The memory after a CA was seen published and accepted: it is current, and what was current is superseded."""
    others = [_supersede(record, alias, now) for record in memory.cas if not _same(record, alias, ca.fingerprint)]
    known = memory.record(ca.fingerprint, alias)
    again = replace(known, superseded_at=None, retired_at=None, origin="eck") if known else None
    current = again or _record(alias, ca, now, context)
    current = replace(current, source_uid=uid or current.source_uid)
    return replace(memory, cas=_capped((*others, current)))


def note_adopted(memory: Memory, alias: Alias, cert: Cert, now: datetime, context: Context) -> Memory:
    """The memory after a person said that a foreign certificate is an old CA of a remote: it will retire by proof."""
    known = memory.record(cert.fingerprint, alias)
    if known and known.origin != "left":
        return memory
    record = replace(_record(alias, cert, now, context), origin="adopted", superseded_at=now)
    return replace(memory, cas=(*(each for each in memory.cas if each != known), record))


def note_retired(memory: Memory, alias: Alias, fingerprint: Fingerprint, now: datetime) -> Memory:
    """The memory after a CA was proven unneeded."""
    cas = (
        replace(record, retired_at=now) if _same(record, alias, fingerprint) and not record.retired_at else record
        for record in memory.cas
    )
    return replace(memory, cas=tuple(cas))


def note_kept(memory: Memory, alias: Alias, fingerprint: Fingerprint) -> Memory:
    """The memory after a CA that was proven unneeded and never taken out is needed again, or no longer proven so."""
    cas = (
        replace(record, retired_at=None) if _same(record, alias, fingerprint) and record.retired_at else record
        for record in memory.cas
    )
    return replace(memory, cas=tuple(cas))


def note_proofs(memory: Memory, proven: Mapping[NodeName, Sighting | None]) -> Memory:
    """The memory with the evidence that holds now; evidence of ended processes and old files is dropped."""
    current = tuple(sight for _, sight in sorted(proven.items()) if sight is not None)
    kept = tuple(old for old in memory.proofs if old.node not in proven)
    proofs = tuple(_first_seen(memory, sight) for sight in current)
    return replace(memory, proofs=kept + proofs)


def note_written(memory: Memory, written: tuple[Written, ...]) -> Memory:
    """The memory after files were written: one record per node and context."""
    fresh = {(record.node, record.context) for record in written}
    kept = tuple(record for record in memory.writes if (record.node, record.context) not in fresh)
    return replace(memory, writes=tuple(sorted(kept + written, key=lambda record: record.node)))


def note_reloads(memory: Memory, reloads: tuple[Reloaded, ...]) -> Memory:
    """The memory after processes have read their keystores: one record per node."""
    fresh = {record.node for record in reloads}
    kept = tuple(record for record in memory.reloads if record.node not in fresh)
    return replace(memory, reloads=tuple(sorted(kept + reloads, key=lambda record: record.node)))


def note_answers(memory: Memory, answers: Sequence[Answer]) -> Memory:
    """The memory without the requests that were answered, and with what came of them."""
    ended = {answer.request for answer in answers}
    left = tuple(request for request in memory.requests if request.id not in ended)
    return replace(memory, requests=left, answers=(*memory.answers, *answers)[-_MOST_ANSWERS:])


def note_restarts(memory: Memory, seen: Observed, now: datetime) -> Memory:
    """The memory without the restarts that a person asked for and that have happened, or that were asked for long ago."""
    processes = {node.name: node.process for node in seen.nodes.values()}
    fresh = [wish for wish in memory.wishes if now - wish.asked < _CONSENT]
    wishes = tuple(wish for wish in fresh if _runs_still(wish, processes.get(wish.node)))
    return replace(memory, wishes=wishes)


def _runs_still(wish: RestartWish, process: Seen[Process] | None) -> bool:
    return process is not None and (not isinstance(process, Known) or process.value.started == wish.started)


def note_eck(memory: Memory, write: EckWrite) -> Memory:
    """The memory after something was written on ECK's side; the last few of each alias and kind are enough."""
    same = [old for old in memory.eck if (old.alias, old.kind) == (write.alias, write.kind)]
    drop = set(same[: max(0, len(same) + 1 - _MOST_ECK_WRITES)])
    return replace(memory, eck=(*(old for old in memory.eck if old not in drop), write))


def ask(memory: Memory, request: Request) -> Memory:
    """The memory with one more request."""
    return replace(memory, requests=(*memory.requests, request))


def _record(alias: Alias, ca: Cert, now: datetime, context: Context) -> CaRecord:
    return CaRecord(ca.fingerprint, alias, ca.subject, ca.key, ca.ski, ca.not_after, "eck", now, context=context)


def _same(record: CaRecord, alias: Alias, fingerprint: Fingerprint) -> bool:
    return record.alias == alias and record.fingerprint == fingerprint


def _supersede(record: CaRecord, alias: Alias, now: datetime) -> CaRecord:
    if record.alias != alias or record.superseded_at:
        return record
    return replace(record, superseded_at=now)


def _capped(cas: tuple[CaRecord, ...]) -> tuple[CaRecord, ...]:
    """Without the oldest of many retired records; what is not retired is never forgotten."""
    retired = [record for record in cas if record.retired_at]
    drop = {(record.alias, record.fingerprint) for record in retired[:-_MOST_RETIRED]}
    return tuple(record for record in cas if (record.alias, record.fingerprint) not in drop)


def _first_seen(memory: Memory, sight: Sighting) -> Sighting:
    """The same evidence with the time when it was first seen, so that the document does not change in each pass."""
    for old in memory.proofs:
        if replace(old, at=sight.at) == sight:
            return old
    return sight
