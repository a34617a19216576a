"""tests/defences/table.py is in step with docs/faults.md and with the code; `make defences` tries the removals."""

import pytest

from tests.defences.page import ROOT, places, rows
from tests.defences.table import DEFENCES, Defence


def test_each_row_of_the_faults_page_has_a_defence_whose_removal_is_tried() -> None:
    about = {defence.test for defence in DEFENCES}
    for fault, named in rows().items():
        tests = " or ".join(named)
        assert about & set(named), (
            f"row '{fault}' names test {tests}, which no defence in tests/defences/table.py is about: add one"
        )


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.test)
def test_a_defence_can_be_removed_and_its_test_is_there(defence: Defence) -> None:
    assert (ROOT / defence.file).read_text().count(defence.text) == 1, f"not once in {defence.file}: {defence.text}"
    assert defence.text != defence.instead
    assert places(defence.test), f"no test is called {defence.test}"
    for path in defence.files:
        assert (ROOT / path).exists(), path


def test_a_defence_is_about_a_row_of_the_faults_page() -> None:
    named = {test for tests in rows().values() for test in tests}
    assert {defence.test for defence in DEFENCES} <= named
