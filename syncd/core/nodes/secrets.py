"""Which keystores lack a credential, and when the processes are to read theirs again; pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core.model import (
    Alias,
    Context,
    Hold,
    KeystoreState,
    Known,
    Need,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    PutSecret,
    Reloaded,
    ReloadSecure,
    RemotePolicy,
    Step,
    Unknown,
    is_from_before,
)

_AGAIN = timedelta(seconds=60)
"""Between reloads that did not bring what they should."""


def secret_steps(
    policy: Policy, seen: Observed, needs: Mapping[NodeName, Need], now: datetime
) -> tuple[list[Step], list[Hold], dict[NodeName, Need]]:
    """Credentials to put now, and the needs with those that come with their restart."""
    steps: list[Step] = []
    holds: list[Hold] = []
    with_secrets = dict(needs)
    for remote in (remote for remote in policy.remotes if remote.credential):
        puts, unseen = _puts(remote, seen)
        holds += unseen
        for put in puts:
            need = with_secrets.get(put.node)
            if why := _waits(put, need, policy, seen):
                within = (replace(put, within_restart=True),)
                with_secrets |= {put.node: replace(need, secrets=(*need.secrets, *within))} if need else {}
            elif is_being_edited(seen.nodes[put.node], seen, now):
                why = "a keystore was just edited: what this one holds is looked at again first"
            if why:
                holds.append(Hold(put.node, "credential_deferred", f"{put.setting}: {why}"))
            else:
                steps.append(put)
    names = tuple(sorted({step.setting for step in steps if isinstance(step, PutSecret)}))
    reload, unproven = _reload(policy, seen, names, now)
    return [*steps, *reload], [*holds, *unproven], with_secrets


def _waits(put: PutSecret, need: Need | None, policy: Policy, seen: Observed) -> str:
    """Why a credential comes with its node's restart; empty: it is put now, since a restart may be long in coming.

    A first one does, where nothing would work before the restart anyhow: then the node is taken back with its keystore.
    """
    record = seen.open_restart
    if record and record.node == put.node:
        return "its node is being restarted; it is put within that, or right after"
    keystore, path = _keystore(seen.nodes[put.node]), policy.node(put.node).paths.get(Context.REMOTE_CLUSTER_CLIENT)
    first = isinstance(keystore, KeystoreState) and keystore.settings.get(put.setting) == "absent"
    if need and first and path in need.paths:
        return f"it is put within the restart for {need.why}; without that the link would not come up"
    if first and not isinstance(seen.nodes[put.node].trust_paths, Known):
        return "whether its node is to be restarted first is not known"
    return ""


def _reload(
    policy: Policy, seen: Observed, put: tuple[str, ...], now: datetime
) -> tuple[list[ReloadSecure], list[Hold]]:
    """What was put is read at once; what a reload may have missed (a crash, a refusal) again and again, and is told."""
    proof = seen.proof  # one by handshake changes the keystores, too, and has them read
    unloaded = {} if proof.busy or proof.nodes else _unloaded(policy, seen)
    late = tuple(sorted(set().union(*unloaded.values())))
    recent = seen.reloaded is not None and timedelta(0) <= now - seen.reloaded < _AGAIN
    recent = recent and not (proof.changed and seen.reloaded and proof.changed > seen.reloaded)
    told = [name for name in unloaded if recent and _was_told(seen.nodes[name], seen)]
    holds = [_unproven(name, unloaded[name], seen) for name in told]
    if put:
        return [ReloadSecure(put, "the processes use them at once", running(seen))], holds
    if recent or not late:
        return [], holds
    return [ReloadSecure(late, "not every process is known to use what its keystore holds", running(seen))], holds


def is_being_edited(node: NodeSeen, seen: Observed, now: datetime) -> bool:
    """Whether its keystore was looked at before an edit of this process ended: what is written then was seen by nobody.

    Else the same would be put or removed once more, and refused, since the file is not the one that was looked at.
    """
    return isinstance(node.site, Known) and (seen.proof.busy or is_from_before(node.site.at, seen.edited, now))


def _puts(remote: RemotePolicy, seen: Observed) -> tuple[list[PutSecret], list[Hold]]:
    credential = seen.remotes[remote.alias].credential
    if isinstance(credential, Unknown):
        return [], [Hold(remote.alias, credential.rule, credential.text)]
    puts: list[PutSecret] = []
    holds: list[Hold] = []
    for node in _dialers(seen):
        keystore = _keystore(node)
        if isinstance(keystore, Unknown):
            holds.append(Hold(node.name, keystore.rule, f"what its keystore holds is not known: {keystore.text}"))
        elif keystore and keystore.settings.get(remote.secure_setting, "wanted") != "wanted":
            there = keystore.settings[remote.secure_setting] == "other"
            why = "the keystore holds another value" if there else "the keystore does not hold it"
            puts.append(PutSecret(node.name, remote.secure_setting, keystore.digest, why))
    return puts, holds


def _unloaded(policy: Policy, seen: Observed) -> dict[NodeName, set[str]]:
    """Settings that a keystore holds and its process is not known to use; at its start, it reads its keystore anyhow."""
    if not isinstance(seen.cluster, Known):
        return {}  # nobody would hear it, and whether a node is being restarted is not known
    record = seen.open_restart
    read = frozenset((*seen.remembered.reloads, *seen.reloads))
    found: dict[NodeName, set[str]] = {}
    for remote in (remote for remote in policy.remotes if remote.credential):
        for node in _dialers(seen):
            keystore = _keystore(node)
            if record and record.node == node.name:
                continue
            if not isinstance(keystore, KeystoreState) or keystore.settings.get(remote.secure_setting) != "wanted":
                continue
            if not _uses(node, remote.alias, seen, keystore, read):
                found.setdefault(node.name, set()).add(remote.secure_setting)
    return found


def _uses(node: NodeSeen, alias: Alias, seen: Observed, keystore: KeystoreState, read: Collection[Reloaded]) -> bool:
    """Whether a process is known to use what its keystore holds.

    By the id of the key that the remote names; where it names none (the link is down since the old key was revoked, the
    key covers every index), by a start or a reload since which neither the process nor the file is another.
    """
    link, key, wanted = node.links.get(alias), node.keys.get(alias), seen.remotes[alias].credential
    if link and not link.has_credential:
        return False
    if isinstance(key, Known) and isinstance(wanted, Known) and wanted.value:
        if key.value == wanted.value:
            return True
        if seen.reloaded is None or key.at >= seen.reloaded:
            return False  # else it was asked before the reload
    return isinstance(node.process, Known) and _has_read(node.name, node.process.value.started, keystore, read)


def _has_read(name: NodeName, started: int, keystore: KeystoreState, read: Collection[Reloaded]) -> bool:
    """Whether this process, by its start in milliseconds, has read the keystore as it is.

    Both times are of the host's clock. It may have been set back: of a process that is known to have read an earlier
    keystore, a start after the file's last change is no sign.
    """
    noted = {record.keystore for record in read if (record.node, record.started) == (name, started)}
    if noted:
        return keystore.digest in noted
    return keystore.modified is not None and started >= (keystore.modified + 1) * 1000


def _was_told(node: NodeSeen, seen: Observed) -> bool:
    """Whether the last reload was of this very process: one that has started since is told with the next."""
    return isinstance(node.process, Known) and (node.name, node.process.value.started) in seen.told


def _unproven(name: NodeName, settings: Iterable[str], seen: Observed) -> Hold:
    until = seen.reloaded + _AGAIN if seen.reloaded else None
    text = (
        f"{', '.join(sorted(settings))}: that its process uses what its keystore holds is not proven by the last reload"
    )
    return Hold(name, "credential_unloaded", f"{text}. It is told again each minute; look into its log", until)


def running(seen: Observed) -> tuple[tuple[NodeName, int], ...]:
    """The processes that use credentials, by their start."""
    processes = ((node.name, node.process) for node in _dialers(seen))
    return tuple((name, process.value.started) for name, process in processes if isinstance(process, Known))


def _dialers(seen: Observed) -> Iterable[NodeSeen]:
    return (node for node in seen.nodes.values() if isinstance(node.process, Known) and node.process.value.dials)


def _keystore(node: NodeSeen) -> KeystoreState | Unknown | None:
    seen = node.keystore
    if isinstance(seen, Known):
        return seen.value
    return seen if isinstance(seen, Unknown) else None
