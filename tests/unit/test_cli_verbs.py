"""What a person asks for is what is carried out, now or not at all, and a command that did nothing says so."""

import json
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from syncd.adapters.files import FilePermit, FileStateStore
from syncd.cli import app, asks, wiring
from syncd.cli.once import Foreground, foreground
from syncd.cli.wiring import Wiring
from syncd.config import load
from syncd.core.errors import StateConflict, StateError
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import note_answers, note_published
from syncd.core.model import Alias, Answer, Context, Memory, Report
from syncd.demo.free_ports import free_ports
from syncd.demo.pki import EckCa
from syncd.ports import Deadline, Stored, now
from syncd.telemetry.server import Server, json_page

NODES = ("es-01", "es-02")
CA = EckCa.create(now())


def silent(_: Iterable[str]) -> None:
    """Nobody reads what is done."""


@dataclass
class Desk:
    """A configuration of two nodes on this machine, of which none runs, and a person who types."""

    folder: Path

    def __post_init__(self) -> None:
        (self.port,) = free_ports(1)
        (self.folder / "eck.pem").write_bytes(CA.pem)
        (self.folder / "key").write_bytes(b64encode(b"id:a-key"))
        self.configure()

    def configure(self, **changed: object) -> None:
        """The one cluster, with something else."""
        self.configure_all({"onprem": changed})

    def configure_all(self, clusters: Mapping[str, Mapping[str, object]]) -> None:
        whole = [self._cluster(name) | dict(changed) for name, changed in clusters.items()]
        self.config.write_text(json.dumps({"clusters": whole, "telemetry": {"listen": f"127.0.0.1:{self.port}"}}))

    def _cluster(self, name: str) -> dict[str, Any]:
        nodes = [{"name": node, "layout": {"config_dir": str(self.home(name, node))}} for node in NODES]
        source = {"kind": "file", "path": str(self.folder / "eck.pem")}
        return {
            "name": name,
            "elasticsearch": {"urls": ["http://127.0.0.1:1"], "api_key_file": "key"},
            "nodes": nodes,
            "transport": {"kind": "local"},
            "remotes": [{"alias": "eck-prod", "source": source}],
            "state": {"kind": "file", "path": str(self.folder / f"{name}.json")},
        }

    def home(self, cluster: str, node: str) -> Path:
        home = self.folder / cluster / node
        home.mkdir(parents=True, exist_ok=True)
        (home / "elasticsearch.yml").touch()
        return home

    @property
    def config(self) -> Path:
        return self.folder / "syncd.yaml"

    def memory(self, cluster: str = "onprem") -> Memory:
        text = FileStateStore(str(self.folder / f"{cluster}.json")).load(Deadline.after(5)).text
        return parse(text, "here") if text is not None else Memory()

    def types(self, *argv: str) -> tuple[int, str]:
        """What `syncd ...` answers: its exit code, and all that it prints."""
        said, code = StringIO(), 0
        with redirect_stdout(said), redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["syncd", *argv, "--config", str(self.config)])
            try:
                app.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return code, said.getvalue()

    @contextmanager
    def front(self) -> Iterator[Foreground]:
        wired = Wiring(load.load(self.config), self.config)
        with foreground(wired, wired.whole.clusters[0]) as made:
            yield made


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def kept(desk: Desk) -> Iterator[None]:
    """A daemon keeps the cluster, and does not get on."""
    permit = FilePermit(str(desk.folder / "onprem.json.permit"))
    permit.start(lambda _: None)
    assert permit.valid()
    yield
    permit.stop()


def test_a_certificate_is_adopted_for_a_remote_that_there_is(desk: Desk) -> None:
    desk.configure(remotes=[])
    code, said = desk.types("adopt", CA.cert.short)
    assert code == 2
    assert "the cluster has no remotes" in said


@pytest.mark.parametrize("verb", [("once",), ("pause", "onprem", "--for", "1h")])
def test_a_folder_of_the_state_that_is_not_there_is_what_is_told(desk: Desk, verb: tuple[str, ...]) -> None:
    """Not that another syncd keeps the cluster."""
    missing = desk.folder / "gone" / "onprem.json"
    desk.configure(state={"kind": "file", "path": str(missing)})
    code, said = desk.types(*verb)
    assert code == 1
    assert "No such file or directory" in said
    assert "another syncd" not in said


def test_one_node_and_all_of_them_are_not_asked_for_together(desk: Desk) -> None:
    """The prompt was about the one, the request about all."""
    code, said = desk.types("restart", "onprem", "--node", NODES[0], "--all", "--yes")
    assert code == 2
    assert "--all" in said
    assert not desk.memory().wishes


@pytest.mark.parametrize(
    ("options", "asked", "requested"),
    [
        ((), "the nodes that need it", ""),
        (("--node", NODES[1]), f"node {NODES[1]}", NODES[1]),
        (("--all",), "every node", "*"),
    ],
)
def test_what_is_asked_about_is_what_is_requested(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], asked: str, requested: str
) -> None:
    prompts: list[str] = []
    requests: list[tuple[str, str]] = []

    def request(_: Foreground, verb: str, argument: str, __: object) -> str:
        requests.append((verb, argument))
        return "noted"

    monkeypatch.setattr("typer.confirm", lambda text, **_: prompts.append(text))
    monkeypatch.setattr(asks, "request", request)
    code, said = desk.types("restart", "onprem", *options)
    assert code == 0, said
    assert prompts == [f"Restart {asked} of onprem, one at a time?"]
    assert requests == [("restart", requested)]


@pytest.mark.parametrize(
    "argv",
    [
        ("restart", "onprem", "--node", "es-1", "--yes"),
        ("restart", "onprem", "--node", "*", "--yes"),
        ("restart", "onprem", "--node", "", "--yes"),
        ("forget", "--node", "es-1", "--yes"),
        ("forget", "eck-prod", "--yes"),
        ("adopt", CA.cert.short),
    ],
)
def test_what_cannot_be_done_is_refused_with_an_exit_code_before_anybody_is_asked(
    desk: Desk, argv: tuple[str, ...]
) -> None:
    code, said = desk.types(*argv)
    assert code == 1, said
    assert "nothing was done. " in said, "and what to do is said"
    assert desk.memory() == Memory(), "nothing is asked for"


@pytest.mark.parametrize("context", list(Context))
def test_the_model_that_a_remote_had_before_may_be_forgotten_though_the_alias_goes_on(
    desk: Desk, context: Context
) -> None:
    """The configuration has it by API keys; by these it cannot be left."""
    memory = note_published(Memory(), Alias("eck-prod"), CA.cert, now(), "", context)
    FileStateStore(str(desk.folder / "onprem.json")).save(dump(memory, "onprem"), None, Deadline.after(5))
    code, said = desk.types("forget", "eck-prod", "--yes")
    assert (code, "is being left" in said) == ((0, True) if context is Context.TRANSPORT else (1, False)), said
    assert [left.context for left in desk.memory().forgotten] == [Context.TRANSPORT] * (code == 0)


@pytest.mark.parametrize(
    "argv",
    [
        ("restart", "onprem", "--yes"),
        ("approve", CA.cert.short, "--yes"),
        ("revoke", CA.cert.short, "--yes"),
        ("adopt", CA.cert.short),
        ("take-over", "onprem", "--yes"),
        ("pause", "onprem", "--for", "4h"),
        ("resume", "onprem"),
        ("forget", "eck-old", "--yes"),
    ],
)
def test_nothing_is_asked_of_a_cluster_that_is_only_observed(desk: Desk, argv: tuple[str, ...]) -> None:
    """It would be carried out on the day on which somebody sets mode: act."""
    desk.configure(mode="observe")
    code, said = desk.types(*argv)
    assert code == 2
    assert "Set mode: act" in said
    assert not desk.memory().requests


def test_a_request_that_is_answered_with_no_is_an_error(desk: Desk) -> None:
    code, said = desk.types("forget", "unheard-of", "--yes")
    assert code == 1
    assert "nothing is known of a remote unheard-of; nothing was done" in said


def test_a_request_that_nobody_carries_out_in_time_is_taken_back(
    desk: Desk, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "_WAIT", 0.3)
    code, said = desk.types("pause", "onprem", "--for", "4h")
    assert code == 1
    assert "holds the permit and did not carry it out within 0 s" in said
    assert "no daemon answers" in said, "and why, as far as it can be known"
    assert "taken back" in said
    assert not desk.memory().requests, "it is not carried out days later"


def test_what_keeps_the_daemon_from_carrying_it_out_is_told(
    desk: Desk, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = {"subject": "onprem", "rule": "other_owner", "text": "another syncd (x) keeps this cluster", "until": None}
    overlap = {"subject": "eck-prod", "rule": "overlap", "text": "retire 1234: until tomorrow", "until": None}
    cluster = {"cluster": "onprem", "at": "2026-11-24T12:00:00+00:00", "holds": [overlap, hold]}
    server = Server(f"127.0.0.1:{desk.port}", {"/status": lambda: json_page(200, {"clusters": [cluster]})})
    server.start()
    monkeypatch.setattr(asks, "_WAIT", 0.0)
    _, said = desk.types("resume", "onprem")
    server.stop()
    assert "ended at 2026-11-24T12:00:00Z" in said
    assert "other_owner: another syncd (x) keeps this cluster" in said
    assert "retire" not in said, "that keeps no request"


def test_a_person_who_stops_waiting_takes_the_request_back(
    desk: Desk, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        assert desk.memory().requests
        raise KeyboardInterrupt

    monkeypatch.setattr(asks, "sleep", interrupted)
    with desk.front() as front, pytest.raises(KeyboardInterrupt):
        asks.request(front, "resume", "", silent)
    assert not desk.memory().requests


class LateAnswer(FileStateStore):
    """A daemon answers all requests at the last moment: right before they would be taken back."""

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        held = parse(text, "there")
        before = self.load(deadline).text
        if before is not None and len(held.requests) < len(parse(before, "here").requests):
            there = parse(before, "here")
            answered = note_answers(there, [Answer(request.id, "resumed", done=True) for request in there.requests])
            super().save(dump(answered, "onprem"), self.load(deadline).version, deadline)
        return super().save(text, expect, deadline)


class Unwritable(FileStateStore):
    """A state that takes one request, and is then out of reach."""

    def load(self, deadline: Deadline) -> Stored:
        found = super().load(deadline)
        if found.text is not None:
            raise StateError("state_unreachable", "it is out of reach")
        return found


def test_a_request_that_is_answered_at_the_last_moment_is_not_taken_back(
    desk: Desk, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "_WAIT", 0.0)
    with desk.front() as front:
        front.world = replace(front.world, state=LateAnswer(str(desk.folder / "onprem.json")))
        assert asks.request(front, "resume", "", silent) == "resumed"


class Flickering(FileStateStore):
    """A state that is out of reach now and then, and in which a daemon answers a little later."""

    looks = 0

    def load(self, deadline: Deadline) -> Stored:
        self.looks += 1
        if self.looks == 3:  # the first after it was asked
            raise StateError("state_unreachable", "it is out of reach")
        found = super().load(deadline)
        there = parse(found.text, "here") if found.text is not None else Memory()
        done = there.requests if self.looks > 4 else ()
        answered = (
            note_answers(there, [Answer(request.id, "resumed", done=True) for request in done]) if done else there
        )
        return replace(found, text=dump(answered, "onprem"))


def test_a_state_that_is_out_of_reach_for_a_moment_ends_no_waiting(desk: Desk, kept: None) -> None:
    with desk.front() as front:
        front.world = replace(front.world, state=Flickering(str(desk.folder / "onprem.json")))
        assert asks.request(front, "resume", "", silent) == "resumed"


@pytest.mark.parametrize(
    ("fault", "told"),
    [(StateError("a_rule", "it broke"), "it broke; the request is taken back"), (RuntimeError("it broke"), "it broke")],
    ids=["ours", "a bug"],
)
def test_a_pass_of_ones_own_that_breaks_leaves_no_request_behind(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str
) -> None:
    def broken(_: Foreground) -> Report:
        raise fault

    monkeypatch.setattr(Foreground, "make_pass", broken)
    with desk.front() as front, pytest.raises(type(fault), match=told):
        asks.request(front, "resume", "", silent)
    assert not desk.memory().requests


def test_a_request_that_cannot_be_taken_back_is_said_to_stay(
    desk: Desk, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "_WAIT", 0.0)
    with desk.front() as front:
        front.world = replace(front.world, state=Unwritable(str(desk.folder / "onprem.json")))
        with pytest.raises(StateError, match="could not be taken back"):
            asks.request(front, "resume", "", silent)


def test_a_pass_of_ones_own_that_may_answer_nothing_is_waited_for_by_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command itself holds the permit: nobody else will carry it out."""
    monkeypatch.setattr(asks, "_by_another", None)
    desk.configure(mode="observe")
    passes: list[Report] = []
    made = Foreground.make_pass

    def counted(front: Foreground) -> Report:
        passes.append(made(front))
        return passes[-1]

    monkeypatch.setattr(Foreground, "make_pass", counted)
    with desk.front() as front, pytest.raises(StateError, match="mode: observe changes nothing; the request is taken"):
        asks.request(front, "resume", "", silent)
    assert len(passes) == 1, "and another pass would answer nothing either"
    assert not desk.memory().requests


class Contested(FileStateStore):
    """Somebody else writes the state while the first pass is made."""

    saves = 0

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        self.saves += 1
        if self.saves == 2:
            raise StateConflict("state_conflict", "somebody else wrote it first", where=self.name)
        return super().save(text, expect, deadline)


def test_a_pass_of_ones_own_whose_answer_cannot_be_saved_is_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "FileStateStore", Contested)
    code, said = desk.types("pause", "onprem", "--for", "4h")
    assert code == 0, said
    assert "paused until" in said
    assert desk.memory().paused_until
