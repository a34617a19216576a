"""Generated elasticsearch.yml files: in pieces, so that a test knows which bytes belong to which setting."""

from dataclasses import dataclass

from hypothesis import strategies as st

Value = str | tuple[str, ...]

WORDS = [
    "ca.crt",
    "certs/http.p12",
    "true",
    "9200",
    "node 1",
    "#x",
    "a: b",
    "*star",
    "%d",
    "0123",
    "ä😀",
    "it's",
    'q"q',
    "",
]
LAST = "last"
"""A setting that no wish takes out."""
_BARE = ["ca.crt", "certs/http.p12", "node 1", "${HOME}", "ä😀", "0123", "10s", "0x1F", "x#y", "-x", "C:\\certs"]
_NAMES = ["a", "b", "cluster", "xpack", "name", "ssl", "enabled", "path", "authorities", "key"]
_GAPS = ["", "", "", "# a comment: with 'quotes' and [brackets]", "   ", "#k: v"]
_TAILS = ["", "", "", "  ", " # why", "   # a: b"]

words = st.sampled_from(WORDS)
paths = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map(".".join)


@dataclass(frozen=True)
class Piece:
    """Whole lines without the last line end, and the settings that they hold."""

    text: str
    holds: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    """The settings of the block that this line begins."""


@dataclass(frozen=True)
class File:
    """A file and what Elasticsearch reads in it."""

    pieces: tuple[Piece, ...]
    means: dict[str, Value]
    newline: str
    bom: bool
    final: bool

    @property
    def text(self) -> str:
        return "\ufeff" * self.bom + self._said(self.pieces) + self.newline * (self.final and bool(self.pieces))

    def around(self, number: int) -> tuple[str, str]:
        """What stands before and after the lines of a piece."""
        head, middle = (len(self._said(self.pieces[:end])) for end in (number, number + 1))
        start = self.bom + head + len(self.newline) * bool(number)
        return self.text[:start], self.text[self.bom + middle :]

    def _said(self, pieces: tuple[Piece, ...]) -> str:
        return "\n".join(piece.text for piece in pieces).replace("\n", self.newline)

    def kept(self, changed: set[str], gone: set[str]) -> list[str]:
        """The lines that no change of these settings may touch."""
        return [
            piece.text.replace("\n", self.newline)
            for piece in self.pieces
            if not changed & set(piece.holds) and not (piece.heads and set(piece.heads) <= gone)
        ]


def _quoted(word: str, quote: str) -> str:
    if quote == "'":
        return "'" + word.replace("'", "''") + "'"
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def _scalar(draw: st.DrawFn, flow: bool = False) -> tuple[str, str]:
    quote = draw(st.sampled_from(["", "", "'", '"']))
    if quote:
        word = draw(words)
        return _quoted(word, quote), word
    word = draw(st.sampled_from([word for word in _BARE if not (flow and set(word) & set("{}[],"))]))
    return word, word


@st.composite
def _value(draw: st.DrawFn, indent: str) -> tuple[str, Value]:
    """Text after the colon, and its meaning."""
    form = draw(st.sampled_from(["scalar", "scalar", "comma", "flow", "lines", "anchor"]))
    tail = draw(st.sampled_from(_TAILS))
    if form in {"scalar", "anchor"}:
        text, word = draw(_scalar())
        return f" {'&here ' if form == 'anchor' else ''}{text}{tail}", word
    items = draw(st.lists(_scalar(flow=form == "flow"), max_size=3, min_size=0 if form == "flow" else 1))
    texts, meanings = [text for text, _ in items], tuple(word for _, word in items)
    if form == "comma":
        joined = draw(st.sampled_from([",", ", "])).join(["ca.crt", "b.crt", "c.crt"][: len(items)])
        return f" {joined}{tail}", joined
    if form == "flow":
        inner = draw(st.sampled_from([", ", ",", " , ", f",\n{indent}    "])).join(texts)
        blank = draw(st.sampled_from(["", " "]))
        return f" [{blank}{inner}{blank}]{tail}", meanings
    dash = indent + draw(st.sampled_from(["- ", "  - ", "    -  "]))
    gap = draw(st.sampled_from(["", "", f"\n{indent}  # between", "\n"]))
    return tail + "".join(f"{gap if at else ''}\n{dash}{text}" for at, text in enumerate(texts)), meanings


@st.composite
def files(draw: st.DrawFn) -> File:
    """Flat, nested and mixed keys, lists in each form, comments, blank lines, CR LF, a BOM, no final newline."""
    means: dict[str, Value] = {}
    pieces: list[Piece] = []
    tops: set[str] = set()
    for path in draw(st.lists(paths, unique=True, max_size=8)):
        pieces += [Piece(gap) for gap in draw(st.lists(st.sampled_from(_GAPS), max_size=2))]
        top = path.split(".")[0]
        form = draw(st.sampled_from(["flat", "flat", "nested", "braces"]))
        if form == "flat" or top in tops or path in tops:
            if path in means or path in tops:
                continue
            tops.add(path)
            text, meaning = draw(_value(""))
            pieces.append(Piece(f"{path}:{text}", (path,)))
            means[path] = meaning
            continue
        tops.add(top)
        below = [
            name for name in draw(st.lists(paths, unique=True, min_size=1, max_size=3)) if f"{top}.{name}" not in means
        ]
        if not below:
            continue
        full = tuple(f"{top}.{name}" for name in below)
        if form == "nested":
            indent = draw(st.sampled_from(["  ", "    ", " "]))
            pieces.append(Piece(f"{top}:{draw(st.sampled_from(_TAILS))}", (), full))
            for name, where in zip(below, full, strict=True):
                text, means[where] = draw(_value(indent))
                pieces.append(Piece(f"{indent}{name}:{text}", (where,)))
        else:
            parts = []
            for name, where in zip(below, full, strict=True):
                text, means[where] = draw(_scalar(flow=True))
                parts.append(f"{name}: {text}")
            pieces.append(Piece(f"{top}: {{{', '.join(parts)}}}", full))
    pieces += [Piece(gap) for gap in draw(st.lists(st.sampled_from(_GAPS), max_size=2))]
    if means and draw(st.integers(0, 4)) == 0:
        pieces += [Piece(f"{LAST}: 1", (LAST,)), Piece("...")]  # before `...` there must be something
        means[LAST] = "1"
    final = draw(st.sampled_from([True, True, False]))
    while pieces and not final and not pieces[-1].text:
        pieces.pop()
    return File(tuple(pieces), means, draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans()), final)


@st.composite
def wishes(draw: st.DrawFn, file: File) -> dict[str, Value | None]:
    """What to set and to take out: of what is there, and of what is not."""
    known = (
        draw(st.lists(st.sampled_from(sorted({*file.means} - {LAST})), max_size=3)) if {*file.means} - {LAST} else []
    )
    fresh = draw(st.lists(st.sampled_from(["new.one", "new.two", "third"]), max_size=2))
    values = st.one_of(words, st.lists(words, max_size=3, unique=True).map(tuple), st.none())
    return {path: draw(values) for path in [*known, *fresh]}
