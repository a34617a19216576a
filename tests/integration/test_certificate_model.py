"""The certificate model on an embedded world, from an elasticsearch.yml that knows of no remote, with the daemon as it is."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.core.eck.mirror_text import read_mirror
from syncd.demo.eck import DemoEck
from syncd.demo.mutual import look
from syncd.demo.own import CA_FILE, YML
from syncd.demo.world import CERT_ALIAS, NAMES, NAMESPACE, World
from tests.bed.waiting import ending_by, wait_for

pytestmark = pytest.mark.timeout(1500)

MIRROR = ("configmaps", NAMESPACE, "remote-certs")
ALLOCATION = "cluster.routing.allocation.enable"
RECORD = "cluster.metadata.syncd.restart"
LONG = 300
"""Seconds at most for what takes ten on a machine that has nothing else to do."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, bare=True)
    try:
        made.start_nodes()
        wait_for(lambda: [made.ask(name, "_cluster/health") for name in NAMES], LONG, "the nodes")
        made.link_by_certificate()
        yield made
    finally:
        made.stop()


@pytest.fixture
def linked(world: World) -> World:
    world.start_daemon()
    wait_for(lambda: settled(world), LONG, "the link")
    return world


def eck_of(world: World) -> DemoEck:
    assert world.eck
    return world.eck


def syncd(world: World, *argv: str, code: int) -> str:
    command = [sys.executable, "-m", "syncd", *argv, "--config", str(world.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def cluster(world: World) -> dict[str, Any]:
    clusters = world.status().get("clusters", [])
    return clusters[0] if clusters else {"rows": [], "holds": [], "settled": False}


def rules(world: World) -> set[str]:
    return {hold["rule"] for hold in cluster(world)["holds"]}


def settled(world: World) -> bool:
    """Every node is proven to have loaded its file, every link is up, nothing is held."""
    rows = cluster(world)["rows"]
    good = [row for row in rows if row["link"] == "up" and row["loaded"].startswith("proven")]
    return len(good) == len(NAMES) and not cluster(world)["holds"]


def mirror(world: World) -> tuple[Cert, ...]:
    objects = world.kube.store.objects
    return read_mirror(objects[MIRROR]["data"]["ca.crt"]).certs if MIRROR in objects else ()


def trust(world: World, name: str) -> tuple[Cert, ...]:
    path = world.transport_file(name)
    return read_trust_file(path.read_bytes()).certs if path.exists() else ()


def presented_by(world: World) -> set[str]:
    """The issuers of what the nodes' transport ports present."""
    return {look(port).issuer for port in world.transport_ports.values()}


def handshakes(world: World) -> tuple[int, int, int, int]:
    counts = eck_of(world).counts
    return *world.handshakes(CERT_ALIAS), counts.ok, counts.failed


def test_from_a_bare_yml_to_a_mutual_link_with_one_restart_of_each_node(linked: World) -> None:
    eck = eck_of(linked)
    assert [linked.starts(name) for name in NAMES] == [2, 2, 2]
    for name in NAMES:
        named = f'certificate_authorities: ["own-ca.crt", "{linked.transport_file(name)}"]   # our own nodes'
        before = YML.replace('certificate_authorities: ["own-ca.crt"]   # our own nodes', named)
        assert linked.yml(name).read_text() == f"{before}# managed by syncd\nresource.reload.interval.high: 1s\n"
        assert trust(linked, name) == (eck.ca.cert,)
        wait_for(lambda name=name: not list(linked.yml(name).parent.glob("*.syncd-*")), LONG, "no copy stays behind")  # type: ignore[misc]  # a lambda with a default
    assert mirror(linked) == (linked.own.ca.cert,)
    spec = linked.kube.store.get(eck.resource)["spec"]
    assert spec["transport"] == {"tls": {"certificateAuthorities": {"configMapName": "remote-certs"}}}
    assert not {ALLOCATION, RECORD} & linked.settings().keys(), "allocation is as it was"
    before_ok = handshakes(linked)
    wait_for(lambda: handshakes(linked)[0] > before_ok[0] and handshakes(linked)[2] > before_ok[2], LONG, "both ways")


def test_both_sides_replace_their_ca_and_no_handshake_fails(linked: World) -> None:
    """ECK's with a new key, its leaf later; ours published ahead, and retired once nothing needs it. No restart."""
    eck, old, own = eck_of(linked), eck_of(linked).ca, linked.own.ca.cert
    _, failed_to, _, failed_from = handshakes(linked)
    eck.publish(old.rekey(old.cert.not_before))
    wait_for(lambda: all(loaded(linked, name, eck.ca.cert) for name in NAMES), LONG, "proof that the new CA is loaded")
    eck.follow()
    wait_for(lambda: all(trust(linked, name) == (eck.ca.cert,) for name in NAMES), LONG, "the old one's retirement")
    new = linked.own.announce()
    wait_for(lambda: {own, new} == set(mirror(linked)), LONG, "the next CA in the mirror")
    wait_for(lambda: new.subject in look(eck.port.port).accepted, LONG, "ECK's node names it")
    linked.own.issue()
    wait_for(lambda: presented_by(linked) == {new.subject}, LONG, "a new certificate of every node")
    linked.own.drop()
    wait_for(lambda: mirror(linked) == (new,) and settled(linked), LONG, "the retirement of our old CA")
    assert (handshakes(linked)[1] - failed_to, handshakes(linked)[3] - failed_from) == (0, 0)
    assert [linked.starts(name) for name in NAMES] == [2, 2, 2]


def loaded(world: World, name: str, ca: Cert) -> bool:
    """Whether the node's file has the CA, and that very content is proven: the page may tell of the one before."""
    certs = trust(world, name)
    rows = [row for row in cluster(world)["rows"] if row["node"] == name]
    proven = [row for row in rows if row["bundle"] == bundle_digest(certs)[:16] and row["loaded"].startswith("proven")]
    return ca in certs and bool(proven)


def test_plan_shows_the_order_the_reasons_and_the_edit_and_changes_nothing(world: World) -> None:
    said = syncd(world, "plan", code=3)
    order = (NAMES[1], NAMES[2], NAMES[0])  # the elected master comes last
    setting = "xpack.security.transport.ssl.certificate_authorities"
    for number, name in enumerate(order, start=1):
        path = world.transport_file(name)
        assert f"restart {number} of 3: {name}: for {path}, which the process does not name" in said, said
        assert f'      elasticsearch.yml: {setting}: ["{CA_FILE}", "{path}"]\n' in said, said
    assert f"after {NAMES[2]}, last since it is the elected master" in said
    assert f"write the mirror of {CERT_ALIAS}" in said
    assert "resource_waits_for_mirror" in said
    assert "No restart is needed" not in said
    assert [world.yml(name).read_text() for name in NAMES] == [YML] * len(NAMES)
    assert MIRROR not in world.kube.store.objects
    assert not any(key.startswith("cluster.metadata.") for key in world.settings())


def test_check_names_what_each_node_lacks_with_the_text_to_add(world: World) -> None:
    said = syncd(world, "check", code=1)
    for name in NAMES:
        text = f'Append "{world.transport_file(name)}" to xpack.security.transport.ssl.certificate_authorities'
        assert text in said, said


def test_check_has_nothing_to_say_against_a_link_that_works(linked: World) -> None:
    assert "WRONG" not in syncd(linked, "check", code=0)
    assert "nothing to do" in syncd(linked, "plan", code=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_daemon_killed_anywhere_in_the_rolling_restart_goes_on_and_restarts_each_node_once(
    world: World, seed: int
) -> None:
    """Promise 3: what was done is seen from the world, and nothing else is remembered."""
    chance = random.Random(seed)  # noqa: S311 - guards nothing
    world.start_daemon()
    for _ in range(2):
        before = sum(map(world.starts, NAMES))
        wait_for(lambda before=before: RECORD in world.settings() or sum(map(world.starts, NAMES)) > before, LONG, "it")  # type: ignore[misc]  # mypy infers no type of a lambda with a default
        time.sleep(chance.random() * 3)  # the moment is what the test varies
        world.kill_daemon()
        world.start_daemon()
    wait_for(lambda: settled(world), LONG, "the link")
    assert [world.starts(name) for name in NAMES] == [2, 2, 2]
    assert not {ALLOCATION, RECORD} & world.settings().keys()
    assert all(trust(world, name) == (eck_of(world).ca.cert,) for name in NAMES)


def test_a_mirror_that_somebody_deletes_is_back_at_once_and_eck_goes_on_issuing(linked: World) -> None:
    eck, own = eck_of(linked), linked.own.ca.cert
    linked.kube.store.delete(MIRROR)
    with ending_by(15):  # a watch tells of it; the clock looks each minute
        wait_for(lambda: mirror(linked) == (own,), 50, "the mirror", every=0.01)
    renewed = eck.ca.renew(eck.ca.cert.not_before)
    eck.publish(renewed)
    wait_for(lambda: all(renewed.cert in trust(linked, name) for name in NAMES), LONG, "ECK's next CA")
    assert own in mirror(linked)


def test_a_host_runs_the_two_commands_of_its_service_and_nothing_else(world: World) -> None:
    import paramiko  # noqa: PLC0415

    command = json.loads(world.config.read_text())["clusters"][0]["service"]["status"]
    client = paramiko.SSHClient()
    client.load_host_keys(str(world.folder / "known_hosts"))
    client.connect(
        "127.0.0.1", world.hosts[NAMES[0]].port, "demo", key_filename=str(world.folder / "client"), look_for_keys=False,
        allow_agent=False,
    )  # fmt: skip
    try:
        _, out, _ = client.exec_command(" ".join(command))
        assert out.channel.recv_exit_status() == 0
        for other in ("sh -c true", " ".join([*command, ";true"]), " ".join(command[:-1])):
            with pytest.raises(paramiko.SSHException):
                client.exec_command(other)
    finally:
        client.close()


def asking(world: World) -> None:
    """The operator has not consented to restarts."""
    config = json.loads(world.config.read_text())
    config["clusters"][0]["restart"] = {"policy": "never"}
    world.config.write_text(json.dumps(config))


def test_without_consent_no_node_is_restarted_and_with_a_persons_word_each_once(world: World) -> None:
    """No daemon runs: the command itself carries it out, to the end, and tells what it does."""
    asking(world)
    syncd(world, "once", code=3)
    before = [world.starts(name) for name in NAMES]
    said = syncd(world, "plan", code=3)
    assert "policy" in said
    assert "syncd restart onprem" in said
    said = syncd(world, "restart", "onprem", "--yes", code=0)
    assert [world.starts(name) for name in NAMES] == [count + 1 for count in before]
    assert said.count("RESTART the node") == len(NAMES)
    assert RECORD not in world.settings()
    assert ALLOCATION not in world.settings()
    said = syncd(world, "restart", "onprem", "--yes", code=0)
    assert "no node lacks anything" in said
    assert [world.starts(name) for name in NAMES] == [count + 1 for count in before], "nothing needed it"


def test_a_named_node_is_restarted_though_it_needs_nothing(linked: World) -> None:
    before = {name: linked.starts(name) for name in NAMES}
    syncd(linked, "restart", "onprem", "--node", NAMES[1], "--yes", code=0)
    wait_for(lambda: linked.starts(NAMES[1]) == before[NAMES[1]] + 1, LONG, "the restart")
    wait_for(lambda: RECORD not in linked.settings() and settled(linked), LONG, "its end")
    assert {name: linked.starts(name) - before[name] for name in NAMES} == {NAMES[0]: 0, NAMES[1]: 1, NAMES[2]: 0}
