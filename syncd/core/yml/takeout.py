"""Settings taken out of a text, wherever they stand."""

import re
from collections.abc import Iterator
from itertools import pairwise

from syncd.core.yml.lines import Splice, line_before, lines_cut, next_line
from syncd.core.yml.lists import flow_cut, refuse_comments
from syncd.core.yml.marks import marks_left_alone
from syncd.core.yml.tree import Document, Mapping, Node, Pair, Sequence

_COMMENT_LINE = re.compile(r"(?<=[\r\n])[ \t]*#[^\r\n]*")


def taken_out(document: Document, gone: set[str]) -> list[Splice]:
    """Without the settings of these paths; a mapping that would be left empty goes too, since it would read as null.

    A comment behind a setting, on its line, goes with it; one that has a line of its own stays. Raises YmlError
    `comment_inside` where one stands within { } or [ ].
    """
    if not document.root or not gone:
        return []
    splices: list[Splice] = []
    spans: list[tuple[int, int]] = []
    for mapping, doomed in _doomed(document.root, "", gone):
        if mapping.flow:
            splices += _from_flow(document.text, mapping, doomed)
        else:
            for number in doomed:
                spans += _without_comments(document.text, list(_parts(document.text, mapping.pairs[number])))
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


def _parts(text: str, pair: Pair) -> Iterator[Node]:
    """The keys and values of a setting, or of all in a mapping, in the order of the text."""
    yield pair.key
    match pair.value:
        case Mapping(pairs=pairs, flow=False):
            for below in pairs:
                yield from _parts(text, below)
        case Sequence(items=items, flow=False):
            yield from items
        case Mapping(pairs=pairs) as flow:
            refuse_comments(text, Splice(flow.start, flow.end), [part for p in pairs for part in _parts(text, p)])
            yield flow
        case Sequence(items=items) as flow:
            refuse_comments(text, Splice(flow.start, flow.end), items)
            yield flow
        case value:
            yield value


def _without_comments(text: str, parts: list[Node]) -> Iterator[tuple[int, int]]:
    """From the first part to the last, but for the lines between them that hold a comment only."""
    start = parts[0].start
    for part, following in pairwise(parts):
        for comment in _COMMENT_LINE.finditer(text, part.end, following.start):
            if start < comment.start():
                yield start, line_before(text, comment.start())[1]
            start = next_line(text, comment.start())
    yield start, parts[-1].end


def _from_flow(text: str, mapping: Mapping, doomed: set[int]) -> list[Splice]:
    parts = [Node(pair.key.start, pair.value.end, None) for pair in mapping.pairs]
    if len(doomed) < len(parts):
        return flow_cut(text, parts, doomed)
    if not parts:
        return []
    everything = Splice(parts[0].start, parts[-1].end)
    refuse_comments(text, everything, parts)
    return [everything]
