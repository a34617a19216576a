"""What the Elasticsearch resource of a remote should say: two fields, and nothing else of it; pure.

With the operator's consent they are applied, without it a person is told what to write. ECK stops issuing certificates
when the resource names a ConfigMap that is not there, so the mirror comes first.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from syncd.core.bundle import Digest, content_digest
from syncd.core.eck.services import service_holds
from syncd.core.eck.writes import hours, older_than_ours, undone
from syncd.core.model import (
    Alias,
    EckPolicy,
    EckResource,
    Hold,
    Known,
    Observed,
    Policy,
    PutResource,
    RemotePolicy,
    Step,
    Unknown,
)

CONTESTED = timedelta(hours=24)
"""What was applied and taken out is applied once more after this: each time may restart the remote."""
_MOST = 2
"""What was taken out so often is somebody's wish: it is applied no more, until the operator consents anew."""
_EVER = datetime.min.replace(tzinfo=UTC)

Field = Literal["config_map", "remote_cluster_server"]
_PATHS: Mapping[Field, tuple[str, ...]] = {
    "config_map": ("spec", "transport", "tls", "certificateAuthorities", "configMapName"),
    "remote_cluster_server": ("spec", "remoteClusterServer", "enabled"),
}
_WITHOUT: Mapping[Field, str] = {
    "config_map": "without it ECK's nodes do not trust the self-managed cluster's",
    "remote_cluster_server": "without it the remote does not listen on port 9443; ECK restarts its nodes for this change",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One resource, with all remotes that are it."""

    seen: Observed
    now: datetime
    remotes: tuple[RemotePolicy, ...]
    eck: EckPolicy
    state: EckResource

    @property
    def subject(self) -> Alias:
        return self.remotes[0].alias

    @property
    def aliases(self) -> frozenset[Alias]:
        return frozenset(remote.alias for remote in self.remotes)

    @property
    def name(self) -> str:
        return f"elasticsearch {self.eck.namespace}/{self.eck.resource}"


def resource_steps(policy: Policy, seen: Observed, now: datetime) -> tuple[list[Step], list[Hold]]:
    """What to apply to the resources now, and what a person should do, or know."""
    steps: list[Step] = []
    holds: list[Hold] = []
    for remotes in _groups(policy, seen):
        more, waiting = _one_resource(seen, now, remotes)
        steps += more
        holds += waiting
    return steps, holds


def manifest(eck: EckPolicy, fields: Mapping[Field, str | bool]) -> dict[str, Any]:
    """The fields in their places, and what names the object."""
    body: dict[str, Any] = {
        "apiVersion": "elasticsearch.k8s.elastic.co/v1",
        "kind": "Elasticsearch",
        "metadata": {"name": eck.resource, "namespace": eck.namespace},
    }
    for name, value in sorted(fields.items()):
        *parents, last = _PATHS[name]
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return body


def as_yaml(body: Mapping[str, Any], indent: str = "") -> str:
    """A manifest as a person writes it; every value is quoted as JSON does it, which YAML reads too."""
    lines = []
    for key, value in body.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{key}:\n{as_yaml(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{key}: {json.dumps(value)}\n")
    return "".join(lines)


def _groups(policy: Policy, seen: Observed) -> list[tuple[RemotePolicy, ...]]:
    """Two aliases may be one resource: its fields are applied together, since what is not named again would go."""
    found: dict[tuple[str, str, str], list[RemotePolicy]] = {}
    for remote in policy.remotes:
        if remote.eck:
            state = seen.remotes[remote.alias].resource
            uid = state.value.uid if isinstance(state, Known) else type(state).__name__
            found.setdefault((remote.eck.namespace, remote.eck.resource, uid), []).append(remote)
    return [tuple(remotes) for remotes in found.values()]


def _one_resource(seen: Observed, now: datetime, remotes: tuple[RemotePolicy, ...]) -> tuple[list[Step], list[Hold]]:
    state, eck, subject = seen.remotes[remotes[0].alias].resource, remotes[0].eck, remotes[0].alias
    if eck is None:
        return [], []
    if isinstance(state, Unknown) and state.rule == "not_asked":
        return [], []  # before the first look
    if isinstance(state, Unknown):
        return [], [Hold(subject, state.rule, f"the resource cannot be read: {state.text}")]
    if not isinstance(state, Known):
        text = f"there is no elasticsearch {eck.namespace}/{eck.resource}; check source.namespace and source.cluster"
        return [], [Hold(subject, "resource_absent", text)]
    case = _Case(seen, now, remotes, eck, state.value)
    holds = [*_told(case), *service_holds(remotes, state.value)]
    wishes, waiting = _wishes(case)
    holds += waiting
    consented = {field: value for field, (value, consent) in wishes.items() if consent}
    asked = {field: value for field, (value, consent) in wishes.items() if not consent}
    holds += [_ask(case, field, value) for field, value in asked.items()]
    if not consented or older_than_ours(seen, case.aliases, "resource", state.at, now):
        return [], holds
    step = _step(case, consented)
    hold = _refused(case, step)
    return ([], [*holds, hold]) if hold else ([step], holds)


def _told(case: _Case) -> Iterator[Hold]:
    if case.state.remote_clusters:
        names = ", ".join(case.state.remote_clusters)
        text = (
            f"{case.name} has spec.remoteClusters ({names}): ECK's own controller keeps those links and their trust. "
            "syncd leaves them alone and keeps only this cluster's; do not name this cluster there"
        )
        yield Hold(case.subject, "resource_remote_clusters", text)


def _wishes(case: _Case) -> tuple[dict[Field, tuple[str | bool, bool]], list[Hold]]:
    """What is missing, with whether the operator consents to its being applied; and what stands in its way."""
    wishes: dict[Field, tuple[str | bool, bool]] = {}
    holds = []
    for remote in case.remotes:
        apply = bool(remote.eck and remote.eck.apply)
        if remote.model == "api_key" and not case.state.remote_cluster_server:
            wishes["remote_cluster_server"] = (True, apply or wishes.get("remote_cluster_server", ("", False))[1])
        if remote.mirror and case.state.config_map != remote.mirror.name:
            hold = _elsewhere(case, remote.alias, remote.mirror.name) or _mirror_missing(case, remote)
            if hold:
                holds.append(hold)
            else:
                wishes.setdefault("config_map", (remote.mirror.name, apply))
    return wishes, holds


def _elsewhere(case: _Case, alias: Alias, name: str) -> Hold | None:
    there = case.state.config_map
    if there is None:
        return None
    text = (
        f"{case.name} reads the self-managed CAs from configmap {case.eck.namespace}/{there}, not from {name}: "
        f"set mirror.name to {there}. syncd changes nothing that is set there"
    )
    return Hold(alias, "mirror_elsewhere", text)


def _mirror_missing(case: _Case, remote: RemotePolicy) -> Hold | None:
    mirror = case.seen.remotes[remote.alias].mirror
    if isinstance(mirror, Known) and mirror.value.content is not None and mirror.value.certs:
        return None
    text = (
        f"{'.'.join(_PATHS['config_map'])} of {case.name} waits for the mirror: "
        "ECK issues no certificates while its resource names a ConfigMap that it cannot read"
    )
    return Hold(remote.alias, "resource_waits_for_mirror", text)


def _ask(case: _Case, field: Field, value: str | bool) -> Hold:
    body = manifest(case.eck, {field: value})
    patch = json.dumps({"spec": body["spec"]}, separators=(",", ":"))
    text = (
        f"{case.name} lacks {'.'.join(_PATHS[field])}: {json.dumps(value)}; {_WITHOUT[field]}. "
        f"Add to its manifest:\n{as_yaml(body)}"
        f"or run: kubectl -n {case.eck.namespace} patch elasticsearch {case.eck.resource} --type merge -p '{patch}'\n"
        "or let syncd apply it: set `resource: managed` for this remote"
    )
    return Hold(case.subject, "resource_field", text)


def _step(case: _Case, missing: Mapping[Field, str | bool]) -> PutResource:
    """What is missing, and what is ours already: what a manager does not name again is taken away."""
    fields: dict[Field, str | bool] = dict(missing)
    if "config_map" in case.state.ours and case.state.config_map is not None:
        fields.setdefault("config_map", case.state.config_map)
    if "remote_cluster_server" in case.state.ours:
        fields.setdefault("remote_cluster_server", case.state.remote_cluster_server)
    restarts = "remote_cluster_server" in missing
    what = ", ".join(f"{'.'.join(_PATHS[name])}: {json.dumps(value)}" for name, value in sorted(missing.items()))
    why = f"{case.name} lacks {what}" + ("; ECK restarts the remote's nodes for it" if restarts else "")
    body = manifest(case.eck, fields)
    with_mirror = [remote.alias for remote in case.remotes if remote.mirror]  # the guard asks whether it is there
    alias = with_mirror[0] if with_mirror else case.subject
    return PutResource(alias, body, (case.state.version, case.state.uid), restarts, why)


def resource_digest(step: PutResource) -> Digest:
    """Names what a step applies and to which object, for the memory: one that was made anew has undone nothing."""
    return content_digest(json.dumps([step.manifest, step.expect[1]], sort_keys=True).encode())


def _forgetful(seen: Observed) -> str:
    """Why a write might not be remembered by the next life of this process, or what was written by an earlier one."""
    if isinstance(seen.memory, Unknown):
        return seen.memory.text
    return f"the state could not be saved: {seen.save_failed}" if seen.save_failed else ""


def _refused(case: _Case, step: PutResource) -> Hold | None:
    if step.restarts and (why := _forgetful(case.seen)):
        text = f"whether somebody undoes what syncd applies to {case.name} is not known ({why})"
        return Hold(case.subject, "resource_memory_unknown", f"{text}, and it restarts the remote each time")
    before = undone(case.seen, case.aliases, "resource", resource_digest(step), _EVER, case.now)
    if not before or (len(before) < _MOST and case.now >= before[0] + CONTESTED):
        return None
    text = (
        f"syncd applied it at {before[0]:%Y-%m-%d %H:%M}Z and somebody took it out again ({step.why}): "
        f"add it where {case.name} is kept (a chart, a repository)"
    )
    if len(before) < _MOST:
        again = f"Tried once more after {hours(CONTESTED)}"
        return Hold(case.subject, "resource_contested", f"{text}. {again}", before[0] + CONTESTED)
    cure = (
        "It is applied no more. If whoever took it out does so no longer: take `resource: managed` of this remote out of "
        "the configuration, and put it back when syncd shows resource_field"
    )
    return Hold(case.subject, "resource_contested", f"{text}. {cure}")
