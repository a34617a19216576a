"""What `ports.Elasticsearch` must do, on the fake, the embedded node, and real nodes, the oldest and the newest."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.core.errors import ClusterError
from syncd.core.model import Alias, Allocation, Known, NodeName, Restarted, RestartRecord, Shards
from syncd.core.proof.handshake import SERVER_NAME
from syncd.demo.pki import EckCa
from syncd.demo.world import ALIAS, NAMES, World
from syncd.ports import Elasticsearch, now
from tests.bed import documented, paths
from tests.bed.link import FILE, Pair
from tests.bed.pytest_plugin import need
from tests.bed.waiting import soon, wait_for
from tests.fakes.world import FILE as FAKE_FILE
from tests.fakes.world import Bench

pytestmark = pytest.mark.timeout(900)  # a case may first start two clusters


Settings: TypeAlias = Mapping[Literal["persistent", "transient"], Mapping[str, Any]]
ALLOCATION = "cluster.routing.allocation.enable"
RESTART, RESTARTED = "cluster.metadata.syncd.restart", "cluster.metadata.syncd.restarted"


@dataclass
class Case:
    """An Elasticsearch behind the port, and what is known of it."""

    es: Elasticsearch
    node: NodeName
    trust_file: str
    with_password: Callable[[str], Elasticsearch] | None = None
    key_id: str | None = None
    put: Callable[[Settings], object] = lambda _: None
    """Somebody else puts cluster settings."""
    alone: tuple[str, ...] = ()
    """Indices of which the node holds the only copy."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    try:
        world.start_nodes()
        wait_for(lambda: world.handshakes()[0] > 0, 60, "the nodes")
        yield world
    finally:
        world.stop()


@pytest.fixture
def embedded(nodes: World, tmp_path: Path) -> Case:
    def api(secret: str) -> ElasticsearchApi:
        (tmp_path / "secret").write_text(secret)
        return ElasticsearchApi(
            ElasticsearchSettings((f"http://127.0.0.1:{nodes.ports[NAMES[0]]}",), api_key_file=str(tmp_path / "secret"))
        )

    put = partial(nodes.ask, NAMES[0], "_cluster/settings")
    key = (nodes.folder / "api-key").read_text()
    return Case(api(key), NodeName(NAMES[0]), str(nodes.trust_file(NAMES[0])), api, put=put)


@pytest.fixture
def fake(tmp_path: Path) -> Case:
    bench = Bench(tmp_path)
    bench.es.loaded = {NodeName(name): (bench.ca.cert,) for name in NAMES}
    bench.es.alone = {NodeName(NAMES[0]): (".hidden", "linked")}

    def put(settings: Settings) -> None:
        for place, values in settings.items():
            for name, value in values.items():
                _put_into(bench, place, name, value)

    return Case(bench.es, NodeName(NAMES[0]), FAKE_FILE, put=put, alone=(".hidden", "linked"))


def _put_into(bench: Bench, place: Literal["persistent", "transient"], name: str, value: Any) -> None:
    if name == ALLOCATION and value is None:
        bench.es.allocations.pop(place, None)
    elif name == ALLOCATION:
        bench.es.allocations[place] = value
    elif name in {RESTART, RESTARTED}:
        bench.es.restart_damaged = f"{name} is not what syncd writes" if value else ""
    elif name.startswith("cluster.remote."):
        bench.es.remotes.add(Alias(name.split(".")[2]))


ALONE = (".syncd-alone", "alone")


@pytest.fixture(scope="module")
def pairs(open_folder_of_module: Path) -> Iterator[Callable[[str], Pair]]:
    """Linked clusters by version, each started when it is first asked for."""
    made: dict[str, Pair] = {}

    def pair(version: str) -> Pair:
        if version not in made:
            folder = open_folder_of_module / version
            folder.mkdir()
            ca = EckCa.create(now())
            made[version] = Pair.start(folder, ca, 1, version, ca.pem)
            wait_for(made[version].linked, 60, "the link")
            for index in ALONE:
                settings = {"number_of_replicas": 0, "index.hidden": index.startswith(".")}
                made[version].local[0].api("PUT", f"/{index}", {"settings": settings})
        return made[version]

    yield pair
    for each in made.values():
        each.stop()


def real(pair: Pair, version: str, tmp_path: Path) -> Case:
    """With the rights that docs/hosts.md names, and no others."""
    node = pair.local[0]

    def api(secret: str) -> ElasticsearchApi:
        (tmp_path / "secret").write_text(secret)
        dirs = {NodeName(node.name): str(node.config)}
        return ElasticsearchApi(
            ElasticsearchSettings((node.url,), api_key_file=str(tmp_path / "secret"), config_dirs=dirs)
        )

    put = partial(node.api, "PUT", "/_cluster/settings")
    key = documented.api_key(node.api, version)
    return Case(api(key), NodeName(node.name), str(node.config / FILE), api, pair.key_id, put, ALONE)


REAL = [pytest.param(version, marks=pytest.mark.bed) for version in paths.ELASTICSEARCH_VERSIONS]


@pytest.fixture(params=["fake", "embedded", *REAL])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    made: Case
    if request.param in paths.ELASTICSEARCH_VERSIONS:
        need(request, "elasticsearch")
        made = real(request.getfixturevalue("pairs")(request.param), request.param, tmp_path)
    else:
        made = request.getfixturevalue(request.param)
    yield made
    made.es.close()


def test_the_cluster_tells_its_nodes_and_licence(case: Case) -> None:
    state = case.es.cluster(soon())
    assert case.node in state.nodes
    assert (state.license, state.health) == ("trial", "green")
    assert "remote_cluster_client" in state.nodes[case.node]
    assert state.master


def test_a_node_tells_its_process_its_trust_files_and_its_links(case: Case) -> None:
    answer = case.es.node(case.node, soon())
    assert answer.process.name == case.node
    assert answer.process.started > 0
    assert answer.process.dials
    assert isinstance(answer.trust_paths, Known)
    assert case.trust_file in answer.trust_paths.value
    link = next(link for link in answer.links if link.alias == ALIAS)
    assert link.connected
    assert link.has_credential
    assert ":" in link.address
    assert case.es.reconnect(case.node, Alias(ALIAS), soon())


def test_a_cluster_is_claimed_only_from_whom_was_expected(case: Case) -> None:
    """Promise 11."""
    before = case.es.cluster(soon()).owner
    case.es.claim("test/one", before, soon())
    assert case.es.cluster(soon()).owner == "test/one"
    with pytest.raises(ClusterError) as refused:
        case.es.claim("test/two", None, soon())
    assert refused.value.rule == "es_owner"
    case.es.claim("test/two", "test/one", soon())
    assert case.es.cluster(soon()).owner == "test/two"


def test_a_wrong_password_is_told_without_repeating_it(case: Case) -> None:
    if case.with_password is None:
        pytest.skip("the fake has no passwords")
    api = case.with_password("wrong-canary")
    with pytest.raises(ClusterError) as refused:
        api.cluster(soon())
    assert refused.value.rule == "es_unauthorized"
    assert "canary" not in str(refused.value)
    api.close()


def test_a_node_that_is_not_there_is_told(case: Case) -> None:
    if case.with_password is None:
        pytest.skip("the fake has the nodes that it has")
    with pytest.raises(ClusterError) as refused:
        case.es.node(NodeName("nobody"), soon())
    assert refused.value.rule == "es_no_such_node"


def test_what_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    api = ElasticsearchApi(ElasticsearchSettings(("http://127.0.0.1:1",), api_key_file=str(tmp_path / "secret")))
    with pytest.raises(ClusterError) as refused:
        api.cluster(soon())
    assert refused.value.rule == "es_unreachable"
    api.close()


def test_a_proof_is_noted_pointed_to_and_taken_back(case: Case) -> None:
    """What is put there is seen by everybody, and all of it goes again."""
    before = case.es.cluster(soon())
    assert (before.proof, before.proof_alias) == (None, None)
    case.es.note_proof(frozenset({case.node}), soon())
    case.es.point_proof("127.0.0.1:1", soon())
    during = case.es.cluster(soon())
    assert (during.proof, during.proof_alias) == (frozenset({case.node}), SERVER_NAME)
    assert not case.es.reconnect(case.node, Alias("syncd-proof"), soon()), "nobody listens there"
    for _ in range(2):  # taking back what is not there is no error
        case.es.point_proof(None, soon())
        case.es.note_proof(frozenset(), soon())
    after = case.es.cluster(soon())
    assert (after.proof, after.proof_alias) == (None, None)


def test_secure_settings_are_reloaded_on_every_node(case: Case) -> None:
    assert case.es.reload_secure_settings(soon())[case.node] == ""


def test_the_api_key_in_use_is_named_by_the_remote(case: Case) -> None:
    assert case.es.key_in_use(case.node, Alias(ALIAS), soon()) == case.key_id


# --- restarts

ALL = Allocation()
SCOPES: dict[str, tuple[Settings, Allocation]] = {
    "unset": ({"persistent": {ALLOCATION: None}}, Allocation()),
    "persistent": ({"persistent": {ALLOCATION: "all"}}, Allocation("all", "persistent")),
    "transient": ({"transient": {ALLOCATION: "all"}}, Allocation("all", "transient")),
    "both": ({"persistent": {ALLOCATION: "none"}, "transient": {ALLOCATION: "all"}}, Allocation("all", "transient")),
}
CLEAN: Settings = {
    "persistent": {ALLOCATION: None, RESTART: None, RESTARTED: None},
    "transient": {ALLOCATION: None},
}


@pytest.fixture
def claimed(case: Case) -> Iterator[Case]:
    """A cluster that is ours, left as it was."""
    case.es.claim("test/owner", case.es.cluster(soon()).owner, soon())
    case.put(CLEAN)
    yield case
    case.put(CLEAN)


def record(case: Case, allocation: Allocation = ALL) -> RestartRecord:
    at = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=UTC)
    return RestartRecord(case.node, "change \u00e4", 1, "invocation", allocation, 3, "test/owner", at, None)


def outcome(result: Literal["done", "failed", "given_up"] = "done") -> Restarted:
    return Restarted("change \u00e4", result, 3, datetime(2026, 11, 24, 13, tzinfo=UTC), "why")


def refusal(call: Callable[[], None]) -> str:
    with pytest.raises(ClusterError) as refused:
        call()
    return refused.value.rule


def test_the_cluster_tells_its_shards_and_that_nothing_is_restarted(claimed: Case) -> None:
    state = claimed.es.cluster(soon())
    assert state.shards == replace(Shards(), unassigned=state.shards.unassigned)
    assert (state.allocation, state.restart, state.restart_damaged, state.restarted) == (Allocation(), None, "", {})


def test_a_node_tells_where_its_peers_dial_it_how_often_it_looks_at_files_and_when_it_was_started(
    claimed: Case,
) -> None:
    process = claimed.es.node(claimed.node, soon()).process
    assert claimed.es.cluster(soon()).processes[claimed.node] == process.started
    assert process.transport_address.startswith("127.0.0.1:")
    assert process.reload_interval in {None, "1s"}
    assert process.reloads


@pytest.mark.parametrize("scope", SCOPES)
def test_a_restart_is_begun_in_the_scope_in_force_and_its_end_leaves_allocation_as_it_was(
    claimed: Case, scope: str
) -> None:
    settings, before = SCOPES[scope]
    claimed.put(settings)
    assert claimed.es.cluster(soon()).allocation == before
    begun = record(claimed, before)
    for _ in range(2):  # the same again is no error
        claimed.es.begin_restart(begun, soon())
        during = claimed.es.cluster(soon())
        assert during.allocation == Allocation(
            "primaries", "transient" if scope in {"transient", "both"} else "persistent"
        )
        assert during.restart == begun
    for _ in range(2):
        claimed.es.end_restart(begun, outcome(), soon())
        after = claimed.es.cluster(soon())
        assert (after.allocation, after.restart, after.restarted) == (before, None, {claimed.node: outcome()})


def test_the_end_of_a_restart_leaves_other_nodes_ends_and_settings_of_the_other_scope(claimed: Case) -> None:
    claimed.put(SCOPES["both"][0])
    other = replace(record(claimed, Allocation("all", "transient")), node=NodeName("es-other"))
    for each in (other, record(claimed, Allocation("all", "transient"))):
        claimed.es.begin_restart(each, soon())
        claimed.es.end_restart(each, outcome("given_up"), soon())
    assert set(claimed.es.cluster(soon()).restarted) == {NodeName("es-other"), claimed.node}
    claimed.put({"transient": {ALLOCATION: None}})
    assert claimed.es.cluster(soon()).allocation == Allocation("none", "persistent")


@pytest.mark.parametrize("scope", SCOPES)
def test_allocation_is_freed_while_the_restart_stays_open_and_restricted_again_with_its_fault(
    claimed: Case, scope: str
) -> None:
    settings, before = SCOPES[scope]
    claimed.put(settings)
    begun = record(claimed, before)
    claimed.es.begin_restart(begun, soon())
    for _ in range(2):  # the same again is no error
        claimed.es.free_allocation(begun, soon())
        during = claimed.es.cluster(soon())
        assert (during.allocation, during.restart) == (before, begun)
    faulty = replace(begun, fault="it runs with something else")
    for _ in range(2):
        claimed.es.note_fault(faulty, soon())
        during = claimed.es.cluster(soon())
        assert (during.allocation, during.restart) == (begun.restricted, faulty)
    assert refusal(lambda: claimed.es.free_allocation(begun, soon())) == "es_restart_changed"
    claimed.es.end_restart(faulty, outcome("failed"), soon())
    assert claimed.es.cluster(soon()).allocation == before
    assert refusal(lambda: claimed.es.free_allocation(faulty, soon())) == "es_restart_changed"


@pytest.mark.parametrize("call", ["free", "note"])
def test_allocation_that_somebody_changed_during_a_restart_stays(claimed: Case, call: str) -> None:
    """Promise 9."""
    begun = record(claimed)
    claimed.es.begin_restart(begun, soon())
    claimed.put({"persistent": {ALLOCATION: "none"}})
    if call == "free":
        claimed.es.free_allocation(begun, soon())
    else:
        claimed.es.note_fault(replace(begun, fault="why"), soon())
    assert claimed.es.cluster(soon()).allocation == Allocation("none", "persistent")


@pytest.mark.parametrize("scope", ["unset", "transient"])
def test_allocation_that_somebody_changed_meanwhile_stays(claimed: Case, scope: str) -> None:
    """Promise 9."""
    settings, before = SCOPES[scope]
    claimed.put(settings)
    begun = record(claimed, before)
    claimed.es.begin_restart(begun, soon())
    claimed.put({"transient" if scope == "transient" else "persistent": {ALLOCATION: "none"}})
    claimed.es.end_restart(begun, outcome(), soon())
    assert claimed.es.cluster(soon()).allocation.value == "none"


def test_a_restart_is_begun_only_in_the_cluster_that_the_plan_saw(claimed: Case) -> None:
    """Promise 11: and nothing is changed where it is not that one."""
    es, begun = claimed.es, record(claimed)
    foreign = replace(begun, owner="test/another")
    assert refusal(lambda: es.begin_restart(foreign, soon())) == "es_owner"
    elsewhere = replace(begun, allocation=Allocation("all", "persistent"))
    assert refusal(lambda: es.begin_restart(elsewhere, soon())) == "es_allocation"
    assert es.cluster(soon()).restart is None
    assert es.cluster(soon()).allocation == Allocation()
    es.begin_restart(begun, soon())
    second = replace(begun, change="another", allocation=Allocation("primaries", "persistent"))
    assert refusal(lambda: es.begin_restart(second, soon())) == "es_restart_open"
    assert refusal(lambda: es.end_restart(second, outcome(), soon())) == "es_restart_changed"
    assert refusal(lambda: es.note_fault(replace(second, fault="why"), soon())) == "es_restart_changed"
    assert es.cluster(soon()).restart == begun


def test_a_fault_is_noted_in_the_open_restart_and_ends_with_it(claimed: Case) -> None:
    es, begun = claimed.es, record(claimed)
    faulty = replace(begun, fault="it did not start", refused="the second", noted=now(), refused_process=12)
    assert refusal(lambda: es.note_fault(faulty, soon())) == "es_restart_changed"
    es.begin_restart(begun, soon())
    for each in (faulty, faulty, replace(faulty, refused="the third")):
        es.note_fault(each, soon())
        assert es.cluster(soon()).restart == each
    assert refusal(lambda: es.end_restart(begun, outcome(), soon())) == "es_restart_changed"
    es.end_restart(replace(faulty, refused="the third"), outcome("failed"), soon())
    assert es.cluster(soon()).restarted[claimed.node] == outcome("failed")


@pytest.mark.parametrize("setting", [RESTART, RESTARTED])
@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"version": 2}', '{"version": 1}', '{"version": 1, "nodes": {"a": 5}}']
)
def test_a_damaged_record_is_told_and_nothing_is_begun_or_ended_over_it(claimed: Case, setting: str, text: str) -> None:
    """Promise 4."""
    claimed.put({"persistent": {setting: text}})
    state = claimed.es.cluster(soon())
    assert setting in state.restart_damaged
    assert state.health in {"green", "yellow"}
    for call in (
        lambda: claimed.es.begin_restart(record(claimed), soon()),
        lambda: claimed.es.free_allocation(record(claimed), soon()),
        lambda: claimed.es.note_fault(replace(record(claimed), fault="why"), soon()),
        lambda: claimed.es.end_restart(record(claimed), outcome(), soon()),
    ):
        assert refusal(call) == "es_restart_changed"
    assert claimed.es.cluster(soon()).allocation == Allocation()


def test_the_only_copies_of_shards_are_told_by_node_hidden_indices_too(claimed: Case) -> None:
    alone = claimed.es.sole_copies(soon())
    assert set(claimed.alone) <= set(alone.get(claimed.node, ()))
    assert set(alone) <= {claimed.node}


def test_a_remote_goes_with_all_its_settings_and_no_other_does(claimed: Case) -> None:
    both = {f"cluster.remote.gone.{key}": value for key, value in (("mode", "proxy"), ("proxy_address", "127.0.0.1:1"))}
    claimed.put({"persistent": both, "transient": {**both, "cluster.remote.gone.skip_unavailable": "true"}})
    for _ in range(2):  # none is no error
        claimed.es.remove_remote(Alias("gone"), soon())
        claimed.es.remove_remote(Alias("gon"), soon())
    assert {link.alias for link in claimed.es.node(claimed.node, soon()).links} == {ALIAS}
