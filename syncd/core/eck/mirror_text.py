"""The mirror's text: other people's blocks too, so it is cut and added to, never written anew.

ECK does not parse it and passes it to its nodes as it is, so what is broken in it is told and stays where it is.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from syncd.core.bundle import MAX_BYTES, MAX_CERTS, Cert, Fingerprint, is_marker, read_trust_file
from syncd.core.errors import BundleError

_BLOCK = re.compile(
    r"-----BEGIN (?P<label>[^-\r\n]*)-----(?:(?!-----BEGIN ).)*?-----END (?P=label)-----(?:\r?\n)?", re.DOTALL
)
"""One block with its line end. A beginning without an end must not swallow the next block, which may be ours."""
_EDGE = re.compile(r"-----(?:BEGIN|END) [^-\r\n]*-----")


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block where it stands."""

    start: int
    end: int
    """After its line end."""
    cert: Cert | None
    fault: str = ""
    """Why it is no certificate."""


@dataclass(frozen=True, slots=True)
class MirrorText:
    """What the mirror's key holds."""

    certs: tuple[Cert, ...] = ()
    """Each once, without markers."""
    markers: tuple[Cert, ...] = ()
    faults: tuple[str, ...] = ()


def scan(text: str) -> tuple[Block, ...]:
    """Every block that has a beginning and an end."""
    return tuple(_block(number, match) for number, match in enumerate(_BLOCK.finditer(text), start=1))


def read_mirror(text: str) -> MirrorText:
    """What can be read of the text, and in words what cannot; never an error."""
    blocks = scan(text)
    certs = {block.cert: None for block in blocks if block.cert}
    faults = [block.fault for block in blocks if block.fault]
    if len(_EDGE.findall(text)) != 2 * len(blocks):
        faults.append("a block has a beginning without an end, or an end without a beginning")
    if len(text.encode()) > MAX_BYTES or len(blocks) > MAX_CERTS:
        faults.append(
            f"{len(blocks)} blocks in {len(text.encode())} bytes are more than ECK's nodes should have to read"
        )
    plain = tuple(cert for cert in certs if not is_marker(cert))
    return MirrorText(plain, tuple(cert for cert in certs if is_marker(cert)), tuple(faults))


def without(text: str, prints: Collection[Fingerprint]) -> str:
    """The text without one copy of each of these certificates, every other byte as it was.

    The copy that reads as syncd writes it, if there is one, since another copy is somebody else's; else the first one.
    """
    found: dict[Fingerprint, Block] = {}
    for block in scan(text):
        if block.cert and block.cert.fingerprint in prints:
            found.setdefault(block.cert.fingerprint, block)
            if not _as_written(found[block.cert.fingerprint], text) and _as_written(block, text):
                found[block.cert.fingerprint] = block
    for block in sorted(found.values(), key=lambda one: one.start, reverse=True):
        text = text[: block.start] + text[block.end :]
    return text


def appended(text: str, certs: Iterable[Cert]) -> str:
    """The text with these certificates behind it, on a line of their own."""
    more = "".join(cert.pem.decode() for cert in certs)
    gap = "\n" if more and text and not text.endswith("\n") else ""
    return text + gap + more


def _as_written(block: Block, text: str) -> bool:
    return block.cert is not None and text[block.start : block.end].rstrip("\n") == block.cert.pem.decode().rstrip("\n")


def _block(number: int, match: re.Match[str]) -> Block:
    try:
        found = read_trust_file(match[0].encode())
    except BundleError as error:
        cure = f" ({error.cure})" if error.rule == "private_key" else ""
        said = error.text if error.text.startswith("block 1") else f"block 1: {error.text}"
        return Block(*match.span(), None, f"block {number}{said.removeprefix('block 1')}{cure}")
    return Block(*match.span(), (found.certs + found.markers)[0])
