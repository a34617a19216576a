"""The lines that syncd added: under one comment, so that a person knows whose they are."""

from collections.abc import Iterable, Iterator

from syncd.core.errors import YmlError
from syncd.core.yml.lines import (
    Splice,
    line_before,
    line_end,
    line_start,
    lines_added,
    lines_added_last,
    next_line,
    place,
)
from syncd.core.yml.tree import Document, Mapping, Pair

MARK = "# managed by syncd"
"""The comment line above the settings that were not in the file before."""


def lines_of_ours(document: Document, lines: Iterable[str]) -> Splice:
    """New settings: after those under the first mark, else at the end of the document under a new one.

    Raises YmlError `flow_root` if there are no lines to add to, since all settings are inside of { }.
    """
    text, root = document.text, document.root
    if root is None:
        return lines_added_last(text, document.end, [MARK, *lines])
    if root.flow:
        where = place(text, root.start)
        raise YmlError("flow_root", "all settings are inside of { }", where=where, cure="Write one setting a line")
    indent = _indent(text, root)
    for block in _blocks(text, root):
        return lines_added(text, line_end(text, block[-1].value.end), [indent + line for line in lines])
    return lines_added_last(text, document.end, [indent + line for line in (MARK, *lines)])


def marks_left_alone(text: str, root: Mapping, doomed: set[int]) -> Iterator[tuple[int, int]]:
    """Where the marks stand under which nothing is left when the settings of these numbers are gone."""
    gone = {root.pairs[number].key.start for number in doomed}
    for block in _blocks(text, root):
        if all(pair.key.start in gone for pair in block):
            yield line_before(text, line_start(text, block[0].key.start))


def _blocks(text: str, root: Mapping) -> list[tuple[Pair, ...]]:
    """The settings under each mark, as far as they follow without a gap."""
    mark = _indent(text, root) + MARK
    blocks: list[tuple[Pair, ...]] = []
    follows = -1
    for pair in root.pairs:
        start = line_start(text, pair.key.start)
        above, end = line_before(text, start)
        if text[above:end] == mark:
            blocks.append((pair,))
        elif start == follows:
            blocks[-1] += (pair,)
        else:
            continue
        follows = next_line(text, pair.value.end)
    return blocks


def _indent(text: str, root: Mapping) -> str:
    return text[line_start(text, root.start) : root.start]
