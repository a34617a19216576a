"""Decisions, one at a time: retirement, proofs, the guard, verdicts, the log's words, and the memory's document."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.bundle import Fingerprint, TrustFile, bundle_digest, content_digest, render
from syncd.core.errors import StateError
from syncd.core.guard import guard
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import note_published
from syncd.core.model import (
    Absent,
    Alias,
    Answer,
    CaRecord,
    ClusterState,
    Context,
    EckWrite,
    FileState,
    Forgotten,
    Known,
    Link,
    LogPosition,
    Memory,
    NodeName,
    NodePolicy,
    NodeSeen,
    Observed,
    Ownership,
    Plan,
    Policy,
    Presented,
    Process,
    PutFile,
    RemotePolicy,
    RemoteSeen,
    Request,
    RestartWish,
    Sighting,
    Unknown,
    Verdict,
    Written,
)
from syncd.core.proof.loaded import prove
from syncd.core.proof.loadlog import last_reload, whole_lines
from syncd.core.trustfile import retire
from syncd.core.verdict import judge
from syncd.demo.pki import EckCa

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALIAS, NAME, FILE = Alias("eck-prod"), NodeName("es-01"), "/etc/elasticsearch/remote-cluster-ca.crt"
OLD = EckCa.create(NOW - timedelta(days=10))
NEW = OLD.rekey(NOW)
LEAF = NEW.leaf(now=NOW)
OWNER = Ownership(0, 0, 0o660)
DIALING = Context.REMOTE_CLUSTER_CLIENT
ROLES = frozenset({"remote_cluster_client"})
POLICY = Policy("onprem", (NodePolicy(NAME, FILE),), (RemotePolicy(ALIAS),))


def node(*trusted: EckCa, started: int = 0, modified: int = 1_000, link: Link | None = None) -> NodeSeen:
    certs = tuple(ca.cert for ca in trusted)
    content = render(certs)
    up = link or Link(ALIAS, connected=True, sockets=18, address="eck:9443", server_name=None, has_credential=True)
    file = Known(FileState(content_digest(content), TrustFile(certs), OWNER, modified), NOW)
    return NodeSeen(
        name=NAME,
        file=file,
        owner=Known(OWNER, NOW),
        process=Known(Process(NAME, "8.19.21", ROLES, started, "/var/log", "onprem"), NOW),
        trust_paths=Known(frozenset({FILE}), NOW),
        links={ALIAS: up},
        handshakes={ALIAS: Known(Presented(LEAF.chain, "eck:9443", NOW), NOW)},
        files={DIALING: file},
    )


def world(seen: NodeSeen, memory: Memory | None = None, **fields: object) -> Observed:
    sight = Presented(LEAF.chain, "eck:9443", NOW)
    remote = RemoteSeen(DIALING, Absent(NOW), Absent(NOW), (sight,), Known(1, NOW))
    base = Observed({NAME: seen}, {ALIAS: remote}, Absent(NOW), Known(memory or Memory(), NOW))
    return replace(base, **fields)  # type: ignore[arg-type]  # fields of Observed


def sighting(*trusted: EckCa, started: int = 0, refused: str = "") -> Sighting:
    digest = bundle_digest(ca.cert for ca in trusted)
    return Sighting(NAME, Context.REMOTE_CLUSTER_CLIENT, digest, started, "log", NOW, refused)


def rule(result: object) -> str:
    return getattr(result, "rule", "") or getattr(result, "by", "")


@pytest.mark.parametrize(
    ("seen", "sightings", "expected"),
    [
        (node(OLD), (sighting(OLD),), "log"),
        (node(OLD), (), "awaiting_load"),
        (node(OLD), (sighting(OLD, NEW),), "awaiting_load"),
        (node(OLD, started=5), (sighting(OLD, started=4),), "awaiting_load"),
        (node(OLD), (sighting(OLD, refused="CertificateException"),), "load_refused"),
        (node(OLD, started=1_001_000), (), "started_after"),
        (node(OLD, started=1_000_999), (), "awaiting_load"),
        (replace(node(OLD), trust_paths=Known(frozenset(), NOW)), (sighting(OLD),), "not_configured"),
        (replace(node(OLD), trust_paths=Unknown("es_forbidden", "no", NOW)), (sighting(OLD),), "es_forbidden"),
        (replace(node(OLD), process=Unknown("es_unreachable", "no", NOW)), (sighting(OLD),), "es_unreachable"),
    ],
    ids=[
        "the log says so", "no sign", "other content", "the process restarted", "refused", "started after the write",
        "started within the second of the write", "not configured", "configuration unknown", "process unknown",
    ],
)  # fmt: skip
def test_a_load_is_proven_for_this_process_and_this_content_only(
    seen: NodeSeen, sightings: tuple[Sighting, ...], expected: str
) -> None:
    assert rule(prove(seen, world(seen, sightings=sightings), POLICY, DIALING)) == expected


def test_a_process_that_ran_before_the_write_has_not_started_after_it_whatever_its_clock_says() -> None:
    """The node's clock was two hours ahead when the process started, and was set right before the write."""
    seen = node(OLD, started=1_001_000 + 7_200_000)

    def proven(running: int | None) -> str:
        record = Written(NAME, Context.REMOTE_CLUSTER_CLIENT, bundle_digest([OLD.cert]), NOW, NOW, None, running)
        return rule(prove(seen, world(seen, memory=Memory(writes=(record,))), POLICY, DIALING))

    assert proven(1_001_000 + 7_200_000) == "awaiting_load"
    assert proven(5) == "started_after", "another process ran then"
    assert proven(None) == "started_after", "none was seen then"


def put(seen: NodeSeen, *wanted: EckCa) -> Plan:
    assert isinstance(seen.file, Known)
    before, after = {*seen.file.value.trust.certs}, {ca.cert for ca in wanted}
    step = PutFile(
        NAME, DIALING, FILE, render(after), bundle_digest(after), OWNER, seen.file.value.content,
        tuple(sorted(after - before)), tuple(sorted(before - after)), "test",
    )  # fmt: skip
    return Plan("onprem", now=(step,), memory=Memory())


def test_the_guard_lets_through_what_orphans_nothing() -> None:
    seen = node(OLD, NEW)
    assert guard(put(seen, NEW), world(seen), NOW).now


def test_the_guard_refuses_to_orphan_a_chain_that_something_presents() -> None:
    seen = node(OLD, NEW)
    guarded = guard(put(seen, OLD), world(seen), NOW)
    assert not guarded.now
    assert [hold.rule for hold in guarded.holds] == ["guard_orphans_chain"]


def test_the_guard_refuses_to_remove_while_another_alias_is_not_known() -> None:
    seen = node(OLD, NEW)
    strangers = {(DIALING, Alias("other")): Unknown("unreachable", "no", NOW)}
    assert [h.rule for h in guard(put(seen, NEW), world(seen, strangers=strangers), NOW).holds] == [
        "guard_alias_unseen"
    ]


def test_the_guard_protects_what_another_alias_presents() -> None:
    seen = node(OLD, NEW)
    strangers = {(DIALING, Alias("other")): Known(Presented(OLD.leaf(now=NOW).chain, "other:9443", NOW), NOW)}
    assert not guard(put(seen, NEW), world(seen, strangers=strangers), NOW).now


@pytest.mark.parametrize(
    ("pod", "ago", "refused"), [("default-1", 10, True), ("default-1", 70, False), ("default-0", 10, False)]
)
def test_the_guard_protects_what_each_endpoint_presented_last_not_only_the_last_one(
    pod: str, ago: int, refused: bool
) -> None:
    """The one that has its new leaf already says nothing of the one that has not; it says all of itself."""
    seen = node(OLD, NEW)
    sights = (
        Presented(OLD.leaf(pod, now=NOW).chain, "eck:9443", NOW - timedelta(minutes=ago)),
        Presented(NEW.leaf("default-0", now=NOW).chain, "eck:9443", NOW - timedelta(minutes=1)),
    )
    remote = replace(world(seen).remotes[ALIAS], presented=sights)
    guarded = guard(put(seen, NEW), world(seen, remotes={ALIAS: remote}), NOW)
    assert [hold.rule for hold in guarded.holds] == ["guard_orphans_chain"] * refused


@pytest.mark.parametrize(("third", "kept"), [("default-0", True), ("default-2", False)])
def test_endpoints_are_counted_by_node_and_not_by_certificate(third: str, kept: bool) -> None:
    """A pod that restarts gets another leaf: a node that nobody has met yet may still live on the old CA."""
    seen, minutes = node(OLD, NEW), iter((50, 20, 10))
    sights = tuple(
        Presented(NEW.leaf(pod, now=NOW).chain, "lb:9443", NOW - timedelta(minutes=next(minutes)))
        for pod in ("default-0", "default-1", third)
    )
    remote = replace(world(seen).remotes[ALIAS], presented=sights, endpoints=Known(3, NOW))
    old = note_published(Memory(), ALIAS, OLD.cert, NOW, "", DIALING).cas[0]
    record = replace(old, superseded_at=NOW - timedelta(days=2))
    cluster = ClusterState("u", "onprem", "green", None, {NAME: ROLES}, "basic", None)
    whole = world(seen, remotes={ALIAS: remote}, cluster=Known(cluster, NOW))
    up = (Verdict(NAME, ALIAS, up=True, reason="ok", text=""),)
    case = retire.Case(
        record,
        OLD.cert,
        NEW.cert,
        POLICY.remotes[0],
        POLICY,
        whole,
        {NAME: sighting(OLD, NEW)},
        up,
        NOW,
    )
    assert [hold.rule for hold in retire.keeps(case)] == ["endpoints_unseen"] * kept


def test_the_guard_lets_a_person_revoke() -> None:
    seen = node(OLD, NEW)
    plan = put(seen, OLD)
    plan = replace(plan, memory=Memory(revoked=frozenset({NEW.cert.fingerprint})))
    assert guard(plan, world(seen), NOW).now


def test_the_guard_refuses_content_that_does_not_do_what_the_step_says() -> None:
    seen = node(OLD, NEW)
    plan = put(seen, NEW)
    step = plan.now[0]
    assert isinstance(step, PutFile)
    lying = replace(plan, now=(replace(step, removed=()),))
    assert [hold.rule for hold in guard(lying, world(seen), NOW).holds] == ["guard_mismatch"]


@pytest.mark.parametrize(
    ("seen", "up", "reason"),
    [
        (node(NEW), True, "ok"),
        (node(OLD), False, "untrusted"),
        (node(NEW, link=Link(ALIAS, False, 0, "eck:9443", None, True)), False, "disconnected"),
        (node(NEW, link=Link(ALIAS, False, 0, "eck:9443", None, False)), False, "no_credential"),
        (replace(node(NEW), links={}), False, "disconnected"),
        (replace(node(NEW), process=Unknown("x", "gone", NOW)), None, "unknown"),
        (replace(node(NEW), handshakes={ALIAS: Unknown("tunnel_refused", "no tunnels", NOW)}), True, "ok"),
        (replace(node(NEW), handshakes={ALIAS: Unknown("dial_refused", "no route", NOW)}), None, "network"),
        (replace(node(NEW), handshakes={ALIAS: Unknown("timeout", "dropped", NOW)}), None, "network"),
        (replace(node(OLD), handshakes={ALIAS: Unknown("timeout", "dropped", NOW)}), None, "network"),
    ],
)
def test_a_verdict_says_whether_the_link_works_and_why_not(seen: NodeSeen, up: bool | None, reason: str) -> None:
    verdict = judge(seen, ALIAS, world(seen).remotes[ALIAS], NOW)
    assert verdict
    assert (verdict.up, verdict.reason) == (up, reason)


def test_open_sockets_do_not_hide_broken_trust() -> None:
    """The case that is found out a year later elsewhere: 18 sockets work, and nothing new would."""
    seen = node(OLD)
    verdict = judge(seen, ALIAS, world(seen).remotes[ALIAS], NOW)
    assert verdict
    assert (verdict.up, verdict.breaks_at) == (False, NOW)
    assert "18 sockets opened earlier still work" in verdict.text


def test_a_good_link_breaks_when_the_leaf_ends_not_when_the_anchor_does() -> None:
    seen = node(NEW)
    verdict = judge(seen, ALIAS, world(seen).remotes[ALIAS], NOW)
    assert verdict
    assert verdict.breaks_at == LEAF.cert.not_after


def line(text: str) -> bytes:
    return f"[2026-11-24T12:00:00,000][INFO ][o.e.x.c.s.SSLConfigurationReloader] [es-01] {text}\n".encode()


LOADED = line(f"updated 1 ssl contexts in 6ms for prefix names [] using file [{FILE}]")
OLDER_FORM = line(f"reloaded [{FILE}] and updated ssl contexts using this file")
OTHER = line("updated 1 ssl contexts in 6ms for prefix names [] using file [/etc/elasticsearch/other.crt]")
REFUSED = line(f"cannot notify file changes listener\nSslConfigException: cannot load [{FILE}]: bad")


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        (b"", None),
        (OTHER, None),
        (LOADED, True),
        (OLDER_FORM, True),
        (REFUSED, False),
        (LOADED + REFUSED, False),
        (REFUSED + LOADED, True),
        (LOADED + OTHER, True),
    ],
)
def test_the_last_word_of_the_log_about_this_file_counts(text: bytes, loaded: bool | None) -> None:
    reload = last_reload(text, FILE)
    assert (reload.loaded if reload else None) is loaded


def test_a_line_that_is_still_being_written_is_left_for_later() -> None:
    assert whole_lines(LOADED + LOADED[:20]) == LOADED


def test_the_memory_survives_its_document() -> None:
    position = LogPosition("/var/log/x.log", 7, 42)
    memory = Memory(
        cas=(CaRecord(OLD.cert.fingerprint, ALIAS, "CN=x", OLD.cert.key, None, NOW, "eck", NOW, NOW, None),),
        proofs=(sighting(OLD),),
        writes=(Written(NAME, Context.REMOTE_CLUSTER_CLIENT, bundle_digest([OLD.cert]), NOW, NOW, position, 5),),
        approved=frozenset({OLD.cert.fingerprint}),
        paused_until=NOW,
        wishes=(RestartWish(NAME, 7, NOW, anyway=True), RestartWish(NAME, 7, NOW, anyway=False)),
        forgotten=(Forgotten(ALIAS, Context.TRANSPORT, NOW),),
        dead=frozenset({NAME}),
        eck=(EckWrite(ALIAS, "mirror", bundle_digest([OLD.cert]), NOW),),
        requests=(Request("1", "pause", "x", "somebody", NOW),),
        answers=(Answer("0", "no", done=False),),
    )
    assert parse(dump(memory, "onprem"), "here") == memory


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"version": 1, "x": 1}',
        '{"version": 1, "approved": "abc"}',
        '{"version": 1, "paused_until": "x"}',
    ],
)
def test_a_damaged_document_is_told_apart_from_a_later_one(text: str) -> None:
    with pytest.raises(StateError) as damaged:
        parse(text, "here")
    assert damaged.value.rule == "state_damaged"
    with pytest.raises(StateError) as later:
        parse('{"version": 2, "anything": 1}', "here")
    assert later.value.rule == "state_newer"


def test_the_memory_is_capped_and_never_forgets_what_is_not_retired() -> None:
    memory = Memory()
    base = note_published(memory, ALIAS, OLD.cert, NOW, "", DIALING).cas[0]
    many = tuple(
        replace(
            base, fingerprint=Fingerprint(f"{number:064x}"), superseded_at=NOW, retired_at=NOW if number % 2 else None
        )
        for number in range(400)
    )
    after = note_published(Memory(cas=many), ALIAS, NEW.cert, NOW, "", DIALING)
    assert sum(record.retired_at is None for record in after.cas) == 201
    assert sum(record.retired_at is not None for record in after.cas) == 50


def test_a_ca_that_is_published_again_is_current_again() -> None:
    memory = note_published(Memory(), ALIAS, OLD.cert, NOW, "", DIALING)
    memory = note_published(memory, ALIAS, NEW.cert, NOW, "", DIALING)
    memory = note_published(memory, ALIAS, OLD.cert, NOW, "", DIALING)
    record = memory.record(OLD.cert.fingerprint, ALIAS)
    assert record
    assert record.superseded_at is None
