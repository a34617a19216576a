"""What is remembered is read back as it was written, whatever was asked for."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.bundle import Digest
from syncd.core.errors import StateError
from syncd.core.memory.document import dump, parse
from syncd.core.memory.tables import pack, unpack
from syncd.core.model import (
    Answer,
    Context,
    LogPosition,
    Memory,
    NodeName,
    Reloaded,
    RestartWish,
    Sighting,
    Written,
)

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


def of_many(count: int) -> Memory:
    """So many nodes of both models, right after a change that each has proven."""
    nodes = [(NodeName(f"es-data-{number:04d}"), context) for number in range(count) for context in Context]
    log = LogPosition("/var/log/elasticsearch/production-cluster.log", 0, 12_345_678)
    at = [AT + timedelta(microseconds=123_456 + number) for number in range(len(nodes))]
    mark = [Digest(f"{number:064x}") for number in range(len(nodes))]
    return Memory(
        proofs=tuple(
            Sighting(*who, Digest("a" * 64), 1_770_000_000_000 + n, "log", at[n]) for n, who in enumerate(nodes)
        ),
        writes=tuple(
            Written(*who, Digest("a" * 64), at[n], AT, log, 1_770_000_000_000 + n) for n, who in enumerate(nodes)
        ),
        reloads=tuple(Reloaded(who[0], 1_770_000_000_000 + n, mark[n]) for n, who in enumerate(nodes[::2])),
        dead=frozenset({NodeName("es-data-0001")}),
    )


@pytest.mark.parametrize("count", [0, 50, 1000])
def test_the_memory_of_a_thousand_nodes_of_both_models_fits_into_one_object_with_room(count: int) -> None:
    text = dump(of_many(count), "onprem")
    assert len(text) < 700 * 1024
    assert parse(text, "state") == of_many(count)
    assert text.startswith("{\n ") == (count < 1000), "of a small cluster people can read it"


def test_a_memory_that_was_written_at_length_is_read_whatever_its_size() -> None:
    memory = of_many(1000)
    body = {"version": 1, "cluster": "onprem", **asdict(memory)}
    text = json.dumps(body, default=lambda value: sorted(value) if isinstance(value, frozenset) else value.isoformat())
    assert parse(text, "state") == memory


@pytest.mark.parametrize(
    "broken",
    [
        {"table": {"node": ["a", "b"], "started": [1], "keystore": ["k"]}},
        {"table": {"node": {"values": ["a"], "rows": [1]}, "started": [1], "keystore": ["k"]}},
        {"table": {"node": {"values": ["a"], "rows": [-1]}, "started": [1], "keystore": ["k"]}},
        {"table": {"node": {"values": ["a"]}}},
        {"table": {"node": 7}},
        {"table": []},
        {"rows": []},
    ],
)
def test_a_table_that_is_none_is_damage_and_nothing_else(broken: object) -> None:
    with pytest.raises(StateError) as error:
        parse(json.dumps({"version": 1, "reloads": broken}), "state")
    assert error.value.rule == "state_damaged"


@given(st.lists(st.fixed_dictionaries({"a": st.integers(0, 3) | st.none(), "b": st.text(), "c": st.booleans()})))
def test_a_table_has_the_records_it_was_made_of(records: list[dict[str, object]]) -> None:
    assert unpack(json.loads(json.dumps(pack(records)))) == records
