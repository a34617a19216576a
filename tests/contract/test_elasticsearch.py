"""What `ports.Elasticsearch` must do, on the fake, the embedded node, and real nodes, the oldest and the newest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.core.errors import ClusterError
from syncd.core.handshake import SERVER_NAME
from syncd.core.model import Alias, Known, NodeName
from syncd.demo.pki import EckCa
from syncd.demo.world import ALIAS, NAMES, World
from syncd.ports import Deadline, Elasticsearch, now
from tests.bed import paths
from tests.bed.elasticsearch import PASSWORD, USER
from tests.bed.link import FILE, Pair
from tests.bed.pytest_plugin import need
from tests.bed.waiting import wait_for
from tests.fakes.world import FILE as FAKE_FILE
from tests.fakes.world import Bench


def soon() -> Deadline:
    return Deadline.after(20)


@dataclass
class Case:
    """An Elasticsearch behind the port, and what is known of it."""

    es: Elasticsearch
    node: NodeName
    trust_file: str
    with_password: Callable[[str], Elasticsearch] | None = None
    key_id: str | None = None


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Case]:
    world = World(tmp_path)
    world.start_nodes()
    wait_for(lambda: world.handshakes()[0] > 0, 20, "the nodes")

    def api(secret: str) -> ElasticsearchApi:
        (tmp_path / "secret").write_text(secret)
        return ElasticsearchApi(
            ElasticsearchSettings((f"http://127.0.0.1:{world.ports[NAMES[0]]}",), api_key_file=str(tmp_path / "secret"))
        )

    es = api((tmp_path / "api-key").read_text())
    yield Case(es, NodeName(NAMES[0]), str(world.trust_file(NAMES[0])), api)
    es.close()
    world.stop()


@pytest.fixture
def fake(tmp_path: Path) -> Case:
    bench = Bench(tmp_path)
    bench.es.loaded = {NodeName(name): (bench.ca.cert,) for name in NAMES}
    return Case(bench.es, NodeName(NAMES[0]), FAKE_FILE)


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
        return made[version]

    yield pair
    for each in made.values():
        each.stop()


def real(pair: Pair, tmp_path: Path) -> Case:
    node = pair.local[0]

    def api(secret: str) -> ElasticsearchApi:
        (tmp_path / "secret").write_text(secret)
        dirs = {NodeName(node.name): str(node.config)}
        settings = ElasticsearchSettings(
            (node.url,), username=USER, password_file=str(tmp_path / "secret"), config_dirs=dirs
        )
        return ElasticsearchApi(settings)

    return Case(api(PASSWORD), NodeName(node.name), str(node.config / FILE), api, pair.key_id)


REAL = [pytest.param(version, marks=pytest.mark.bed) for version in paths.ELASTICSEARCH_VERSIONS]


@pytest.fixture(params=["fake", "embedded", *REAL])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param in paths.ELASTICSEARCH_VERSIONS:
        need(request, "elasticsearch")
        return real(request.getfixturevalue("pairs")(request.param), tmp_path)
    made: Case = request.getfixturevalue(request.param)
    return made


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
    assert case.es.reconnect(case.node, Alias("syncd-proof"), soon()) in (True, False)
    for _ in range(2):  # taking back what is not there is no error
        case.es.point_proof(None, soon())
        case.es.note_proof(frozenset(), soon())
    after = case.es.cluster(soon())
    assert (after.proof, after.proof_alias) == (None, None)


def test_secure_settings_are_reloaded_on_every_node(case: Case) -> None:
    assert case.es.reload_secure_settings(soon()) == {}


def test_the_api_key_in_use_is_named_by_the_remote(case: Case) -> None:
    assert case.es.key_in_use(case.node, Alias(ALIAS), soon()) == case.key_id
