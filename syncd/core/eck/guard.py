"""The last look at a write of the mirror or the resource; pure, and it trusts nothing that made the plan.

Whatever the plan says, the mirror is never emptied, nobody else's block is lost, and no node of ours is cut off.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from syncd.core.bundle import Cert, Fingerprint
from syncd.core.eck.mirror_text import Block, read_mirror, scan
from syncd.core.errors import UnsafePlan
from syncd.core.java.trust import verifies
from syncd.core.model import Absent, Known, MirrorState, Observed, PutMirror, PutResource

_CONFIG_MAP = "transport.tls.certificateAuthorities.configMapName"
_FIELDS = {_CONFIG_MAP, "remoteClusterServer.enabled"}


def check_mirror(step: PutMirror, seen: Observed, now: datetime) -> None:
    """Raise UnsafePlan where a write would take from the mirror what is not ours to take, or leave it useless."""
    new = read_mirror(step.content)
    if not any(cert.is_ca for cert in new.certs):
        raise UnsafePlan("empties_mirror", "no CA would be left in the mirror")
    prints = {cert.fingerprint for cert in (*new.certs, *new.markers)}
    if not set(step.contribution) <= prints:
        raise UnsafePlan("unreadable", "what the step adds could not be read back from the new content")
    state = _state(step, seen)
    if state is not None and state.content is not None:
        _nothing_lost(step, state, state.content, prints)
        _nothing_claimed(step, state)
        _no_leaf_orphaned(seen, state.certs, new.certs, now)


def _state(step: PutMirror, seen: Observed) -> MirrorState | None:
    """What the step was made from."""
    match seen.remotes[step.alias].mirror:
        case Known(value=state) if step.expect == (state.version, state.uid):
            return state
        case Absent() if step.expect is None:
            return None
        case _:
            raise UnsafePlan("mirror_unseen", "the mirror that the step was made from is not the one that was seen")


def _nothing_lost(step: PutMirror, state: MirrorState, content: str, prints: set[Fingerprint]) -> None:
    kept, cut = Counter(_texts(step.content).elements()), Counter[Cert | None]()
    for block in scan(content):
        text = content[block.start : block.end].rstrip("\r\n")
        kept[text] -= 1
        if kept[text] >= 0:
            continue
        cut[block.cert] += 1
        if not _may_go(block, state) or cut[block.cert] > 1:
            what = block.cert.short if block.cert else f"a block that cannot be read ({block.fault})"
            raise UnsafePlan("drops_foreign", f"{what} in the mirror is not ours to take out")
    said = {cert.fingerprint for cert in step.removed}
    if said != {cert.fingerprint for cert in state.certs} - prints:
        raise UnsafePlan("mismatch", "the content does not do what the step says")


def _texts(content: str) -> Counter[str]:
    return Counter(content[block.start : block.end].rstrip("\r\n") for block in scan(content))


def _nothing_claimed(step: PutMirror, state: MirrorState) -> None:
    """What is called ours is cut out one day."""
    there = {cert.fingerprint for cert in (*state.certs, *state.markers)}
    if there & set(step.origins.added) - set(state.origins.added):
        raise UnsafePlan("claims_foreign", "a block that was in the mirror before is not ours to call so")


def _may_go(block: Block, state: MirrorState) -> bool:
    """Whether we put it there and nobody else needs it, as our annotation and the others' say."""
    ours = block.cert is not None and block.cert.fingerprint in state.origins.added
    if ours and block.cert in state.certs and state.damaged:
        return False
    return ours and not any(block.cert and block.cert.fingerprint in theirs for theirs in state.contributions.values())


def _no_leaf_orphaned(seen: Observed, before: Iterable[Cert], after: Iterable[Cert], now: datetime) -> None:
    old, new = tuple(before), tuple(after)
    for node in seen.nodes.values():
        if not isinstance(node.site, Known) or not isinstance(node.site.value.shown, Known):
            continue
        sight = node.site.value.shown.value.presented
        if verifies(sight.chain, old, now).ok and not verifies(sight.chain, new, now).ok:
            text = f"{node.name} presents {sight.leaf.short}, which ECK's nodes would no longer verify"
            raise UnsafePlan("orphans_chain", text)


def check_resource(step: PutResource, seen: Observed) -> None:
    """Raise UnsafePlan where an apply would name anything but our two fields, or a mirror that ECK cannot read.

    What the resource names already may be named again: else a remote without a mirror could have no field of its own.
    """
    fields = dict(_leaves(step.manifest.get("spec", {})))
    if not fields or not set(fields) <= _FIELDS:
        raise UnsafePlan(
            "foreign_field", f"{', '.join(sorted(set(fields) - _FIELDS)) or 'nothing'} is not ours to apply"
        )
    if fields.get("remoteClusterServer.enabled", True) is not True:
        raise UnsafePlan("switches_off", "it would switch the remote cluster server off")
    remote = seen.remotes[step.alias]
    there = remote.resource.value.config_map if isinstance(remote.resource, Known) else None
    if fields.get(_CONFIG_MAP) not in {None, there} and isinstance(remote.mirror, Absent):
        raise UnsafePlan(
            "mirror_missing", "ECK issues no certificates while its resource names a ConfigMap that is not there"
        )


def _leaves(spec: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, spec
