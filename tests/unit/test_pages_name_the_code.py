"""The pages that lead a newcomer into the code name what is there."""

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))))
_FILE = re.compile(r"`(?P<path>[\w/]+\.(?:py|md|toml|yaml|csv))`(?: `(?P<name>\w+)`)?")
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)]*))?\)")
_TEST = re.compile(r"`(?P<file>test_\w+\.py)?(?P<name>::test_\w+)(?P<cut>\.\.\.)?`")


def _there(path: str) -> Path | None:
    """The file of that name, beneath the root, the package or the tests; a bare name may be anywhere in the tests."""
    at = [ROOT / path, ROOT / "syncd" / path, ROOT / "tests" / path, ROOT / "docs" / path]
    return next((each for each in chain(at, (ROOT / "tests").rglob(Path(path).name)) if each.is_file()), None)


def _defines(file: Path, name: str) -> bool:
    return re.search(rf"(?m)^ *(?:def|class) {name}\b|^{name}\b[^=\n]*=", file.read_text()) is not None


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_a_page_names_exists_and_defines_the_name_beside_it(page: str) -> None:
    wrong = []
    for found in _FILE.finditer((ROOT / page).read_text()):
        there = _there(found["path"])
        if there is None or (found["name"] and not _defines(there, found["name"])):
            wrong.append(found[0])
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_page_leads_to_a_file_and_a_heading_that_exist(page: str) -> None:
    wrong = []
    for found in _LINK.finditer((ROOT / page).read_text()):
        there = (ROOT / page).parent / found["path"] if found["path"] else ROOT / page
        if not there.exists() or (found["heading"] and found["heading"] not in _headings(there)):
            wrong.append(found[0])
    assert wrong == []


def _headings(page: Path) -> set[str]:
    """As links name them."""
    titles = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_promise_names_tests_that_exist() -> None:
    """A row names a file once, and more of its tests by `::name` alone; `...` stands for the rest of a long name."""
    wrong, last = [], ""
    for found in _TEST.finditer((ROOT / "CONTRIBUTING.md").read_text()):
        last = found["file"] or last
        there = _there(last)
        end = r"\w*" if found["cut"] else ""
        if there is None or not re.search(rf"def {found['name'][2:]}{end}\(", there.read_text()):
            wrong.append(f"{last}{found['name']}")
    assert wrong == []
