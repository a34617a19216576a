"""Settings taken out of a text, wherever they stand."""

from collections.abc import Iterator

from syncd.core.yml.lines import Splice, lines_cut
from syncd.core.yml.lists import flow_cut, refuse_comments
from syncd.core.yml.marks import marks_left_alone
from syncd.core.yml.tree import Document, Mapping, Node, Pair


def taken_out(document: Document, gone: set[str]) -> list[Splice]:
    """Without the settings of these paths; a mapping that would be left empty goes too, since it would read as null.

    A comment on the lines of a setting goes with it. Raises YmlError `comment_inside`.
    """
    if not document.root or not gone:
        return []
    splices: list[Splice] = []
    spans: list[tuple[int, int]] = []
    for mapping, doomed in _doomed(document.root, "", gone):
        if mapping.flow:
            splices += _from_flow(document.text, mapping, doomed)
        else:
            spans += [(pair.key.start, pair.value.end) for pair in map(mapping.pairs.__getitem__, doomed)]
        if mapping is document.root:
            spans += marks_left_alone(document.text, mapping, doomed)
    return splices + lines_cut(document.text, spans)


def _doomed(mapping: Mapping, prefix: str, gone: set[str]) -> Iterator[tuple[Mapping, set[int]]]:
    """Each mapping that stays, with the numbers of its pairs that do not."""
    doomed: set[int] = set()
    for number, pair in enumerate(mapping.pairs):
        leaves = set(_leaves(pair, prefix))
        if leaves and leaves <= gone:
            doomed.add(number)
        elif isinstance(pair.value, Mapping):
            yield from _doomed(pair.value, f"{prefix}{pair.key.text}.", gone)
    yield mapping, doomed


def _leaves(pair: Pair, prefix: str) -> Iterator[str]:
    path = prefix + pair.key.text
    if isinstance(pair.value, Mapping):
        for below in pair.value.pairs:
            yield from _leaves(below, path + ".")
    else:
        yield path


def _from_flow(text: str, mapping: Mapping, doomed: set[int]) -> list[Splice]:
    parts = [Node(pair.key.start, pair.value.end, None) for pair in mapping.pairs]
    if len(doomed) < len(parts):
        return flow_cut(text, parts, doomed)
    if not parts:
        return []
    everything = Splice(parts[0].start, parts[-1].end)
    refuse_comments(text, everything, parts)
    return [everything]
