"""What each node's elasticsearch.yml should say, and which running processes lack it: why a node needs a restart.

Every setting of this family is static, so an edit without a restart means nothing; and an edit that waits on disk is a
change that nobody has proven, for the next power cut. So nothing here is a step: it is what a restart is made of.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from posixpath import join, normpath

from syncd.core import yml
from syncd.core.bundle import Fingerprint
from syncd.core.errors import YmlError
from syncd.core.model import (
    Context,
    Hold,
    Known,
    Memory,
    Need,
    NodeName,
    NodePolicy,
    NodeSeen,
    Observed,
    OwnTrust,
    Policy,
    Process,
    PutYml,
    RestartWish,
    Seen,
    Shown,
    Unknown,
    YmlState,
)
from syncd.core.nodes.consequences import Peers, unsafe_for_aliases, unsafe_for_peers, unsafe_without
from syncd.core.nodes.leave import held_by_others, may_be_used
from syncd.core.nodes.own_trust import OWN_CA_FILE, Conversion, conversion, kind_of
from syncd.core.yml.names import RELOAD_INTERVAL, trust_setting


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one node should run with."""

    paths: Mapping[Context, str]
    """Managed files that its configuration must name."""
    gone: Mapping[Context, str]
    """Managed files that it must name no longer, since the last remote of that context was forgotten."""
    interval: str | None
    revoked: frozenset[Fingerprint] = frozenset()
    """Certificates that a person has consented to lose."""

    @property
    def change(self) -> str:
        """Names all of it."""
        named: dict[str, str | None] = {trust_setting(context): path for context, path in self.paths.items()}
        named |= {trust_setting(context): None for context in self.gone}
        return yml.change_digest(named | {RELOAD_INTERVAL: self.interval})


def needs(policy: Policy, seen: Observed, memory: Memory, now: datetime) -> tuple[dict[NodeName, Need], list[Hold]]:
    """Why each node needs a restart, by name; and what keeps a need from being met, or was undone by somebody."""
    found: dict[NodeName, Need] = {}
    holds: list[Hold] = []
    wishes = {wish.node: wish for wish in memory.wishes}
    left, peers = _left(policy, seen, memory), Peers(seen, now)
    for node in policy.nodes:
        result = _need(node, policy, seen, left, wishes.get(node.name), peers)
        if isinstance(result, Hold):
            holds.append(result)
        elif result is not None:
            found[node.name] = result
    return found, holds


def _need(
    node: NodePolicy, policy: Policy, seen: Observed, left: "_Left", wish: RestartWish | None, peers: Peers
) -> Need | Hold | None:
    at = seen.nodes[node.name]
    if not isinstance(at.process, Known) or not isinstance(at.trust_paths, Known):
        return None  # other holds say why; nothing is derived from what could not be looked at
    process = at.process.value
    wanted = _wanted(node, process, policy, left)
    lacks = _lacks(wanted, process, at.trust_paths.value)
    asked = wish if wish and wish.started == process.started and _covers(wish, wanted, lacks) else None
    if not lacks and not asked:
        return _contested(node, at, wanted)
    edit = _edit(node, at, wanted, policy, seen, peers) if lacks else None
    if isinstance(edit, Hold):
        if not _is_judged(node.name, process, seen):
            return edit
        edit = None
    return Need(
        node=node.name,
        why=", ".join(lacks) or "a person's request",
        change=wanted.change if lacks else f"request {asked.asked.isoformat() if asked else ''}",
        yml=edit,
        paths=frozenset(wanted.paths.values() if lacks else ()),
        unnamed=frozenset(wanted.gone.values() if lacks else ()),
        reload_interval=wanted.interval if lacks else None,
        asked=asked.asked if asked else None,
    )


def _covers(wish: RestartWish, wanted: _Wanted, lacks: tuple[str, ...]) -> bool:
    """Whether it is what the person consented to: another change, a month later, is another question."""
    return wish.anyway or (bool(lacks) and wish.change in ("", wanted.change))


def _is_judged(name: NodeName, process: Process, seen: Observed) -> bool:
    """Whether it is the process that an open restart started: what it lacks counts, and not whether an edit may be made.

    Right after its start the node's own transport port, say, has not been looked at yet: a hold instead of a need would
    pass for nothing lacking, and a node that does not run with the change for proof that it may go on to the next.
    """
    record = seen.open_restart
    return record is not None and record.node == name and record.started != process.started


@dataclass(frozen=True, slots=True)
class _Left:
    """What a person has given up."""

    contexts: frozenset[Context]
    """Whose managed file is no longer to be named, since their last remote was forgotten."""
    revoked: frozenset[Fingerprint]


def _left(policy: Policy, seen: Observed, memory: Memory) -> _Left:
    used = {remote.context for remote in policy.remotes}
    left = {forgotten.context for forgotten in memory.forgotten if not may_be_used(forgotten, policy, seen)} - used
    return _Left(frozenset(left - held_by_others(seen, memory) if left else ()), memory.revoked)


def _wanted(node: NodePolicy, process: Process, policy: Policy, left: _Left) -> _Wanted:
    used = {remote.context for remote in policy.remotes}
    paths = {context: node.paths[context] for context in Context if context in used and process.uses(context)}
    return _Wanted(
        paths=paths,
        gone={context: node.paths[context] for context in Context if context in left.contexts},
        interval=policy.reload_interval if paths else None,  # else it has no file of ours to look at
        revoked=left.revoked,
    )


def _lacks(wanted: _Wanted, process: Process, named: frozenset[str]) -> tuple[str, ...]:
    """What the running process lacks, in words."""
    missing = [f"{path}, which the process does not name" for path in wanted.paths.values() if path not in named]
    missing += [f"{path}, which it still names" for path in wanted.gone.values() if path in named]
    if wanted.interval and process.reload_interval != wanted.interval:
        missing.append(f"{RELOAD_INTERVAL}: {wanted.interval}, which it does not run with")
    return tuple(missing)


def _contested(node: NodePolicy, at: NodeSeen, wanted: _Wanted) -> Hold | None:
    """A running process that has what it needs, from a file that no longer says so: its next start would lose it."""
    found = _yml(at)
    if not isinstance(found, YmlState):
        return None
    try:
        after = _applied(found.text, node, at, wanted)
    except YmlError:
        return None
    if after == found.text:
        return None
    lines = "; ".join(_lines(found.text, after))
    text = f"{node.yml} no longer says what the running process was started with; its next start would lose the link. "
    cure = f"Put it into what writes that file (Ansible, Puppet, a package update?): {lines}"
    return Hold(node.name, "yml_contested", text + cure)


def _edit(
    node: NodePolicy, at: NodeSeen, wanted: _Wanted, policy: Policy, seen: Observed, peers: Peers
) -> PutYml | Hold | None:
    """The edit that brings what is lacking; None: the file says it already."""
    found = _yml(at)
    if isinstance(found, Hold):
        return found
    try:
        after = _applied(found.text, node, at, wanted)
    except YmlError as error:
        return Hold(node.name, f"yml_{error.rule}", f"{node.yml}: {error}")
    if not _another_is_away(node, seen) and (refusal := _unsafe(at, wanted, found.text, seen, peers)):
        return refusal
    if after == found.text:
        return None
    lines = _lines(found.text, after)
    beside = _beside(node, at, found.text, wanted)
    if policy.yml == "observed":
        return Hold(node.name, "yml_observed", f"{node.yml} needs, by hand (yml: observed): {'; '.join(lines)}")
    why = "the running configuration lacks it"
    return PutYml(node.name, node.yml, after.encode(), found.owner, found.digest, lines, why, beside)


def _another_is_away(node: NodePolicy, seen: Observed) -> bool:
    """While a peer is restarted it shows nothing: it is this node's turn only when that is over, and judged then."""
    record = seen.open_restart
    return record is not None and record.node != node.name


def _unsafe(at: NodeSeen, wanted: _Wanted, text: str, seen: Observed, peers: Peers) -> Hold | None:
    """What the edit would break; None: nothing."""
    if Context.TRANSPORT in wanted.paths and (hold := unsafe_for_peers(at, peers)):
        return hold
    for context in wanted.gone:
        if hold := unsafe_without(at, seen, context, wanted.revoked, peers):
            return hold
    first = not yml.read(text).items(trust_setting(Context.REMOTE_CLUSTER_CLIENT))
    return unsafe_for_aliases(at, seen, peers.now) if first and Context.REMOTE_CLUSTER_CLIENT in wanted.paths else None


def _yml(at: NodeSeen) -> YmlState | Hold:
    seen = at.yml
    if isinstance(seen, Known):
        return seen.value
    rule, text = getattr(seen, "rule", "yml_absent"), getattr(seen, "text", "there is no elasticsearch.yml")
    return Hold(at.name, rule, f"what elasticsearch.yml says is not known: {text}")


def _applied(text: str, node: NodePolicy, at: NodeSeen, wanted: _Wanted) -> str:
    """The text as it should be. Raises YmlError."""
    site = at.site.value if isinstance(at.site, Known) and "truststore" in text else None
    store = _Store(site.trust, site.shown) if site else None
    return _as_wanted(
        text, node.config_dir, tuple(wanted.paths.items()), tuple(wanted.gone.items()), wanted.interval, store
    )


@dataclass(frozen=True, slots=True)
class _Store:
    """What is known of a trust store: what it holds, and what the process has loaded."""

    trust: Seen[OwnTrust]
    shown: Seen[Shown]


@lru_cache(maxsize=2048)  # pure; the same few texts in each pass
def _as_wanted(
    text: str,
    folder: str,
    paths: tuple[tuple[Context, str], ...],
    gone: tuple[tuple[Context, str], ...],
    interval: str | None,
    store: _Store | None,
) -> str:
    for context, path in paths:
        text = _naming(text, context, path, folder, store)
    for context, path in gone:
        for item in _spellings(text, context, path, folder):
            text = yml.removed(text, trust_setting(context), item)
    return yml.with_settings(text, {RELOAD_INTERVAL: interval}) if interval else text


def _naming(text: str, context: Context, path: str, folder: str, store: _Store | None) -> str:
    """The text with a context's managed file among its trust, which is never replaced."""
    if _spellings(text, context, path, folder):
        return text
    if context is Context.TRANSPORT:
        kind = kind_of(text)
        if kind == "truststore":
            return yml.with_settings(text, _from_store(text, path, folder, store).wanted)
        if kind == "none":
            cure = f"List the CAs of your own nodes in {trust_setting(context)} first, and restart the nodes"
            said = "the transport layer names no CAs, so it trusts its own key store and the JDK's roots"
            raise YmlError("own_trust_implicit", said, cure=cure)
    return yml.appended(text, trust_setting(context), path)


def _from_store(text: str, path: str, folder: str, store: _Store | None) -> Conversion:
    """The trust store as PEM: what the running process has loaded must be all that it holds."""
    if not store or not isinstance(store.trust, Known) or not isinstance(store.shown, Known):
        told = "; ".join(part.text for part in (store.trust, store.shown) if isinstance(part, Unknown)) if store else ""
        raise YmlError("own_trust_unknown", f"what its trust store holds is not known: {told}")
    return conversion(text, store.trust.value, store.shown.value, (), (join(folder, OWN_CA_FILE), path))


def _spellings(text: str, context: Context, path: str, folder: str) -> list[str]:
    """How the file is named already: relative paths are below the config directory."""
    items = yml.read(text).items(trust_setting(context))
    return [item for item in items if normpath(join(folder, item)) == path]


@lru_cache(maxsize=2048)  # as `_as_wanted`
def _lines(before: str, after: str) -> tuple[str, ...]:
    """What an edit changes, as a person would write it; what it takes out by name alone, since it may be a password."""
    old, new = yml.read(before), yml.read(after)
    changed = [path for path, value in new.values.items() if old.get(path) != value]
    gone = [path for path in old.values if path not in new.values]
    return (*(f"{path}: {_written(new.values[path])}" for path in changed), *(f"without {path}" for path in gone))


def _written(value: yml.Value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _beside(node: NodePolicy, at: NodeSeen, text: str, wanted: _Wanted) -> Mapping[str, bytes]:
    """The cluster's own CAs as a PEM file, where the edit turns a store into one."""
    path = wanted.paths.get(Context.TRANSPORT)
    if path is None or kind_of(text) != "truststore" or not isinstance(at.site, Known):
        return {}
    store = _Store(at.site.value.trust, at.site.value.shown)
    return {join(node.config_dir, OWN_CA_FILE): _from_store(text, path, node.config_dir, store).content}
