"""What each node's elasticsearch.yml should say, why a node needs a restart, and what such an edit must not break."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from syncd.core import yml
from syncd.core.bundle import Cert, Fingerprint, TrustFile, bundle_digest, content_digest, render
from syncd.core.guard import guard
from syncd.core.java.paths import find
from syncd.core.memory.history import note_restarts
from syncd.core.model import (
    Absent,
    Alias,
    CaRecord,
    ClusterState,
    Context,
    FileState,
    Forgotten,
    Hold,
    Known,
    Link,
    Memory,
    Need,
    NodeName,
    NodePolicy,
    NodeSeen,
    Observed,
    Ownership,
    OwnTrust,
    Plan,
    Policy,
    Presented,
    Process,
    PutFile,
    RemotePolicy,
    RemoteSeen,
    RestartPolicy,
    RestartRecord,
    RestartWish,
    Shown,
    Site,
    UnitState,
    Unknown,
    YmlState,
)
from syncd.core.model.restarts import Allocation
from syncd.core.nodes import leave, settings
from syncd.core.nodes.consequences import Peers, unsafe_for_aliases, unsafe_for_peers
from syncd.core.restarts.rolling import restart_steps
from syncd.demo.pki import EckCa, Leaf

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONFIG = "/etc/elasticsearch"
CLIENT, TRANSPORT = Context.REMOTE_CLUSTER_CLIENT, Context.TRANSPORT
PATHS = {CLIENT: f"{CONFIG}/remote-cluster-ca.crt", TRANSPORT: f"{CONFIG}/remote-transport-ca.crt"}
NAMES = (NodeName("es-01"), NodeName("es-02"))
ALIAS = Alias("eck-prod")
OWN = EckCa.create(NOW - timedelta(days=9), "own")
ECK = EckCa.create(NOW - timedelta(days=9), "quickstart")
ECK_LEAF = ECK.leaf(now=NOW)
OTHER = EckCa.create(NOW - timedelta(days=9), "elsewhere")
OWNER = Ownership(0, 0, 0o660)
BARE = """\
# ours
cluster.name: onprem
xpack.security.transport.ssl:
  certificate_authorities: ["certs/ca.crt"]
"""


@cache
def leaf_of(name: str) -> Leaf:
    """A key takes a while."""
    return OWN.leaf(name, now=NOW)


def node(
    name: NodeName = NAMES[0], text: str = BARE, named: frozenset[str] = frozenset(), **fields: object
) -> NodeSeen:
    file = Known(FileState(content_digest(b"x"), TrustFile((ECK.cert,)), OWNER, 0), NOW)
    leaf = leaf_of(name)
    site = Site(
        yml=Known(YmlState(content_digest(text.encode()), text, OWNER), NOW),
        unit=Absent(NOW),
        keystore=Absent(NOW),
        trust=Known(OwnTrust((OWN.cert,), "pem", (f"{CONFIG}/certs/ca.crt",)), NOW),
        shown=Known(Shown(Presented(leaf.chain, f"{name}:9300", NOW), frozenset({OWN.cert.subject})), NOW),
    )
    seen = NodeSeen(
        name=name,
        file=file,
        owner=Known(OWNER, NOW),
        process=Known(Process(name, "8.19.21", frozenset({"remote_cluster_client"}), 7, "/var/log", "onprem"), NOW),
        trust_paths=Known(named, NOW),
        links={},
        handshakes={},
        files=dict.fromkeys(Context, file),
        site=Known(site, NOW),
    )
    return replace(seen, **fields)  # type: ignore[arg-type]  # fields of NodeSeen


def with_site(seen: NodeSeen, **fields: object) -> NodeSeen:
    assert isinstance(seen.site, Known)
    return replace(seen, site=Known(replace(seen.site.value, **fields), NOW))  # type: ignore[arg-type]  # of Site


def policy(model: str = "certificate", **fields: object) -> Policy:
    nodes = tuple(NodePolicy(name, PATHS[CLIENT], PATHS, CONFIG) for name in NAMES)
    remotes = (RemotePolicy(ALIAS, model),) if model else ()  # type: ignore[arg-type]  # one of the two
    return replace(Policy("onprem", nodes, remotes), **fields)  # type: ignore[arg-type]  # fields of Policy


def world(*nodes: NodeSeen, record: NodeName | None = None, **fields: object) -> Observed:
    sight = Presented(ECK_LEAF.chain, "eck:9443", NOW)
    remotes = {ALIAS: RemoteSeen(CLIENT, Absent(NOW), Absent(NOW), (sight,), Known(1, NOW))}
    opened = RestartRecord(record, "x", 7, "", Allocation(), 0, "me", NOW) if record else None
    cluster = ClusterState("u", "onprem", "green", NAMES[0], {}, "trial", "me", restart=opened)
    every = nodes or tuple(node(name) for name in NAMES)
    seen = Observed({each.name: each for each in every}, remotes, Known(cluster, NOW), Known(Memory(), NOW))
    return replace(seen, **fields)  # type: ignore[arg-type]  # fields of Observed


def needs(
    seen: Observed, wanted: Policy | None = None, memory: Memory | None = None
) -> tuple[dict[NodeName, Need], list[Hold]]:
    return settings.needs(wanted or policy(), seen, memory or Memory(), NOW)


def edited(need: Need) -> yml.Settings:
    assert need.yml
    return yml.read(need.yml.content.decode())


def test_the_transport_trust_is_appended_to_and_never_replaced() -> None:
    found, holds = needs(world())
    assert not holds
    assert set(found) == set(NAMES)
    setting = "xpack.security.transport.ssl.certificate_authorities"
    assert edited(found[NAMES[0]]).items(setting) == ("certs/ca.crt", PATHS[TRANSPORT])
    assert b"# ours\n" in found[NAMES[0]].yml.content  # type: ignore[union-attr]  # it is there
    assert found[NAMES[0]].paths == {PATHS[TRANSPORT]}


def test_a_file_that_is_named_relatively_is_named() -> None:
    text = BARE.replace('"certs/ca.crt"', '"certs/ca.crt", "remote-transport-ca.crt"')
    found, _ = needs(world(node(text=text), node(NAMES[1])))
    assert found[NAMES[0]].yml is None, "a restart is needed, an edit is not"


def test_a_process_that_names_the_file_needs_nothing() -> None:
    text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
    every = [node(name, text, frozenset({PATHS[TRANSPORT]})) for name in NAMES]
    assert needs(world(*every)) == ({}, [])


def test_an_edit_that_somebody_undid_is_told_and_not_made_again() -> None:
    every = [node(name, BARE, frozenset({PATHS[TRANSPORT]})) for name in NAMES]
    found, holds = needs(world(*every))
    assert not found
    assert {hold.rule for hold in holds} == {"yml_contested"}
    assert PATHS[TRANSPORT] in holds[0].text


def test_with_yml_observed_the_lines_are_told() -> None:
    found, holds = needs(world(), policy(yml="observed"))
    assert not found
    assert {hold.rule for hold in holds} == {"yml_observed"}
    line = f'xpack.security.transport.ssl.certificate_authorities: ["certs/ca.crt", "{PATHS[TRANSPORT]}"]'
    assert holds[0].text.endswith(f"(yml: observed): {line}"), "as it is to stand there"


def test_the_reload_interval_comes_with_the_same_restart() -> None:
    found, _ = needs(world(), policy(reload_interval="1s"))
    assert edited(found[NAMES[0]]).get("resource.reload.interval.high") == "1s"
    assert found[NAMES[0]].change != needs(world())[0][NAMES[0]].change


@pytest.mark.parametrize(("model", "restarted"), [("api_key", False), ("certificate", True)])
def test_a_node_that_does_not_dial_is_restarted_only_where_remotes_dial_it(model: str, *, restarted: bool) -> None:
    """A dedicated master, say: neither the file nor a fast reload of it is of use to it."""
    master = node()
    assert isinstance(master.process, Known)
    master = replace(master, process=Known(replace(master.process.value, roles=frozenset({"master"})), NOW))
    found, holds = needs(world(master, node(NAMES[1])), policy(model, reload_interval="1s"))
    assert (NAMES[0] in found, NAMES[1] in found, holds) == (restarted, True, [])


def test_what_cannot_be_looked_at_is_no_reason() -> None:
    silent = node(process=Unknown("es_unreachable", "no", NOW))
    assert NAMES[0] not in needs(world(silent, node(NAMES[1])))[0]
    blind = node(trust_paths=Unknown("es_error", "no", NOW))
    assert NAMES[0] not in needs(world(blind, node(NAMES[1])))[0]
    unread = with_site(node(), yml=Unknown("no_permission", "no", NOW))
    found, holds = needs(world(unread, node(NAMES[1])))
    assert NAMES[0] not in found
    assert "no_permission" in {hold.rule for hold in holds}


def test_a_text_that_cannot_be_edited_is_a_hold_with_what_to_do_by_hand() -> None:
    twice = BARE + "cluster.name: again\n"
    _, holds = needs(world(node(text=twice), node(NAMES[1])))
    (hold,) = holds
    assert hold.rule == "yml_duplicate_key"
    assert "certificate_authorities" in hold.text or "Take one of them out" in hold.text


def test_a_transport_layer_without_cas_is_not_given_any() -> None:
    """A list with ours alone would take the trust of the node's own key store away."""
    _, holds = needs(world(node(text="cluster.name: onprem\n"), node(NAMES[1])))
    assert [hold.rule for hold in holds] == ["yml_own_trust_implicit"]


def test_a_trust_store_becomes_pem_in_the_same_change() -> None:
    text = 'xpack.security.transport.ssl: {truststore.path: "stores/ca.p12", truststore.password: canary}\n'
    store = OwnTrust((OWN.cert,), "truststore", (f"{CONFIG}/stores/ca.p12",))
    found, holds = needs(world(with_site(node(text=text), trust=Known(store, NOW)), node(NAMES[1])))
    assert not holds
    need = found[NAMES[0]]
    own = f"{CONFIG}/transport-own-ca.crt"
    assert edited(need).items("xpack.security.transport.ssl.certificate_authorities") == (own, PATHS[TRANSPORT])
    assert edited(need).get("xpack.security.transport.ssl.truststore.path") is None
    assert need.yml
    assert "without xpack.security.transport.ssl.truststore.password" in need.yml.settings
    assert "canary" not in str(need.yml.settings)
    assert need.yml
    assert need.yml.beside == {own: render((OWN.cert,))}


def test_a_trust_store_that_is_not_what_the_process_has_loaded_is_left() -> None:
    text = 'xpack.security.transport.ssl.truststore.path: "stores/ca.p12"\n'
    store = OwnTrust((OTHER.cert,), "truststore", (f"{CONFIG}/stores/ca.p12",))
    _, holds = needs(world(with_site(node(text=text), trust=Known(store, NOW)), node(NAMES[1])))
    assert [hold.rule for hold in holds] == ["yml_truststore_differs"]


class TestPeers:
    """No edit makes a node stop trusting its own peers."""

    def test_a_peer_that_would_not_be_trusted_holds_the_edit(self) -> None:
        leaf = OTHER.leaf("es-02", now=NOW)
        shown = Known(Shown(Presented(leaf.chain, "es-02:9300", NOW), frozenset()), NOW)
        found, holds = needs(world(node(), with_site(node(NAMES[1]), shown=shown)))
        assert not found
        assert {hold.rule for hold in holds} == {"guard_orphans_peer"}
        assert "es-02" in holds[0].text

    def test_what_is_on_disk_counts_not_what_the_process_has_loaded(self) -> None:
        """The CA file was emptied of the peers' CA: the process goes on, a start would not."""
        gone = with_site(node(), trust=Known(OwnTrust((OTHER.cert,), "pem", ("/x",)), NOW))
        assert unsafe_for_peers(gone, Peers(world(gone, node(NAMES[1])), NOW))

    @pytest.mark.parametrize("part", ["trust", "shown"])
    def test_unknown_holds_the_edit(self, part: str) -> None:
        unseen = with_site(node(), **{part: Unknown("tls", "no", NOW)})
        assert NAMES[0] not in needs(world(unseen, node(NAMES[1])))[0]

    def test_a_peer_that_is_being_restarted_is_waited_for_not_reported(self) -> None:
        away = replace(node(NAMES[1]), process=Unknown("es_unreachable", "no", NOW), site=Unknown("late", "no", NOW))
        found, holds = needs(world(node(), away, record=NAMES[1]))
        assert set(found) == {NAMES[0]}
        assert not holds

    @pytest.mark.parametrize("part", ["shown", "trust"])
    def test_a_node_that_does_not_run_with_the_change_is_not_done_before_its_port_was_looked_at(
        self, part: str
    ) -> None:
        """It has just joined, overridden: what may be edited is not known for a moment, what it lacks is."""
        text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
        disk = YmlState(content_digest(text.encode()), text, OWNER, content_digest(BARE.encode()))
        process = replace(node().process.value, started=99)  # type: ignore[union-attr]  # it is known
        unseen = Unknown("no_address", "the node does not tell the address of its transport port", NOW)
        first = with_site(node(process=Known(process, NOW)), yml=Known(disk, NOW),
                          unit=Known(UnitState("active", "second", 10.0), NOW), **{part: unseen})  # fmt: skip
        seen = world(first, node(NAMES[1]), record=NAMES[0])
        (change,) = {need.change for need in needs(world())[0].values()}
        assert isinstance(seen.cluster, Known)
        record = replace(seen.cluster.value.restart, change=change, invocation="first", yml=disk.digest)  # type: ignore[type-var]  # it is there
        cluster = replace(seen.cluster.value, restart=record, nodes=dict.fromkeys(NAMES, frozenset({"data"})),
                          processes={NAMES[0]: 99, NAMES[1]: 7}, sole_copies={})  # fmt: skip
        seen = replace(seen, cluster=Known(cluster, NOW))
        rules = policy(owner="me", restart=RestartPolicy("rolling"))
        steps, _ = restart_steps(rules, seen, needs(seen, rules)[0], NOW)
        assert [type(step).__name__ for step in steps] == ["NoteFault", "RollBack"]


def many(count: int) -> tuple[Policy, Observed]:
    """So many nodes, half of which have a file with one CA more; all present the same leaf."""
    names = [NodeName(f"es-{number:03}") for number in range(count)]
    more = Known(FileState(content_digest(b"y"), TrustFile((ECK.cert, OTHER.cert)), OWNER, 0), NOW)
    base = node(NAMES[0])
    both = base, replace(base, file=more, files=dict.fromkeys(Context, more))
    nodes = tuple(NodePolicy(name, PATHS[CLIENT], PATHS, CONFIG) for name in names)
    seen = world(*(replace(both[number % 2], name=name) for number, name in enumerate(names)))
    return replace(policy(owner="me"), nodes=nodes), seen


def verified(what: Callable[[], object]) -> int:
    """How many chains are judged meanwhile, remembered or not."""
    before = find.cache_info()
    what()
    after = find.cache_info()
    return after.hits + after.misses - before.hits - before.misses


@pytest.mark.parametrize("count", [20, 60])
def test_peers_are_judged_once_for_each_set_of_cas_and_not_for_each_node(count: int) -> None:
    """A pass over a thousand nodes would take minutes for as long as a restart is pending."""
    rules, seen = many(count)
    assert len(settings.needs(rules, seen, Memory(), NOW)[0]) == count
    assert verified(lambda: settings.needs(rules, seen, Memory(), NOW)) == 2 * count


@pytest.mark.parametrize("count", [20, 60])
def test_the_guard_judges_what_all_may_meet_once_for_each_change_of_trust(count: int) -> None:
    _, seen = many(count)
    steps = tuple(
        PutFile(
            each.name,
            TRANSPORT,
            PATHS[TRANSPORT],
            render((ECK.cert,)),
            bundle_digest((ECK.cert,)),
            OWNER,
            content_digest(b"y"),
            (),
            (OTHER.cert,),
            "why",
        )
        for each in seen.nodes.values()
        if isinstance(each.file, Known) and OTHER.cert in each.file.value.trust.certs
    )
    plan = Plan("onprem", steps, memory=Memory())
    assert guard(plan, seen, NOW).now == steps
    assert verified(lambda: guard(plan, seen, NOW)) <= 2 * (count + 1)


class TestPublicRoots:
    """Naming CAs for the first time takes the JDK's public roots away from every other alias."""

    def test_an_alias_that_lives_on_them_holds_the_edit(self) -> None:
        sight = Presented(OTHER.leaf(now=NOW).chain, "saas:443", NOW)
        seen = world(strangers={(CLIENT, Alias("saas")): Known(sight, NOW)})
        found, holds = needs(seen, policy("api_key"))
        assert not found
        assert {hold.rule for hold in holds} == {"guard_public_roots"}
        assert "extra_ca_files" in holds[0].text

    def test_an_alias_that_cannot_be_seen_holds_it_too(self) -> None:
        seen = world(strangers={(CLIENT, Alias("saas")): Unknown("unreachable", "no", NOW)})
        assert {hold.rule for hold in needs(seen, policy("api_key"))[1]} == {"alias_unseen"}

    def test_what_the_trust_file_verifies_is_fine(self) -> None:
        sight = Presented(ECK.leaf(now=NOW).chain, "other:9443", NOW)
        assert unsafe_for_aliases(node(), world(strangers={(CLIENT, Alias("o")): Known(sight, NOW)}), NOW) is None

    def test_a_list_that_is_there_already_has_taken_them_away(self) -> None:
        text = BARE + "xpack.security.remote_cluster_client.ssl.certificate_authorities: [other.crt]\n"
        sight = Presented(OTHER.leaf(now=NOW).chain, "saas:443", NOW)
        every = [node(name, text) for name in NAMES]
        found, _ = needs(world(*every, strangers={(CLIENT, Alias("saas")): Known(sight, NOW)}), policy("api_key"))
        assert set(found) == set(NAMES)


class TestWishes:
    """What a person asked for with `syncd restart`."""

    def wish(self, *, anyway: bool, started: int = 7) -> Memory:
        return Memory(wishes=(RestartWish(NAMES[0], started, NOW, anyway),))

    def settled(self) -> Observed:
        text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
        return world(*[node(name, text, frozenset({PATHS[TRANSPORT]})) for name in NAMES])

    def test_a_named_node_is_restarted_though_it_needs_nothing(self) -> None:
        found, _ = needs(self.settled(), memory=self.wish(anyway=True))
        assert set(found) == {NAMES[0]}
        assert found[NAMES[0]].asked == NOW
        assert found[NAMES[0]].yml is None

    def test_those_that_need_it_are_only_those(self) -> None:
        assert needs(self.settled(), memory=self.wish(anyway=False))[0] == {}
        assert needs(world(), memory=self.wish(anyway=False))[0][NAMES[0]].asked == NOW

    def test_consent_is_to_the_change_that_was_needed_and_to_no_later_one(self) -> None:
        change = needs(world())[0][NAMES[0]].change
        for wished, asked in ((change, NOW), ("another change", None)):
            memory = Memory(wishes=(RestartWish(NAMES[0], 7, NOW, False, wished),))
            assert needs(world(), memory=memory)[0][NAMES[0]].asked == asked

    def test_consent_ends_after_a_day(self) -> None:
        """What held the restart back may be gone in a month; nobody thinks of it any more then."""
        for hours, left in ((23, 1), (24, 0)):
            memory = note_restarts(self.wish(anyway=True), world(), NOW + timedelta(hours=hours))
            assert len(memory.wishes) == left

    def test_a_process_that_has_started_since_has_had_its_restart(self) -> None:
        assert needs(self.settled(), memory=self.wish(anyway=True, started=6))[0] == {}


def left(context: Context, *revoked: Fingerprint) -> Memory:
    """After `syncd forget`, when the remote's CA has retired."""
    ca = ECK.cert
    record = CaRecord(
        ca.fingerprint, ALIAS, ca.subject, ca.key, ca.ski, NOW, "eck", NOW, retired_at=NOW, context=context
    )
    return Memory(cas=(record,), forgotten=(Forgotten(ALIAS, context, NOW),), revoked=frozenset(revoked))


def test_a_context_whose_last_remote_was_forgotten_is_named_no_longer() -> None:
    text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
    every = [node(name, text, frozenset({PATHS[TRANSPORT]})) for name in NAMES]
    memory = left(TRANSPORT)
    found, _ = needs(world(*every), policy(""), memory)
    need = found[NAMES[0]]
    assert edited(need).items("xpack.security.transport.ssl.certificate_authorities") == ("certs/ca.crt",)
    assert need.unnamed == {PATHS[TRANSPORT]}


def test_it_stays_named_while_a_node_still_dials_the_remote_or_may_do_so() -> None:
    text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
    every = [node(name, text, frozenset({PATHS[TRANSPORT]})) for name in NAMES]
    memory = left(TRANSPORT)
    link = Link(ALIAS, connected=True, sockets=1, address="eck:9300", server_name=None, has_credential=False)
    dialing = replace(every[1], links={ALIAS: link})
    assert needs(world(every[0], dialing), policy(""), memory)[0] == {}
    silent = replace(every[1], process=Unknown("es_unreachable", "no", NOW))
    assert needs(world(every[0], silent), policy(""), memory)[0] == {}
    assert set(needs(world(every[0], silent, record=NAMES[1]), policy(""), memory)[0]) == {NAMES[0]}


def test_nothing_is_taken_out_only_because_the_configuration_lacks_it() -> None:
    text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
    every = [node(name, text, frozenset({PATHS[TRANSPORT]})) for name in NAMES]
    assert needs(world(*every), policy("")) == ({}, [])


Strangers = dict[tuple[Context, Alias], Known[Presented] | Unknown]


class TestOthersInALeftFile:
    """What somebody else put into a managed file is not taken away by leaving syncd's own remote (promise 9)."""

    def settled(self, context: Context, *certs: Cert, strangers: Strangers | None = None) -> Observed:
        """Both nodes name the file, which on the second one holds these."""
        text = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')
        if context is CLIENT:
            text = BARE + f"xpack.security.remote_cluster_client.ssl.certificate_authorities: [{PATHS[CLIENT]}]\n"
        one, two = (node(name, text, frozenset({PATHS[context]})) for name in NAMES)
        file = Known(FileState(content_digest(b"y"), TrustFile(certs), OWNER, 0), NOW)
        return world(one, replace(two, files={**two.files, context: file}), strangers=strangers or {})

    @pytest.mark.parametrize("context", list(Context))
    def test_a_foreign_certificate_on_any_node_keeps_the_file_and_its_name_on_all(self, context: Context) -> None:
        seen = self.settled(context, ECK.cert, OTHER.cert)
        assert needs(seen, policy(""), left(context)) == ({}, [])
        steps, holds = leave.leaving_steps(policy(""), seen, left(context), NOW)
        assert (steps, [(hold.subject, hold.rule) for hold in holds]) == ([], [(ALIAS, "leaving_foreign")])
        assert OTHER.cert.short in holds[0].text
        assert NAMES[1] in holds[0].text
        assert NAMES[0] not in holds[0].text
        consented = left(context, OTHER.cert.fingerprint)
        assert set(needs(seen, policy(""), consented)[0]) == set(NAMES)

    def test_a_file_that_cannot_be_read_may_hold_one(self) -> None:
        seen = self.settled(CLIENT)
        two = seen.nodes[NAMES[1]]
        unread = replace(two, files={**two.files, CLIENT: Unknown("no_permission", "no", NOW)})
        seen = replace(seen, nodes={**seen.nodes, NAMES[1]: unread})
        assert needs(seen, policy(""), left(CLIENT)) == ({}, [])
        opened = replace(seen, cluster=world(record=NAMES[0]).cluster)
        assert set(needs(opened, policy(""), left(CLIENT))[0]) == set(NAMES), "a moment does not stop what is open"

    def test_a_peer_that_only_the_left_file_verifies_holds_the_edit(self) -> None:
        """The remote's CA also signed a node's certificate: a person put it there."""
        seen = self.settled(TRANSPORT, ECK.cert)
        shown = Known(Shown(Presented(ECK.leaf("es-02", now=NOW).chain, "es-02:9300", NOW), frozenset()), NOW)
        seen = replace(seen, nodes={**seen.nodes, NAMES[1]: with_site(seen.nodes[NAMES[1]], shown=shown)})
        found, holds = needs(seen, policy(""), left(TRANSPORT))
        assert not found
        assert {hold.rule for hold in holds} == {"guard_orphans_peer"}

    @pytest.mark.parametrize("context", list(Context))
    def test_an_alias_that_only_the_left_file_verifies_holds_the_edit(self, context: Context) -> None:
        sight = Presented(ECK_LEAF.chain, "saas:9443", NOW)
        for stranger, rule in (
            (Known(sight, NOW), "guard_orphans_chain"),
            (Unknown("unreachable", "no", NOW), "alias_unseen"),
        ):
            seen = self.settled(context, ECK.cert, strangers={(context, Alias("saas")): stranger})
            found, holds = needs(seen, policy(""), left(context))
            assert not found
            assert {hold.rule for hold in holds} == {rule}
        seen = self.settled(context, ECK.cert, strangers={(context, Alias("saas")): Known(sight, NOW)})
        assert needs(seen, policy(""), left(context, ECK.cert.fingerprint))[0], "a person has consented"
