"""Credentials, requests, and leaving a remote: each thing goes only when nothing uses it any more, and only on request."""

from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest

from syncd.core.bundle import Digest, Published, TrustFile
from syncd.core.eck.mutual import seen_from_there
from syncd.core.eck.own_cas import own_cas
from syncd.core.java.trust import Rotation
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import note_adopted, note_published
from syncd.core.model import (
    Absent,
    Alias,
    BeginRestart,
    CaRecord,
    Claim,
    Context,
    FileState,
    Forgotten,
    KeystoreState,
    Known,
    Link,
    Memory,
    Need,
    NodeSeen,
    Observed,
    OwnTrust,
    Plan,
    Policy,
    ProofState,
    PutFile,
    PutSecret,
    Reloaded,
    ReloadSecure,
    RemotePolicy,
    RemoveRemote,
    RemoveSecret,
    Request,
    RestartNode,
    Step,
    TrustPlan,
    Unknown,
)
from syncd.core.nodes import leave
from syncd.core.nodes.secrets import secret_steps
from syncd.core.nodes.settings import needs
from syncd.core.plan import after_keystores, make_plan
from syncd.core.requests import carry_out
from syncd.core.trustfile.desired import judge_published, node_claims
from tests.fakes.eck_side import fresh
from tests.unit.test_settings import (
    ALIAS,
    BARE,
    CLIENT,
    ECK,
    NAMES,
    NOW,
    OTHER,
    OWN,
    OWNER,
    PATHS,
    TRANSPORT,
    node,
    policy,
    with_site,
    world,
)
from tests.unit.test_underway import BEGUN

SETTING = f"cluster.remote.{ALIAS}.credentials"
KEYED = replace(policy("api_key"), remotes=(RemotePolicy(ALIAS, credential=True),))
READ = tuple(Reloaded(name, 7, Digest("k")) for name in NAMES)
RETIRED = CaRecord(ECK.cert.fingerprint, ALIAS, "CN=x", ECK.cert.key, None, NOW, "eck", NOW, retired_at=NOW)
FORGOTTEN = Memory(forgotten=(Forgotten(ALIAS, CLIENT, NOW),), cas=(RETIRED,))


def linked(seen: NodeSeen, *, credential: bool = True) -> NodeSeen:
    link = Link(ALIAS, connected=True, sockets=1, address="eck:9443", server_name=None, has_credential=credential)
    return replace(seen, links={ALIAS: link})


def holding(state: str, number: int = 0, **fields: object) -> NodeSeen:
    keystore = KeystoreState(Digest("k"), OWNER, {SETTING: state})  # type: ignore[dict-item]  # one of the three
    return with_site(node(NAMES[number], **fields), keystore=Known(keystore, NOW))  # type: ignore[arg-type]  # of NodeSeen


def kinds(steps: object) -> list[str]:
    return [type(step).__name__ for step in steps]  # type: ignore[attr-defined]  # a list of steps


def keyed(*nodes: NodeSeen) -> Observed:
    """The operator's file can be read."""
    seen = world(*nodes)
    return replace(seen, remotes={ALIAS: replace(seen.remotes[ALIAS], credential=Known("new-key", NOW))})


Edits: TypeAlias = dict[str, object]
EDITS: list[tuple[Edits, bool]] = [
    ({}, True),
    ({"acted": NOW - timedelta(seconds=1)}, True),
    ({"acted": NOW}, False),
    ({"proof": ProofState(changed=NOW - timedelta(seconds=1))}, True),
    ({"proof": ProofState(changed=NOW)}, False),
    ({"proof": ProofState(busy=True)}, False),
]
"""What this process did lately (nodes are seen at NOW), and whether what was seen may be acted upon."""


class TestSecrets:
    def test_each_keystore_that_lacks_it_gets_it_and_then_all_are_read_again(self) -> None:
        seen = keyed(holding("absent"), holding("other", 1))
        steps, holds, _ = secret_steps(KEYED, seen, {}, NOW)
        assert kinds(steps) == ["PutSecret", "PutSecret", "ReloadSecure"]
        assert not holds

    def test_a_first_credential_comes_with_the_restart_that_its_link_needs_and_that_is_told(self) -> None:
        needs = {NAMES[0]: Need(NAMES[0], "why", "change", paths=frozenset({PATHS[CLIENT]}))}
        seen = replace(keyed(holding("absent"), holding("wanted", 1)), reloads=READ)
        steps, holds, found = secret_steps(KEYED, seen, needs, NOW)
        assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(NAMES[0], "credential_deferred")])
        (put,) = found[NAMES[0]].secrets
        assert isinstance(put, PutSecret)
        assert put.within_restart

    @pytest.mark.parametrize(("state", "path"), [("other", CLIENT), ("absent", TRANSPORT), ("absent", None)])
    def test_a_credential_waits_for_no_restart_that_it_does_not_need(self, state: str, path: Context | None) -> None:
        """With `restart.policy: never` it would wait for ever: the remote's old key may end before."""
        needs = {NAMES[0]: Need(NAMES[0], "why", "change", paths=frozenset({PATHS[path]} if path else ()))}
        seen = replace(keyed(holding(state), holding("wanted", 1)), reloads=READ)
        steps, holds, found = secret_steps(KEYED, seen, needs, NOW)
        assert (kinds(steps), holds, found) == (["PutSecret", "ReloadSecure"], [], needs)

    @pytest.mark.parametrize(("state", "put"), [("absent", False), ("other", True)])
    def test_a_first_credential_waits_while_it_is_not_known_whether_its_node_needs_a_restart(
        self, state: str, *, put: bool
    ) -> None:
        """Put before one by mistake, it would not go back with the node. A replaced one waits for nothing."""
        unknown = replace(holding(state), trust_paths=Unknown("es_unreachable", "late", NOW))
        steps, holds, _ = secret_steps(KEYED, replace(keyed(unknown, holding("wanted", 1)), reloads=READ), {}, NOW)
        assert (kinds(steps), [hold.rule for hold in holds]) == (
            (["PutSecret", "ReloadSecure"], []) if put else ([], ["credential_deferred"])
        )

    @pytest.mark.parametrize("needed", [True, False])
    def test_a_keystore_is_left_while_its_node_is_restarted_and_that_is_told(self, *, needed: bool) -> None:
        """Its copy from before the restart goes back if the node fails."""
        needs = {NAMES[0]: Need(NAMES[0], "why", "change")} if needed else {}
        opened = world(record=NAMES[0]).cluster
        seen = replace(keyed(holding("other"), holding("wanted", 1)), reloads=READ, cluster=opened)
        steps, holds, found = secret_steps(KEYED, seen, needs, NOW)
        assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(NAMES[0], "credential_deferred")])
        assert [len(need.secrets) for need in found.values()] == [1] * needed

    def test_keystores_that_hold_it_are_left(self) -> None:
        """Where each process has read the file as it is, or the remote names the key that it should use."""
        read = replace(keyed(holding("wanted"), holding("wanted", 1)), reloads=READ)
        named = keyed(*(replace(linked(holding("wanted", n)), keys={ALIAS: Known("new-key", NOW)}) for n in (0, 1)))
        for seen in (read, replace(read, reloads=(), memory=Known(Memory(reloads=READ), NOW)), named):
            assert secret_steps(KEYED, seen, {}, NOW)[:2] == ([], [])

    @pytest.mark.parametrize("of", [0, 1])
    @pytest.mark.parametrize("link", ["none", "down", "up"])
    def test_a_reload_that_was_lost_is_made_up_for_also_where_the_key_is_not_named(self, of: int, link: str) -> None:
        """A crash after the keystores were written: with the old key revoked, no link says which key is in use."""
        one = holding("wanted")
        if link != "none":
            known = replace(linked(one).links[ALIAS], connected=link == "up")
            one = replace(one, links={ALIAS: known}, keys={ALIAS: Unknown("key_not_named", "no", NOW)})
        later = replace(READ[0], started=6) if of else replace(READ[0], keystore=Digest("before"))
        seen = replace(keyed(one, holding("wanted", 1)), reloads=(later, READ[1]))
        steps, holds, _ = secret_steps(KEYED, seen, {}, NOW)
        assert (kinds(steps), holds) == (["ReloadSecure"], [])
        (reload,) = steps
        assert isinstance(reload, ReloadSecure)
        assert reload.running == ((NAMES[0], 7), (NAMES[1], 7))
        recent = replace(seen, reloaded=NOW - timedelta(seconds=59), told=frozenset(reload.running))
        steps, holds, _ = secret_steps(KEYED, recent, {}, NOW)
        assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(NAMES[0], "credential_unloaded")])
        started_since = replace(recent, told=frozenset({(NAMES[0], 6), (NAMES[1], 7)}))
        assert secret_steps(KEYED, started_since, {}, NOW)[:2] == ([], []), "nothing was asked of it that it failed"
        assert kinds(secret_steps(KEYED, replace(seen, reloaded=NOW - timedelta(seconds=60)), {}, NOW)[0])
        silent = replace(seen, cluster=Unknown("es_unreachable", "connection refused", NOW))
        assert secret_steps(KEYED, silent, {}, NOW)[:2] == ([], []), "its only node may be the one that is restarted"

    @pytest.mark.parametrize(
        ("modified", "started", "noted", "read"),
        [
            (9, 10_000, None, True),
            (9, 9_999, None, False),  # within the second in which the file was changed
            (9, 10_000, "before", False),  # it ran before the edit: the host's clock was set back since
            (9, 10_000, "k", True),
            (None, 10_000, None, False),
        ],
    )
    def test_a_process_that_was_started_after_the_last_edit_has_read_its_keystore(
        self, modified: int | None, started: int, noted: str | None, *, read: bool
    ) -> None:
        """While the key in use is not named, as right after a restart: no reload, and no hold if that is late."""
        one = holding("wanted")
        assert isinstance(one.keystore, Known)
        process = one.process
        assert isinstance(process, Known)
        one = with_site(one, keystore=Known(replace(one.keystore.value, modified=modified), NOW))
        one = replace(one, process=Known(replace(process.value, started=started), NOW))
        of_process = (Reloaded(NAMES[0], started, Digest(noted)),) if noted else ()
        seen = replace(keyed(one, holding("wanted", 1)), reloads=(*of_process, READ[1]))
        assert kinds(secret_steps(KEYED, seen, {}, NOW)[0]) == ([] if read else ["ReloadSecure"])

    @pytest.mark.parametrize("used", ["old-key", None])
    def test_a_process_that_does_not_use_it_is_told_to_read_it(self, used: str | None) -> None:
        """Whatever was noted of a reload: what the process is seen to use counts."""
        one = linked(holding("wanted"), credential=used is not None)
        one = replace(one, keys={ALIAS: Known(used, NOW)} if used else {})
        seen = replace(keyed(one, linked(holding("wanted", 1))), reloads=READ)
        assert kinds(secret_steps(KEYED, seen, {}, NOW)[0]) == ["ReloadSecure"]
        again = replace(seen, reloaded=NOW - timedelta(seconds=5), told=frozenset({(NAMES[0], 7)}))
        steps, holds, _ = secret_steps(KEYED, again, {}, NOW)
        assert (steps, [hold.rule for hold in holds]) == ([], ["credential_unloaded"])

    @pytest.mark.parametrize("node", [0, 1])
    def test_a_restart_begins_when_no_other_tool_edits_its_keystore(self, node: int) -> None:
        """One that copies or edits it at the same time would take the one or the other back."""
        put = PutSecret(NAMES[node], "a.setting", Digest("k"), "a key was replaced")
        begun: list[Step] = [BeginRestart(replace(BEGUN, node=NAMES[0]), "why"), RestartNode(NAMES[0], "i", 7, "why")]
        steps, holds = after_keystores([put], begun, [])
        if node == 0:
            assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(NAMES[0], "restart_pending")])
        else:
            assert (steps, holds) == (begun, [])

    def test_a_key_that_was_named_before_the_reload_says_nothing_of_it(self) -> None:
        one = replace(linked(holding("wanted")), keys={ALIAS: Known("old-key", NOW - timedelta(seconds=2))})
        seen = replace(keyed(one, holding("wanted", 1)), reloaded=NOW - timedelta(seconds=1), reloads=READ)
        assert secret_steps(KEYED, seen, {}, NOW)[:2] == ([], [])

    def test_a_proof_by_handshake_which_changes_the_keystores_too_is_no_trouble(self) -> None:
        """While it is open nothing is done about that; after it, they are read once more, without a hold."""
        seen = replace(keyed(holding("wanted"), holding("wanted", 1)), reloaded=NOW - timedelta(seconds=9))
        for proof in (ProofState(busy=True), ProofState(nodes=frozenset(NAMES))):
            assert secret_steps(KEYED, replace(seen, proof=proof), {}, NOW)[:2] == ([], [])
        over = replace(seen, proof=ProofState(changed=NOW - timedelta(seconds=1)))
        steps, holds, _ = secret_steps(KEYED, over, {}, NOW)
        assert (kinds(steps), holds) == (["ReloadSecure"], [])

    @pytest.mark.parametrize(("edits", "put"), EDITS)
    def test_what_was_looked_at_before_an_edit_ended_is_looked_at_again_first(self, edits: Edits, *, put: bool) -> None:
        """What was put meanwhile would be put once more, and refused: the file is another by now."""
        seen = replace(keyed(holding("other"), holding("wanted", 1)), reloads=READ)
        steps, holds, _ = secret_steps(KEYED, replace(seen, **edits), {}, NOW)  # type: ignore[arg-type]  # of Observed
        assert ("PutSecret" in kinds(steps)) == put
        assert [(hold.subject, hold.rule) for hold in holds] == ([] if put else [(NAMES[0], "credential_deferred")])

    def test_unknown_keystores_and_credentials_are_holds(self) -> None:
        unread = with_site(node(), keystore=Unknown("no_permission", "no", NOW))
        _, holds, _ = secret_steps(KEYED, keyed(unread, holding("wanted", 1)), {}, NOW)
        assert [hold.rule for hold in holds] == ["no_permission"]
        seen = keyed(holding("absent"), holding("absent", 1))
        remote = replace(seen.remotes[ALIAS], credential=Unknown("credential_unreadable", "no", NOW))
        steps, holds, _ = secret_steps(KEYED, replace(seen, remotes={ALIAS: remote}), {}, NOW)
        assert (steps, [hold.rule for hold in holds]) == ([], ["credential_unreadable"])


class TestLeaving:
    """In order: settings, credential, certificates, the name in elasticsearch.yml, the file."""

    def steps(self, seen: Observed, memory: Memory = FORGOTTEN) -> list[str]:
        return kinds(leave.leaving_steps(policy(""), seen, memory, NOW)[0])

    def test_first_the_settings_go(self) -> None:
        assert self.steps(world(linked(holding("other")), linked(holding("other", 1)))) == ["RemoveRemote"]

    def test_then_the_credentials_and_the_processes_forget_them(self) -> None:
        seen = world(holding("other"), holding("absent", 1))
        assert self.steps(seen) == ["RemoveSecret", "ReloadSecure"]

    @pytest.mark.parametrize(("edits", "removed"), EDITS)
    def test_a_keystore_is_looked_at_again_after_an_edit_before_more_goes(self, edits: Edits, *, removed: bool) -> None:
        """Also the file stays until then."""
        seen = replace(world(holding("other"), holding("absent", 1)), **edits)  # type: ignore[arg-type]  # of Observed
        steps, holds = leave.leaving_steps(policy(""), seen, FORGOTTEN, NOW)
        assert kinds(steps) == (["RemoveSecret", "ReloadSecure"] if removed else [])
        assert [hold.rule for hold in holds] == ([] if removed else ["leaving"])

    def test_the_file_goes_when_neither_process_nor_yml_names_it(self) -> None:
        named = frozenset({PATHS[CLIENT]})
        text = BARE + f"xpack.security.remote_cluster_client.ssl.certificate_authorities: [{PATHS[CLIENT]}]\n"
        assert self.steps(world(holding("absent", named=named), holding("absent", 1, text=text))) == []
        assert self.steps(world(holding("absent"), holding("absent", 1))) == ["RemoveFile", "RemoveFile"]

    def test_a_file_that_is_to_go_calls_for_nobody_meanwhile(self) -> None:
        """It may take an hour of restarts until nothing names it: that it would be empty then is what was asked for."""
        named = frozenset({PATHS[CLIENT]})
        seen = replace(world(holding("absent", named=named), holding("absent", 1)), memory=Known(FORGOTTEN, NOW))
        plan = make_plan(seen, replace(policy(""), owner="me"), NOW, fresh)
        assert plan.needs
        assert "would_be_empty" not in {hold.rule for hold in plan.holds}

    def test_a_context_that_is_still_used_keeps_its_file(self) -> None:
        assert kinds(leave.leaving_steps(policy("api_key"), world(), FORGOTTEN, NOW)[0]) == []

    def test_with_a_node_unseen_nothing_goes_and_that_is_told(self) -> None:
        silent = replace(holding("other"), process=Unknown("es_unreachable", "no", NOW))
        steps, holds = leave.leaving_steps(policy(""), world(silent, holding("other", 1)), FORGOTTEN, NOW)
        assert not [step for step in steps if isinstance(step, RemoveRemote | RemoveSecret)]
        assert [hold.rule for hold in holds] == ["leaving"]

    def test_its_cas_retire_only_when_no_node_knows_the_alias(self) -> None:
        record = CaRecord(ECK.cert.fingerprint, ALIAS, "CN=x", ECK.cert.key, None, NOW, "eck", NOW)
        memory = replace(FORGOTTEN, cas=(record,))
        assert leave.note_left(policy(""), world(linked(node()), node(NAMES[1])), memory, NOW) == memory
        assert leave.note_left(policy(""), world(), memory, NOW).cas[0].retired_at == NOW

    def test_what_nothing_is_left_of_is_forgotten_whole(self) -> None:
        gone = {CLIENT: Absent(NOW), TRANSPORT: Absent(NOW)}
        seen = world(*(replace(holding("absent", number), files=gone) for number in (0, 1)))
        assert leave.note_gone(policy(""), seen, FORGOTTEN, {}).forgotten == ()
        there = replace(seen, nodes={**seen.nodes, NAMES[0]: holding("absent")})
        assert leave.note_gone(policy(""), there, FORGOTTEN, {}) == FORGOTTEN
        claims = {NAMES[0]: (Claim(ECK.cert, "eck", ALIAS, "kept"),)}
        assert leave.note_gone(policy(""), seen, FORGOTTEN, {CLIENT: TrustPlan(claims)}) == FORGOTTEN

    def test_with_another_remote_in_the_same_file_it_is_what_the_files_hold_that_counts(self) -> None:
        """The write that takes its CA out may have failed, be held or be paused: no claim says so."""
        other = Known(FileState(Digest("y"), TrustFile((OTHER.cert,)), OWNER, 0), NOW)
        seen = world(*(replace(holding("absent", n), files={CLIENT: other, TRANSPORT: Absent(NOW)}) for n in (0, 1)))
        left = replace(policy("api_key"), remotes=(RemotePolicy(Alias("eck-a")),))
        assert leave.note_gone(left, seen, FORGOTTEN, {}).forgotten == ()
        for file in (holding("absent").files[CLIENT], Unknown("no_permission", "no", NOW)):
            one = replace(seen.nodes[NAMES[0]], files={CLIENT: file, TRANSPORT: Absent(NOW)})
            there = replace(seen, nodes={**seen.nodes, NAMES[0]: one})
            assert leave.note_gone(left, there, FORGOTTEN, {}) == FORGOTTEN
        shared = {NAMES[0]: (Claim(ECK.cert, "eck", Alias("eck-a"), "current"),)}
        one = replace(seen.nodes[NAMES[0]], files=holding("absent").files)
        there = replace(seen, nodes={**seen.nodes, NAMES[0]: one})
        assert leave.note_gone(left, there, FORGOTTEN, {CLIENT: TrustPlan(shared)}).forgotten == ()


class TestPutBack:
    """A remote that is in the configuration again is left no longer, whatever a person asked for before."""

    def plan(self, memory: Memory) -> Plan:
        owned = replace(KEYED, owner="me")
        text = BARE + f"xpack.security.remote_cluster_client.ssl.certificate_authorities: [{PATHS[CLIENT]}]\n"
        every = [holding("wanted", n, text=text, named=frozenset(PATHS.values())) for n in (0, 1)]
        seen = replace(keyed(*(linked(each) for each in every)), memory=Known(memory, NOW), reloads=READ)
        return make_plan(seen, owned, NOW, fresh)

    def test_nothing_of_it_is_taken_away_again_and_that_is_told(self) -> None:
        plan = self.plan(FORGOTTEN)
        assert not [step for step in plan.now if isinstance(step, RemoveRemote | RemoveSecret)]
        assert not [step for step in plan.now if isinstance(step, PutFile) and step.removed]
        told = [hold for hold in plan.holds if hold.rule == "put_back"]
        assert [hold.subject for hold in told] == [ALIAS]
        assert f"cluster.remote.{ALIAS}.*" in told[0].text
        assert plan.memory
        assert not plan.memory.forgotten
        assert "put_back" not in {hold.rule for hold in self.plan(plan.memory).holds}, "it is told once"

    def test_its_cas_that_the_files_still_hold_are_its_own_again(self) -> None:
        """Also while its source cannot be read: else they would go as proven unneeded, which only a wish had made them."""
        plan = self.plan(FORGOTTEN)
        assert plan.memory
        assert [record.retired_at for record in plan.memory.cas] == [None]
        claims = plan.trust[CLIENT].claims[NAMES[0]]
        assert [(claim.cert, claim.alias, claim.origin) for claim in claims] == [(ECK.cert, ALIAS, "eck")]

    def test_another_remote_that_is_left_goes_on_being_left(self) -> None:
        other = Forgotten(Alias("eck-old"), CLIENT, NOW)
        memory, holds = leave.without_the_returned(KEYED, world(), replace(FORGOTTEN, forgotten=(other,)))
        assert (memory.forgotten, holds) == ((other,), [])


def by_certificate(memory: Memory = FORGOTTEN) -> Memory:
    """The same, of the certificate model."""
    cas = tuple(replace(record, context=TRANSPORT) for record in memory.cas)
    return replace(memory, cas=cas, forgotten=tuple(replace(f, context=TRANSPORT) for f in memory.forgotten))


class TestFromOneModelToTheOther:
    """The alias goes on by API keys, and its certificate model is left: nothing but that model's trust is taken away."""

    def seen(self, *, switched: bool = True) -> Observed:
        text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
        every = [holding("wanted", n, text=text, named=frozenset(PATHS.values())) for n in (0, 1)]
        return keyed(*(linked(each, credential=switched or each.name != NAMES[1]) for each in every))

    def test_what_trusted_it_before_is_told(self) -> None:
        memory = replace(by_certificate(), forgotten=(), cas=(replace(RETIRED, retired_at=None, context=TRANSPORT),))
        seen = replace(self.seen(), memory=Known(memory, NOW))
        plan = make_plan(seen, replace(KEYED, owner="me"), NOW, fresh)
        (hold,) = [hold for hold in plan.holds if hold.rule == "remote_removed"]
        assert (hold.subject, ECK.cert.short in hold.text, f"syncd forget {ALIAS}" in hold.text) == (ALIAS, True, True)
        forgotten, answer = asked("forget", ALIAS, seen, memory, KEYED)
        assert forgotten.forgotten == (Forgotten(ALIAS, TRANSPORT, NOW),)
        assert "nothing was done" not in answer

    def test_settings_and_credential_are_the_other_models_and_stay(self) -> None:
        assert leave.leaving_steps(KEYED, self.seen(), by_certificate(), NOW) == ([], [])

    def test_its_cas_retire_in_that_models_files_only(self) -> None:
        cas = tuple(replace(RETIRED, retired_at=None, context=context) for context in Context)
        memory = leave.note_left(KEYED, self.seen(), replace(by_certificate(), cas=cas), NOW)
        assert {record.context: record.retired_at for record in memory.cas} == {CLIENT: None, TRANSPORT: NOW}

    def test_nothing_goes_while_a_node_still_dials_by_it_and_that_is_told_with_the_node(self) -> None:
        seen = self.seen(switched=False)
        memory = replace(by_certificate(), cas=(replace(RETIRED, retired_at=None, context=TRANSPORT),))
        steps, holds = leave.leaving_steps(KEYED, seen, memory, NOW)
        assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(ALIAS, "leaving")])
        assert NAMES[1] in holds[0].text
        assert NAMES[0] not in holds[0].text
        assert leave.note_left(KEYED, seen, memory, NOW) == memory
        assert not [need for need in needs(KEYED, seen, memory, NOW)[0].values() if need.unnamed]

    def test_the_name_in_elasticsearch_yml_goes_once_all_nodes_dial_by_the_other(self) -> None:
        found, _ = needs(KEYED, self.seen(), by_certificate(), NOW)
        assert [(name, *need.unnamed) for name, need in found.items()] == [(name, PATHS[TRANSPORT]) for name in NAMES]

    def test_it_is_over_when_that_file_is_gone_though_the_credential_stays(self) -> None:
        gone = {CLIENT: node().files[CLIENT], TRANSPORT: Absent(NOW)}
        seen = self.seen()
        seen = replace(seen, nodes={name: replace(each, files=gone) for name, each in seen.nodes.items()})
        assert leave.note_gone(KEYED, seen, by_certificate(), {}).forgotten == ()
        assert leave.note_gone(KEYED, self.seen(), by_certificate(), {}).forgotten == by_certificate().forgotten
        silent = replace(seen.nodes[NAMES[1]], process=Unknown("es_unreachable", "no", NOW), links={})
        seen = replace(seen, nodes={**seen.nodes, NAMES[1]: silent})
        assert leave.note_gone(KEYED, seen, by_certificate(), {}).forgotten, "it may dial by it still"


class TestWhatIsKnownAfterwards:
    """Of a remote that was forgotten whole: its CAs were ECK's, and that is all."""

    def left(self) -> Memory:
        gone = {CLIENT: Absent(NOW), TRANSPORT: Absent(NOW)}
        seen = world(*(replace(holding("absent", number), files=gone) for number in (0, 1)))
        memory = leave.note_gone(policy(""), seen, FORGOTTEN, {})
        assert not memory.forgotten
        return memory

    def test_its_ca_is_never_published_as_one_of_our_own(self) -> None:
        """A person may have appended it to the nodes' own CAs by hand: ECK would trust another ECK for good."""
        seen = replace(world(), memory=Known(self.left(), NOW), remotes={})
        trust = Known(OwnTrust((OWN.cert, ECK.cert), "pem", ()), NOW)
        seen = replace(seen, nodes={name: with_site(each, trust=trust) for name, each in seen.nodes.items()})
        assert own_cas(policy(""), seen, (), NOW).certs == (OWN.cert,)

    def test_one_that_a_person_puts_back_is_foreign_and_stays_and_may_be_adopted(self) -> None:
        memory = self.left()
        (claim,) = node_claims((), (ECK.cert,), memory)
        assert (claim.origin, claim.role) == ("foreign", "kept")
        memory = note_adopted(memory, ALIAS, ECK.cert, NOW, CLIENT)
        (claim,) = node_claims((), (ECK.cert,), memory)
        assert (claim.origin, claim.alias) == ("eck", ALIAS)

    def test_added_again_it_begins_anew_and_forgotten_again_there_is_nothing_to_do(self) -> None:
        """A CA that was made anew meanwhile is the first one, not a change of key that somebody has to approve."""
        memory = self.left()
        assert "nothing is known" in asked("forget", Alias("eck-prod"), world(), memory, policy(""))[1]
        strict = RemotePolicy(ALIAS, accept="same_key")
        for ca in (ECK.cert, OTHER.cert):
            published = Known(Published(ca, ()), NOW)
            current = judge_published(strict, replace(world().remotes[ALIAS], published=published), memory)
            assert (current.ca, current.rotation) == (ca, Rotation.FIRST)
            again = note_published(memory, ALIAS, ca, NOW, "", CLIENT)
            (claim,) = node_claims((), (ca,), again)
            assert (claim.origin, claim.alias) == ("eck", ALIAS)
        assert parse(dump(memory, "onprem"), "here") == memory


class TestTheDead:
    def test_nothing_waits_for_a_dead_node_until_it_is_seen_again(self) -> None:
        unseen = Unknown("unreachable", "no", NOW)
        dead = replace(node(), process=unseen, files=dict.fromkeys(Context, unseen))
        memory = Memory(dead=frozenset({NAMES[0]}))
        alive_policy, alive, after = leave.without_the_dead(policy(), world(dead, node(NAMES[1])), memory)
        assert set(alive.nodes) == {NAMES[1]} == {each.name for each in alive_policy.nodes}
        assert after.dead == {NAMES[0]}
        _, back, after = leave.without_the_dead(policy(), world(), memory)
        assert set(back.nodes) == set(NAMES)
        assert not after.dead


def asked(
    verb: str, argument: str, seen: Observed, memory: Memory | None = None, configured: Policy | None = None
) -> tuple[Memory, str]:
    request = Request("r", verb, argument, "somebody", NOW)  # type: ignore[arg-type]  # one of the verbs
    carried = carry_out(replace(memory or Memory(), requests=(request,)), configured or policy(), seen, NOW)
    answer = carried.memory.answer("r")
    assert answer
    return carried.memory, answer.text


class TestRequests:
    def test_a_restart_is_of_the_processes_that_run_now(self) -> None:
        memory, answer = asked("restart", "", world())
        wanted = needs(policy(), world(), Memory(), NOW)[0]
        assert [(wish.node, wish.started, wish.anyway, wish.change) for wish in memory.wishes] == [
            (name, 7, False, wanted[name].change) for name in NAMES
        ]
        assert ", ".join(NAMES) in answer
        memory, _ = asked("restart", NAMES[1], world())
        assert [(wish.node, wish.anyway) for wish in memory.wishes] == [(NAMES[1], True)]

    def test_where_no_node_needs_a_restart_nothing_is_noted_for_later(self) -> None:
        memory, answer = asked("restart", "", world(), configured=replace(policy(), remotes=()))
        assert memory.wishes == ()
        assert "no node is known to need a restart" in answer

    def test_a_node_that_cannot_be_asked_is_left_out_and_told(self) -> None:
        silent = replace(node(), process=Unknown("es_unreachable", "no", NOW))
        memory, answer = asked("restart", "*", world(silent, node(NAMES[1])))
        assert [wish.node for wish in memory.wishes] == [NAMES[1]]
        assert NAMES[0] in answer

    @pytest.mark.parametrize(("verb", "argument"), [("restart", "nobody"), ("forget", ALIAS), ("forget", "unheard-of")])
    def test_what_makes_no_sense_is_answered_and_changes_nothing(self, verb: str, argument: str) -> None:
        memory, answer = asked(verb, argument, world())
        assert replace(memory, answers=()) == Memory()
        assert "no" in answer or "first" in answer
        assert [said.done for said in memory.answers] == [False]
        assert answer.endswith("; nothing was done")

    def test_a_restart_of_which_no_node_can_be_asked_is_not_done(self) -> None:
        silent = replace(node(), process=Unknown("es_unreachable", "no", NOW))
        memory, answer = asked("restart", NAMES[0], world(silent, node(NAMES[1])))
        assert memory.wishes == ()
        assert [said.done for said in memory.answers] == [False]
        assert NAMES[0] in answer

    def test_a_remote_that_the_configuration_lacks_may_be_forgotten(self) -> None:
        other = Alias("eck-old")
        record = CaRecord(ECK.cert.fingerprint, other, "CN=x", ECK.cert.key, None, NOW, "eck", NOW, context=TRANSPORT)
        memory, _ = asked("forget", other, world(), Memory(cas=(record,)))
        assert memory.forgotten == (Forgotten(other, TRANSPORT, NOW),)

    def test_a_node_that_answers_is_not_dead(self) -> None:
        memory, answer = asked("forget_node", NAMES[0], world())
        assert not memory.dead
        assert "not dead" in answer


def test_the_other_direction_is_judged_by_the_names_that_eck_accepts() -> None:
    seen = node()
    remote = world().remotes[ALIAS]
    own = world(seen, node(NAMES[1])).within(TRANSPORT).nodes[NAMES[0]]
    assert isinstance(seen.site, Known)
    assert isinstance(seen.site.value.shown, Known)
    ours = seen.site.value.shown.value
    accepting = replace(ours, accepted=frozenset({own.own[0].subject}))
    assert seen_from_there(own, replace(remote, shown=(accepting,)), NOW).refused == ""
    refusing = replace(ours, accepted=frozenset({"CN=other"}))
    assert "does not accept" in seen_from_there(own, replace(remote, shown=(refusing,)), NOW).refused
    late = ours.presented.leaf.not_after + timedelta(days=1)
    assert "ended" in seen_from_there(own, remote, late).refused
