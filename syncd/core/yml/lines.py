"""Where lines begin and end, and text that is replaced in place.

A text is looked at as lines that are joined by line ends, so that a line added at the end of a file without a final
newline leaves it without one, and taking the line out again gives the bytes that were there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, order=True)
class Splice:
    """[start, end) of a text becomes something else."""

    start: int
    end: int
    text: str = ""


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """The text with all splices made; they must not overlap."""
    parts: list[str] = []
    at = 0
    for splice in sorted(splices):
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join([*parts, text[at:]])


def place(text: str, at: int) -> str:
    """Where an index stands, as people and editors count."""
    return f"line {len(_BREAK.findall(text, 0, at)) + 1}, column {at - line_start(text, at) + 1}"


def line_start(text: str, at: int) -> int:
    """The index of the first character of the line."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def line_end(text: str, at: int) -> int:
    """The index of the line's end, before what ends it."""
    found = _BREAK.search(text, at)
    return found.start() if found else len(text)


def next_line(text: str, at: int) -> int:
    """The index of the first character of the line after this one."""
    found = _BREAK.search(text, at)
    return found.end() if found else len(text)


def line_before(text: str, start: int) -> tuple[int, int]:
    """Beginning and end of the line before the one that begins at an index."""
    end = max(start - 2 if text[:start].endswith("\r\n") else start - 1, 0)
    return line_start(text, end), end


def lines_added(text: str, at: int, lines: Iterable[str]) -> Splice:
    """New lines after the line that ends at an index, with the line end that is used there."""
    found = _BREAK.match(text, at) or _BREAK.search(text)
    newline = found[0] if found else "\n"
    return Splice(at, at, "".join(newline + line for line in lines))


def lines_added_last(text: str, end: int, lines: Iterable[str]) -> Splice:
    """New lines before an index that begins a line or ends the text."""
    if end == 0:
        return Splice(0, 0, "".join(line + "\n" for line in lines))
    unended = line_start(text, end) < end
    return lines_added(text, end if unended else line_before(text, end)[1], lines)


def lines_cut(text: str, spans: Iterable[tuple[int, int]]) -> list[Splice]:
    """All lines that the spans touch, taken out with their line ends."""
    cuts: list[tuple[int, int]] = []
    for start, end in sorted((line_start(text, start), next_line(text, end)) for start, end in spans):
        if cuts and start <= cuts[-1][1]:
            cuts[-1] = (cuts[-1][0], max(end, cuts[-1][1]))
        else:
            cuts.append((start, end))
    return [Splice(line_before(text, start)[1] if _unended(text, end) else start, end) for start, end in cuts]


def _unended(text: str, end: int) -> bool:
    """Whether the last line goes that has no line end: then the one before it goes instead."""
    return end == len(text) and not text.endswith(("\n", "\r"))
