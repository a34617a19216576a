"""What the Elasticsearch resource should say: two fields, with consent, never before the mirror, never again and again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from syncd.core.afterwards import note_eck_writes
from syncd.core.eck.resource import as_yaml, manifest, resource_digest, resource_steps
from syncd.core.eck.services import wrong_target
from syncd.core.eck.writes import without_withdrawn
from syncd.core.errors import UnsafePlan
from syncd.core.guard import check
from syncd.core.memory.document import dump, parse
from syncd.core.model import (
    Absent,
    Alias,
    EckService,
    EckWrite,
    Hold,
    Known,
    Memory,
    MirrorPolicy,
    PutResource,
    RemotePolicy,
    Unknown,
)
from tests.fakes.eck_side import ECK, NOW, REMOTE, Side, mirror_of, resource, state_of

FIXTURES = Path(__file__).parent.parent / "fixtures" / "eck"
CONSENT = replace(ECK, apply=True)
CERTIFICATE = replace(REMOTE, eck=CONSENT)
API_KEY = RemotePolicy(Alias("by-key"), eck=CONSENT)
MIRROR = Known(mirror_of("own"), NOW)
CONFIG_MAP = {"transport": {"tls": {"certificateAuthorities": {"configMapName": "remote-certs"}}}}
ENABLED = {"remoteClusterServer": {"enabled": True}}


def side(*remotes: RemotePolicy, **fields: object) -> Side:
    """Remotes that are one resource, which says so."""
    made = Side.trusting("own", mirror=MIRROR, resource=Known(resource(**fields), NOW))
    made.policy = replace(made.policy, remotes=remotes)
    return made


def decide(what: Side) -> tuple[PutResource | None, list[Hold]]:
    steps, holds = resource_steps(what.policy, what.seen(), NOW)
    assert len(steps) < 2
    for step in steps:
        check(step, None, what.seen(), NOW)
        assert isinstance(step, PutResource)
        return step, holds
    return None, holds


def rules(what: Side) -> list[str]:
    return [hold.rule for hold in decide(what)[1]]


@pytest.mark.parametrize(
    ("remotes", "fields", "spec", "restarts"),
    [
        ((CERTIFICATE,), {"config_map": None}, CONFIG_MAP, False),
        ((CERTIFICATE,), {}, None, None),
        ((API_KEY,), {"config_map": None}, ENABLED, True),
        ((API_KEY,), {"config_map": "another"}, ENABLED, True),
        ((API_KEY,), {"remote_cluster_server": True}, None, None),
        ((CERTIFICATE, API_KEY), {"config_map": None}, CONFIG_MAP | ENABLED, True),
        ((CERTIFICATE, API_KEY), {"remote_cluster_server": True, "config_map": None}, CONFIG_MAP, False),
        ((API_KEY, CERTIFICATE), {"config_map": None}, CONFIG_MAP | ENABLED, True),
        ((API_KEY,), {"ours": frozenset({"config_map"})}, CONFIG_MAP | ENABLED, True),
        (
            (CERTIFICATE,),
            {"config_map": None, "remote_cluster_server": True, "ours": frozenset({"remote_cluster_server"})},
            CONFIG_MAP | ENABLED,
            False,
        ),
    ],
    ids=[
        "mirror",
        "in place",
        "server",
        "foreign mirror",
        "served",
        "both",
        "one missing",
        "both, the key first",
        "ours 1",
        "ours 2",
    ],
)
def test_what_is_missing_is_applied_with_all_that_is_ours_and_nothing_else(
    remotes: tuple[RemotePolicy, ...], fields: dict[str, object], spec: object, restarts: bool | None
) -> None:
    """Server-side apply takes away what its manager does not name again."""
    step, holds = decide(side(*remotes, **fields))
    assert holds == []
    assert (step.manifest["spec"] if step else None, step.restarts if step else None) == (spec, restarts)
    if step:
        assert (step.manifest["metadata"], step.expect) == (
            {"name": "quickstart", "namespace": "elastic"},
            ("9", "res-uid"),
        )
        assert ("restarts" in step.why) == restarts


@pytest.mark.parametrize(
    ("remote", "spec"), [(replace(CERTIFICATE, eck=ECK), CONFIG_MAP), (replace(API_KEY, eck=ECK), ENABLED)]
)
def test_without_consent_a_person_is_told_the_very_manifest_and_command(
    remote: RemotePolicy, spec: Mapping[str, object]
) -> None:
    step, holds = decide(side(remote, config_map=None))
    assert step is None
    assert [hold.rule for hold in holds] == ["resource_field"]
    text = holds[0].text
    body = text[text.index("apiVersion") : text.index("or run:")]
    assert YAML(typ="safe").load(body)["spec"] == spec
    patch = text[text.index("-p '") + 4 : text.index("'\nor")]
    assert json.loads(patch) == {"spec": spec}
    assert "kubectl -n elastic patch elasticsearch quickstart --type merge" in text
    assert ("restarts" in text) == ("remoteClusterServer" in spec)


def test_a_manifest_reads_back_as_yaml_whatever_the_names() -> None:
    body = manifest(replace(ECK, resource="on", namespace="1e3"), {"config_map": "null", "remote_cluster_server": True})
    assert YAML(typ="safe").load(as_yaml(body)) == body


@pytest.mark.parametrize("order", [1, -1])
def test_consent_of_one_alias_applies_a_field_that_both_want(order: int) -> None:
    both = (replace(API_KEY, eck=ECK), replace(API_KEY, alias=Alias("two")))
    step, _ = decide(side(*both[::order], config_map=None))
    assert step
    assert step.manifest["spec"] == ENABLED


@pytest.mark.parametrize(
    "mirror",
    [Absent(NOW), Unknown("mirror_timeout", "late", NOW), Known(state_of(None), NOW), Known(state_of("# none"), NOW)],
    ids=["absent", "unknown", "no key", "no certificate"],
)
@pytest.mark.parametrize("eck", [ECK, CONSENT], ids=["asked", "applied"])
def test_the_mirror_comes_first(mirror: Any, eck: Any) -> None:
    """ECK stops issuing certificates when its resource names a ConfigMap that is not there."""
    what = side(replace(CERTIFICATE, eck=eck), config_map=None)
    what.mirror = mirror
    assert (decide(what)[0], rules(what)) == (None, ["resource_waits_for_mirror"])


def test_another_mirror_is_named_and_never_changed() -> None:
    step, holds = decide(side(CERTIFICATE, config_map="team-certs"))
    assert step is None
    assert [hold.rule for hold in holds] == ["mirror_elsewhere"]
    assert "set mirror.name to team-certs" in holds[0].text


def test_remote_clusters_of_ecks_own_controller_are_told_and_stop_nothing() -> None:
    step, holds = decide(side(API_KEY, remote_clusters=("other",)))
    assert step
    assert [hold.rule for hold in holds] == ["resource_remote_clusters"]


@pytest.mark.parametrize(
    ("seen", "rule"),
    [(Absent(NOW), "resource_absent"), (Unknown("resource_forbidden", "403", NOW), "resource_forbidden")],
)
def test_a_resource_that_is_not_seen_is_a_hold(seen: Any, rule: str) -> None:
    what = side(API_KEY)
    what.resource = seen
    assert (decide(what)[0], rules(what)) == (None, [rule])


def test_a_remote_without_a_resource_has_neither_steps_nor_holds() -> None:
    assert decide(side(replace(API_KEY, eck=None))) == (None, [])


class TestContested:
    def applied(self, *ago: timedelta, **fields: object) -> Side:
        what = side(API_KEY, **fields)
        step = decide(what)[0]
        assert step
        what.wrote(*ago, kind="resource", digest=resource_digest(step))
        return replace_alias(what)

    def test_what_was_applied_and_is_gone_is_not_applied_again_within_the_day(self) -> None:
        """Each time may restart the remote."""
        step, holds = decide(self.applied(timedelta(hours=23)))
        assert step is None
        assert [(hold.rule, hold.until) for hold in holds] == [("resource_contested", NOW + timedelta(hours=1))]

    def test_the_day_after_it_is(self) -> None:
        assert decide(self.applied(timedelta(hours=25)))[0]

    def test_taken_out_a_second_time_it_is_applied_no_more_however_long_ago_that_was(self) -> None:
        for days in (1, 300):
            step, holds = decide(self.applied(timedelta(days=days), timedelta(days=days + 1)))
            assert step is None
            assert [(hold.rule, hold.grave, hold.until) for hold in holds] == [("resource_contested", True, None)]
            assert "`resource: managed`" in holds[0].text

    def test_a_controller_that_takes_it_out_each_time_sees_two_applies_and_no_more(self) -> None:
        made, memory, applied = side(API_KEY), Memory(), 0
        for hour in range(240):
            at = NOW + timedelta(hours=hour)
            made.resource, made.memory = Known(resource(), at), Known(memory, at)
            for step in resource_steps(made.policy, made.seen(), at)[0]:
                assert isinstance(step, PutResource)
                applied += 1
                write = EckWrite(step.alias, "resource", resource_digest(step), at)
                memory = parse(dump(note_eck_writes(memory, [write]), "onprem"), "state")
        assert applied == 2

    def test_consent_that_is_withdrawn_and_given_anew_is_new(self) -> None:
        what = self.applied(timedelta(days=1), timedelta(days=2))
        assert isinstance(what.memory, Known)
        memory = what.memory.value
        assert without_withdrawn(what.policy, memory) == memory
        withdrawn = replace(what.policy, remotes=(replace(API_KEY, eck=ECK),))
        what.memory = Known(without_withdrawn(withdrawn, memory), NOW)
        assert decide(what)[0]
        other = replace(API_KEY, alias=Alias("two"))
        both = replace(what.policy, remotes=(*withdrawn.remotes, other))
        assert without_withdrawn(both, memory) == memory, "it is one resource, and one of them consents"

    def test_a_resource_that_was_made_anew_has_undone_nothing(self) -> None:
        what = self.applied(timedelta(days=1), timedelta(days=2))
        assert isinstance(what.resource, Known)
        what.resource = Known(replace(what.resource.value, uid="another"), NOW)
        steps, holds = resource_steps(what.policy, what.seen(), NOW)
        assert (len(steps), holds) == (1, [])

    def test_what_was_read_before_the_apply_says_nothing_of_it(self) -> None:
        what = self.applied(timedelta(minutes=1))
        what.resource = Known(resource(), NOW - timedelta(minutes=2))
        assert decide(what) == (None, [])

    def test_with_the_memory_unknown_nothing_restarts_the_remote(self) -> None:
        what = side(API_KEY)
        what.memory = Unknown("state_timeout", "late", NOW)
        assert (decide(what)[0], rules(what)) == (None, ["resource_memory_unknown"])

    def test_while_the_state_cannot_be_saved_nothing_restarts_the_remote(self) -> None:
        """The next life of the process would not know that it was applied."""
        what = side(API_KEY)
        steps, holds = resource_steps(what.policy, replace(what.seen(), save_failed="HTTP 403"), NOW)
        assert (steps, [hold.rule for hold in holds]) == ([], ["resource_memory_unknown"])
        what = side(CERTIFICATE, config_map=None)
        assert resource_steps(what.policy, replace(what.seen(), save_failed="HTTP 403"), NOW)[0], "restarts nothing"

    def test_what_this_process_could_not_save_counts_like_what_is_remembered(self) -> None:
        what = side(CERTIFICATE, config_map=None)
        step, _ = decide(what)
        assert step
        write = EckWrite(CERTIFICATE.alias, "resource", resource_digest(step), NOW - timedelta(minutes=1))
        seen = replace(what.seen(), unsaved=(write,))
        steps, holds = resource_steps(what.policy, seen, NOW)
        assert (steps, [hold.rule for hold in holds]) == ([], ["resource_contested"])


def replace_alias(what: Side) -> Side:
    """The records name the remote of the resource."""
    assert isinstance(what.memory, Known)
    eck = tuple(replace(write, alias=API_KEY.alias) for write in what.memory.value.eck)
    what.memory = Known(replace(what.memory.value, eck=eck), NOW)
    return what


@pytest.mark.parametrize(
    ("ports", "listens", "wrong"),
    [
        ([], 9443, ""),
        ([{"port": 9443}], 9443, ""),
        ([{"port": 443, "targetPort": 9443}], 9443, ""),
        ([{"port": 443, "targetPort": "9443"}], 9443, ""),
        ([{"port": 443, "targetPort": "rcs"}], 9443, ""),
        ([{"port": 9300}, {"port": 9443}], 9443, ""),
        ([{"port": 9300}, {"port": 9443}], 9300, ""),
        ([{"port": 443}], 9443, "port 443 leads to targetPort 443"),
        ([{"port": 9443, "targetPort": 9300}], 9443, "port 9443 leads to targetPort 9300"),
        (
            [{"port": 9443, "targetPort": 9300}, {"port": 1, "targetPort": 9443}],
            9443,
            "port 9443 leads to targetPort 9300",
        ),
        ([{"port": 9300, "targetPort": 9443}], 9300, "port 9300 leads to targetPort 9443"),
        ([{"port": 443}], 9300, "set targetPort: 9300"),
    ],
)
def test_a_target_port_that_leads_elsewhere_is_named(ports: list[dict[str, Any]], listens: int, wrong: str) -> None:
    found = wrong_target(ports, listens)
    assert wrong in found
    assert bool(found) == bool(wrong)


def template(port: int) -> Mapping[str, object]:
    return {"spec": {"type": "LoadBalancer", "ports": [{"port": port}]}}


@pytest.mark.parametrize(
    ("remote", "fields", "where"),
    [
        (API_KEY, {"service": template(443)}, "spec.remoteClusterServer.service"),
        (CERTIFICATE, {"transport_service": template(443)}, "spec.transport.service"),
        (API_KEY, {"services": (EckService("lb", ({"port": 9443, "targetPort": 9300},)),)}, "service lb"),
    ],
    ids=["3.3 and later", "transport", "made by hand"],
)
def test_both_ways_to_a_service_are_judged(remote: RemotePolicy, fields: dict[str, object], where: str) -> None:
    _, holds = decide(side(remote, remote_cluster_server=True, **fields))
    assert [hold.rule for hold in holds] == ["wrong_target_port"]
    assert where in holds[0].text
    assert holds[0].subject == remote.alias


def test_the_service_of_the_other_model_is_not_judged() -> None:
    assert rules(side(CERTIFICATE, service=template(443))) == []


def test_a_service_that_cannot_be_read_is_told() -> None:
    assert rules(side(CERTIFICATE, services=(EckService("lb", fault="HTTP 403"),))) == ["service_unread"]


@pytest.mark.parametrize(("name", "listens"), [("remote-cluster", 9443), ("transport", 9300)])
def test_the_services_that_eck_makes_itself_are_right(name: str, listens: int) -> None:
    service = json.loads((FIXTURES / f"quickstart-es-{name}.service.json").read_text())
    assert wrong_target(service["spec"]["ports"], listens) == ""


class TestGuard:
    def bad(self, rule: str, spec: dict[str, object], what: Side | None = None) -> None:
        body = manifest(ECK, {}) | {"spec": spec}
        step = PutResource(API_KEY.alias, body, ("9", "res-uid"), restarts=False, why="why")
        with pytest.raises(UnsafePlan) as refused:
            check(step, None, (what or side(API_KEY)).seen(), NOW)
        assert refused.value.rule == rule

    @pytest.mark.parametrize("spec", [{}, {"version": "9.0.0"}, ENABLED | {"nodeSets": []}])
    def test_it_applies_nothing_but_the_two_fields(self, spec: dict[str, object]) -> None:
        self.bad("foreign_field", spec)

    def test_it_never_switches_the_server_off(self) -> None:
        self.bad("switches_off", {"remoteClusterServer": {"enabled": False}})

    def test_it_names_no_mirror_that_is_not_there(self) -> None:
        what = side(API_KEY, config_map=None)
        what.mirror = Absent(NOW)
        self.bad("mirror_missing", dict(CONFIG_MAP), what)


def test_a_remote_that_changes_to_the_api_key_gets_its_server_and_the_mirror_stays_named() -> None:
    """Nobody looks at a mirror for the API-key model, and what a manager does not name again is taken away."""
    what = side(API_KEY, ours=frozenset({"config_map"}))
    what.mirror = Absent(NOW)
    step, _ = decide(what)
    assert step
    assert step.manifest["spec"] == CONFIG_MAP | ENABLED


def test_mirror_names_of_two_aliases_that_differ_are_told() -> None:
    other = replace(CERTIFICATE, alias=Alias("two"), mirror=MirrorPolicy("elastic", "other"))
    assert rules(side(CERTIFICATE, other)) == ["mirror_elsewhere"]


def test_a_known_resource_is_one_of_real_life() -> None:
    """The fixtures' own fields, so that the tests above speak of what a real ECK has."""
    body = json.loads((FIXTURES / "elasticsearch.resource.json").read_text())
    assert body["spec"]["remoteClusterServer"] == ENABLED["remoteClusterServer"]
    assert manifest(ECK, {})["apiVersion"] == body["apiVersion"]
