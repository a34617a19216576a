"""When a proof by handshake is opened and closed: it edits keystores, as credentials and restarts do."""

from dataclasses import replace

import pytest

from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import Digest, TrustFile, bundle_digest, content_digest
from syncd.core.model import (
    BeginRestart,
    CloseProof,
    FileState,
    Known,
    NodeSeen,
    Observed,
    OpenProof,
    ProofState,
    PutSecret,
    RemoveSecret,
    Step,
)
from syncd.core.plan import proofs_last
from syncd.core.proof.handshake import SERVER_NAME, proof_steps
from tests.unit.test_settings import ECK, NAMES, NOW, OWNER, node, policy, world
from tests.unit.test_underway import BEGUN

CERTS = (ECK.cert,)
DIGEST = bundle_digest(CERTS)
MARKER = TlsHandshakes().mint(f"syncd {DIGEST[:16]}", SERVER_NAME).cert
POLICY = policy("api_key", proof="handshake")
ALL = frozenset(map(str, NAMES))
HELD = ProofState(markers=frozenset({MARKER.fingerprint}))


def marked(number: int) -> NodeSeen:
    """Its file holds the marker that can be presented."""
    file = FileState(content_digest(b"x"), TrustFile(CERTS, (MARKER,)), OWNER, 0)
    return replace(node(NAMES[number]), file=Known(file, NOW))


def waiting(**fields: object) -> Observed:
    return replace(world(*map(marked, range(len(NAMES)))), **{"proof": HELD, **fields})  # type: ignore[arg-type]


def within(seen: Observed, **fields: object) -> Observed:
    """The same of a cluster with something else."""
    assert isinstance(seen.cluster, Known)
    return replace(seen, cluster=Known(replace(seen.cluster.value, **fields), NOW))  # type: ignore[arg-type]


def opened_for(seen: Observed) -> set[str]:
    steps, _ = proof_steps(POLICY, seen, ALL, NOW)
    return {target.node for step in steps if isinstance(step, OpenProof) for target in step.targets}


def test_it_is_opened_for_all_that_wait_but_for_a_node_that_is_being_restarted() -> None:
    """Its restart has copied the keystore, and may put the copy back; its start reads the file anyhow."""
    assert opened_for(waiting()) == set(NAMES)
    assert opened_for(within(waiting(), restart=replace(BEGUN, node=NAMES[0]))) == set(NAMES[1:])


def test_it_is_closed_on_a_node_that_is_being_restarted_when_that_is_over() -> None:
    left = within(waiting(), proof=frozenset(NAMES[:2]), proof_alias=SERVER_NAME)
    ((step,), _) = proof_steps(POLICY, left, frozenset(), NOW)
    assert isinstance(step, CloseProof)
    assert (step.nodes, step.left) == (tuple(sorted(NAMES[:2])), ())
    restarting = within(left, restart=replace(BEGUN, node=NAMES[0]))
    ((step,), (hold,)) = proof_steps(POLICY, restarting, frozenset(), NOW)
    assert isinstance(step, CloseProof)
    assert (step.nodes, step.left, hold.rule) == ((NAMES[1],), (NAMES[0],), "proof_left_behind")


@pytest.mark.parametrize(
    "other",
    [
        PutSecret(NAMES[0], "a.setting", Digest("k"), "why"),
        RemoveSecret(NAMES[0], "a.setting", Digest("k"), "why"),
        BeginRestart(replace(BEGUN, node=NAMES[0]), "why"),
    ],
)
def test_in_a_pass_that_edits_keystores_it_is_neither_opened_nor_closed(other: Step) -> None:
    for step in (OpenProof((), "why"), CloseProof((), (), "why")):
        steps, holds = proofs_last([other], ([step], []), POLICY, waiting())
        assert (steps, [hold.rule for hold in holds]) == ([], ["proof_deferred"])
        assert proofs_last([], ([step], []), POLICY, waiting()) == ([step], [])
        steps, holds = proofs_last([], ([step], []), POLICY, waiting(editing=True))
        assert (steps, [hold.rule for hold in holds]) == ([], ["proof_deferred"])
