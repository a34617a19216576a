"""syncd and Elasticsearch's own loader read the same in the same elasticsearch.yml."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.core.errors import YmlError
from syncd.core.yml import Settings, read, with_settings
from tests.bed import paths
from tests.unit.yml_files import File, files, wishes

pytestmark = [pytest.mark.bed]

_READER = Path(__file__).parent / "assets" / "YmlReader.java"
_ODD = [
    "a: &x foo\nb: *x",
    "a: [*y, z]",
    "x: &x\n  k: 1\ny:\n  <<: *x",
    "a:",
    "a: ~",
    "a: ''",
    "a: null",
    "a: [x, ~]",
    "a: 1\na: 2",
    "a: {}\na: {}",
    "a: 1\na.b: 2",
    "a: 1\n---\nb: 2",
    "a: 1\n...",
    "a: 1\n...\n# c",
    "---",
    "---\n# c",
    "",
    "# c",
    "word",
    "- a",
    "{a: 1, b: [x]}",
    "a: {b}",
    "a: [b: c]",
    "a: [[x]]",
    "a:\n  - b: 1",
    "a: {b: {}}",
    "...",
    "# c\n...",
    "a: {b: 1}\na.c: 2",
    'a: "\\x41\\e\\u0085"',
    "a: yes",
    "a: Yes",
    "a: yEs",
    "a: NO",
    "a: On",
    "a: off",
    "a: TRUE",
    "a: y",
    "a: [yes, True]",
    "a: 'yes'",
    "a: 0123",
    "a: 1_000",
    "a: 0x1F",
    "a: 12:30:45",
    "a: 1.50",
    "a: 2020-01-01",
    "a: .5",
    "a: +5",
    "a: 1e3",
    "a: x, y",
    "a: 'x,y,'",
    "a: ',x'",
    "a: x,,y",
    "a: ' x '",
    "a: []",
    "a: ['x,y']",
    "a: ' '",
    "a: ',,'",
    "a: 'x, '",
    "a.0: x\na.1: y\na.3: z",
    "a: z\na.0: x",
    "a:\n  0: x",
    ".0: x",
    "a.0: [p, q]",
    "a.1: x",
    "a.00: x",
    "a.0.b: x",
    "a.0: yes",
    "a:\n\tb: 1",
    "a: 1\n\t# c\nb: 2",
    "a: 1\n\t\nb: 2",
    "a:\t1",
    "a: 1\t# c",
    "a: 1\t\nb: 2",
    "a:\n  -\tx",
    "a: 'x'\t# c",
    "a: [x,\ty]",
    "a\t: 1",
    "a: 1\n\t",
    "a: [x\t, y]",
    "a: 1\t",
    "a:\n  \tb: 1",
    "a: |\n  x\ty\n# a\tb",
    "a: 'x\ty'",
    "# a\tb\na: 1",
    "a: x\ty",
    "a: @x",
    "a: %x",
    "a: -x",
    "a: ?x",
    "a: :x",
    "a: =",
    "a: x#y",
    "a: ${HOME}",
    "a: ['${HOME}', x]",
    "a: -",
    "a: - x",
    "a: '\xa0'",
    "? a\n: b",
    "'a.b': 1",
    "1: x",
    "a.: 1",
    "  a: 1\n  b: 2",
    "~: x",
    "[a]: x",
    "a: &x y\n*x : z",
    "&k a: 1",
    "'': x",
    "a: x\n  y",
    "a: 'x\ny'\nb: 1",
    "a: 'x\n\n  y'",
    "a: C:\\x",
    "a: 'it''s'",
    "a: x # c\rb: 1",
    "a: \xe4\U0001f600",
    "a: 1\x85b: 2",
    "a: \x7f",
    "a: [x, y,]",
    "\ufeffa: 1",
    "\ufeff",
    "a: x\r\nb:\r\n- y\r\n",
    "--- {a: 1}",
    "--- # c\na: 1",
    "%YAML 1.1\n---\na: 1",
    "a: \x01",
]

_STRICTER = {
    "a.b: 1\na:\n  b: 2\n": "2",
    "a: {b: 1}\na.b: 2\n": "2",
    "a.b: ! yes": "true",
    "a.b: !!str yes": "yes",
    "a.b: !!null": "",
}
"""Of two spellings of one path Elasticsearch takes the last, and tags have their own rules; a person would have to guess."""


@pytest.fixture(params=paths.ELASTICSEARCH_VERSIONS)
def lib(request: pytest.FixtureRequest, need_elasticsearch: None) -> Path:
    return paths.elasticsearch(request.param) / "lib"


def theirs(lib: Path, texts: list[str]) -> list[dict[str, tuple[str, tuple[str, ...]]] | None]:
    """What Elasticsearch reads in each text; None where it would not start."""
    java = paths.java_home()
    assert java
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.yml").write_bytes(text.encode())
        command = [str(java / "bin/java"), "-cp", f"{lib}/*", str(_READER), folder]
        answers = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    found = [answers[f"{number}.yml"] for number in range(len(texts))]
    return [answer and {key: (one, tuple(many)) for key, (one, many) in answer.items()} for answer in found]


def ours(text: str) -> dict[str, tuple[str, tuple[str, ...]]] | None:
    """The same by syncd."""
    try:
        return shown(read(text))
    except YmlError:
        return None


def shown(found: Settings) -> dict[str, tuple[str, tuple[str, ...]]]:
    """As Elasticsearch shows settings: a list asked for as a value is its items in brackets."""
    return {
        path: (value if isinstance(value, str) else f"[{', '.join(value)}]", found.items(path))
        for path, value in found.values.items()
    }


def test_odd_files_read_alike_or_are_refused_by_both(lib: Path) -> None:
    texts = [odd + end for odd in _ODD for end in ("", "\n")]
    assert {text: ours(text) for text in texts} == dict(zip(texts, theirs(lib, texts), strict=True))


def test_what_would_have_to_be_guessed_is_refused_by_syncd_alone(lib: Path) -> None:
    answers = theirs(lib, [*_STRICTER])
    assert [answer and answer["a.b"][0] for answer in answers] == [*_STRICTER.values()]
    assert not any(map(ours, _STRICTER))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(files(), min_size=40, max_size=60), st.data())
def test_what_syncd_wrote_elasticsearch_reads_as_syncd_does(lib: Path, some: list[File], data: st.DataObject) -> None:
    texts = [file.text for file in some]
    for file in some:
        try:
            texts.append(with_settings(file.text, data.draw(wishes(file))))
        except YmlError as error:
            texts.append(error.cure.partition("By hand:\n")[2].partition("(")[0])
    for text, answer in zip(texts, theirs(lib, texts), strict=True):
        assert ours(text) == answer, text
