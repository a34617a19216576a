"""Which holds of a remote are worth a handshake with it: each with a transport port leaves a WARN in its log."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.model import Hold
from syncd.engine.looking.links import awaits
from tests.fakes.world import ALIAS, Bench, Syncd


@pytest.mark.parametrize(
    ("rule", "dialed"), [("mirror_found", False), ("resource_field", False), ("mirror_unproven", True)]
)
def test_what_a_person_must_lift_is_not_awaited_at_a_remotes_port(tmp_path: Path, rule: str, dialed: bool) -> None:
    syncd = Syncd(Bench(tmp_path))
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert syncd.report
    assert not awaits(syncd.report, ALIAS)
    held = replace(syncd.report, plan=replace(syncd.report.plan, holds=(Hold(ALIAS, rule, "why"),)))
    assert awaits(held, ALIAS) is dialed
    syncd.end()
