"""The whole pass over a world in memory: what a rotation does to the files, and what keeps it from going wrong."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.bundle import content_digest
from syncd.core.errors import HostError, SourceError
from syncd.core.java.trust import Rotation
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import ask, note_retired
from syncd.core.model import ClaimCluster, FixOwner, PutFile, Report, Request
from syncd.demo.pki import EckCa
from syncd.engine.rings import AGAIN, LATE, PROOF, SOURCE
from syncd.ports import Deadline, now
from tests.bed.waiting import soon, wait_for
from tests.fakes.memory import MemorySource
from tests.fakes.world import ALIAS, FILE, LOG, NAMES, OWNER, Bench, Syncd, proven_on_nodes


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def syncd(bench: Bench) -> Iterator[Syncd]:
    daemon = Syncd(bench)
    yield daemon
    daemon.end()


def rules(report: Report) -> set[str]:
    return {hold.rule for hold in report.plan.holds}


def test_a_first_pass_puts_the_published_ca_on_every_node_with_the_owner_of_elasticsearch_yml(
    bench: Bench, syncd: Syncd
) -> None:
    report = syncd.turn()
    for name in NAMES:
        assert bench.on(name) == (bench.ca.cert,)
        assert bench.hosts[name].owner(FILE, soon()) == OWNER
    assert report.plan.rotations == {ALIAS: Rotation.FIRST}


def test_a_settled_world_is_left_alone(bench: Bench, syncd: Syncd) -> None:
    """Promise 7: an unchanged file is not touched; a pass with nothing to do writes nothing anywhere."""
    syncd.turn(4)
    changes = bench.knife.changes
    report = syncd.turn(3)
    assert bench.knife.changes == changes
    assert report.settled
    assert all(proven_on_nodes(report).values())


def test_a_cluster_is_claimed_once_though_what_was_seen_of_it_is_old(bench: Bench, syncd: Syncd) -> None:
    """Passes come faster than looks at Elasticsearch."""
    page = syncd.prover.sweep()
    outcomes = [o for _ in range(3) for o in syncd.reconciler.run(page, ("test",), now()).outcomes]
    assert sum(isinstance(outcome.step, ClaimCluster) for outcome in outcomes) == 1
    assert syncd.turn().seen.cluster.value.owner == bench.permit.owner  # type: ignore[union-attr]  # it is seen


def test_news_of_something_else_does_not_make_it_look_at_the_nodes_again(bench: Bench) -> None:
    """Else a thousand hosts would be dialed anew for each other's late answers, and a new CA would wait for a look at all."""
    bench.overlap = timedelta(hours=1)
    syncd = Syncd(bench)
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    drifted = bench.hosts[NAMES[0]].real(FILE)
    drifted.chmod(0o600)
    assert not syncd.turn(rang=(LATE, PROOF)).plan.now
    bench.publish(bench.ca.renew(now()))
    assert {step.node for step in syncd.turn(rang=(SOURCE,)).plan.now if isinstance(step, PutFile)} == set(NAMES)
    assert drifted.stat().st_mode & 0o777 == OWNER.mode
    assert not syncd.turn(rang=(AGAIN,)).plan.now, "each node that was written to was looked at again"
    drifted.chmod(0o600)
    assert [type(step) for step in syncd.turn(rang=(LATE, "clock")).plan.now] == [FixOwner]
    syncd.end()


def test_trust_leaves_only_on_what_is_seen_now(bench: Bench) -> None:
    """Promise 1: a node that has gone a moment ago keeps the old CA everywhere, though its last look is good enough else."""
    bench.overlap = timedelta(seconds=4)
    syncd = Syncd(bench)
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    syncd.turn(rang=(SOURCE,))
    bench.follow()
    syncd.turn(2)
    bench.hosts[NAMES[2]].error = HostError("unreachable", "it is gone")
    end = Deadline.after(60)
    while "every_node_known" not in rules(report := syncd.turn(rang=(PROOF,))):
        assert end.left()
        assert not any(isinstance(step, PutFile) for step in report.plan.now)
    assert all(old.cert in bench.on(name) for name in NAMES)
    syncd.end()


@pytest.mark.parametrize("ill", ["red", "es_unreachable", "es_unauthorized", "es_unhealthy"])
def test_trust_is_written_whatever_the_health_of_the_cluster(bench: Bench, syncd: Syncd, ill: str) -> None:
    """Promise 1: adding trust needs the published CA and the node's file, never the cluster."""
    syncd.turn(4)
    if ill == "red":
        bench.es.health = "red"
    else:
        bench.es.refuses, bench.es.down = ill, set(NAMES)
    renewed = bench.ca.rekey(now())
    bench.publish(renewed)
    syncd.turn(2)
    assert all({renewed.cert} <= set(bench.on(name)) for name in NAMES)


def test_a_memory_that_is_saved_slowly_delays_no_trust(
    bench: Bench, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a CA came from is saved first; here that save ends when the CA is on every node, and no sooner."""
    syncd.turn(4)
    plain, renewed = bench.store.save, bench.ca.rekey(now())

    def save(text: str, expect: str | None, deadline: Deadline) -> str:
        wait_for(lambda: all(renewed.cert in bench.on(name) for name in NAMES), 4, "trust that does not wait")
        return plain(text, expect, deadline)

    monkeypatch.setattr(bench.store, "save", save)
    bench.publish(renewed)
    report = syncd.turn()
    assert not report.failures
    assert parse(bench.store.text or "", "the state").record(renewed.cert.fingerprint)


def test_a_new_key_is_added_beside_the_old_one_and_the_old_one_leaves_when_nothing_needs_it(
    bench: Bench, syncd: Syncd
) -> None:
    """Promise 1: trust before use."""
    syncd.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    report = syncd.turn(3)
    assert report.plan.rotations == {}
    assert all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES), "the remote still presents the old leaf"
    assert "chains_verify_without" in rules(report)
    bench.follow()
    syncd.turn_until(lambda: all(bench.on(name) == (new.cert,) for name in NAMES))


def test_a_remote_that_was_made_anew_is_told_apart_from_a_new_key(bench: Bench, syncd: Syncd) -> None:
    """By the uid of the object that publishes; a Secret made anew with the CA that it had is no rotation."""
    syncd.turn(4)
    bench.source.uid = "second"
    assert syncd.turn().plan.rotations == {}
    bench.publish(bench.ca.rekey(now()))
    assert syncd.turn().plan.rotations == {ALIAS: Rotation.NEW_KEY}
    bench.source.uid = "third"
    bench.publish(bench.ca.rekey(now()))
    assert syncd.turn().plan.rotations == {ALIAS: Rotation.RECREATED}


def test_the_overlap_keeps_the_old_ca_whatever_else_is_proven(bench: Bench) -> None:
    bench.overlap = timedelta(hours=24)
    syncd = Syncd(bench)
    syncd.turn(4)
    old = bench.ca
    bench.publish(old.rekey(now()))
    bench.follow()
    report = syncd.turn(4)
    assert rules(report) == {"overlap"}
    assert all(old.cert in bench.on(name) for name in NAMES)
    syncd.end()


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nTUlJ", b"x" * 10_000_000, None],
    ids=["empty", "garbage", "truncated", "10 MB", "deleted"],
)
def test_nothing_is_derived_from_what_cannot_be_read(bench: Bench, syncd: Syncd, content: bytes | None) -> None:
    """Promise 4: unknown is never empty."""
    syncd.turn(4)
    changes, trusted = bench.knife.changes, [bench.on(name) for name in NAMES]
    bench.source.content = content
    report = syncd.turn(2)
    assert [bench.on(name) for name in NAMES] == trusted
    assert bench.knife.changes == changes
    assert any(hold.subject == ALIAS for hold in report.plan.holds), "and it is said"


@pytest.mark.parametrize(
    "content", [b"\x00\xff binary", b"", b"-----BEGIN CERTIFICATE-----\nTUlJ", b"x" * 2_000_000],
    ids=["binary", "empty", "truncated", "huge"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_never_written_over(bench: Bench, syncd: Syncd, content: bytes) -> None:
    """Promise 4, on a node's side: its content may hold what nobody else has. The other nodes go on."""
    syncd.turn(4)
    host = bench.hosts[NAMES[0]]
    host.real(FILE).write_bytes(content)
    bench.publish(bench.ca.renew(now()))
    report = syncd.turn(2)
    assert host.real(FILE).read_bytes() == content
    assert [hold.subject for hold in report.plan.holds if hold.rule.startswith(("file_", "too_large"))] == [NAMES[0]]
    assert all(bench.ca.cert in bench.on(name) for name in NAMES[1:])


def test_an_unreachable_source_changes_nothing_and_is_named(bench: Bench, syncd: Syncd) -> None:
    syncd.turn(4)
    bench.source.error = SourceError("source_unreachable", "connection refused", where="secret memory")
    assert "source_unreachable" in rules(syncd.turn())


def _proven_without_logs(bench: Bench, syncd: Syncd) -> Callable[[], set[str | None]]:
    """A new CA is published and no log can be read: what proves it, in one more pass."""
    syncd.turn(4)
    for name in NAMES:
        log = bench.hosts[name].real(LOG)
        log.unlink()
        log.symlink_to(log)
    bench.publish(bench.ca.renew(now()))

    def proven() -> set[str | None]:
        report = syncd.reconciler.run(syncd.prover.sweep(), ("test",), now())
        syncd.prover.tell(report)
        syncd.report = report
        return {sight.by if sight else None for sight in proven_on_nodes(report).values()}

    proven()  # writes the file; until then what was proven is of the one before
    return proven


@pytest.mark.parametrize(("interval", "reloads"), [("1h", True), (None, False)])
def test_what_a_process_does_not_look_at_is_not_proven_by_time(
    bench: Bench, syncd: Syncd, interval: str | None, reloads: bool
) -> None:
    """It counts how often the process itself looks, not how often the configuration believes that it does."""
    bench.es.reload_interval, bench.es.reloads = interval, reloads
    proven = _proven_without_logs(bench, syncd)
    passes = Deadline.after(10 * 6 * 0.04)  # ten times as long as a silent log is waited for at the bench's poll
    while passes.left():
        assert proven() == {None}
    assert syncd.report
    assert ("awaiting_load" if reloads else "reload_disabled") in rules(syncd.report)
    bench.es.reload_interval, bench.es.reloads = None, True
    wait_for(lambda: proven() == {"file"}, 10, "the weaker proof")


def test_trust_is_written_though_the_log_may_not_be_read_and_proven_in_the_weaker_way(
    bench: Bench, syncd: Syncd
) -> None:
    proven = _proven_without_logs(bench, syncd)
    wait_for(lambda: proven() == {"file"}, 10, "the weaker proof")
    assert all(bench.ca.cert in bench.on(name) for name in NAMES)


def test_one_bad_node_never_stops_the_others_and_keeps_the_old_ca_everywhere(bench: Bench, syncd: Syncd) -> None:
    """Promise 5, and every_node_known of promise 1."""
    syncd.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.hosts[NAMES[2]].error = HostError("unreachable", "connect timed out", where="10.0.0.13:22")
    bench.publish(new)
    bench.follow()
    report = syncd.turn(4)
    assert all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES[:2])
    assert {"unreachable", "every_node_known"} <= rules(report)


def test_foreign_certificates_stay(bench: Bench, syncd: Syncd) -> None:
    """Promise 9: a file that was there before is adopted, and what nobody can account for is kept."""
    stranger = bench.ca.rekey(now()).cert
    bench.hosts[NAMES[0]].put(FILE, stranger.pem, OWNER, None, soon())
    syncd.turn(4)
    assert set(bench.on(NAMES[0])) == {stranger, bench.ca.cert}
    assert bench.on(NAMES[1]) == (bench.ca.cert,)


def test_observe_changes_nothing_anywhere(bench: Bench) -> None:
    syncd = Syncd(bench, observe=True)
    report = syncd.turn(3)
    assert bench.knife.changes == 0
    assert len([step for step, rule in report.plan.later if isinstance(step, PutFile)]) == len(NAMES)
    syncd.end()


def test_without_the_permit_nothing_is_changed(bench: Bench, syncd: Syncd) -> None:
    """Promise 11."""
    bench.permit.held = False
    report = syncd.turn(2)
    assert bench.knife.changes == 0
    assert "standby" in rules(report)


def test_a_cluster_that_another_syncd_keeps_is_left_alone(bench: Bench, syncd: Syncd) -> None:
    bench.es.keeper = "lease/other"
    report = syncd.turn(2)
    assert bench.knife.changes == 0
    assert "other_owner" in rules(report)


def test_lost_memory_costs_caution_not_correctness(bench: Bench, syncd: Syncd) -> None:
    """Promise 3: with the state gone in mid-overlap, the old CA becomes foreign and stays."""
    syncd.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    syncd.turn(2)
    bench.store.text = None
    bench.follow()
    syncd.turn(4)
    assert all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "cas": 7}', '{"version": 1, "cas": [{"a": 1}]}'])
def test_damaged_memory_is_survived(bench: Bench, syncd: Syncd, text: str) -> None:
    syncd.turn(4)
    bench.store.text = text
    report = syncd.turn(4)
    assert report.settled
    assert all(bench.on(name) == (bench.ca.cert,) for name in NAMES)


@pytest.mark.parametrize(("minutes", "done"), [(14, True), (16, False)])
def test_a_request_that_nobody_could_carry_out_in_time_is_not_done_by_surprise(
    bench: Bench, syncd: Syncd, minutes: int, done: bool
) -> None:
    """Typed at a cluster in `mode: observe`, it would else restart all nodes on the day of `mode: act`."""
    syncd.turn(4)
    asked = Request(
        "r", "pause", (now() + timedelta(hours=1)).isoformat(), "somebody", now() - timedelta(minutes=minutes)
    )
    bench.store.text = dump(ask(parse(bench.store.text or "", "test"), asked), "onprem")
    syncd.turn(2)
    memory = parse(bench.store.text, "test")
    assert (memory.paused_until is not None) is done
    answer = memory.answer("r")
    assert answer
    assert answer.done is done
    assert ("ask again" not in answer.text) is done
    assert memory.requests == ()


def test_extra_files_that_cannot_be_used_are_told_and_take_nothing_away(bench: Bench) -> None:
    """Promise 4: what a file said that cannot be read any more stays where it is."""
    extra = EckCa.create(now())
    other = MemorySource(extra.pem)
    bench.extras = {ALIAS: (other,)}
    syncd = Syncd(bench)
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    other.content = b"-----BEGIN CERTIFICATE-----\nnothing"
    (hold,) = (hold for hold in syncd.turn(2).plan.holds if hold.rule == "extra_unread")
    assert hold.subject == ALIAS
    assert hold.grave
    assert all(set(bench.on(name)) == {bench.ca.cert, extra.cert} for name in NAMES)
    syncd.end()


def test_memory_of_a_later_version_is_not_written_over(bench: Bench, syncd: Syncd) -> None:
    bench.store.text = '{"version": 99}'
    report = syncd.turn(2)
    assert bench.store.text == '{"version": 99}'
    assert "state_newer" in rules(report)
    assert all(bench.on(name) == (bench.ca.cert,) for name in NAMES), "trust is added all the same"


def test_owner_and_mode_drift_is_repaired_without_touching_content(bench: Bench, syncd: Syncd) -> None:
    syncd.turn(4)
    host = bench.hosts[NAMES[0]]
    host.real(FILE).chmod(0o600)
    before = host.real(FILE).stat()
    syncd.turn()
    assert host.owner(FILE, soon()) == OWNER
    after = host.real(FILE).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_names_the_path_but_is_not_loaded_is_not_proven(bench: Bench, syncd: Syncd) -> None:
    """Promise 2: done means proven."""
    world = syncd.reconciler.run(syncd.prover.sweep(), (), now())
    syncd.prover.tell(world)
    report = syncd.reconciler.run(syncd.prover.sweep(), (), now())
    assert not any(proven_on_nodes(report).values())
    assert "awaiting_load" in rules(report)


def test_a_new_life_makes_up_for_a_reload_that_was_lost_and_the_next_one_knows_that_it_was_made(bench: Bench) -> None:
    """No remote names the key in use: what the processes have read is remembered, or they are told once more."""
    setting = f"cluster.remote.{ALIAS}.credentials"
    bench.secrets = {setting: lambda: b"key"}
    bench.es.unread = dict.fromkeys(NAMES, "the permit was lost")
    keyed = (bench.remote(credential=True),)
    for _ in range(2):
        life = Syncd(bench, remotes=keyed)
        life.turn_until(lambda: all(setting in host.secrets for host in bench.hosts.values()))
        life.turn(2)
        life.end()
        assert not any(bench.es.credentials.values())
    bench.es.unread = {}
    life = Syncd(bench, remotes=keyed)
    life.turn_until(lambda: all(setting in bench.es.credentials.get(name, ()) for name in NAMES))
    life.turn(2)
    life.end()
    bench.es.credentials.clear()
    life = Syncd(bench, remotes=keyed)
    report = life.turn(4)
    life.end()
    assert not bench.es.credentials, "nothing was read again"
    assert "credential_unloaded" not in rules(report)


def ask_for(bench: Bench, verb: str, argument: str) -> None:
    """As a command does it: a request in the stored memory."""
    memory = ask(parse(bench.store.text or "", "here"), Request("r", verb, argument, "somebody", now()))  # type: ignore[arg-type]  # a verb
    bench.store.save(dump(memory, "onprem"), str(bench.store.version), Deadline.after(5))


def test_a_retirement_is_decided_after_a_pause_and_not_in_it(bench: Bench, syncd: Syncd) -> None:
    """What stands against it at the end of the pause may be another thing than what did when it was decided."""
    syncd.turn(4)
    old = bench.ca
    bench.publish(old.rekey(now()))
    syncd.turn(3)
    ask_for(bench, "pause", (now() + timedelta(hours=4)).isoformat())
    bench.follow()
    syncd.turn_until(lambda: any(isinstance(step, PutFile) for step, _ in syncd.report.plan.later))  # type: ignore[union-attr]  # a turn was made
    report = syncd.turn()
    assert "paused" in rules(report)
    assert not [record for record in parse(bench.store.text or "", "here").cas if record.retired_at]
    bench.overlap = timedelta(hours=24)
    syncd.end()
    later = Syncd(bench)
    ask_for(bench, "resume", "")
    report = later.turn(4)
    assert "overlap" in rules(report)
    assert all(old.cert in bench.on(name) for name in NAMES)
    later.end()


def test_a_retirement_that_was_carried_out_nowhere_is_decided_again_and_one_that_was_is_finished(bench: Bench) -> None:
    """Put back where it is gone already, an old CA would come and go for as long as one node's file cannot be written."""
    first = Syncd(bench)
    first.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    first.turn(3)
    first.end()
    memory = parse(bench.store.text or "", "here")
    retired = note_retired(memory, ALIAS, old.cert.fingerprint, now())
    bench.store.save(dump(retired, "onprem"), str(bench.store.version), Deadline.after(5))
    again = Syncd(bench)
    again.turn(2)
    assert all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES), "the remote still presents the old leaf"
    assert not [record for record in parse(bench.store.text or "", "here").cas if record.retired_at]
    bench.follow()
    again.turn_until(lambda: all(bench.on(name) == (new.cert,) for name in NAMES))
    there = bench.hosts[NAMES[2]].read(FILE, 1_000_000, Deadline.after(5))
    assert there
    both = old.cert.pem + new.cert.pem
    bench.hosts[NAMES[2]].put(FILE, both, OWNER, content_digest(there.content), Deadline.after(5))
    report = again.turn()
    assert [step.node for step in report.plan.now if isinstance(step, PutFile)] == [NAMES[2]]
    assert all(bench.on(name) == (new.cert,) for name in NAMES)
    again.end()
