"""A node's installation is looked at part by part: one that cannot be seen hides no other, and nothing is guessed."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest

from syncd.adapters.local import LocalHost
from syncd.core.bundle import content_digest
from syncd.core.errors import HostError
from syncd.core.model import (
    Absent,
    Alias,
    Context,
    Forgotten,
    Known,
    Memory,
    NodeName,
    NodePolicy,
    OwnTrust,
    Process,
    RollBack,
    Seen,
    Site,
    Unknown,
)
from syncd.demo.pki import EckCa
from syncd.engine.acting.on_host import perform_on_host
from syncd.engine.crew import Crew
from syncd.engine.hosts import keystore
from syncd.engine.hosts.copies import copy_of, ours_of, save_copies
from syncd.engine.hosts.installation import Installation, ToolMemory, look_at_site
from syncd.engine.hosts.service import Service, look_at_unit, restart, start_again
from syncd.engine.looking import installations
from syncd.engine.looking.installations import Installations
from syncd.engine.looking.page import Page
from syncd.engine.looking.seen import aged
from syncd.ports import CommandResult, Deadline, Found, Stream, now
from tests.bed.waiting import soon
from tests.fakes.memory import MemoryHandshakes, NoStream
from tests.fakes.tools import FakeTools
from tests.fakes.world import Bench, Syncd

T = TypeVar("T")
SSL = "xpack.security.transport.ssl"
CA, REMOTE, OTHER = (EckCa.create(now(), cluster=name) for name in ("own", "eck", "other"))
LEAF = CA.leaf()
NAME = "cluster.remote.eck.credentials"
PROCESS = Process(NodeName("es-1"), "8.19.21", frozenset(), 1, "/var/log", "onprem", transport_address="10.0.0.1:9300")
SHAKES = MemoryHandshakes(lambda: LEAF.chain, lambda: (CA.cert.subject,))
RUNS = Service(status=("true",))


class Host(LocalHost):
    """This host, which can dial anything."""

    def __init__(self) -> None:
        self.dialed: list[tuple[str, int]] = []

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        self.dialed.append((address, port))
        return NoStream()


class Gone(LocalHost):
    """A host that is not there any more."""

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        raise HostError("unreachable", "ssh connect failed: timed out")

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        raise HostError("unreachable", "ssh connect failed: timed out")


@pytest.fixture
def tools(open_folder: Path) -> FakeTools:
    made = FakeTools.create(open_folder)
    (made.config / "elasticsearch.yml").write_text(f"{SSL}.certificate_authorities: [ca.crt]\n")
    (made.config / "ca.crt").write_bytes(CA.cert.pem)
    return made


@pytest.fixture
def place(tools: FakeTools) -> Installation:
    node = NodePolicy(NodeName("es-1"), str(tools.config / "remote-cluster-ca.crt"), config_dir=str(tools.config))
    return Installation(node, tools.box(), RUNS)


def look(place: Installation, memory: ToolMemory | None = None, host: LocalHost | None = None) -> Site:
    return look_at_site(host or Host(), place, PROCESS, SHAKES, memory or ToolMemory(), soon())


def known(seen: Seen[T]) -> T:
    assert isinstance(seen, Known), seen
    return seen.value


def unknown(seen: Seen[T]) -> Unknown:
    assert isinstance(seen, Unknown), seen
    return seen


def write(place: Installation, text: str) -> None:
    Path(place.node.yml).write_text(text)


# --- all parts


def test_everything_is_seen(place: Installation, tools: FakeTools) -> None:
    site = look(place)
    assert known(site.yml).text.startswith(SSL)
    assert known(site.yml).digest == content_digest(Path(place.node.yml).read_bytes())
    assert known(site.keystore).digest == content_digest(tools.keystore.read_bytes())
    assert known(site.unit).active == "active"
    assert known(site.trust) == OwnTrust((CA.cert,), "pem", (str(tools.config / "ca.crt"),))
    assert known(site.shown).accepted == {CA.cert.subject}
    assert known(site.shown).presented.address == "10.0.0.1:9300"


def test_the_copy_of_an_open_change_is_seen(place: Installation) -> None:
    assert known(look(place).yml).copy is None
    Path(copy_of(place.node.yml)).write_text("cluster.name: before\n")
    assert known(look(place).yml).copy == content_digest(b"cluster.name: before\n")
    assert not known(look(place).yml).unproven, "nothing tells that syncd made it"
    Path(ours_of(place.node.yml)).write_text(content_digest(Path(place.node.yml).read_bytes()))
    assert known(look(place).yml).unproven
    write(place, "somebody: else\n")
    assert not known(look(place).yml).unproven


@pytest.mark.parametrize("broken", ["yml", "keystore", "unit", "trust", "shown"])
def test_a_part_that_cannot_be_seen_hides_no_other(place: Installation, tools: FakeTools, broken: str) -> None:
    process: Process | None = PROCESS
    if broken == "yml":
        Path(place.node.yml).unlink()
        Path(place.node.yml).mkdir()
    elif broken == "keystore":
        place = replace(place, secrets={NAME: b"x"})
        tools.keystore.write_text("what the tool cannot read")
    elif broken == "unit":
        place = replace(place, service=Service(status=("/no/such/command",)))
    elif broken == "trust":
        (tools.config / "ca.crt").unlink()
    else:
        process = None
    site = look_at_site(Host(), place, process, SHAKES, ToolMemory(), soon())
    parts = ("yml", "keystore", "unit", "trust", "shown")
    hidden = {part for part in parts if isinstance(getattr(site, part), Unknown)}
    assert hidden == ({"yml", "trust"} if broken == "yml" else {broken})


def test_what_is_not_there_is_absent_and_its_trust_unknown(place: Installation, tools: FakeTools) -> None:
    """Unknown is never empty: a node without a yml is not one that trusts nobody."""
    Path(place.node.yml).unlink()
    tools.keystore.unlink()
    site = look(place)
    assert isinstance(site.yml, Absent)
    assert isinstance(site.keystore, Absent)
    assert unknown(site.trust).rule == "yml_unknown"


def test_the_transport_port_is_dialed_from_the_nodes_host_at_the_address_that_it_tells(place: Installation) -> None:
    host = Host()
    for address in ("10.0.0.1:9300", "[fd00::1]:9300", "es-1.example/10.0.0.2:9300"):
        process = replace(PROCESS, transport_address=address)
        known(look_at_site(host, place, process, SHAKES, ToolMemory(), soon()).shown)
    assert host.dialed == [("10.0.0.1", 9300), ("fd00::1", 9300), ("10.0.0.2", 9300)]
    silent = replace(PROCESS, transport_address="")
    assert unknown(look_at_site(host, place, silent, SHAKES, ToolMemory(), soon()).shown).rule == "no_address"


def test_a_lost_host_is_unseen_since_it_was_lost_and_not_since_the_latest_look(place: Installation) -> None:
    """By that a restart gives it up. A look that does not end in time is late, the next one may tell of a refusal."""
    lost = Unknown("late", "it has not answered yet", now())
    gone = look(place, host=Gone())
    seen: Seen[Site] = aged(lost, Known(look(place), now()))
    for site in (Known(gone, now()), Unknown("late", "it has not answered yet", now()), Known(gone, now())):
        seen = aged(site, seen)
    assert unknown(known(seen).unit).since == unknown(known(seen).yml).since == lost.since
    back = aged(Known(look(place), now()), seen)
    assert isinstance(known(back).unit, Known)
    again = unknown(aged(Unknown("late", "it has not answered yet", now()), back))
    assert again.since > lost.since, "it was seen meanwhile"


def test_the_page_of_the_looks_knows_since_when_a_host_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    crew = Crew("test", 8, lambda _: None)
    page = Installations(bench.world(), crew).update(Page.nothing_yet(now()), None)
    name = NodeName("es-01")
    monkeypatch.setattr(bench.hosts[name], "read", Gone().read)
    monkeypatch.setattr(bench.hosts[name], "run", Gone().run)
    times = []
    for _ in range(2):
        page = Installations(bench.world(), crew).update(page, None)
        times.append(unknown(known(page.sites[name]).unit).since)
    crew.close()
    assert times[0] == times[1]


@pytest.mark.parametrize(("lost", "again"), [(True, True), (False, False)])
def test_what_was_looked_at_in_vain_is_looked_at_again_within_the_probe_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool, again: bool
) -> None:
    bench = Bench(tmp_path)
    syncd = Syncd(bench)
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert syncd.report
    name, looks = NodeName("es-01"), Installations(bench.world(), syncd.crew)
    page = looks.update(replace(syncd.prover.page, sites={}), syncd.report)
    assert looks.update(page, syncd.report).sites[name] is page.sites[name], "not at once"
    if lost:
        site = replace(known(page.sites[name]), unit=Unknown("sudo", "a password is required", now()))
        page = replace(page, sites={**page.sites, name: Known(site, now())})
    later = monotonic() + bench.world().pace.probe
    monkeypatch.setattr(installations, "monotonic", lambda: later)
    page_after = looks.update(page, syncd.report)
    syncd.end()
    assert (page_after.sites[name] is not page.sites[name]) is again


def test_the_nodes_own_trust_is_looked_at_while_a_remote_of_the_certificate_model_is_left(tmp_path: Path) -> None:
    """The configuration has none any more, and the file may go only if the peers are trusted without it."""
    syncd = Syncd(Bench(tmp_path))
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert syncd.report
    name, looked = NodeName("es-01"), {}
    for context in Context:
        left = Memory(forgotten=(Forgotten(Alias("gone"), context, now()),))
        report = replace(syncd.report, plan=replace(syncd.report.plan, memory=left))
        page = Installations(syncd.bench.world(), syncd.crew).update(Page.nothing_yet(now()), report)
        trust = known(page.sites[name]).trust
        looked[context] = not (isinstance(trust, Unknown) and trust.rule == "not_asked")
    syncd.end()
    assert looked == {Context.REMOTE_CLUSTER_CLIENT: False, Context.TRANSPORT: True}


# --- the cluster's own trust


def test_our_own_files_are_not_the_clusters_trust(place: Installation, tools: FakeTools) -> None:
    (tools.config / "remote-transport-ca.crt").write_bytes(REMOTE.cert.pem)
    write(place, f"{SSL}.certificate_authorities: [ca.crt, remote-transport-ca.crt]\n")
    place = replace(place, managed=frozenset({str(tools.config / "remote-transport-ca.crt")}))
    assert known(look(place).trust) == OwnTrust((CA.cert,), "pem", (str(tools.config / "ca.crt"),))


@pytest.mark.parametrize(("name", "kind"), [("a.p12", "PKCS12"), ("a.jks", "jks"), ("store", "jks")])
def test_a_stores_trusted_certificates_are_found_with_the_password_of_the_keystore(
    place: Installation, tools: FakeTools, name: str, kind: str
) -> None:
    tools.store(name, "canary", [CA.cert, OTHER.cert], LEAF.chain)
    keystore.add(Host(), place.box, f"{SSL}.truststore.secure_password", b"canary", soon())
    write(place, f"{SSL}.truststore.path: {name}\n")
    assert known(look(place).trust) == OwnTrust((CA.cert, OTHER.cert), "truststore", (str(tools.config / name),))
    assert not [call for call in tools.calls() if "canary" in call], "neither argument nor environment"
    assert [call for call in tools.calls() if f'"-storetype", "{kind}"' in call]


def test_a_password_in_the_settings_works_too(place: Installation, tools: FakeTools) -> None:
    tools.store("a.p12", "canary", [CA.cert])
    write(place, f"{SSL}.truststore: {{path: a.p12, password: canary}}\n")
    assert known(look(place).trust).certs == (CA.cert,)
    assert len(tools.calls()) == 1, "the keystore is not asked"


def test_the_store_of_the_nodes_own_key_is_trusted_where_nothing_else_is_named(
    place: Installation, tools: FakeTools
) -> None:
    tools.store("a.p12", "canary", [CA.cert], LEAF.chain)
    keystore.add(Host(), place.box, f"{SSL}.keystore.secure_password", b"canary", soon())
    write(place, f"{SSL}.keystore.path: a.p12\n")
    assert known(look(place).trust) == OwnTrust((CA.cert,), "none", (str(tools.config / "a.p12"),))
    write(place, "cluster.name: onprem\n")
    assert known(look(place).trust) == OwnTrust((), "none", ())


@pytest.mark.parametrize("password", [None, b"canary-wrong"])
def test_a_store_that_cannot_be_opened_is_unknown_and_its_password_not_told(
    place: Installation, tools: FakeTools, password: bytes | None
) -> None:
    """keytool lists a store without its password as well, with trusted certificates left out."""
    tools.store("a.p12", "canary", [CA.cert])
    if password:
        keystore.add(Host(), place.box, f"{SSL}.truststore.secure_password", password, soon())
    write(place, f"{SSL}.truststore.path: a.p12\n")
    seen = unknown(look(place).trust)
    assert seen.rule == ("store_unreadable" if password else "store_password")
    assert "canary" not in seen.text
    assert "own_ca_file" in seen.text
    assert not password or "password was incorrect" in seen.text


def test_a_store_that_trusts_nobody_was_read_wrongly(place: Installation, tools: FakeTools) -> None:
    """Elasticsearch does not start with one."""
    tools.store("a.p12", "canary", [], LEAF.chain)
    write(place, f"{SSL}.truststore: {{path: a.p12, password: canary}}\n")
    assert unknown(look(place).trust).rule == "store_empty"


def test_a_configured_file_is_the_clusters_own_trust_whatever_is_named(place: Installation, tools: FakeTools) -> None:
    own = tools.config / "own.pem"
    own.write_bytes(OTHER.cert.pem)
    for text, kind in (
        (f"{SSL}.truststore.path: ${{CERTS}}/a.p12", "truststore"),
        (f"{SSL}.certificate_authorities: ['${{CERTS}}/ca.crt']", "pem"),
        ("cluster.name: onprem", "none"),
    ):
        write(place, text)
        trust = known(look(replace(place, own_ca=str(own))).trust)
        assert (trust.certs, trust.kind, trust.paths) == ((OTHER.cert,), kind, (str(own),))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"{SSL}.certificate_authorities: ['${{CERTS}}/ca.crt']", "placeholder"),
        (f"{SSL}.certificate_authorities: [link.crt]", "not_a_file"),
        (f"{SSL}.certificate_authorities: [missing.crt]", "own_ca_missing"),
        (f"{SSL}.certificate_authorities: [elasticsearch.yml]", "own_ca_no_certificate"),
        (f"{SSL}.truststore: {{path: missing.p12, password: x}}", "own_ca_missing"),
        ("a: 1\na: 2", "duplicate_key"),
    ],
)
def test_what_cannot_be_found_out_is_told_with_a_way_round(
    place: Installation, tools: FakeTools, text: str, rule: str
) -> None:
    (tools.config / "link.crt").symlink_to(tools.config / "ca.crt")
    write(place, text)
    seen = unknown(look(place).trust)
    assert seen.rule == rule
    assert rule == "duplicate_key" or "own_ca_file" in seen.text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own files by others")
def test_keytool_runs_as_who_owns_the_store(place: Installation, tools: FakeTools) -> None:
    """A person's file is never opened with more rights than that person has."""
    os.chown(tools.store("a.p12", "canary", [CA.cert]), 61_001, 61_002)
    write(place, f"{SSL}.truststore: {{path: a.p12, password: canary}}\n")
    known(look(place).trust)
    assert [json.loads(call)["uid"] for call in tools.calls()] == [61_001]


# --- the slow tools


def test_what_the_keystore_holds_is_compared_and_asked_again_only_when_it_may_differ(
    place: Installation, tools: FakeTools
) -> None:
    memory = ToolMemory()

    def settings(secrets: Mapping[str, bytes]) -> Mapping[str, str]:
        return known(look(replace(place, secrets=secrets), memory).keystore).settings

    keystore.add(Host(), place.box, NAME, b"key-1", soon())
    counts = []
    for secrets, held in (
        ({NAME: b"key-1"}, "wanted"),
        ({NAME: b"key-1"}, "wanted"),
        ({NAME: b"key-2"}, "other"),
        ({NAME: b"key-2"}, "other"),
    ):
        assert settings(secrets) == {NAME: held}
        counts.append(len(tools.calls()))
    keystore.add(Host(), place.box, NAME, b"key-2", soon())
    assert settings({NAME: b"key-2"}) == {NAME: "wanted"}
    assert counts == [2, 2, 3, 3]
    keystore.remove(Host(), place.box, NAME, soon())
    assert settings({NAME: b"key-2"}) == {NAME: "absent"}


def test_a_tool_that_cannot_open_a_keystore_is_not_started_at_each_look(open_folder: Path) -> None:
    """A password that nobody gave: each start of Java costs a second of the node's, and would be told the same."""
    tools, memory = FakeTools.create(open_folder, "p"), ToolMemory()
    (tools.config / "elasticsearch.yml").write_text("")
    node = NodePolicy(NodeName("es-1"), "", config_dir=str(tools.config))
    place = Installation(node, tools.box(), Service(), secrets={NAME: b"key-1"})
    counts = []
    for _ in range(3):
        assert unknown(look(place, memory).keystore).rule == "keystore"
        counts.append(len(tools.calls()))
    assert counts == counts[:1] * 3
    tools.keystore.write_text(tools.keystore.read_text() + " ")
    assert unknown(look(place, memory).keystore).rule == "keystore"
    assert len(tools.calls()) > counts[0], "of another file it is asked at once"


def test_what_is_remembered_of_the_tools_holds_no_secret(place: Installation, tools: FakeTools) -> None:
    memory = ToolMemory()
    tools.store("a.p12", "canary-of-store", [CA.cert])
    write(place, f"{SSL}.truststore: {{path: a.p12, password: canary-of-store}}\n")
    look(replace(place, secrets={NAME: b"canary-of-key"}), memory)
    assert len(memory._said) == 2
    assert "canary" not in repr(vars(memory))


def test_a_store_is_listed_again_when_it_its_password_or_the_keystore_changes(
    place: Installation, tools: FakeTools
) -> None:
    memory = ToolMemory()
    tools.store("a.p12", "canary", [CA.cert])
    write(place, f"{SSL}.truststore: {{path: a.p12, password: canary}}\n")
    for _ in range(3):
        assert known(look(place, memory).trust).certs == (CA.cert,)
    assert len(tools.calls()) == 1
    tools.store("a.p12", "canary", [OTHER.cert])
    assert known(look(place, memory).trust).certs == (OTHER.cert,)
    write(place, f"{SSL}.truststore: {{path: a.p12, password: other}}\n")
    assert unknown(look(place, memory).trust).rule == "store_unreadable"
    assert unknown(look(place, memory).trust).rule == "store_unreadable", "an error is not an answer"


# --- the service, by the operator's own commands; systemd's: tests/e2e/test_site.py


class Commands(LocalHost):
    """A host on which each command ends as it is told to."""

    def __init__(self, **ends: CommandResult) -> None:
        self.ends = ends
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        self.ran.append(tuple(argv))
        return self.ends[argv[0]]


OWN = Service(status=("status", "es"), restart=("restart", "es"))


@pytest.mark.parametrize(("code", "active"), [(0, "active"), (3, "inactive"), (1, "failed"), (2, "failed")])
def test_a_status_command_tells_by_its_exit_status(code: int, active: str) -> None:
    unit = look_at_unit(Commands(status=CommandResult(code, b"", b"")), OWN, soon())
    assert (unit.active, unit.invocation, unit.age) == (active, "", None)


@pytest.mark.parametrize(
    ("code", "said"), [(127, b"not found"), (126, b""), (4, b""), (-1, b""), (1, b"sudo: a password is required\n")]
)
def test_a_status_command_that_cannot_tell_is_not_a_failed_service(code: int, said: bytes) -> None:
    """A failed one is rolled back."""
    with pytest.raises(HostError, match=r"service\.status") as refused:
        look_at_unit(Commands(status=CommandResult(code, b"", said)), OWN, soon())
    assert refused.value.rule == "unit_unknown"


@pytest.mark.parametrize("start", [restart, start_again])
def test_the_operators_own_command_restarts(start: object) -> None:
    host = Commands(status=CommandResult(0, b"", b""), restart=CommandResult(0, b"", b""))
    (restart if start is restart else start_again)(host, OWN, "", soon())
    assert host.ran[-1] == ("restart", "es")
    assert not [argv for argv in host.ran if argv[0] == "systemctl"]


def test_a_restart_that_is_refused_is_told() -> None:
    host = Commands(status=CommandResult(0, b"", b""), restart=CommandResult(1, b"", b"sudo: not allowed\n"))
    with pytest.raises(HostError, match="not allowed") as refused:
        restart(host, OWN, "", soon())
    assert refused.value.rule == "unit_refused"


@pytest.mark.parametrize("start", [True, False])
def test_a_node_that_runs_on_gets_its_files_back_and_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bool
) -> None:
    bench, ran = Bench(tmp_path), []
    name = NodeName("es-01")
    host = bench.hosts[name]

    def run(argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        ran.append(argv)
        return CommandResult(0, b"", b"")

    monkeypatch.setattr(host, "run", run)
    world = bench.world()
    node = world.policy.node(name)
    there = host.read(node.yml, 10_000, soon())
    assert there
    wrote = content_digest(b"a: 1\n")
    save_copies(host, node, wrote, soon())
    host.put(node.yml, b"a: 1\n", there.owner, content_digest(there.content), soon())
    world = replace(world, services={name: Service(restart=("restart",), status=("status",))})
    perform_on_host(world, RollBack(name, wrote, "", "why", start=start), soon())
    back = host.read(node.yml, 10_000, soon())
    assert back
    assert (back.content, back.owner) == (there.content, there.owner)
    assert [argv for argv in ran if argv == ("restart",)] == ([("restart",)] if start else [])


# --- the password of a keystore, at the next start

ENTRY = "ExecStart={ path=/usr/share/elasticsearch/bin/systemd-entrypoint ; argv[]=/usr/share/... ; }"
NAMED = "ES_KEYSTORE_PASSPHRASE_FILE"


class Systemd(Host):
    """This host, with a systemd that shows what it is told to."""

    def __init__(self, said: bytes, code: int) -> None:
        super().__init__()
        self._said = CommandResult(code, said, b"")

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        return self._said if "show-environment" in " ".join(argv) else super().run(argv, stdin, limit, deadline)


def locked(open_folder: Path, unit: str, manager: str, *, password: str = "p", code: int = 0) -> str:  # noqa: S107 - a fake
    """What is told of a keystore where systemd shows this of its unit and itself."""
    tools = FakeTools.create(open_folder, password)
    (tools.config / "elasticsearch.yml").write_text("")
    node = NodePolicy(NodeName("es-1"), "", config_dir=str(tools.config))
    host = Systemd(f"{unit}\n\n{manager}\n".encode(), code)
    return known(look(Installation(node, tools.box(), Service()), host=host).keystore).locked


@pytest.mark.parametrize(
    ("unit", "manager"),
    [
        pytest.param("", "LANG=C\n{named}", id="the manager's"),
        pytest.param('Environment=A=b "C=d e" {named}', "", id="the unit's"),
        pytest.param("EnvironmentFiles={folder}/env (ignore_errors=yes)", "", id="of a file of the unit"),
        pytest.param("Environment={named}", f"{NAMED}=/gone", id="the unit's counts"),
    ],
)
def test_a_start_that_is_given_the_password_of_the_keystore_is_held_by_nothing(
    open_folder: Path, unit: str, manager: str
) -> None:
    kept = open_folder / "kept"
    kept.write_text("p")
    (open_folder / "env").write_text(f"# {NAMED}=/gone\nES_HOME=/x\n{NAMED}='{kept}'\n")
    said = {"named": f"{NAMED}={kept}", "folder": str(open_folder)}
    assert locked(open_folder, f"{ENTRY}\n{unit.format(**said)}", manager.format(**said)) == ""


@pytest.mark.parametrize(
    ("unit", "manager", "told"),
    [
        ("Environment=A=b", "LANG=C", f"no {NAMED}"),
        ("", f"{NAMED}=/no/such/file", "/no/such/file, which"),
        (f"Environment={NAMED}=", f"{NAMED}=/etc/passwd", f"no {NAMED}"),
        (f"Environment={NAMED}=/no/such/file", f"{NAMED}=/etc/passwd", "/no/such/file, which"),
    ],
)
def test_a_start_that_would_not_be_given_the_password_is_told(
    open_folder: Path, unit: str, manager: str, told: str
) -> None:
    """As Elastic documents it, the file may be deleted once the node runs: the node would not start again, nor go back."""
    assert told in locked(open_folder, f"{ENTRY}\n{unit}", manager)


def test_what_is_not_known_of_the_password_is_no_yes(open_folder: Path) -> None:
    assert "not known" in locked(open_folder, "", "", code=1)


@pytest.mark.parametrize("why", ["no password", "another start"])
def test_a_start_that_needs_no_password_of_systemds_is_held_by_nothing(open_folder: Path, why: str) -> None:
    if why == "no password":
        assert locked(open_folder, ENTRY, "", password="") == ""
    else:
        assert locked(open_folder, "ExecStart={ path=/opt/start.sh ; }", "") == ""


@pytest.mark.parametrize(("byte", "protected"), [(b"\x00", False), (b"\x01", True)])
def test_the_header_of_a_real_keystore_tells_without_starting_java(
    tools: FakeTools, byte: bytes, *, protected: bool
) -> None:
    """As Elasticsearch 8.19 wrote it."""
    header = bytes.fromhex("3fd76c1716656c61737469637365617263682e6b657973746f726500000007")
    tools.keystore.write_bytes(header + byte + b"\x93\x00\x00\x00@")
    assert keystore.is_protected(Host(), tools.box(), soon()) is protected
    assert not tools.calls()
