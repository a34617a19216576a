"""A real sshd behind a link that loses packets and delays them: files are whole, faults are told, others do not wait."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.core.bundle import Cert, read_trust_file
from syncd.core.errors import HostError
from syncd.core.model import Context, NodeName, NodePolicy, Ownership
from syncd.engine.world import OwnerRule, Pace, World
from syncd.ports import Deadline, now
from tests.bed.lossy import LossyLink
from tests.bed.sshd import Sshd, make_key
from tests.bed.waiting import ending_by, soon, wait_for
from tests.contract.host_contract import digest, reading
from tests.fakes.world import NAMES, Bench, Syncd

pytestmark = [pytest.mark.bed, pytest.mark.usefixtures("need_sshd", "need_tun")]
FAR, NEAR = NAMES[:2]
OWNER = Ownership(os.getuid(), os.getgid(), 0o640)
_GIVEN_UP = {"timeout", "lost", "unreachable"}


@dataclass
class Hosts:
    """One host far away and one near, and SSH to both."""

    folder: Path
    link: LossyLink
    fleet: SshFleet

    def target(self, name: str) -> Path:
        return self.folder / name / "remote-cluster-ca.crt"

    def certs(self, name: str) -> tuple[Cert, ...]:
        """What is in a node's file; raises where it is not whole."""
        path = self.target(name)
        return read_trust_file(path.read_bytes()).certs if path.exists() else ()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    key, public = make_key(tmp_path / "key")
    link = LossyLink(loss=0.1, delay=0.1)
    servers: list[Sshd] = []
    try:
        link.start()
        perfect, link.loss, link.delay = (link.loss, link.delay), 0.0, 0.0
        servers.append(Sshd(tmp_path / "far", link.address, public, 2222, within=link.within).start())
        servers.append(Sshd(tmp_path / "near", "127.0.1.31", public).start())
        link.loss, link.delay = perfect
        (tmp_path / "known_hosts").write_text("".join(server.known_host for server in servers))
        settings = SshSettings("root", str(tmp_path / "known_hosts"), str(key))
        addresses = {name: (server.address, server.port) for name, server in zip((FAR, NEAR), servers, strict=True)}
        fleet = SshFleet(settings, addresses)
        for name in (FAR, NEAR):
            (tmp_path / name).mkdir()
            (tmp_path / name / "elasticsearch.yml").write_text("cluster.name: onprem\n")
        yield Hosts(tmp_path, link, fleet)
        fleet.close()
    finally:
        for server in servers:
            server.stop()
        link.stop()


def fault(write: Callable[[], object]) -> str:
    """The rule of what went wrong; empty: nothing."""
    try:
        write()
    except HostError as told:
        return told.rule
    return ""


def test_over_a_lossy_link_a_file_is_written_whole_or_the_fault_is_told(hosts: Hosts) -> None:
    """Promise 7. Also when the link is dead for a while: given up by the deadline, and settled by the next write."""
    target, host = hosts.target(FAR), hosts.fleet.host(FAR)
    versions = [bytes([65 + number]) * 20_000 for number in range(4)]
    target.write_bytes(versions[0])
    outcomes = []
    with reading(target) as seen:
        for content in versions[1:]:
            before = target.read_bytes()
            told = fault(lambda c=content, b=before: host.put(str(target), c, OWNER, digest(b), Deadline.after(15)))  # type: ignore[misc]
            assert target.read_bytes() in ((before, content) if told else (content,))
            outcomes.append(told)
        hosts.link.loss, before = 1.0, target.read_bytes()
        with ending_by(9), pytest.raises(HostError) as dead:
            host.put(str(target), versions[0], OWNER, digest(before), Deadline.after(1))
        assert dead.value.rule in _GIVEN_UP
        hosts.link.loss = 0.0
        wait_for(lambda: host.put(str(target), versions[0], OWNER, digest(before), Deadline.after(5)), 30, "a write")
    assert set(outcomes) <= {"", *_GIVEN_UP}
    assert "" in outcomes, "TCP makes good for one packet in ten"
    assert seen <= set(versions), "a reader never saw a part"
    assert hosts.link.dropped > 20


def _node(found: Hosts, name: NodeName) -> NodePolicy:
    path = str(found.target(name))
    return NodePolicy(name, path, {Context.REMOTE_CLUSTER_CLIENT: path})


class Field(Bench):
    """The bench with two nodes on real hosts, and the pace of the field."""

    hosts_: Hosts

    def world(self, **policy: object) -> World:
        found = self.hosts_
        nodes = tuple(_node(found, name) for name in (FAR, NEAR))
        owners = {name: OwnerRule(str(found.target(name).with_name("elasticsearch.yml"))) for name in (FAR, NEAR)}
        return replace(super().world(nodes=nodes, **policy), fleet=found.fleet, owners=owners, pace=Pace())


def test_a_host_behind_a_lossy_link_does_not_delay_the_others(hosts: Hosts, tmp_path: Path) -> None:
    """Promise 5: each pass ends in its time, the near host has its file after it, the far one as soon as it can."""
    bench = Field(tmp_path / "bench")
    bench.hosts_ = hosts
    syncd = Syncd(bench)
    assert hosts.fleet.host(NEAR).owner("/", soon()), "a session with it, as the daemon has one when ECK publishes"
    hosts.link.loss, hosts.link.delay = 0.1, 0.15
    told: set[str] = set()

    def look() -> set[str]:
        """A pass; what was not well with the far host."""
        report = syncd.reconciler.run(syncd.prover.page, ("test",), now())
        ill = {outcome.rule for outcome in report.outcomes if outcome.rule}
        ill |= {hold.rule for hold in report.plan.holds if hold.subject == FAR}
        told.update(ill)
        return ill & {"late", *_GIVEN_UP}

    for ca in (bench.ca, bench.ca.rekey(now())):
        bench.publish(ca)
        with ending_by(Pace().look + Pace().act + 1.5):
            look()
        assert ca.cert in hosts.certs(NEAR)
        wait_for(
            lambda: not look() and bench.ca.cert in hosts.certs(FAR), 90, f"the far host has it; told: {told}", 0.2
        )
    assert told & {"late", *_GIVEN_UP}, "that it was late was told"
    hosts.link.loss = hosts.link.delay = 0.0
    wait_for(lambda: not look(), 30, "nothing goes on behind")
    syncd.end()
