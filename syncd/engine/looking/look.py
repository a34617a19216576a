"""Read and look: what is published, what is on the nodes, what is remembered. Nothing here decides or changes."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from syncd.core.bundle import MAX_BYTES, Cert, Published, content_digest, read_trust_file
from syncd.core.eck.published import read_published
from syncd.core.errors import BundleError, HostError, StateError, SyncdError
from syncd.core.memory.document import parse
from syncd.core.model import (
    Absent,
    Context,
    FileState,
    Known,
    Memory,
    MirrorState,
    NodeName,
    NodePolicy,
    NodeSeen,
    Observed,
    Ownership,
    RemotePolicy,
    RemoteSeen,
    Seen,
    Unknown,
)
from syncd.engine.crew import Crew, Done, Failed, Lane, Result
from syncd.engine.looking.page import Page
from syncd.engine.patience import Backoff, Patience
from syncd.engine.world import OwnerRule, World
from syncd.ports import Deadline, Host, Mirror, Source, Stored, now

T = TypeVar("T")
_RECENT = timedelta(seconds=90)
"""For how long a look at a node is good enough where nothing has rung for the nodes; the clock looks each minute."""
_SILENT = 0.1
"""The part of a pass's patience that hosts get which did not answer the last time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a pass starts from."""

    seen: Observed
    state_version: str | None
    """What a save of the memory must present."""
    again: datetime | None
    """When something that could not be looked at is tried again."""


@dataclass(frozen=True, slots=True)
class _OnNode:
    files: Mapping[Context, FileState | None]
    owner: Ownership | None


class Looker:
    """Looks at the files, the sources and the memory of one cluster, all at once."""

    def __init__(self, world: World, crew: Crew, recalled: Memory | None = None) -> None:
        self._world = world
        self._crew = crew
        self._patience = Patience(Backoff())
        self._recent: dict[NodeName, Known[_OnNode]] = {}
        self._recalled = recalled

    def look(self, page: Page, at: datetime, *, anew: bool = True) -> Looked:
        """Everything that a plan is made from; what could not be looked at is Unknown.

        Unless `anew`, a node that was looked at a moment ago is not looked at again.
        """
        recent = {name: seen for name, seen in self._recent.items() if timedelta(0) <= at - seen.at < _RECENT}
        self._recent = {} if anew else recent
        results = self._results()
        self._note(results, at)
        memory, version, damage = self._memory(results["state"], at)
        policy, permit = self._world.policy, self._world.permit
        seen = Observed(
            nodes={node.name: self._node(node, results, page, at) for node in policy.nodes},
            remotes={remote.alias: self._remote(remote, results, page, at) for remote in policy.remotes},
            cluster=page.cluster,
            memory=memory,
            sightings=page.evidence,
            strangers=page.strangers,
            standby="" if permit.valid() else permit.holder() or "nobody yet",
            barred="" if permit.valid() or permit.holder() else permit.trouble(),
            recalled=self._recalled,
            damage=damage,
        )
        wait = self._patience.next_try()
        return Looked(seen, version, None if wait is None else now() + timedelta(seconds=wait))

    def forget(self, node: NodeName) -> None:
        """What was seen of a node may have changed: it was written to."""
        self._recent.pop(node, None)

    @property
    def recalled(self) -> Memory | None:
        """See `Observed.recalled`."""
        return self._recalled

    def recall(self, memory: Memory) -> None:
        """What a pass has read or saved is what is known of the past while it cannot be read."""
        self._recalled = replace(memory, requests=())  # those were carried out, or are read again when they can be

    def _note(self, results: Mapping[str, Result[object]], at: datetime) -> None:
        for node in self._world.policy.nodes:
            match results.get(f"node {node.name}"):
                case Done(value=_OnNode() as value):
                    self._recent[node.name] = Known(value, at)
                    self._patience.note(f"node {node.name}", None, at)
                case Failed(error=error):
                    self._patience.note(f"node {node.name}", error, at)

    def _results(self) -> dict[str, Result[object]]:
        """What came of all jobs, those at silent hosts begun last: nothing else waits for them."""
        hosts = self._host_jobs()
        silent = {key: job for key, job in hosts.items() if self._patience.trouble(key)}
        living = {key: job for key, job in hosts.items() if key not in silent}
        begin, patience = self._crew.begin, self._world.pace.look
        near, far = begin(self._near_jobs(), Lane.NEAR), begin(living, Lane.HOSTS)
        last, deadline = begin(silent, Lane.SILENT), Deadline.after(patience)
        results = near(deadline.left()) | far(deadline.left())
        return results | last(deadline.at_most(_SILENT * patience).left())

    def _host_jobs(self) -> dict[str, Callable[[], object]]:
        due = (node for node in self._world.policy.nodes if node.name not in self._recent)
        jobs = {f"node {node.name}": partial(self._on_node, node) for node in due}
        return {key: job for key, job in jobs.items() if self._patience.may_try(key)}

    def _near_jobs(self) -> dict[str, Callable[[], object]]:
        world = self._world
        jobs: dict[str, Callable[[], object]] = {"state": self._load}
        for alias, source in world.sources.items():
            jobs[f"source {alias}"] = partial(_published, source, world.pace.call)
        for remote in world.policy.remotes:
            if remote.secure_setting in world.secrets:
                jobs[f"credential {remote.alias}"] = partial(_key_id, world.secrets[remote.secure_setting])
        for alias, mirror in world.mirrors.items():
            jobs[f"mirror {alias}"] = partial(_mirror, mirror, world.pace.call)
        for alias, extras in world.extras.items():
            jobs[f"extra {alias}"] = partial(_extra, extras, world.pace.call)
        return jobs

    def _load(self) -> Stored:
        return self._world.state.load(Deadline.after(self._world.pace.call))

    def _on_node(self, node: NodePolicy) -> _OnNode:
        host, deadline = self._world.fleet.host(node.name), Deadline.after(self._world.pace.call)
        files = {context: _file_state(host, path, deadline) for context, path in node.paths.items()}
        return _OnNode(files, _owner(host, self._world.owners[node.name], deadline))

    def _node(self, node: NodePolicy, results: Mapping[str, Result[object]], page: Page, at: datetime) -> NodeSeen:
        seen = page.node(node.name, at)
        found = self._recent.get(node.name) or self._seen(f"node {node.name}", _OnNode, results, at)
        if not isinstance(found, Known):
            return replace(seen, file=found, files=dict.fromkeys(node.paths, found), owner=found)
        files = {context: _known(state, found.at) for context, state in found.value.files.items()}
        file = files[Context.REMOTE_CLUSTER_CLIENT]
        return replace(seen, file=file, files=files, owner=_known(found.value.owner, found.at))

    def _remote(
        self, remote: RemotePolicy, results: Mapping[str, Result[object]], page: Page, at: datetime
    ) -> RemoteSeen:
        alias, unread = remote.alias, Unknown("not_asked", "it has not been read yet", at)
        return RemoteSeen(
            context=remote.context,
            published=self._seen(f"source {alias}", Published, results, at),
            extra=self._seen(f"extra {alias}", tuple, results, at),
            presented=page.presented.get(alias, ()),
            endpoints=page.endpoints.get(alias, Absent(at)),
            credential=self._seen(f"credential {alias}", str, results, at),
            mirror=self._seen(f"mirror {alias}", MirrorState, results, at)
            if alias in self._world.mirrors
            else Absent(at),
            resource=page.resources.get(alias, unread),
            publishes=remote.publishes,
            shown=page.shown.get(alias, ()),
        )

    def _seen(self, key: str, kind: type[T], results: Mapping[str, Result[object]], at: datetime) -> Seen[T]:
        match results.get(key):
            case Done(value=value) if isinstance(value, kind):
                return Known(value, at)
            case Done(value=None):
                return Absent(at)
            case Failed(error=error):
                return self._unseen(key, error, at)
            case None:
                trouble = self._patience.trouble(key)
                return self._unseen(key, trouble.error, at) if trouble else Absent(at)
            case _:
                trouble = self._patience.trouble(key)
                if trouble:
                    return Unknown(trouble.error.rule, f"{trouble.error} (it is tried again now)", trouble.since)
                return Unknown("late", "it has not answered yet; its connecting goes on", at)

    def _unseen(self, key: str, error: SyncdError, at: datetime) -> Absent | Unknown:
        if error.rule == "source_not_found":
            return Absent(at)
        trouble = self._patience.trouble(key)
        if trouble is None:
            return Unknown(error.rule, str(error), at)
        return Unknown(error.rule, f"{error} (next try in {self._patience.wait(key):.0f} s)", trouble.since)

    def _memory(self, result: Result[object], at: datetime) -> tuple[Seen[Memory], str | None, str]:
        """What is remembered, what a save must present, and what is wrong with what is stored."""
        match result:
            case Done(value=Stored(text=None, version=version)):
                return Absent(at), version, ""
            case Done(value=Stored(text=str(text), version=version)):
                memory, damage = self._parsed(text, at)
                return memory, version, damage
            case Failed(error=error):
                return Unknown(error.rule, str(error), at), None, ""
            case _:
                return Unknown("late", f"{self._world.state.name} has not answered yet", at), None, ""

    def _parsed(self, text: str, at: datetime) -> tuple[Seen[Memory], str]:
        """What a stored text says, and what is wrong with it.

        A damaged one is written anew: waiting for a person would also stop `approve` and `pause`.
        """
        try:
            memory = parse(text, self._world.state.name)
        except StateError as error:
            if error.rule != "state_damaged":
                return Unknown(error.rule, str(error), at), ""
            return _known(self._recalled, at), str(error)
        self.recall(memory)
        return Known(memory, at), ""


def _known(value: T | None, at: datetime) -> Seen[T]:
    return Absent(at) if value is None else Known(value, at)


def _file_state(host: Host, path: str, deadline: Deadline) -> FileState | None:
    found = host.read(path, MAX_BYTES, deadline)
    if found is None:
        return None
    try:
        trust = read_trust_file(found.content)
    except BundleError as error:
        cure = "syncd writes nothing over what it cannot read: repair it, or move it away and syncd makes a new one"
        raise HostError(f"file_{error.rule}", error.text, where=path, cure=cure) from error
    return FileState(content_digest(found.content), trust, found.owner, found.modified)


def _owner(host: Host, rule: OwnerRule, deadline: Deadline) -> Ownership | None:
    if rule.fixed:
        return rule.fixed
    like = host.owner(rule.like, deadline)
    return replace(like, mode=rule.mode) if like and rule.mode is not None else like


def _published(source: Source, seconds: float) -> Published:
    reading = source.read(Deadline.after(seconds))
    try:
        return replace(read_published(reading.content), uid=reading.uid)
    except BundleError as error:
        cure = error.cure or "Nothing is derived from it; the nodes keep what they have"
        raise BundleError(f"source_{error.rule}", error.text, where=source.name, cure=cure) from error


def _key_id(read: Callable[[], bytes]) -> str:
    """The id of the API key in the operator's file: its `encoded` form is base64 of `id:key`; empty: it does not tell."""
    try:
        value = read()
    except OSError as error:
        cure = "Let syncd read the file that credential_file names"
        raise HostError("credential_unreadable", f"the API key cannot be read: {error.strerror}", cure=cure) from error
    try:
        return b64decode(value, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _mirror(mirror: Mirror, seconds: float) -> MirrorState | None:
    return mirror.read(Deadline.after(seconds))


def _extra(sources: tuple[Source, ...], seconds: float) -> tuple[Cert, ...]:
    certs: list[Cert] = []
    for source in sources:
        content = source.read(Deadline.after(seconds)).content
        try:
            certs += read_trust_file(content).certs
        except BundleError as error:
            raise BundleError(f"extra_{error.rule}", error.text, where=source.name, cure=error.cure) from error
    return tuple(certs)
