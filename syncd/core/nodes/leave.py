"""Leaving a remote, and living without a dead node: only ever because a person said so; pure.

What is left is an alias in one trust context: one that goes to the other security model leaves its first context, and its
settings and credential are the other's. In this order, so that nothing that is still used goes: the remote's settings,
the credential, the certificates, the name of the file in elasticsearch.yml (a rolling restart), and the file when no
process names it any more.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from syncd.core.bundle import Cert
from syncd.core.model import (
    Absent,
    Alias,
    CaRecord,
    Claim,
    Context,
    Forgotten,
    Hold,
    Known,
    Memory,
    NodeName,
    NodePolicy,
    NodeSeen,
    Observed,
    Policy,
    ReloadSecure,
    RemoveFile,
    RemoveRemote,
    RemoveSecret,
    Step,
    TrustPlan,
    Unknown,
    credential_setting,
)
from syncd.core.nodes.secrets import is_being_edited, running
from syncd.core.trustfile.desired import is_gone
from syncd.core.yml import names_file

_MODEL = {Context.REMOTE_CLUSTER_CLIENT: "API-key", Context.TRANSPORT: "certificate"}


def without_the_dead(policy: Policy, seen: Observed, memory: Memory) -> tuple[Policy, Observed, Memory]:
    """The world without the nodes that were declared dead; one that shows itself again is alive."""
    back = {name for name in memory.dead if name not in seen.nodes or _shows(seen.nodes[name])}
    dead = memory.dead - back
    nodes = tuple(node for node in policy.nodes if node.name not in dead)
    alive = {name: node for name, node in seen.nodes.items() if name not in dead}
    return replace(policy, nodes=nodes), replace(seen, nodes=alive), replace(memory, dead=dead)


def _shows(node: NodeSeen) -> bool:
    return isinstance(node.process, Known) or any(not isinstance(file, Unknown) for file in node.files.values())


def without_the_returned(policy: Policy, seen: Observed, memory: Memory) -> tuple[Memory, list[Hold]]:
    """The memory in which nothing is left that the configuration has (again), and what is to be said of that.

    What the files still hold of it is of it again. What was taken away meanwhile comes back as with a new remote.
    """
    configured = policy.pairs
    back = [forgotten for forgotten in memory.forgotten if (forgotten.alias, forgotten.context) in configured]
    if not back:
        return memory, []
    pairs = {(forgotten.alias, forgotten.context) for forgotten in back}
    held = {(context, mark) for context in Context for mark in seen.within(context).certs}
    cas = tuple(
        replace(record, retired_at=None)
        if (record.alias, record.context) in pairs and (record.context, record.fingerprint) in held
        else record
        for record in memory.cas
    )
    text = (
        "it was being left, and the configuration has it again: it is left no longer. What was taken away meanwhile is put "
        "back as for a new remote, but for its address: see to cluster.remote.{0}.* with PUT _cluster/settings. To leave "
        "it: take it out of the configuration, then syncd forget {0}"
    )
    holds = [Hold(alias, "put_back", text.format(alias)) for alias in sorted({alias for alias, _ in pairs})]
    return replace(memory, forgotten=tuple(f for f in memory.forgotten if f not in back), cas=cas), holds


def leaving_steps(policy: Policy, seen: Observed, memory: Memory, now: datetime) -> tuple[list[Step], list[Hold]]:
    """What is to be taken away now of the remotes that are being left."""
    steps: list[Step] = []
    holds: list[Hold] = []
    for forgotten in sorted({f.alias: f for f in memory.forgotten}.values(), key=lambda forgotten: forgotten.alias):
        alias = forgotten.alias
        if unseen := [node.name for node in seen.nodes.values() if not isinstance(node.process, Known)]:
            text = f"whether {', '.join(unseen)} still uses it is not known; syncd forget --node NODE for a dead one"
            holds.append(Hold(alias, "leaving", text))
        elif lives_on(alias, policy):
            holds += _still_dialed(forgotten, seen)
        elif is_used(forgotten, policy, seen):
            steps.append(RemoveRemote(alias, "the remote is being left"))
        else:
            removals, unseen_edits = _secrets(alias, seen, now)
            steps += removals
            holds += unseen_edits
    if steps or holds:
        return steps, holds
    contexts = left_contexts(policy, memory)
    holds += [hold for context in sorted(contexts) for hold in _others_there(context, seen, memory)]
    contexts -= held_by_others(seen, memory)
    steps += [step for node in policy.nodes for context in contexts if (step := _file(node, context, seen))]
    return steps, holds


def _still_dialed(forgotten: Forgotten, seen: Observed) -> Iterable[Hold]:
    """An alias that goes on by the other model: its settings and its credential stay, and decide which trust is used."""
    names = ", ".join(node.name for node in seen.nodes.values() if _dials_by(forgotten, node))
    if not names:
        return
    setting, by_key = credential_setting(forgotten.alias), forgotten.context is Context.REMOTE_CLUSTER_CLIENT
    said = f"still dialed with {setting}" if by_key else f"still dialed without {setting} in the loaded keystore"
    cure = f"take {setting} out of the keystore" if by_key else "give the remote its credential_file"
    text = f"by the {_MODEL[forgotten.context]} model it is {said} from {names}: what trusts it there stays until then"
    yield Hold(forgotten.alias, "leaving", f"{text}. If this lasts: {cure}")


def left_contexts(policy: Policy, memory: Memory) -> set[Context]:
    """The trust contexts of which a person has forgotten the last remote."""
    used = {remote.context for remote in policy.remotes}
    return {forgotten.context for forgotten in memory.forgotten} - used


def held_by_others(seen: Observed, memory: Memory) -> set[Context]:
    """The contexts whose file holds, or may hold, on any node a certificate that is not of a remote that was left.

    Such a file is not syncd's alone: it stays, and so does its name in elasticsearch.yml. A file that cannot be read for
    a moment begins no restart, and stops none that is open.
    """
    begun = seen.open_restart is not None
    return {
        context
        for context in Context
        if (not begun and any(isinstance(node.files.get(context), Unknown) for node in seen.nodes.values()))
        or _others(context, seen, memory)
    }


def _others(context: Context, seen: Observed, memory: Memory) -> dict[Cert, list[NodeName]]:
    """Certificates that nobody has proven unneeded nor revoked, and whose files hold them."""
    view, found = memory.within(context), defaultdict(list)
    for node in seen.nodes.values():
        file = node.files.get(context)
        for cert in file.value.trust.certs if isinstance(file, Known) else ():
            if not is_gone(view, cert):
                found[cert].append(node.name)
    return found


def _others_there(context: Context, seen: Observed, memory: Memory) -> Iterable[Hold]:
    aliases = sorted({forgotten.alias for forgotten in memory.forgotten if forgotten.context == context})
    for cert, names in sorted(_others(context, seen, memory).items()):
        text = (
            f"{cert.short} ({cert.subject}) of others is in its trust file on {', '.join(names)}: file and setting stay"
        )
        cure = f"If nobody needs it: syncd revoke {cert.short}. Else name it in a file of your own first"
        yield Hold(aliases[0], "leaving_foreign", f"{text}. {cure}")


def note_left(policy: Policy, seen: Observed, memory: Memory, now: datetime) -> Memory:
    """The memory after what was left is no longer used: its CAs retire; what nothing is left of, is forgotten whole."""
    for forgotten in memory.forgotten if isinstance(seen.memory, Known) else ():
        known = all(isinstance(node.process, Known) for node in seen.nodes.values())
        if known and not is_used(forgotten, policy, seen):
            memory = replace(memory, cas=tuple(_retired(record, forgotten, now) for record in memory.cas))
    return memory


def _retired(record: CaRecord, forgotten: Forgotten, now: datetime) -> CaRecord:
    its = (record.alias, record.context) == (forgotten.alias, forgotten.context)
    return replace(record, retired_at=now) if its and not record.retired_at else record


def note_gone(policy: Policy, seen: Observed, memory: Memory, trust: Mapping[Context, TrustPlan]) -> Memory:
    """The memory without the remotes of which nothing is left.

    That their CAs were ECK's stays known: else one that a person has left in a node's own trust would be published as ours.
    """
    gone = {
        forgotten
        for forgotten in memory.forgotten
        if _nothing_left(forgotten, policy, seen, memory, trust.get(forgotten.context, TrustPlan()))
    }
    if not gone:
        return memory
    pairs = {(forgotten.alias, forgotten.context) for forgotten in gone}
    cas = tuple(_as_left(record) if (record.alias, record.context) in pairs else record for record in memory.cas)
    return replace(memory, forgotten=tuple(f for f in memory.forgotten if f not in gone), cas=cas)


def _as_left(record: CaRecord) -> CaRecord:
    return replace(record, origin="left", superseded_at=record.superseded_at or record.retired_at)


def _nothing_left(forgotten: Forgotten, policy: Policy, seen: Observed, memory: Memory, trust: TrustPlan) -> bool:
    nodes = seen.nodes.values()
    if not all(isinstance(node.process, Known) for node in nodes):
        return False  # whether it is used is not known
    if is_used(forgotten, policy, seen) or not all(
        _is_rid_of(forgotten, node, memory, trust.claims.get(node.name, ())) for node in nodes
    ):
        return False
    if not lives_on(forgotten.alias, policy) and not all(_holds_no_key(forgotten.alias, node) for node in nodes):
        return False
    used = {remote.context for remote in policy.remotes}
    return forgotten.context in used or all(isinstance(node.files.get(forgotten.context), Absent) for node in nodes)


def _holds_no_key(alias: Alias, node: NodeSeen) -> bool:
    keystore = node.keystore
    return isinstance(keystore, Known) and keystore.value.settings.get(credential_setting(alias)) == "absent"


def _is_rid_of(forgotten: Forgotten, node: NodeSeen, memory: Memory, claims: Iterable[Claim]) -> bool:
    """Whether a node's file holds no certificate of it. A claim is a wish, what is on disk counts.

    One that it shares with another remote is that one's.
    """
    file, claims = node.files.get(forgotten.context), tuple(claims)
    if file is None or isinstance(file, Unknown) or any(claim.alias == forgotten.alias for claim in claims):
        return False
    held = {cert.fingerprint for cert in file.value.trust.certs} if isinstance(file, Known) else set()
    others = {claim.cert.fingerprint for claim in claims}
    return not any(record.alias == forgotten.alias and record.fingerprint in held - others for record in memory.cas)


def lives_on(alias: Alias, policy: Policy) -> bool:
    """Whether the configuration has an alias: what is left of it then is its other security model."""
    return any(remote.alias == alias for remote in policy.remotes)


def is_used(forgotten: Forgotten, policy: Policy, seen: Observed) -> bool:
    """Whether a node has the settings of a remote that is left, or still dials with the trust of the model that is left."""
    if lives_on(forgotten.alias, policy):
        return any(_dials_by(forgotten, node) for node in seen.nodes.values())
    return any(forgotten.alias in node.links for node in seen.nodes.values())


def _dials_by(forgotten: Forgotten, node: NodeSeen) -> bool:
    link = node.links.get(forgotten.alias)
    return link is not None and node.may_use(Context.REMOTE_CLUSTER_CLIENT) and link.context is forgotten.context


def may_be_used(forgotten: Forgotten, policy: Policy, seen: Observed) -> bool:
    """Whether it is used, or a node cannot be asked, unless that is being restarted."""
    record = seen.open_restart
    others = (node for node in seen.nodes.values() if record is None or node.name != record.node)
    return is_used(forgotten, policy, seen) or any(not isinstance(node.process, Known) for node in others)


def _secrets(alias: Alias, seen: Observed, now: datetime) -> tuple[list[Step], list[Hold]]:
    setting = credential_setting(alias)
    steps: list[Step] = []
    holds: list[Hold] = []
    for node in seen.nodes.values():
        keystore = node.keystore
        if not isinstance(keystore, Known) or keystore.value.settings.get(setting, "absent") == "absent":
            continue
        if is_being_edited(node, seen, now):
            text = f"whether the keystore of {node.name} still holds {setting} is looked at again after the last edit"
            holds.append(Hold(alias, "leaving", text))
        else:
            steps.append(RemoveSecret(node.name, setting, keystore.value.digest, "the remote is being left"))
    if steps:
        steps.append(ReloadSecure((setting,), "the processes forget it too", running(seen)))
    return steps, holds


def _file(policy: NodePolicy, context: Context, seen: Observed) -> RemoveFile | None:
    """The file, once neither the process nor elasticsearch.yml names it."""
    node = seen.nodes[policy.name]
    file, paths, path = node.files.get(context), node.trust_paths, policy.paths[context]
    text = node.yml
    if not isinstance(file, Known) or not isinstance(paths, Known) or not isinstance(text, Known):
        return None
    if path in paths.value or names_file(text.value.text, path):
        return None
    return RemoveFile(policy.name, path, file.value.content, "the last remote of its context was left")
