"""A node's installation on real parts: a cluster of certutil's PKCS#12 stores, its own tools, systemd, SSH with sudo."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import Cert, content_digest, parse_cert
from syncd.core.errors import HostError
from syncd.core.model import Known, NodeName, NodePolicy, Ownership, OwnTrust, Process, Seen, Site, Unknown
from syncd.core.nodes.own_trust import OWN_CA_FILE, conversion
from syncd.core.yml import with_settings
from syncd.core.yml.names import TRANSPORT_SSL
from syncd.engine.hosts import keystore
from syncd.engine.hosts.copies import note_keystore, roll_back, save_copies, sweep_copies
from syncd.engine.hosts.installation import Installation, ToolMemory, look_at_site
from syncd.engine.hosts.service import Service, look_at_unit, restart, start_again
from syncd.engine.hosts.tools import Toolbox
from syncd.ports import Deadline, Host
from tests.bed import elasticsearch
from tests.bed.pytest_plugin import need
from tests.bed.systemd_cluster import HOME, STORE_PASSWORD, SystemdCluster, SystemdNode
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(400)]

T = TypeVar("T")
NAME = "cluster.remote.eck.credentials"
PASSWORD = "canary-of-the-keystore"
STORE = f"{TRANSPORT_SSL}truststore"


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[SystemdCluster]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch")
    made = SystemdCluster(open_folder_of_module, size=1, network="127.0.6", stores=True, configs=("config-*",)).create()
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def node(cluster: SystemdCluster) -> SystemdNode:
    return cluster.nodes[0]


@pytest.fixture
def host(cluster: SystemdCluster, node: SystemdNode) -> Iterator[Host]:
    fleet = cluster.hosts.fleet()
    yield fleet.host(NodeName(node.address))
    fleet.close()


@pytest.fixture
def own_ca(cluster: SystemdCluster) -> Cert:
    """The CA that certutil made."""
    store = pkcs12.load_pkcs12((cluster.folder / "ca.p12").read_bytes(), STORE_PASSWORD.encode())
    assert store.cert
    return parse_cert(store.cert.certificate.public_bytes(Encoding.DER))


def soon() -> Deadline:
    return Deadline.after(60)


def place(node: SystemdNode, config: Path | None = None) -> Installation:
    folder = str(config or node.config)
    policy = NodePolicy(NodeName(node.name), f"{folder}/remote-cluster-ca.crt", config_dir=folder, unit=node.unit)
    return Installation(policy, Toolbox(HOME, folder), Service(node.unit))


def process(node: SystemdNode) -> Process:
    address = f"{node.address}:9300"
    return Process(NodeName(node.name), "8.19.21", frozenset(), 1, str(node.logs), "onprem", transport_address=address)


def look(host: Host, node: SystemdNode, config: Path | None = None) -> Site:
    return look_at_site(host, place(node, config), process(node), TlsHandshakes(), ToolMemory(), soon())


def known(seen: Seen[T]) -> T:
    assert isinstance(seen, Known), seen
    return seen.value


@contextmanager
def another_config(cluster: SystemdCluster, name: str, yml: str = "") -> Iterator[Path]:
    """The files of a node that does not run, as the packages lay them out."""
    folder = cluster.folder / f"config-{name}"
    cluster.world.run("cp", "-a", str(cluster.nodes[0].config), str(folder))
    if yml:
        (folder / "elasticsearch.yml").write_text(yml)
    try:
        yield folder
    finally:
        cluster.world.run("rm", "-r", str(folder))


# --- the cluster's own trust


def test_the_installation_that_certutil_made_is_seen_whole(host: Host, node: SystemdNode, own_ca: Cert) -> None:
    site = look(host, node)
    assert known(site.trust) == OwnTrust((own_ca,), "truststore", (str(node.config / "certs/transport.p12"),))
    assert known(site.yml).digest == content_digest((node.config / "elasticsearch.yml").read_bytes())
    assert known(site.keystore).owner.mode == 0o660
    assert known(site.unit).active == "active"
    assert len(known(site.unit).invocation) == 32
    shown = known(site.shown)
    assert shown.presented.leaf.subject == f"CN={node.name}"
    assert shown.accepted == {own_ca.subject, f"CN={node.name}"}, "Java trusts the leaf of a key in the store as well"


def test_a_jks_store_with_its_password_in_the_settings_is_read(
    cluster: SystemdCluster, host: Host, node: SystemdNode, own_ca: Cert
) -> None:
    yml = f"{STORE}:\n  path: own.jks\n  password: canary-of-jks\n"
    with another_config(cluster, "jks", yml) as config:
        (config / "own.crt").write_bytes(own_ca.pem)
        make = ("-importcert", "-noprompt", "-alias", "own", "-file", f"{config}/own.crt", "-storetype", "JKS")
        keep = ("-keystore", f"{config}/own.jks", "-storepass", "canary-of-jks")
        cluster.world.run(f"{HOME}/jdk/bin/keytool", *make, *keep)
        assert known(look(host, node, config).trust) == OwnTrust((own_ca,), "truststore", (f"{config}/own.jks",))


def test_pem_files_are_read(cluster: SystemdCluster, host: Host, node: SystemdNode, own_ca: Cert) -> None:
    with another_config(cluster, "pem", f"{TRANSPORT_SSL}certificate_authorities: [certs/own.crt]\n") as config:
        (config / "certs/own.crt").write_bytes(own_ca.pem)
        assert known(look(host, node, config).trust) == OwnTrust((own_ca,), "pem", (f"{config}/certs/own.crt",))


def test_the_store_of_the_key_alone_is_read(
    cluster: SystemdCluster, host: Host, node: SystemdNode, own_ca: Cert
) -> None:
    with another_config(cluster, "key", f"{TRANSPORT_SSL}keystore.path: certs/transport.p12\n") as config:
        assert known(look(host, node, config).trust) == OwnTrust((own_ca,), "none", (f"{config}/certs/transport.p12",))


@pytest.mark.parametrize("password", ["", "canary-wrong"])
def test_a_store_without_its_password_is_unknown_and_not_empty(
    cluster: SystemdCluster, host: Host, node: SystemdNode, password: str
) -> None:
    with another_config(cluster, "locked") as config:
        box = Toolbox(HOME, str(config))
        keystore.remove(host, box, f"{STORE}.secure_password", soon())
        if password:
            keystore.add(host, box, f"{STORE}.secure_password", password.encode(), soon())
        site = look(host, node, config)
        assert isinstance(site.trust, Unknown)
        assert site.trust.rule == ("store_unreadable" if password else "store_password")
        assert "canary" not in site.trust.text
        assert not password or "password was incorrect" in site.trust.text
        assert isinstance(site.keystore, Known)


# --- the keystore


@contextmanager
def watching_for(canaries: list[bytes]) -> Iterator[set[bytes]]:
    """Which of them stand in arguments or the environment of any process of this machine meanwhile."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
                    seen.update(canary for canary in canaries if canary in text)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def owner_of(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid, status.st_mode & 0o7777


def accounts(cluster: SystemdCluster) -> tuple[int, int]:
    said = cluster.world.run("sh", "-c", "id -u elasticsearch; id -g elasticsearch").split()
    return int(said[0]), int(said[1])


def passes(host: Host, box: Toolbox) -> None:
    """A value goes in, is seen, and goes out again, and nobody else sees it."""
    value = b"canary-of-a-key"
    with watching_for([value, PASSWORD.encode(), b"elasticsearch-keystore"]) as seen:
        keystore.add(host, box, NAME, value, soon())
        assert keystore.compare(host, box, {NAME: value}, soon()) == {NAME: "wanted"}
        assert keystore.compare(host, box, {NAME: b"other"}, soon()) == {NAME: "other"}
        keystore.remove(host, box, NAME, soon())
        keystore.remove(host, box, NAME, soon())
        assert keystore.compare(host, box, {NAME: value}, soon()) == {NAME: "absent"}
    assert seen == {b"elasticsearch-keystore"}, "it was looked for where the tool was seen"


def test_a_keystore_of_the_packages_is_written_and_stays_the_nodes(cluster: SystemdCluster, host: Host) -> None:
    _, group = accounts(cluster)
    with another_config(cluster, "packages") as config:
        assert (owner_of(config), owner_of(config / "elasticsearch.keystore")) == (
            (0, group, 0o2750),
            (0, group, 0o660),
        )
        passes(host, Toolbox(HOME, str(config)))
        assert owner_of(config / "elasticsearch.keystore") == (0, group, 0o660)
        config.chmod(0o750)  # then the folder hands down no group
        keystore.add(host, Toolbox(HOME, str(config)), NAME, b"x", soon())
        assert owner_of(config / "elasticsearch.keystore") == (0, group, 0o660)


def test_a_keystore_of_an_archive_is_written_by_its_owner_and_stays_his(cluster: SystemdCluster, host: Host) -> None:
    user, group = accounts(cluster)
    with another_config(cluster, "archive") as config:
        cluster.world.run("chown", "-R", "elasticsearch:elasticsearch", str(config))
        config.chmod(0o750)
        (config / "elasticsearch.keystore").chmod(0o600)
        passes(host, Toolbox(HOME, str(config)))
        assert owner_of(config / "elasticsearch.keystore") == (user, group, 0o600)


def test_a_protected_keystore_is_written_with_its_password_alone(cluster: SystemdCluster, host: Host) -> None:
    _, group = accounts(cluster)
    with another_config(cluster, "protected") as config:
        tool = ("env", f"ES_PATH_CONF={config}", f"{HOME}/bin/elasticsearch-keystore")
        cluster.world.run(*tool, "passwd", stdin=f"{PASSWORD}\n{PASSWORD}\n")
        passes(host, Toolbox(HOME, str(config), password=PASSWORD.encode))
        assert owner_of(config / "elasticsearch.keystore") == (0, group, 0o660)
        for box in (Toolbox(HOME, str(config)), Toolbox(HOME, str(config), password=lambda: b"canary-wrong")):
            with pytest.raises(HostError, match="password") as refused:
                keystore.add(host, box, NAME, b"canary-of-a-key", soon())
            assert "canary" not in str(refused.value)


def test_a_password_that_the_keystore_does_not_have_is_not_stored(cluster: SystemdCluster, host: Host) -> None:
    with another_config(cluster, "open") as config:
        box = Toolbox(HOME, str(config), password=PASSWORD.encode)
        keystore.add(host, box, NAME, b"canary-of-a-key", soon())
        assert keystore.show(host, box, NAME, soon()) == b"canary-of-a-key"


def test_a_protected_keystore_is_read_again_with_its_password_alone(
    cluster: SystemdCluster, node: SystemdNode, tmp_path: Path
) -> None:
    """The node was started with an open one; what it reads again is the file as it is now."""
    (tmp_path / "password").write_text(elasticsearch.PASSWORD)
    settings = ElasticsearchSettings(
        (node.url,), str(cluster.http_ca_file), username=elasticsearch.USER, password_file=str(tmp_path / "password")
    )
    api = ElasticsearchApi(settings)
    tool = ("env", f"ES_PATH_CONF={node.config}", f"{HOME}/bin/elasticsearch-keystore", "passwd")
    cluster.world.run(*tool, stdin=f"{PASSWORD}\n{PASSWORD}\n")
    try:
        assert set(api.reload_secure_settings(soon(), PASSWORD.encode()).values()) == {""}
        for wrong in (None, b"canary-wrong"):
            failed = api.reload_secure_settings(soon(), wrong)
            assert {name for name, text in failed.items() if text} == {node.name}
            assert "canary" not in str(failed)
    finally:
        cluster.world.run(*tool, stdin=f"{PASSWORD}\n\n\n")
    assert set(api.reload_secure_settings(soon()).values()) == {""}
    api.close()


def test_copies_on_a_real_host_keep_owner_and_mode_and_go_back(
    cluster: SystemdCluster, host: Host, node: SystemdNode
) -> None:
    with another_config(cluster, "copies") as config:
        policy, box = place(node, config).node, Toolbox(HOME, str(config))
        before = {path.name: (path.read_bytes(), owner_of(path)) for path in config.iterdir() if path.is_file()}
        yml = host.read(policy.yml, 100_000, soon())
        assert yml
        edited = yml.content + b"resource.reload.interval.high: 1s\n"
        save_copies(host, policy, content_digest(edited), soon())
        host.put(policy.yml, edited, yml.owner, content_digest(yml.content), soon())
        held = keystore.read(host, box, soon())
        assert held
        note_keystore(host, policy, held.digest, keystore.add(host, box, NAME, b"x", soon()).digest, soon())
        assert roll_back(host, policy, content_digest(edited), soon()) == ""
        sweep_copies(host, policy, soon())
        refused = config / "elasticsearch.yml.syncd-refused"
        assert refused.read_bytes() == edited
        refused.unlink()
        assert {p.name: (p.read_bytes(), owner_of(p)) for p in config.iterdir() if p.is_file()} == before


# --- the unit

UNITS = {
    "runs": "[Service]\nExecStart=/bin/sleep 1000\n",
    "starts": "[Service]\nType=notify\nTimeoutStartSec=infinity\nExecStart=/bin/sleep 1000\n",
    "fails": "[Service]\nType=notify\nExecStart=/bin/false\n",
    "mends": """\
[Unit]
StartLimitBurst=2
StartLimitIntervalSec=1h
[Service]
ExecStartPre=/bin/test -e /run/mended
ExecStart=/bin/sleep 1000
""",
    "loops": "[Service]\nType=notify\nRestart=always\nRestartSec=1h\nExecStart=/bin/false\n",
    "rests": "[Service]\nExecStart=/bin/sleep 1000\n",
}


@pytest.fixture(scope="module")
def units(cluster: SystemdCluster) -> dict[str, Service]:
    for name, text in UNITS.items():
        cluster.world.write(f"/etc/systemd/system/{name}.service", text)
    cluster.world.systemctl("daemon-reload")
    for name in UNITS:
        if name not in ("rests", "mends"):
            cluster.world.systemctl("start", "--no-block", name)
    return {name: Service(f"{name}.service") for name in UNITS}


@pytest.mark.parametrize(
    ("name", "active"),
    [("runs", "active"), ("starts", "activating"), ("fails", "failed"), ("loops", "failed"), ("rests", "inactive")],
)
def test_each_state_of_a_unit_is_told(host: Host, units: dict[str, Service], name: str, active: str) -> None:
    wait_for(lambda: look_at_unit(host, units[name], soon()).active == active, 10, f"{name} is {active}")
    unit = look_at_unit(host, units[name], soon())
    assert bool(unit.invocation) == (name != "rests")
    assert (unit.age is not None) == (name != "rests")
    assert unit.age is None or 0 <= unit.age < 300


def test_a_unit_that_systemd_does_not_know_is_unknown_with_the_cure(host: Host) -> None:
    """Not one that is stopped: nothing is started or rolled back for a name that was mistyped."""
    with pytest.raises(HostError, match=r"restart\.unit") as refused:
        look_at_unit(host, Service("no-such.service"), soon())
    assert refused.value.rule == "unit_unknown"


def test_a_unit_is_restarted_only_if_it_is_the_expected_start(host: Host, units: dict[str, Service]) -> None:
    """Promise 11."""
    service = units["runs"]
    first = look_at_unit(host, service, soon())
    restart(host, service, first.invocation, soon())
    wait_for(lambda: look_at_unit(host, service, soon()).invocation != first.invocation, 10, "another start")
    second = look_at_unit(host, service, soon())
    assert second.age is not None
    assert second.age < 10
    for start in (restart, start_again):
        with pytest.raises(HostError) as refused:
            start(host, service, first.invocation, soon())
        assert refused.value.rule == "unit_changed"
    assert look_at_unit(host, service, soon()).invocation == second.invocation


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_unit_that_failed_too_often_is_started_again(
    cluster: SystemdCluster, host: Host, units: dict[str, Service], *, forgotten: bool
) -> None:
    """Also where the start was cut after systemd had forgotten the failure, and the InvocationID with it."""
    service, world = units["mends"], cluster.world
    world.run("rm", "-f", "/run/mended")
    for _ in range(3):
        world.ask("systemctl", "start", service.unit)
    failed = look_at_unit(host, service, soon())
    assert failed.active == "failed"
    world.run("touch", "/run/mended")
    if forgotten:
        world.systemctl("reset-failed", service.unit)
        assert look_at_unit(host, service, soon()).invocation == ""
    else:
        assert world.ask("systemctl", "start", service.unit).returncode, (
            "a start alone is refused, though all is mended"
        )
        assert look_at_unit(host, service, soon()).active == "failed"
    start_again(host, service, failed.invocation, soon())
    wait_for(lambda: look_at_unit(host, service, soon()).active == "active", 10, "the start")
    world.systemctl("stop", service.unit)


def test_a_login_that_may_not_restart_is_told_so(
    cluster: SystemdCluster, node: SystemdNode, units: dict[str, Service]
) -> None:
    fleet = cluster.hosts.fleet(sudo=False)
    plain = fleet.host(NodeName(node.address))
    before = look_at_unit(plain, units["starts"], soon())
    with pytest.raises(HostError) as refused:
        restart(plain, units["starts"], before.invocation, soon())
    assert refused.value.rule == "unit_refused"
    assert look_at_unit(plain, units["starts"], soon()).invocation == before.invocation
    fleet.close()


# --- a trust store becomes PEM


def test_a_node_runs_on_with_pem_in_place_of_its_store_and_the_password_that_is_left(
    cluster: SystemdCluster, host: Host, node: SystemdNode, own_ca: Cert
) -> None:
    """Elasticsearch minds no `truststore.secure_password` without a store: nothing is to be taken out for the start."""
    site, service = look(host, node), Service(node.unit)
    yml = known(site.yml)
    found = conversion(yml.text, known(site.trust), known(site.shown), (), (OWN_CA_FILE,))
    path = place(node).node.yml
    host.put(f"{node.config}/{OWN_CA_FILE}", found.content, Ownership(0, accounts(cluster)[1], 0o660), None, soon())
    edited = with_settings(yml.text, found.wanted).encode()
    host.put(path, edited, yml.owner, yml.digest, soon())
    restart(host, service, known(site.unit).invocation, soon())
    wait_for(lambda: look_at_unit(host, service, soon()).active == "activating", 30, "the start")
    cluster.wait_green()
    after = look(host, node)
    assert known(after.trust) == OwnTrust((own_ca,), "pem", (f"{node.config}/{OWN_CA_FILE}",))
    assert known(after.shown).accepted == {own_ca.subject}
    assert known(after.shown).presented.chain == known(site.shown).presented.chain
    held = keystore.show(host, place(node).box, f"{STORE}.secure_password", soon())
    assert held == STORE_PASSWORD.encode(), "it was there all the while"
