"""A list becomes another one in the form it has: a line for each item, `[a, b]`, or one value with commas."""

from collections.abc import Sequence as Ordered

from syncd.core.errors import YmlError
from syncd.core.yml.lines import Splice, line_end, line_start, lines_added, lines_cut, place
from syncd.core.yml.scalars import write, write_list
from syncd.core.yml.settings import as_items
from syncd.core.yml.tree import Node, Scalar, Sequence


def scalar_to_list(node: Scalar, wanted: tuple[str, ...]) -> Splice:
    """One value becomes a list.

    It stays one value with commas if it is one already, or may be: `${ENV}` can hold several items only in that form.
    """
    joined = (", " if ", " in node.text else ",").join(wanted)
    if ("," in node.text or "${" in node.text) and as_items(joined) == wanted:
        return Splice(node.start, node.end, write(joined, node.quote))
    return Splice(node.start, node.end, write_list(wanted, node.quote))


def list_to_list(text: str, node: Sequence, old: tuple[str, ...], wanted: tuple[str, ...]) -> list[Splice]:
    """Items are taken out and added at the end where that is all; otherwise the list is written anew in its form."""
    doomed = {number for number, item in enumerate(old) if item not in wanted}
    kept = tuple(item for item in old if item in wanted)
    if not kept or kept != wanted[: len(kept)]:
        return [_anew(text, node, wanted)]
    added = wanted[len(kept) :]
    last = max(number for number in range(len(old)) if number not in doomed)
    if node.flow:
        splices = flow_cut(text, node.items, doomed)
        return [*splices, _flow_added(node.items[last], added)] if added else splices
    gone = [(node.items[number].start, node.items[number].end) for number in doomed]
    splices = lines_cut(text, gone)
    return [*splices, _lines_added(text, node.items[last], added)] if added else splices


def flow_cut(text: str, parts: Ordered[Node], doomed: set[int]) -> list[Splice]:
    """Parts of a flow collection taken out, each with one comma; some part must stay."""
    splices: list[Splice] = []
    for number in sorted(doomed):
        if number and number - 1 not in doomed:
            end = next((at for at in range(number, len(parts)) if at + 1 not in doomed), number)
            splices.append(Splice(parts[number - 1].end, parts[end].end))
        elif number == 0:
            kept = next(at for at in range(len(parts)) if at not in doomed)
            splices.append(Splice(parts[0].start, parts[kept].start))
    for splice in splices:
        refuse_comments(text, splice, parts)
    return splices


def refuse_comments(text: str, splice: Splice, parts: Ordered[Node]) -> None:
    """Raise YmlError `comment_inside` if a splice that replaces parts would swallow somebody's comment between them."""
    at = splice.start
    for part in parts:
        if splice.start <= part.start <= part.end <= splice.end:
            _refuse_comment(text, at, part.start)
            at = part.end
    _refuse_comment(text, at, splice.end)


def _refuse_comment(text: str, start: int, end: int) -> None:
    found = text.find("#", start, end)
    if found >= 0:
        raise YmlError("comment_inside", "a comment stands inside of what would change", where=place(text, found))


def _flow_added(last: Node, added: tuple[str, ...]) -> Splice:
    quote = last.quote if isinstance(last, Scalar) else ""
    return Splice(last.end, last.end, "".join(f", {write(item, quote)}" for item in added))


def _lines_added(text: str, last: Node, added: tuple[str, ...]) -> Splice:
    dash = text[line_start(text, last.start) : last.start]
    quote = last.quote if isinstance(last, Scalar) else ""
    return lines_added(text, line_end(text, last.end), [dash + write(item, quote) for item in added])


def _anew(text: str, node: Sequence, wanted: tuple[str, ...]) -> Splice:
    quote = next((item.quote for item in node.items if isinstance(item, Scalar)), "")
    splice = Splice(node.start, node.end, write_list(wanted, quote))
    refuse_comments(text, splice, node.items)
    if node.flow:
        return splice
    indent = text[line_start(text, node.start) : node.start]
    lines = [f"- {write(item, quote)}" for item in wanted]
    more = lines_added(text, line_end(text, node.start), [indent + line for line in lines[1:]])
    return Splice(node.start, node.end, lines[0] + more.text)
