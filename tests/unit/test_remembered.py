"""What is remembered is read back as it was written, whatever was asked for."""

from datetime import UTC, datetime

import pytest

from syncd.core.errors import StateError
from syncd.core.memory import dump, parse
from syncd.core.model import Answer, Memory, NodeName, RestartWish

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize("anyway", [True, False])
def test_a_restart_that_a_person_asked_for_does_not_cost_the_memory(anyway: bool) -> None:
    memory = Memory(
        wishes=(RestartWish(NodeName("es-01"), 1, AT, anyway),), answers=(Answer("request", "noted", done=True),)
    )
    assert parse(dump(memory, "onprem"), "state") == memory


@pytest.mark.parametrize(("there", "instead"), [('"anyway": true', '"anyway": 1'), ('"started": 1', '"started": true')])
def test_a_number_is_no_truth_value_nor_the_other_way_round(there: str, instead: str) -> None:
    text = dump(Memory(wishes=(RestartWish(NodeName("es-01"), 1, AT, True),)), "onprem")
    assert there in text
    with pytest.raises(StateError, match="cannot be read"):
        parse(text.replace(there, instead), "state")


def test_answers_as_they_were_written_before_cost_nothing_but_themselves() -> None:
    text = dump(Memory(paused_until=AT), "onprem").replace('"answers": []', '"answered": [["request", "noted"]]')
    assert parse(text, "state") == Memory(paused_until=AT)
