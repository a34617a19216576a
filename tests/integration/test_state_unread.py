"""What a person forbade holds while syncd's memory cannot be read, is damaged or is gone: unknown is never empty."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import ask
from syncd.core.model import FixOwner, Memory, PutFile, Remember, Report, Request
from syncd.ports import now
from tests.fakes.world import NAMES, Bench, Syncd


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def lives() -> Iterator[list[Syncd]]:
    made: list[Syncd] = []
    yield made
    for life in made:
        life.end()


FORBIDDEN = {
    "paused": {},
    "revoked": {},
    "not_approved": {"accept": "approved"},
    "not_same_key": {"accept": "same_key"},
}
"""Each way to forbid that a new CA is trusted: the hold, and what the configuration says of the remote."""


def _life(bench: Bench, lives: list[Syncd], **remote: object) -> Syncd:
    lives.append(Syncd(bench, remotes=(bench.remote(**remote),)))
    return lives[-1]


def _settled(syncd: Syncd) -> Syncd:
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    return syncd


def _ask(bench: Bench, verb: str, argument: str) -> None:
    memory = parse(bench.store.text or "", "test") if bench.store.text else Memory()
    made = Request(verb, verb, argument, "test", now())  # type: ignore[arg-type]  # each test names a verb
    bench.store.text = dump(ask(memory, made), "onprem")
    bench.store.version += 1


def _new_ca(bench: Bench, syncd: Syncd, rule: str) -> None:
    """A new CA is published, which a person has forbidden."""
    new = bench.ca.rekey(now())
    if rule == "paused":
        _ask(bench, "pause", (now() + timedelta(hours=4)).isoformat())
    if rule == "revoked":
        _ask(bench, "revoke", new.cert.fingerprint)
    syncd.turn()
    bench.publish(new)


def _rules(report: Report) -> set[str]:
    return {hold.rule for hold in report.plan.holds}


def _trusted(bench: Bench) -> bool:
    return any(bench.ca.cert in bench.on(name) for name in NAMES)


@pytest.mark.parametrize("trouble", ["state_timeout", "state_newer", "damaged"])
@pytest.mark.parametrize("rule", FORBIDDEN)
def test_what_was_forbidden_holds_while_the_memory_cannot_be_read(
    bench: Bench, lives: list[Syncd], rule: str, trouble: str
) -> None:
    syncd = _settled(_life(bench, lives, **FORBIDDEN[rule]))
    _new_ca(bench, syncd, rule)
    if trouble == "damaged":
        bench.store.text = "{"
    else:
        bench.store.down = trouble
    report = syncd.turn()
    assert rule in _rules(report)
    assert ("state_damaged" if trouble == "damaged" else trouble) in _rules(report)
    assert not _trusted(bench)
    bench.store.down = ""
    report = syncd.turn(2)
    assert rule in _rules(report), "and nothing of it was lost"
    assert not _trusted(bench)


def test_a_pause_holds_in_the_very_pass_after_the_one_that_was_told_of_it(bench: Bench, lives: list[Syncd]) -> None:
    """What a pass saved is what it knows next, not what it had read before."""
    syncd = _settled(_life(bench, lives))
    _ask(bench, "pause", (now() + timedelta(hours=4)).isoformat())
    syncd.turn()
    bench.store.down = "late"
    bench.publish(bench.ca.rekey(now()))
    assert "paused" in _rules(syncd.turn())
    assert not _trusted(bench)


def test_a_changed_configuration_makes_nobody_forget(bench: Bench, lives: list[Syncd]) -> None:
    """The loops end and others begin: in the same process."""
    syncd = _settled(_life(bench, lives, accept="approved"))
    syncd.end()
    bench.store.down = "late"
    bench.publish(bench.ca.rekey(now()))
    lives.append(Syncd(bench, syncd.reconciler.hand_over(), remotes=(bench.remote(accept="approved"),)))
    report = lives[-1].turn()
    assert "not_approved" in _rules(report)
    assert "What was read of it before holds" in next(hold.text for hold in report.plan.holds if hold.rule == "late")


def test_where_nobody_can_have_the_permit_the_reason_is_told_and_nothing_done(bench: Bench, lives: list[Syncd]) -> None:
    """A missing folder must not look like another syncd that keeps the cluster."""
    bench.permit.held, bench.permit.wrong = False, "file /var/lib/syncd/x.lock: No such file or directory"
    report = _life(bench, lives).turn()
    (hold,) = (hold for hold in report.plan.holds if hold.rule == "permit_unavailable")
    assert "No such file or directory" in hold.text
    assert "standby" not in _rules(report)
    assert bench.knife.changes == 0


def test_a_request_is_not_carried_out_again_from_what_is_recalled(bench: Bench, lives: list[Syncd]) -> None:
    """Else a restart that was asked for once would be asked for in each pass."""
    syncd = _settled(_life(bench, lives))
    bench.store.knife.changes = 0
    _ask(bench, "resume", "")
    bench.store.down = "late"
    syncd.turn(2)
    bench.store.down = ""
    syncd.turn()
    answer = parse(bench.store.text or "", "test").answer("resume")
    assert answer
    assert (answer.text, answer.done) == ("resumed", True)
    syncd.turn()
    bench.store.down = "late"
    assert syncd.turn().seen.remembered.requests == ()


@pytest.mark.parametrize("rule", ["not_approved", "not_same_key"])
@pytest.mark.parametrize("trouble", ["", "state_timeout", "damaged"])
def test_a_new_life_takes_no_ca_unasked_only_because_it_does_not_remember_another(
    bench: Bench, lives: list[Syncd], rule: str, trouble: str
) -> None:
    """The nodes trust another one: that is what was published before, as far as anybody can know."""
    _settled(_life(bench, lives, **FORBIDDEN[rule])).end()
    bench.publish(bench.ca.rekey(now()))
    bench.store.text = "{" if trouble == "damaged" else None
    bench.store.down = trouble if trouble != "damaged" else ""
    syncd = _life(bench, lives, **FORBIDDEN[rule])
    assert rule in _rules(syncd.turn(2))
    assert not _trusted(bench)
    bench.store.down = ""
    _ask(bench, "approve", bench.ca.cert.fingerprint)
    syncd.turn(2)
    assert _trusted(bench)


@pytest.mark.parametrize("kind", ["renewed with the same key", "what the nodes trust"])
def test_what_the_nodes_trust_already_needs_no_word_again(bench: Bench, lives: list[Syncd], kind: str) -> None:
    _settled(_life(bench, lives)).end()
    if kind.startswith("renewed"):
        bench.publish(bench.ca.renew(now()))
    bench.store.text = None
    syncd = _life(bench, lives, accept="same_key" if kind.startswith("renewed") else "approved")
    assert not {"not_same_key", "not_approved"} & _rules(syncd.turn(2))
    assert _trusted(bench)


def test_a_new_life_that_remembers_nothing_adds_trust_and_does_nothing_else(bench: Bench, lives: list[Syncd]) -> None:
    """Promise 1 needs only the published CA and the node's file; a restart might be what somebody has paused."""
    _settled(_life(bench, lives)).end()
    _ask(bench, "restart", "*")
    bench.store.down = "state_forbidden"
    bench.publish(bench.ca.rekey(now()))
    report = _life(bench, lives).turn(rang=("source",))
    assert all(bench.ca.cert in bench.on(name) for name in NAMES)
    assert {type(outcome.step) for outcome in report.outcomes} <= {PutFile, FixOwner}
    (hold,) = (hold for hold in report.plan.holds if hold.rule == "state_forbidden")
    assert "only trust is added" in hold.text


def test_a_damaged_memory_is_told_of_and_made_anew_from_what_was_read(bench: Bench, lives: list[Syncd]) -> None:
    syncd = _settled(_life(bench, lives))
    before = parse(bench.store.text or "", "test")
    bench.store.text = "{"
    report = syncd.turn()
    (hold,) = (hold for hold in report.plan.holds if hold.rule == "state_damaged")
    assert "as this process read it last" in hold.text
    assert [type(outcome.step) for outcome in report.outcomes] == [Remember]
    assert parse(bench.store.text, "test").cas == before.cas
    assert "state_damaged" not in _rules(syncd.turn())
