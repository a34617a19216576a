"""Proof by handshake on the engine: what is opened is closed, whatever happens, and nothing of others is touched."""

from threading import enumerate as enumerate_threads

import pytest

from syncd.core.model import NodeName, Report
from syncd.core.proof.handshake import SERVER_NAME
from tests.bed.waiting import wait_for
from tests.fakes.memory import PROOF_ALIAS
from tests.fakes.world import NAMES, Bench, Syncd, proven_on_nodes

SETTING = f"cluster.remote.{PROOF_ALIAS}.credentials"


@pytest.fixture
def bench(tmp_path: object) -> Bench:
    return Bench(tmp_path)  # type: ignore[arg-type]  # pytest gives a Path


def proven_by(report: Report) -> dict[str, str | None]:
    return {name: sight.by if sight else None for name, sight in proven_on_nodes(report).items()}


def clean(bench: Bench) -> bool:
    """Nothing of a proof is left anywhere."""
    secrets = any(SETTING in host.secrets for host in bench.hosts.values())
    listening = any(host.listeners for host in bench.hosts.values())
    return not secrets and not listening and bench.es.record is None and bench.es.proof_address is None


def settled(bench: Bench, daemon: Syncd) -> bool:
    if daemon.report is None or daemon.report.plan.now:
        return False
    by = proven_by(daemon.report)
    return set(by) == set(NAMES) and all(by.values()) and clean(bench) and not daemon.proofs.state.busy


def test_every_process_shows_what_it_has_loaded_and_nothing_is_left(bench: Bench) -> None:
    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: settled(bench, daemon))
    assert daemon.report
    assert set(proven_by(daemon.report).values()) == {"handshake"}
    changes = bench.knife.changes
    daemon.turn(5)
    assert bench.knife.changes == changes, "a pass with nothing to do changes nothing"
    daemon.end()


def test_keystores_with_a_password_are_read_again_with_it(bench: Bench) -> None:
    bench.es.keystore_password = b"canary"
    bench.keystore_password = lambda: b"canary"
    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: settled(bench, daemon))
    assert daemon.report
    assert set(proven_by(daemon.report).values()) == {"handshake"}
    daemon.end()


def test_a_process_that_has_not_loaded_the_file_is_not_proven_though_its_log_says_so(bench: Bench) -> None:
    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: settled(bench, daemon))
    stuck = NAMES[1]
    bench.stuck.add(stuck)
    bench.publish(bench.ca.rekey(bench.ca.cert.not_before))
    daemon.turn_until(lambda: {sight.node for sight in daemon.proofs.sightings} == {NAMES[0], NAMES[2]})
    assert proven_by(daemon.turn())[stuck] is None
    bench.stuck.clear()
    daemon.turn_until(lambda: settled(bench, daemon))
    daemon.end()


def test_a_node_that_does_not_dial_is_exempt(bench: Bench) -> None:
    bench.es.roles = frozenset({"data"})
    daemon = Syncd(bench, proof="handshake")
    report = daemon.turn(4)
    assert not proven_on_nodes(report)
    assert clean(bench)
    assert not any(bench.hosts[name].real("/etc/elasticsearch/remote-cluster-ca.crt").read_bytes().count(b"CN=syncd")
                   for name in NAMES)  # fmt: skip
    daemon.end()


def test_a_foreign_alias_of_that_name_is_left_alone_and_told(bench: Bench) -> None:
    bench.es.proof_name, bench.es.proof_address = "somebody.example", "10.0.0.1:9443"
    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: "proof_alias_taken" in {hold.rule for hold in daemon.turn().plan.holds})
    assert (bench.es.proof_name, bench.es.proof_address) == ("somebody.example", "10.0.0.1:9443")
    assert not any(host.secrets for host in bench.hosts.values())
    daemon.end()


def test_one_host_without_tunnels_does_not_stop_the_others_and_is_named(bench: Bench) -> None:
    """Promise 5."""
    bench.hosts[NAMES[0]].listeners[9473] = lambda _: None  # somebody else listens there
    daemon = Syncd(bench, proof="handshake")

    def told() -> bool:
        holds = {hold.rule: hold.text for hold in daemon.turn().plan.holds}
        return NAMES[0] in holds.get("proof_failed", "")

    daemon.turn_until(told)
    by = proven_by(daemon.turn())
    assert by == {NAMES[0]: None, NAMES[1]: "handshake", NAMES[2]: "handshake"}
    bench.hosts[NAMES[0]].listeners.clear()
    assert clean(bench)
    daemon.end()


def test_a_host_that_goes_away_in_the_middle_is_cleared_when_it_is_back(bench: Bench) -> None:
    from syncd.core.errors import HostError  # noqa: PLC0415 - of this test only

    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: bool(daemon.proofs.state.nodes))
    bench.hosts[NAMES[2]].error = HostError("unreachable", "no route")
    daemon.turn_until(lambda: bench.es.record == frozenset({NAMES[2]}))
    assert SETTING in bench.hosts[NAMES[2]].secrets
    bench.hosts[NAMES[2]].error = None
    daemon.turn_until(lambda: bench.es.record is None and not bench.hosts[NAMES[2]].secrets)
    daemon.end()


def test_a_lost_permit_changes_nothing_more(bench: Bench) -> None:
    """Promise 11."""
    daemon = Syncd(bench, proof="handshake")
    daemon.turn_until(lambda: bool(daemon.proofs.state.nodes))
    bench.permit.held = False
    changes = bench.knife.changes
    daemon.turn(5)
    assert bench.knife.changes == changes
    bench.permit.held = True
    daemon.turn_until(lambda: settled(bench, daemon))
    daemon.end()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the knife kills threads too
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_change_the_next_life_leaves_nothing_behind(bench: Bench, after: bool) -> None:
    """Promise 3, for each change that a proof makes."""
    survived = 0
    for cut in range(1, 40):
        bench.publish(bench.ca.rekey(bench.ca.cert.not_before))
        bench.knife.reset(cut, after=after)
        first = Syncd(bench, proof="handshake")
        killed = _live_until_killed(bench, first)
        wait_for(lambda: "proof" not in {thread.name for thread in enumerate_threads()}, 10, "the end of the process")
        first.end()
        for host in bench.hosts.values():
            host.listeners.clear()  # a dead process listens nowhere
        bench.knife.reset()
        second = Syncd(bench, proof="handshake")
        second.turn_until(lambda second=second: settled(bench, second))  # type: ignore[misc]  # bound at once
        second.end()
        survived += killed
        if not killed:
            break
    assert survived > len(NAMES) * 3, "files, keystores and settings were cut"


def _live_until_killed(bench: Bench, daemon: Syncd) -> bool:
    """Whether the knife cut before everything was done."""
    from tests.fakes.knife import Killed  # noqa: PLC0415 - of this helper only

    try:
        daemon.turn_until(lambda: bench.knife.cut or settled(bench, daemon))
    except Killed:
        return True
    return bench.knife.cut


def test_nodes_that_use_different_api_keys_are_told(bench: Bench) -> None:
    """A node whose keystore was not reloaded goes on with its old key, until that one is invalidated."""
    bench.es.keys = dict.fromkeys(NAMES, "new") | {NodeName(NAMES[2]): "old"}
    daemon = Syncd(bench)
    daemon.turn_until(lambda: "credential_differs" in {hold.rule for hold in daemon.turn().plan.holds})
    bench.es.keys[NAMES[2]] = "new"
    daemon.turn_until(lambda: "credential_differs" not in {hold.rule for hold in daemon.turn().plan.holds})
    daemon.end()


def test_a_marker_says_whose_alias_it_is() -> None:
    assert SERVER_NAME.endswith(".invalid"), "a name that nobody can own (RFC 2606)"
