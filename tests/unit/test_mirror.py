"""What the mirror should hold: ours complete, the others' untouched, and nothing leaves before it is proven unneeded."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.bundle import Published, bundle_digest, read_trust_file
from syncd.core.eck.mirror import mirror_steps
from syncd.core.eck.mirror_retire import loaded
from syncd.core.eck.mirror_text import appended, read_mirror, scan, without
from syncd.core.eck.published import read_published
from syncd.core.errors import UnsafePlan
from syncd.core.guard import check, guard
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import note_eck
from syncd.core.model import (
    Absent,
    Alias,
    CaRecord,
    EckWrite,
    Hold,
    Known,
    Memory,
    MirrorPolicy,
    Origins,
    OwnTrust,
    Plan,
    Presented,
    PutMirror,
    RemotePolicy,
    Shown,
    Unknown,
)
from tests.fakes.eck_side import (
    ALIAS,
    NAMES,
    NOW,
    REMOTE,
    UNREAD,
    Side,
    after,
    ca,
    certs,
    fresh,
    leaf,
    marker_of,
    mint,
    mirror_of,
    prints,
    resource,
    shows,
    state_of,
)

FIXTURES = Path(__file__).parent.parent / "fixtures" / "eck"
FOREIGN = "# of the other team\r\n" + ca("other").cert.pem.decode().replace("\n", "\r\n") + "loose text"
GARBAGE = "-----BEGIN CERTIFICATE-----\nMIIB not one\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nno end\n"


def decide(side: Side) -> tuple[PutMirror | None, list[Hold]]:
    """The step, guarded as the engine guards it, and the holds."""
    steps, holds = mirror_steps(side.policy, side.seen(), NOW, fresh)
    assert len(steps) < 2
    for step in steps:
        check(step, None, side.seen(), NOW)
        assert isinstance(step, PutMirror)
        return step, holds
    return None, holds


def step_of(side: Side) -> PutMirror:
    step, holds = decide(side)
    assert step, holds
    return step


def rules(side: Side) -> set[str]:
    return {hold.rule for hold in decide(side)[1]}


def text_of(step: PutMirror) -> tuple[str, ...]:
    """Short names of the CAs in it."""
    return tuple(cert.short for cert in read_mirror(step.content).certs)


def settle(side: Side) -> Side:
    """Carry steps out until there is none; a second one in a row would be a loop."""
    side.mirror = after(step_of(side), side.mirror)
    assert decide(side)[0] is None
    return side


class TestWhatIsOurs:
    def test_the_cas_of_all_nodes_are_published_with_a_marker_that_names_them(self) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN), NOW))
        side.trust[NAMES[2]] = Known(OwnTrust(certs("own", "next"), "truststore"), NOW)
        step = step_of(side)
        assert step.contribution == prints(*certs("own", "next"), marker_of("own", "next"))
        assert step.content == appended(FOREIGN, [*certs("own", "next"), marker_of("own", "next")])
        assert (step.added, step.removed, step.urgent) == (certs("own", "next"), (), True)
        assert step.digest == bundle_digest(certs("own", "next"))

    @pytest.mark.parametrize("known", ["published", "remembered", "same subject", "of another remote"])
    def test_an_ecks_ca_that_an_admin_put_among_the_own_is_never_sent_back(self, known: str) -> None:
        side = Side.trusting("own", "eck" if known == "published" else "eck-old", issuer="own", mirror=Absent(NOW))
        if known == "remembered":
            old = ca("eck-old").cert
            record = CaRecord(old.fingerprint, ALIAS, "CN=x", old.key, old.ski, old.not_after, "eck", NOW)
            side.memory = Known(Memory(cas=(record,)), NOW)
            side.published = Absent(NOW)
        if known == "of another remote":
            side.published = Known(Published(ca("eck-old").cert), NOW)
            side.policy = replace(side.policy, remotes=(REMOTE, RemotePolicy(Alias("second"))))
        assert text_of(step_of(side)) == tuple(cert.short for cert in certs("own"))

    def test_a_ca_with_ecks_subject_that_the_nodes_leaves_need_is_ours_all_the_same(self) -> None:
        assert text_of(step_of(Side.trusting("eck-alike"))) == tuple(cert.short for cert in certs("eck-alike"))

    @pytest.mark.parametrize("known", ["nothing", "presented"])
    def test_the_ca_of_another_ecks_cluster_is_not_sent_to_this_one(self, known: str) -> None:
        """An ECK would trust all that another one signs. That one is not configured (yet), or the state was lost."""
        other = "of-eck-b" if known == "nothing" else "partner"
        side = Side.trusting("own", "next", other, issuer="own")
        if known == "presented":
            sight = Presented(leaf(other, "default-0").chain, "eck-b:9300", NOW)
            side.policy = replace(side.policy, remotes=(REMOTE, RemotePolicy(Alias("second"))))
            side.shown = (Shown(sight, frozenset()),)
        assert step_of(side).added == certs("own", "next")

    @pytest.mark.parametrize("known", ["superseded", "of another remote"])
    def test_the_companys_ca_that_an_eck_was_given_once_is_ours_while_our_leaves_need_it(self, known: str) -> None:
        company = ca("own").cert
        side = Side.trusting("own", "eck-old", "next", issuer="own")
        record = CaRecord(company.fingerprint, ALIAS, company.subject, company.key, None, company.not_after, "eck", NOW)
        side.memory = Known(Memory(cas=(record,)), NOW)
        seen = side.seen()
        if known == "of another remote":
            side.policy = replace(side.policy, remotes=(REMOTE, RemotePolicy(Alias("second"))))
            there = replace(seen.remotes[ALIAS], published=Known(Published(company), NOW))
            seen = replace(seen, remotes={**seen.remotes, Alias("second"): there})
        [step], holds = mirror_steps(side.policy, seen, NOW, fresh)
        assert isinstance(step, PutMirror)
        assert step.added == certs("own", "next")
        assert not {hold.rule for hold in holds} & {"leaf_unverified"}

    def test_what_one_eck_has_by_itself_is_published_where_another_that_shares_the_mirror_lacks_it(self) -> None:
        """One ConfigMap, two clusters of ECK in one namespace: the company's CA is given to only one of them."""
        side = Side.trusting("own")
        second = replace(REMOTE, alias=Alias("second"))
        side.policy = replace(side.policy, remotes=(REMOTE, second))
        seen = side.seen()
        there = replace(seen.remotes[ALIAS], published=Known(Published(ca("own").cert), NOW))
        steps, holds = mirror_steps(
            side.policy, replace(seen, remotes={**seen.remotes, second.alias: there}), NOW, fresh
        )
        assert [step.added for step in steps if isinstance(step, PutMirror)] == [certs("own")], holds

    def test_a_leaf_that_verifies_with_nothing_makes_an_ecks_ca_no_ca_of_ours(self) -> None:
        side = Side.trusting("own", "eck-old", issuer="own", mirror=Absent(NOW))
        ended = ca("own").leaf(NAMES[1], NOW - timedelta(days=2), lasts=timedelta(days=1))
        side.presented[NAMES[1]] = shows(ended)
        step, holds = decide(side)
        assert step
        assert text_of(step) == tuple(cert.short for cert in certs("own"))
        assert "leaf_unverified" in {hold.rule for hold in holds}

    def test_markers_and_certificates_that_are_no_ca_are_not_published(self) -> None:
        side = Side.trusting("own")
        odd = (*certs("own"), marker_of("own"), leaf("own").cert)
        side.trust[NAMES[0]] = Known(OwnTrust(odd, "pem"), NOW)
        assert step_of(side).added == certs("own")

    def test_what_eck_publishes_being_unknown_adds_nothing_that_may_be_ecks_own(self) -> None:
        side = Side.trusting("own", "eck-old", mirror=mirror_of_one("own"), published=UNREAD)
        assert decide(side)[0] is None
        assert "eck_ca_unknown" in rules(side)

    def test_a_leaf_that_ecks_nodes_would_refuse_is_told_with_its_node(self) -> None:
        side = Side.trusting("own")
        side.presented[NAMES[1]] = shows(leaf("stranger", NAMES[1]))
        step, holds = decide(side)
        assert step
        told = [hold for hold in holds if hold.rule == "leaf_unverified"]
        assert [hold.subject for hold in told] == [NAMES[1]]
        assert leaf("stranger", NAMES[1]).cert.short in told[0].text
        assert "xpack.security.transport.ssl" in told[0].text

    def test_nodes_that_ecks_own_ca_signs_need_nothing_in_the_mirror(self) -> None:
        assert "leaf_unverified" not in rules(Side.trusting("own", "eck", issuer="eck"))


def mirror_of_one(*names: str) -> Known:  # type: ignore[type-arg]  # of MirrorState
    return Known(mirror_of(*names), NOW)


class TestUnknownIsNeverEmpty:
    def test_a_node_whose_trust_cannot_be_read_takes_nothing_away_and_what_is_new_elsewhere_is_added(self) -> None:
        side = Side.trusting("own", "next", mirror=mirror_of_one("own", "of-es-03"))
        side.trust[NAMES[2]] = UNREAD
        step, holds = decide(side)
        assert step
        assert step.removed == ()
        assert set(read_mirror(step.content).certs) == set(certs("own", "of-es-03", "next"))
        assert ("es-03", "own_trust_unknown") in {(hold.subject, hold.rule) for hold in holds}

    @pytest.mark.parametrize("unseen", ["site", "trust", "absent"])
    def test_with_no_node_known_nothing_is_written(self, unseen: str) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN), NOW))
        side.trust = dict.fromkeys(NAMES, Absent(NOW) if unseen == "absent" else UNREAD)
        assert decide(side)[0] is None
        assert {"own_trust_unknown", "mirror_nothing"} <= rules(side)

    def test_a_mirror_that_cannot_be_read_is_not_written(self) -> None:
        side = Side.trusting("own", mirror=Unknown("mirror_forbidden", "HTTP 403", NOW))
        step, holds = decide(side)
        assert step is None
        assert [(hold.subject, hold.rule) for hold in holds] == [(ALIAS, "mirror_forbidden")]

    def test_a_cluster_without_mirrors_has_neither_steps_nor_holds(self) -> None:
        side = Side.trusting("own")
        side.trust = dict.fromkeys(NAMES, UNREAD)
        side.policy = replace(side.policy, remotes=(RemotePolicy(ALIAS),))
        assert decide(side) == (None, [])


class TestDrift:
    @pytest.mark.parametrize(
        ("what", "urgent"),
        [("emptied", True), ("ours out", True), ("marker out", False), ("label", False), ("annotation", False)],
    )
    def test_drift_is_repaired_at_once_and_then_rests(self, what: str, urgent: bool) -> None:
        good = mirror_of("own", foreign=FOREIGN)
        marks = [marker_of("own").fingerprint]
        drifted = {
            "emptied": replace(state_of("", good.ours)),
            "ours out": state_of(without(good.content or "", prints(*certs("own"))), good.ours),
            "marker out": state_of(without(good.content or "", marks), good.ours),
            "label": replace(good, watched=False),
            "annotation": replace(good, ours=None, origins=Origins()),
        }[what]
        side = Side.trusting("own", mirror=Known(drifted, NOW))
        step = step_of(side)
        assert step.urgent == urgent
        assert step.why
        assert set(certs("own")) <= set(read_mirror(step.content).certs)
        settle(side)

    def test_a_mirror_as_it_should_be_is_left_alone_and_no_marker_is_minted(self) -> None:
        side = Side.trusting("own", mirror=Known(mirror_of("own", foreign=FOREIGN), NOW))
        assert mirror_steps(side.policy, side.seen(), NOW, mint) == ([], [])

    def test_others_garbage_stays_is_told_and_does_not_hide_ours(self) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN + "\n" + GARBAGE), NOW))
        step, holds = decide(side)
        assert step
        assert step.content.startswith(FOREIGN + "\n" + GARBAGE)
        assert "mirror_faults" in {hold.rule for hold in holds}
        settle(side)
        assert "mirror_faults" in rules(side)

    def test_a_private_key_in_the_mirror_is_told_as_exposed(self) -> None:
        key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
        holds = decide(Side.trusting("own", mirror=Known(state_of(key), NOW)))[1]
        assert any("exposed" in hold.text for hold in holds if hold.rule == "mirror_faults")

    def test_what_no_object_can_hold_is_not_tried(self) -> None:
        side = Side.trusting("own", mirror=Known(state_of("#" * 950_000), NOW))
        assert (decide(side)[0], "mirror_too_large" in rules(side)) == (None, True)

    def test_remotes_that_share_a_mirror_write_it_once(self) -> None:
        side = Side.trusting("own")
        side.policy = replace(side.policy, remotes=(REMOTE, replace(REMOTE, alias=Alias("second"))))
        step_of(side)

    def test_two_mirrors_are_two_steps(self) -> None:
        side = Side.trusting("own")
        other = replace(REMOTE, alias=Alias("second"), mirror=MirrorPolicy("other"))
        side.policy = replace(side.policy, remotes=(REMOTE, other))
        assert len(mirror_steps(side.policy, side.seen(), NOW, fresh)[0]) == 2


class TestLost:
    def test_a_lost_mirror_is_made_from_what_eck_last_read_and_ours(self) -> None:
        """The recorded echo of a real ECK: its own CA first, then the ConfigMap's."""
        secret = json.loads((FIXTURES / "03-config-map-echo.secret.json").read_text())
        published = read_published(base64.b64decode(secret["data"]["ca.crt"]))
        theirs = read_trust_file((FIXTURES / "03-self-managed-ca.pem").read_bytes()).certs
        step = step_of(Side.trusting("own", published=Known(published, NOW)))
        assert read_mirror(step.content).certs == (*theirs, *certs("own"))
        assert published.ca not in read_mirror(step.content).certs
        assert (step.expect, step.urgent) == (None, True)

    def test_what_of_the_echo_could_not_be_read_is_told_since_it_is_gone(self) -> None:
        published = Published(ca("eck").cert, certs("other"), ("block 3 is not base64",))
        step, holds = decide(Side.trusting("own", published=Known(published, NOW)))
        assert step
        assert any("block 3" in hold.text for hold in holds if hold.rule == "mirror_faults")

    def test_a_block_that_somebody_cut_and_then_deleted_with_the_mirror_does_not_keep_it_lost(self) -> None:
        """ECK keeps its last Secret while the mirror is missing: who waits for a better echo waits for ever."""
        cut = ca("other").cert.pem[:200] + b"\n" + ca("third").cert.pem
        published = read_published(ca("eck").cert.pem + cut)
        step, holds = decide(Side.trusting("own", published=Known(published, NOW)))
        assert step
        assert set(read_mirror(step.content).certs) == set(certs("third", "own"))
        told = [hold.text for hold in holds if hold.rule == "mirror_faults"]
        assert any("beginning without an end" in text and "not made anew" in text for text in told)

    def test_the_event_that_eck_tells_then_names_the_very_config_map(self) -> None:
        events = json.loads((FIXTURES / "05-config-map-missing.events.json").read_text())["items"]
        assert all(f'ConfigMap "{MirrorPolicy("default").name}" not found' in event["message"] for event in events)

    def test_a_lost_key_is_the_same_but_for_the_object_that_is_there(self) -> None:
        lost = replace(state_of(None), ours=prints(*certs("own")))
        side = Side.trusting("own", mirror=Known(lost, NOW), published=echo("own", "other"))
        step = step_of(side)
        assert (step.expect, step.urgent) == (("7", "uid"), True)
        assert set(read_mirror(step.content).certs) == set(certs("own", "other"))

    def test_it_comes_back_from_the_echo_alone_while_no_node_can_be_read(self) -> None:
        side = Side.trusting("own", published=echo("other"))
        side.trust = dict.fromkeys(NAMES, UNREAD)
        step = step_of(side)
        assert (read_mirror(step.content).certs, step.contribution) == (certs("other"), ())

    def test_while_the_echo_is_unknown_it_is_not_made_since_the_others_would_lose_theirs(self) -> None:
        side = Side.trusting("own", published=UNREAD)
        assert (decide(side)[0], rules(side)) == (None, {"mirror_echo_unknown"})

    def test_a_secret_that_is_not_there_yet_is_no_reason_to_wait(self) -> None:
        """ECK makes no Secret before the ConfigMap that its resource names is there: waiting for it would be for ever."""
        side = Side.trusting("own", published=Unknown("source_not_found", "HTTP 404", NOW))
        assert text_of(step_of(side)) == tuple(cert.short for cert in certs("own"))

    def test_the_echo_of_another_config_map_is_not_copied(self) -> None:
        side = Side.trusting("own", published=echo("other"), resource=Known(resource(config_map="another"), NOW))
        assert read_mirror(step_of(side).content).certs == certs("own")


def echo(*names: str) -> Known:  # type: ignore[type-arg]  # of Published
    return Known(Published(ca("eck").cert, certs(*names)), NOW)


def replaced(*, available: int = 3, count: int = 3) -> Side:
    """`own` was replaced by `next` on every node; the mirror has both, and so many ECK nodes have shown it."""
    side = Side.trusting("next", mirror=mirror_of_one("own", "next"))
    return side.eck_nodes(count, ("own", "next"), available)


class TestRetirement:
    def test_an_old_ca_of_ours_leaves_when_eck_has_proven_the_new_and_no_leaf_needs_it(self) -> None:
        side = replaced()
        step = step_of(side)
        assert (step.removed, step.added, step.urgent) == (certs("own"), (), False)
        assert step.contribution == prints(*certs("next"), marker_of("next"))
        assert step.content == appended("", [*certs("next"), marker_of("next")])
        settle(side)

    def test_a_new_ca_is_published_first_and_the_old_one_waits_for_its_proof(self) -> None:
        side = Side.trusting("next", mirror=mirror_of_one("own")).eck_nodes(3, ("own",))
        step, holds = decide(side)
        assert step
        assert (step.added, step.removed) == (certs("next"), ())
        assert "mirror_unproven" in {hold.rule for hold in holds}
        settle(side)
        assert "mirror_unproven" in rules(side), "the marker that was shown is of what was there before"

    def test_too_few_proofs_hold_it_with_how_many_there_are(self) -> None:
        step, holds = decide(replaced(count=2))
        assert step is None
        assert [hold.rule for hold in holds] == ["mirror_unproven"]
        assert "2 of 3 ECK nodes" in holds[0].text
        assert "look at the resource's events" in holds[0].text

    def test_an_operator_that_has_passed_it_on_is_not_suspected(self) -> None:
        side = replaced(count=2)
        side.published = echo("own", "next")
        assert "events" not in decide(side)[1][0].text

    def test_one_node_with_a_renewed_leaf_is_not_two(self) -> None:
        side = replaced(count=2)
        again = ca("eck").leaf("default-0", NOW)
        renewed = replace(side.shown[0], presented=replace(side.shown[0].presented, chain=again.chain))
        side.shown = (*side.shown[:2], renewed)
        assert rules(side) == {"mirror_unproven"}

    def test_what_was_shown_long_ago_proves_nothing(self) -> None:
        assert rules(replaced().eck_nodes(3, ("own", "next"), at=NOW - timedelta(hours=2))) == {"mirror_unproven"}

    @pytest.mark.parametrize(
        ("available", "rule"), [(0, {"mirror_unproven"}), (None, {"mirror_unproven"})], ids=["none", "not known"]
    )
    def test_no_nodes_are_no_proof(self, available: int | None, rule: set[str]) -> None:
        side = replaced()
        side.shown, side.resource = (), Known(resource(available=available), NOW)
        assert rules(side) == rule

    @pytest.mark.parametrize(
        "unseen", [UNREAD, Absent(NOW), shows(leaf("own", NAMES[1]))], ids=["unknown", "none", "old"]
    )
    def test_a_leaf_that_needs_it_or_may_need_it_holds_it(self, unseen: object) -> None:
        side = replaced()
        side.presented[NAMES[1]] = unseen  # type: ignore[assignment]  # one of three kinds
        step, holds = decide(side)
        assert step is None
        assert "leaf_needs_old" in {hold.rule for hold in holds}
        assert any(NAMES[1] in hold.text for hold in holds)

    def test_an_unread_node_holds_it(self) -> None:
        side = replaced()
        side.trust[NAMES[1]] = UNREAD
        assert decide(side)[0] is None
        assert "own_trust_unknown" in rules(side)

    def test_a_node_that_the_configuration_lacks_holds_it(self) -> None:
        side = replaced()
        side.nodes = (*NAMES, "es-04")
        assert (decide(side)[0], rules(side)) == (None, {"no_unmanaged_node"})

    def test_a_damaged_annotation_of_somebody_holds_it(self) -> None:
        side = replaced()
        side.mirror = Known(replace(mirror_of("own", "next"), damaged=("contribution.syncd.invalid/x",)), NOW)
        assert (decide(side)[0], rules(side)) == (None, {"mirror_faults"})

    def test_a_ca_that_another_cluster_has_too_leaves_our_annotation_and_stays_in_the_mirror(self) -> None:
        side = replaced()
        shared = replace(mirror_of("own", "next"), contributions={"other/two": prints(*certs("own"))})
        side.mirror = Known(shared, NOW)
        step = step_of(side)
        assert step.removed == ()
        assert set(certs("own")) <= set(read_mirror(step.content).certs)
        assert step.contribution == prints(*certs("next"), marker_of("next"))
        settle(side)

    def test_the_last_ca_never_leaves(self) -> None:
        side = replaced()
        side.trust = dict.fromkeys(NAMES, Known(OwnTrust((), "none"), NOW))
        assert decide(side)[0] is None
        assert "own_successor" in rules(side)

    def test_another_clusters_marker_is_not_ours_to_replace(self) -> None:
        side = Side.trusting(
            "next", mirror=Known(mirror_of("own", "next", foreign=marker_of("other").pem.decode()), NOW)
        )
        side.eck_nodes(3, ("own", "next"))
        assert marker_of("other") in read_mirror(step_of(side).content).markers

    def test_all_remotes_that_share_the_mirror_must_prove_it(self) -> None:
        side = replaced()
        side.policy = replace(side.policy, remotes=(REMOTE, replace(REMOTE, alias=Alias("second"))))
        seen = side.seen()
        unseen = replace(seen.remotes[Alias("second")], shown=())
        seen = replace(seen, remotes={**seen.remotes, Alias("second"): unseen})
        steps, holds = mirror_steps(side.policy, seen, NOW, fresh)
        assert steps == []
        assert any("0 of 3 ECK nodes of second" in hold.text for hold in holds)

    def test_how_far_the_proof_is_can_be_asked(self) -> None:
        side = replaced(count=2)
        count = loaded(REMOTE, side.seen().remotes[ALIAS], marker_of("own", "next"), side.policy, NOW)
        assert (count.shown, count.expected, count.proven) == (2, 3, False)


class TestAhead:
    """A next CA: whoever is about to issue certificates by it must see whether ECK would take them."""

    def ahead(self, loaded: tuple[str, ...], count: int = 3) -> Side:
        side = Side.trusting("own", "next", issuer="own", mirror=mirror_of_one("own", "next"))
        return side.eck_nodes(count, loaded)

    def test_a_next_ca_that_not_all_of_ecks_nodes_have_loaded_is_told(self) -> None:
        step, [hold] = decide(self.ahead(("own", "next"), 2))
        assert (step, hold.subject, hold.rule) == (None, ALIAS, "mirror_unloaded")
        assert "2 of 3 ECK nodes" in hold.text
        assert certs("next")[0].short in hold.text
        assert certs("own")[0].short not in hold.text
        assert rules(self.ahead(("own",))) == {"mirror_unloaded"}, (
            "the marker that was shown is of what was there before"
        )
        assert rules(self.ahead(("own", "next"))) == set()

    def test_there_is_no_moment_between_its_publishing_and_that(self) -> None:
        side = Side.trusting("own", "next", issuer="own", mirror=mirror_of_one("own")).eck_nodes(3, ("own",))
        step, holds = decide(side)
        assert step
        assert {hold.rule for hold in holds} == {"mirror_unloaded"}

    def test_what_was_shown_once_counts_however_long_ago(self) -> None:
        """Behind a load balancer not each node is met each hour: what has ended must not come back."""
        assert rules(self.ahead(("own", "next")).eck_nodes(3, ("own", "next"), at=NOW - timedelta(hours=5))) == set()

    def test_where_all_that_is_trusted_has_signed_something_nobody_waits(self) -> None:
        """Port 9300 may be out of reach from where syncd runs."""
        assert rules(Side.trusting("own", mirror=mirror_of_one("own"))) == set()


class TestOrigins:
    """What a cluster needs is protected; what it put there itself, it takes out again; what was there is somebody's."""

    def found(self, *names: str) -> Side:
        """`own` was put there by hand before any syncd, which needs it since; the nodes now trust these."""
        side = Side.trusting("own", mirror=Known(state_of(ca("own").cert.pem.decode()), NOW))
        settle(side)
        side.trust = dict.fromkeys(NAMES, Known(OwnTrust(certs(*names), "pem"), NOW))
        side.presented = {name: shows(leaf(names[0], name)) for name in NAMES}
        return side

    def test_a_ca_that_somebody_put_there_before_is_listed_as_needed_and_never_taken_out(self) -> None:
        """By ECK's procedure an admin puts the company's CA in, and a cluster without syncd may live on it."""
        side = settle(self.found("next"))
        side.eck_nodes(3, ("own", "next"))
        step = step_of(side)
        assert step.removed == ()
        assert set(read_mirror(step.content).certs) == set(certs("own", "next"))
        assert step.contribution == prints(*certs("next"), marker_of("next"))
        settle(side)
        assert rules(side) == {"mirror_found"}
        text = next(hold.text for hold in decide(side)[1])
        assert certs("own")[0].short in text
        assert certs("next")[0].short not in text

    def test_what_a_person_then_takes_out_is_told_no_more(self) -> None:
        side = settle(self.found("next")).eck_nodes(3, ("own", "next"))
        settle(side)
        assert isinstance(side.mirror, Known)
        state = side.mirror.value
        text = without(state.content or "", prints(*certs("own")))
        side.mirror = Known(state_of(text, state.ours, origins=state.origins), NOW)
        assert rules(side) == set()
        settle(side)
        assert isinstance(side.mirror, Known)
        assert side.mirror.value.origins == Origins(added=prints(*certs("next"), marker_of("next")))

    def test_a_found_ca_that_another_cluster_needs_is_nobodys_to_take_out(self) -> None:
        side = settle(self.found("next")).eck_nodes(3, ("own", "next"))
        settle(side)
        assert isinstance(side.mirror, Known)
        side.mirror = Known(replace(side.mirror.value, contributions={"other/two": prints(*certs("own"))}), NOW)
        assert decide(side) == (None, [])

    def test_a_second_copy_that_somebody_put_there_stays(self) -> None:
        side = replaced()
        theirs = "# B's own\n" + ca("own").cert.pem.decode().replace("\n", "\r\n")
        good = mirror_of("own", "next")
        side.mirror = Known(state_of((good.content or "") + theirs, good.ours), NOW)
        step = step_of(side)
        assert step.content.startswith(ca("next").cert.pem.decode())
        assert theirs in step.content
        assert step.content.count("BEGIN") == 3, "it, the next one, and the marker"
        settle(side)
        assert rules(side) == set(), "it came later than ours: it is theirs"

    def test_of_two_clusters_the_one_that_put_it_there_takes_it_out_once_neither_needs_it(self) -> None:
        """Meanwhile it is in the mirror without a gap: the other lists it, and may not take it out itself."""
        one = replaced()
        both = prints(*certs("own"))
        one.mirror = Known(replace(mirror_of("own", "next"), contributions={"other/two": both}), NOW)
        first = step_of(one)
        assert set(certs("own")) <= set(read_mirror(first.content).certs)
        assert set(both) <= set(first.origins.added)
        settle(one)
        assert isinstance(one.mirror, Known)
        one.mirror = Known(replace(one.mirror.value, contributions={"other/two": ()}), NOW)
        last = step_of(one)
        assert (last.removed, last.contribution) == (certs("own"), first.contribution)
        settle(one)
        assert rules(one) == set()

    def test_what_waits_for_another_cluster_is_not_cut_while_somebodys_need_cannot_be_read(self) -> None:
        side = Side.trusting("next", mirror=mirror_of_one("next"))
        state = mirror_of("next", foreign=ca("own").cert.pem.decode())
        added = tuple(sorted((*prints(*certs("own")), *(state.ours or ()))))
        side.mirror = Known(replace(state, origins=Origins(added=added), damaged=("x",)), NOW)
        assert decide(side)[0] is None

    def test_with_the_annotation_lost_nothing_is_known_as_ours_and_nothing_leaves(self) -> None:
        """Lost state costs caution."""
        side = Side.trusting("own", mirror=Known(replace(mirror_of("own"), ours=None, origins=Origins()), NOW))
        settle(side)
        side.trust = dict.fromkeys(NAMES, Known(OwnTrust(certs("next"), "pem"), NOW))
        side.presented = {name: shows(leaf("next", name)) for name in NAMES}
        settle(side)
        side.eck_nodes(3, ("own", "next"))
        assert step_of(side).removed == ()
        settle(side)
        assert rules(side) == {"mirror_found"}

    def test_what_of_a_found_ca_is_taken_out_while_it_is_needed_is_put_back_by_us(self) -> None:
        side = self.found("own")
        assert isinstance(side.mirror, Known)
        state = side.mirror.value
        text = without(state.content or "", prints(*certs("own")))
        side.mirror = Known(state_of(text, state.ours, origins=state.origins), NOW)
        step = step_of(side)
        assert step.added == certs("own")
        assert set(prints(*certs("own"))) <= set(step.origins.added)


class TestContested:
    MINUTES = (timedelta(minutes=40), timedelta(minutes=10))

    def test_what_was_undone_twice_within_the_hour_is_a_hold_and_no_loop(self) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN), NOW)).wrote(*self.MINUTES, names=("own",))
        step, holds = decide(side)
        assert step is None
        assert [(hold.rule, hold.until) for hold in holds] == [("mirror_contested", NOW + timedelta(minutes=20))]
        assert "written again at 12:20Z" in holds[0].text

    @pytest.mark.parametrize(
        ("ago", "names"),
        [
            ((timedelta(minutes=10),), ("own",)),
            ((timedelta(minutes=61), timedelta(minutes=10)), ("own",)),
            ((timedelta(minutes=40), timedelta(minutes=10)), ("own", "before")),
            ((timedelta(minutes=-40), timedelta(minutes=-10)), ("own",)),
        ],
        ids=["once", "long ago", "something else", "before the clock was set back"],
    )
    def test_anything_less_is_repaired(self, ago: tuple[timedelta, ...], names: tuple[str, ...]) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN), NOW))
        assert step_of(side.wrote(*ago, names=names)).added == certs("own")

    def test_a_lost_mirror_is_made_again_each_time_and_told(self) -> None:
        """ECK's certificates wait for it: not writing would do more harm than the loop."""
        side = Side.trusting("own").wrote(*self.MINUTES, names=("own",))
        step, holds = decide(side)
        assert step
        assert [hold.rule for hold in holds] == ["mirror_contested"]

    def test_what_was_read_before_our_last_write_is_not_drift(self) -> None:
        side = Side.trusting("own", mirror=Known(state_of(FOREIGN), NOW - timedelta(minutes=11)))
        assert decide(side.wrote(*self.MINUTES, names=("own",))) == (None, [])

    def test_the_memory_keeps_the_last_few_writes_of_each_kind(self) -> None:
        memory = Memory()
        for number in range(10):
            for kind in ("mirror", "resource"):
                write = EckWrite(ALIAS, kind, bundle_digest(()), NOW + timedelta(seconds=number))
                memory = note_eck(memory, write)
        assert [write.at.second for write in memory.eck if write.kind == "mirror"] == [6, 7, 8, 9]
        assert len(memory.eck) == 8
        assert parse(dump(memory, "onprem"), "here") == memory

    def test_a_document_from_before_is_read(self) -> None:
        body = json.loads(dump(Memory(), "onprem"))
        del body["eck"]
        assert parse(json.dumps(body), "here") == Memory()


class TestText:
    @given(
        st.lists(st.sampled_from([*certs("own", "next", "other"), GARBAGE, "# a comment\r\n", "\n", "x"]), max_size=8)
    )
    def test_taking_out_and_adding_touches_no_other_byte(self, parts: list[object]) -> None:
        text = "".join(part if isinstance(part, str) else part.pem.decode() for part in parts)  # type: ignore[attr-defined]
        mine = certs("own")
        rest = without(text, prints(*mine))
        first = parts.index(mine[0]) if mine[0] in parts else len(parts)
        assert rest == "".join(
            part if isinstance(part, str) else part.pem.decode()  # type: ignore[attr-defined]
            for number, part in enumerate(parts)
            if number != first
        )
        added = appended(rest, mine)
        assert added.startswith(rest)
        assert set(mine) <= set(read_mirror(added).certs)
        if not set(mine) & set(read_mirror(rest).certs):
            assert without(added, prints(*mine)).rstrip("\n") == rest.rstrip("\n")

    def test_of_two_copies_the_one_goes_that_reads_as_syncd_writes_it(self) -> None:
        own = ca("own").cert.pem.decode()
        theirs = own.replace("\n", "\r\n")
        for text in (theirs + own, own + theirs):
            assert without(text, prints(*certs("own"))) == theirs
        assert without(theirs, prints(*certs("own"))) == "", "somebody's editor may have changed the line ends of ours"

    @pytest.mark.parametrize(("before", "gap"), [("", ""), ("x", "\n"), ("x\n", ""), ("x\r\n", "")])
    def test_ours_begins_on_a_line_of_its_own(self, before: str, gap: str) -> None:
        assert appended(before, certs("own")) == before + gap + certs("own")[0].pem.decode()
        assert appended(before, ()) == before

    @given(st.text(alphabet="-BEGINCRTFAD \n=Mx\r", max_size=300))
    def test_whatever_is_there_is_read_without_an_error_and_ours_is_found_behind_it(self, text: str) -> None:
        assert set(certs("own")) <= set(read_mirror(appended(text, certs("own"))).certs)
        assert all(block.cert or block.fault for block in scan(text))


class TestGuard:
    """It trusts nothing that made the plan."""

    def bad(self, rule: str, side: Side, **fields: object) -> None:
        good = replace(mirror_of("own", "next", foreign=FOREIGN))
        assert good.ours
        step = PutMirror(ALIAS, good.content or "", good.ours, bundle_digest(()), ("7", "uid"), (), (), "why")
        step = replace(step, **fields)  # type: ignore[arg-type]  # the caller names fields
        with pytest.raises(UnsafePlan) as refused:
            check(step, None, side.seen(), NOW)
        assert refused.value.rule == rule
        guarded = guard(Plan("onprem", (step,)), side.seen(), NOW)
        assert (guarded.now, [(hold.subject, hold.rule) for hold in guarded.holds]) == ((), [(ALIAS, f"guard_{rule}")])

    @pytest.fixture
    def side(self) -> Side:
        return Side.trusting("next", mirror=Known(mirror_of("own", "next", foreign=FOREIGN), NOW))

    @pytest.mark.parametrize("content", ["", "# nothing", GARBAGE, marker_of("own").pem.decode()])
    def test_it_never_empties_the_mirror(self, content: str, side: Side) -> None:
        self.bad("empties_mirror", side, content=content, contribution=())

    def test_it_drops_nobody_elses_certificate(self, side: Side) -> None:
        self.bad("drops_foreign", side, content=mirror_of("own", "next").content, removed=certs("other"))

    def test_it_drops_no_copy_that_somebody_else_put_there(self, side: Side) -> None:
        own = ca("own").cert.pem.decode()
        good = mirror_of("own", "next", foreign=FOREIGN)
        side.mirror = Known(state_of((good.content or "") + own, good.ours), NOW)
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("drops_foreign", side, content=new.content, contribution=new.ours, removed=certs("own"))

    def test_it_drops_nothing_that_was_there_before_us(self, side: Side) -> None:
        good = mirror_of("own", "next", foreign=FOREIGN)
        side.mirror = Known(replace(good, origins=Origins(added=prints(*certs("next")))), NOW)
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("drops_foreign", side, content=new.content, contribution=new.ours, removed=certs("own"))

    def test_it_calls_nothing_ours_that_was_there_before_us(self, side: Side) -> None:
        self.bad("claims_foreign", side, origins=Origins(added=prints(*certs("other"))))

    def test_it_drops_nobody_elses_garbage(self, side: Side) -> None:
        side.mirror = Known(mirror_of("own", "next", foreign=GARBAGE), NOW)
        self.bad("drops_foreign", side, content=mirror_of("own", "next").content)

    def test_it_drops_nothing_that_another_cluster_has_too(self, side: Side) -> None:
        shared = replace(mirror_of("own", "next", foreign=FOREIGN), contributions={"a/b": prints(*certs("own"))})
        side.mirror = Known(shared, NOW)
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("drops_foreign", side, content=new.content, contribution=new.ours, removed=certs("own"))

    def test_it_drops_no_ca_while_somebodys_contribution_cannot_be_read(self, side: Side) -> None:
        side.mirror = Known(replace(mirror_of("own", "next", foreign=FOREIGN), damaged=("x",)), NOW)
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("drops_foreign", side, content=new.content, contribution=new.ours, removed=certs("own"))

    def test_it_adds_only_what_can_be_read_back(self, side: Side) -> None:
        self.bad("unreadable", side, contribution=prints(*certs("stranger")))

    def test_it_takes_out_only_what_it_says(self, side: Side) -> None:
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("mismatch", side, content=new.content, contribution=new.ours)

    def test_it_cuts_no_node_off(self, side: Side) -> None:
        side.presented[NAMES[0]] = shows(leaf("own", NAMES[0]))
        new = mirror_of("next", foreign=FOREIGN)
        self.bad("orphans_chain", side, content=new.content, contribution=new.ours, removed=certs("own"))

    @pytest.mark.parametrize("expect", [None, ("6", "uid"), ("7", "another")])
    def test_it_writes_only_over_what_was_seen(self, expect: object, side: Side) -> None:
        self.bad("mirror_unseen", side, expect=expect)
