"""Reading what arrives: whatever it is, it is either certificates or a clear error; never a guess."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.bundle import (
    MAX_BYTES,
    MAX_CERTS,
    Published,
    bundle_digest,
    read_trust_file,
    render,
)
from syncd.core.eck.published import read_published
from syncd.core.errors import BundleError

ECK = Path(__file__).parent.parent / "fixtures" / "eck"


def published(step: str) -> bytes:
    secret = json.loads((ECK / f"{step}.secret.json").read_text())
    return base64.b64decode(secret["data"]["ca.crt"])


INITIAL = published("01-initial")
RENEWED = published("02-same-key-renewal")
ECHO = published("03-config-map-echo")
NEW_KEY = published("04-new-key")
LEAF = (ECK / "01-initial.leaf-chain.pem").read_bytes().split(b"-----END CERTIFICATE-----")[0]
LEAF += b"-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"


def test_the_first_block_is_ecks_ca_and_the_rest_is_the_echo_of_the_mirror() -> None:
    own = read_trust_file((ECK / "03-self-managed-ca.pem").read_bytes()).certs
    what = read_published(ECHO)
    assert what.ca == read_published(RENEWED).ca
    assert what.echo == own


def test_a_renewal_keeps_key_ski_and_subject_and_is_another_certificate() -> None:
    old, new = read_published(INITIAL).ca, read_published(RENEWED).ca
    assert (old.key, old.ski, old.subject) == (new.key, new.ski, new.subject)
    assert old != new


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (b"not a certificate at all", "no_certificate"),
        (b"\x00\xff\xfe binary \x80" * 100, "no_certificate"),
        (INITIAL[:-40], "truncated"),
        (INITIAL[:200] + INITIAL, "truncated"),
        (b"-----END CERTIFICATE-----\n" + INITIAL, "truncated"),
        (INITIAL.replace(b"-----BEGIN CERTIFICATE-----", b""), "truncated"),
        (b"x" * (MAX_BYTES + 1), "too_large"),
        (b"x" * 10_000_000, "too_large"),
        (INITIAL + KEY, "private_key"),
        (KEY + INITIAL, "private_key"),
        (LEAF, "not_a_ca"),
        (INITIAL.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "wrong_block"),
        (INITIAL.replace(b"-----\nM", b"-----\nProc-Type: 4,ENCRYPTED\nM", 1), "headers"),
        (INITIAL.replace(b"M", b"!", 1), "not_base64"),
        (b"-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n", "not_a_certificate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_ecks_ca_refuses_the_source_by_name(data: bytes, rule: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_published(data)
    assert refused.value.rule == rule
    assert refused.value.text


@pytest.mark.parametrize(
    "data",
    [
        INITIAL.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + INITIAL,
        b"# a comment\n" + INITIAL + b"\nsome text after it\n",
        INITIAL + INITIAL,
        INITIAL.rstrip(b"\n"),
    ],
    ids=["CRLF", "BOM", "text around", "twice", "no final newline"],
)
def test_harmless_forms_of_the_same_certificate_are_read(data: bytes) -> None:
    assert read_published(data).ca == read_published(INITIAL).ca


@pytest.mark.parametrize(
    "broken",
    [
        b"-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n",
        INITIAL[:200],
        INITIAL.replace(b"-----BEGIN CERTIFICATE-----", b""),
        INITIAL * (MAX_CERTS + 1),
        b"\xff\xfe -----BEGIN \xff-----\n",
    ],
    ids=["no certificate", "no end", "no beginning", "too many", "no text"],
)
def test_a_broken_echo_is_noted_and_does_not_refuse_ecks_ca(broken: bytes) -> None:
    """ECK passes on what somebody saved in the mirror, unread. Its own CA is whole in front of it: were the Secret
    refused, a new key of ECK would reach no node for a slip in an object that many share."""
    what = read_published(INITIAL + broken)
    assert what.ca == read_published(INITIAL).ca
    assert len(what.echo_faults) == 1


def test_what_is_whole_in_a_broken_echo_is_read() -> None:
    """A beginning without an end swallows no block behind it."""
    own = read_published(ECHO).echo
    assert read_published(INITIAL + INITIAL[:200] + b"\n" + own[0].pem).echo == own


def test_equal_sets_of_certificates_give_equal_bytes_and_digests() -> None:
    a, b = read_published(INITIAL).ca, read_published(NEW_KEY).ca
    assert render([a, b]) == render([b, a, a])
    assert bundle_digest([a, b]) == bundle_digest([b, a, b])
    assert read_trust_file(render([b, a])).certs == tuple(sorted([a, b]))


def test_a_file_without_certificates_is_never_rendered() -> None:
    with pytest.raises(BundleError, match="without certificates"):
        render([])


@given(st.binary(max_size=400))
def test_any_bytes_are_certificates_or_a_named_error(data: bytes) -> None:
    try:
        what: Published | BundleError = read_published(data)
    except BundleError as error:
        what = error
    assert isinstance(what, Published) or what.rule


@given(st.integers(0, len(INITIAL) - 1), st.integers(0, 255))
def test_one_changed_byte_never_yields_another_trusted_ca(position: int, value: int) -> None:
    """A flipped byte inside the certificate gives another fingerprint or an error: nothing passes for the original."""
    data = INITIAL[:position] + bytes([value]) + INITIAL[position + 1 :]
    try:
        changed = read_published(data).ca
    except BundleError:
        return
    assert changed.der == read_published(INITIAL).ca.der or changed != read_published(INITIAL).ca


@given(st.integers(1, len(ECHO) - 1))
def test_a_cut_file_never_silently_loses_a_certificate_in_its_middle(cut: int) -> None:
    """Cut anywhere, the result is an error or a whole number of leading certificates."""
    whole = read_trust_file(ECHO).certs
    try:
        some = read_trust_file(ECHO[:cut]).certs
    except BundleError:
        return
    assert some == whole[: len(some)]
