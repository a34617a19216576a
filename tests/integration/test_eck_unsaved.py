"""What was applied to a remote's resource is known to this process though its state cannot be saved: no restart loop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from syncd.core.errors import StateError
from syncd.core.memory.document import parse
from syncd.core.model import EckPolicy, EckResource, Report
from syncd.engine.world import World
from syncd.ports import Deadline
from tests.fakes.eck_side import resource
from tests.fakes.memory import MemoryStore
from tests.fakes.world import ALIAS, Bench, Syncd


@dataclass
class Undone:
    """A resource out of which somebody takes whatever is applied."""

    name: str = "elasticsearch elastic/quickstart"
    applied: list[Mapping[str, object]] = field(default_factory=list)

    def read(self, deadline: Deadline) -> EckResource:
        return resource(config_map=None)

    def apply(self, manifest: Mapping[str, object], expect: tuple[str, str], deadline: Deadline) -> None:
        self.applied.append(manifest)


@dataclass
class FullStore(MemoryStore):
    """A state that is read and not saved, as on a full disk or without the right to write."""

    full: bool = True

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        if self.full:
            raise StateError("state_forbidden", "HTTP 403", where=self.name)
        return super().save(text, expect, deadline)


@dataclass
class EckBench(Bench):
    resource: Undone = field(default_factory=Undone)

    def world(self, **policy: object) -> World:
        return replace(super().world(**policy), resources={ALIAS: self.resource})


@pytest.fixture
def bench(tmp_path: Path) -> EckBench:
    made = EckBench(tmp_path)
    made.store = FullStore(made.knife)
    return made


@pytest.fixture
def syncd(bench: EckBench) -> Iterator[Syncd]:
    life = Syncd(bench, remotes=(bench.remote(eck=EckPolicy("elastic", "quickstart", apply=True)),))
    yield life
    life.end()


def _rules(report: Report) -> set[str]:
    return {hold.rule for hold in report.plan.holds}


def test_a_restart_of_the_remote_is_not_applied_again_though_the_first_could_not_be_remembered(
    bench: EckBench, syncd: Syncd
) -> None:
    report = syncd.turn(5)
    assert len(bench.resource.applied) == 1, "each time would restart the remote"
    assert "resource_memory_unknown" in _rules(report)
    assert any("HTTP 403" in hold.text for hold in report.plan.holds if hold.rule == "resource_memory_unknown")


def test_what_could_not_be_remembered_is_remembered_as_soon_as_it_can_be(bench: EckBench, syncd: Syncd) -> None:
    assert isinstance(bench.store, FullStore)
    syncd.turn(2)
    bench.store.full = False
    report = syncd.turn(2)
    assert len(parse(bench.store.text or "", "test").eck) == 1
    assert "resource_contested" in _rules(report)
    assert len(bench.resource.applied) == 1
