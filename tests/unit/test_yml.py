"""An elasticsearch.yml is read as Elasticsearch reads it, and an edit changes what it says and no other byte."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.errors import YmlError
from syncd.core.yml import appended, change_digest, read, removed, with_settings
from syncd.core.yml.settings import as_items
from syncd.core.yml.tree import parse
from tests.unit.yml_files import LAST, WORDS, File, Piece, Value, files, wishes, words

CAS = "xpack.security.transport.ssl.certificate_authorities"
PACKAGED = """# ======================== Elasticsearch Configuration =========================
#cluster.name: my-application
path.data: /var/lib/elasticsearch
path.logs: /var/log/elasticsearch

xpack.security.enabled: true

xpack.security.enrollment.enabled: true
# Enable encryption and mutual authentication between cluster nodes
xpack.security.transport.ssl:
  enabled: true
  verification_mode: certificate
  certificate: certs/node.crt   # the node's
  key: ${NODE_KEY}
  certificate_authorities:
    - "certs/ca.crt"
cluster.initial_master_nodes: ["es-01", 'es-02']
http.host: 0.0.0.0
"""


def test_the_packaged_file_reads_as_its_settings() -> None:
    settings = read(PACKAGED)
    assert settings.get("xpack.security.transport.ssl.key") == "${NODE_KEY}"
    assert settings.items(CAS) == ("certs/ca.crt",)
    assert settings.items("cluster.initial_master_nodes") == ("es-01", "es-02")
    assert settings.items("not.there") == ()
    assert settings.get("not.there") is None
    assert len(settings.values) == 11


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("a.b: 1\nc:\n  d: 2\n  e.f: 3\na.g: 4\n", {"a.b": "1", "c.d": "2", "c.e.f": "3", "a.g": "4"}),
        ("a: [x, 'y']\nb:\n- x\n- y\nc: x, y\n", {"a": ("x", "y"), "b": ("x", "y"), "c": "x, y"}),
        (
            "a: yes\nb: OFF\nc: 'yes'\nd: [yes]\ne: y\n",
            {"a": "true", "b": "false", "c": "yes", "d": ("yes",), "e": "y"},
        ),
        ("a: 0123\nb: 1_000\nc: 1e3\n", {"a": "0123", "b": "1_000", "c": "1e3"}),
        ("a: &x [p]\nb: *x\nc: [*x]\n", {"a": ("p",), "b": "x", "c": ("x",)}),
        ("a.0: p\na.1: q\na.3: r\n", {"a": ("p", "q"), "a.3": "r"}),
        ("a: {}\nb: {c: {}}\n", {}),
        ("---\na: 1\n...\n# after\n", {"a": "1"}),
        ("\ufeffa: 1\r\nb: 2", {"a": "1", "b": "2"}),
        ("a: 1\t# after a plain value\n", {"a": "1"}),
        ("a: |\n  x\ty\n# a\ttab\n", {"a": "x\ty\n"}),
    ],
)
def test_all_forms_read_as_elasticsearch_reads_them(text: str, means: dict[str, Value]) -> None:
    assert dict(read(text).values) == means


@pytest.mark.parametrize(
    ("value", "items"),
    [("a, b", "a|b"), ("a,b,", "a|b"), ("", None), (",,", None), (",x", "|x"), ("x,,y", "x||y"), (" x ", "x")],
)
def test_a_value_with_commas_is_a_list(value: str, items: str | None) -> None:
    assert as_items(value) == (() if items is None else tuple(items.split("|")))


@pytest.mark.parametrize(
    ("text", "rule", "where"),
    [
        ("- a\n", "not_a_mapping", "line 1, column 1"),
        ("word\n", "not_a_mapping", "line 1, column 1"),
        ("---\n# nothing\n", "not_a_mapping", "line 3, column 1"),
        ("a: 1\nb: [x\n", "yaml", "line 3, column 1"),
        ("a: 1\r\nb: 'x\r\n", "yaml", "line 3, column 1"),
        ("ä: 😀\nb: @x\n", "yaml", "line 2, column 4"),
        ("a: \x01\n", "yaml", ""),
        ("a: \ud800\n", "yaml", ""),
        ("a: 1\na: 2\n", "duplicate_key", "line 1, column 1 and line 2, column 1"),
        ("a.b: 1\na:\n  b: 2\n", "duplicate_key", "line 1, column 1 and line 3, column 3"),
        ("a: {}\na: {}\n", "duplicate_key", "line 1, column 1 and line 2, column 1"),
        ("a: x\na.0: y\n", "duplicate_key", "line 1, column 1 and line 2, column 1"),
        ("a: 1\n---\nb: 1\n", "many_documents", "line 2, column 1"),
        ("a:\n\tb: 1\n", "tab", "line 2, column 1"),
        ("a:\t1\n", "tab", "line 1, column 3"),
        ("a: 1\n\t# c\n", "tab", "line 2, column 1"),
        ('a: "x"\t# c\n', "tab", "line 1, column 7"),
        ("a: 1\n\t", "tab", "line 2, column 1"),
        ("a:\nb: 1\n", "null_value", "line 1, column 3"),
        ("a: ~\n", "null_value", "line 1, column 4"),
        ("a: [x, null]\n", "null_value", "line 1, column 8"),
        ("a: [[x]]\n", "not_a_setting", "line 1, column 5"),
        ("a:\n  - b: 1\n", "not_a_setting", "line 2, column 5"),
        ("a: !!str x\n", "not_a_setting", "line 1, column 4"),
        ("[a]: 1\n", "not_a_setting", "line 1, column 1"),
        ("a: " + "{b: " * 2000, "yaml", "line 1, column 8004"),
        ("a: " + "{b: " * 2000 + "1" + "}" * 2000, "not_a_setting", "line 1, column 201"),
    ],
)
def test_what_cannot_be_read_is_refused_by_a_rule_and_a_place(text: str, rule: str, where: str) -> None:
    with pytest.raises(YmlError) as error:
        read(text)
    assert (error.value.rule, error.value.where) == (rule, where)


def test_no_value_of_the_file_is_in_an_error_or_a_representation() -> None:
    secret = "xpack.security.transport.ssl.truststore.password: canary\n"
    texts = [
        secret * 2,
        secret + "b: @x\n",
        secret + "b:\n\t- x",
        secret + "canary",
        "canary",
        secret.replace(" ", " ["),
        "a: *canary",
    ]
    for text in texts:
        with pytest.raises(YmlError) as error:
            with_settings(text, {"a": "1"})
        assert "canary" not in repr(error.value)
    assert "canary" not in repr(read(secret))


def test_values_are_replaced_in_place_and_new_ones_come_at_the_end() -> None:
    wanted = {
        "xpack.security.transport.ssl.verification_mode": "full",
        "xpack.security.transport.ssl.certificate": "other node.crt",
        "resource.reload.interval.high": "1s",
        "xpack.security.remote_cluster_client.ssl.certificate_authorities": ("remote-cluster-ca.crt",),
        "http.host": None,
    }
    expected = PACKAGED.replace("mode: certificate", "mode: full").replace("certs/node.crt", '"other node.crt"')
    expected = expected.replace("http.host: 0.0.0.0\n", "# managed by syncd\nresource.reload.interval.high: 1s\n")
    expected += "xpack.security.remote_cluster_client.ssl.certificate_authorities: [remote-cluster-ca.crt]\n"
    assert with_settings(PACKAGED, wanted) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "after"),
    [
        # new keys
        ("", {"k": "v"}, "# managed by syncd\nk: v\n"),
        ("\ufeff", {"k": "v"}, "\ufeff# managed by syncd\nk: v\n"),
        ("# c", {"k": "v"}, "# c\n# managed by syncd\nk: v"),
        ("\n", {"k": "v"}, "\n# managed by syncd\nk: v\n"),
        ("a: 1", {"k": "v"}, "a: 1\n# managed by syncd\nk: v"),
        ("a: 1\r\n", {"k": "v"}, "a: 1\r\n# managed by syncd\r\nk: v\r\n"),
        ("a: 1\n...\n# c\n", {"k": "v"}, "a: 1\n# managed by syncd\nk: v\n...\n# c\n"),
        ("---\na: 1\n...", {"k": "v"}, "---\na: 1\n# managed by syncd\nk: v\n..."),
        ("  a: 1\n", {"k": "v"}, "  a: 1\n  # managed by syncd\n  k: v\n"),
        ("# managed by syncd\nj: u\n\na: 1\n", {"k": "v"}, "# managed by syncd\nj: u\nk: v\n\na: 1\n"),
        ("a: 1\n# managed by syncd\nj:\n  - u", {"k": ("v", "w")}, "a: 1\n# managed by syncd\nj:\n  - u\nk: [v, w]"),
        # replaced
        ("a: 1 # c\n", {"a": "2"}, "a: 2 # c\n"),
        ("a: '1'\n", {"a": "it's"}, "a: 'it''s'\n"),
        ('a: "1"\r\nb: ä\r\n', {"a": "\\", "b": "😀"}, 'a: "\\\\"\r\nb: "😀"\r\n'),
        ("a:\n  b:\n    c: 1\n    d: 2\n", {"a.b.c": "x"}, "a:\n  b:\n    c: x\n    d: 2\n"),
        ("a: {b: 1, c: 2}\n", {"a.b": "x, y"}, 'a: {b: "x, y", c: 2}\n'),
        ("{a: 1, b: 2}\n", {"a": "3"}, "{a: 3, b: 2}\n"),
        ("a:\n- p\n- q\nb: 1\n", {"a": "r"}, "a: r\nb: 1\n"),
        ("a:\n  - p\n  - q\nb: 1\n", {"a": ("r", "s")}, "a:\n  - r\n  - s\nb: 1\n"),
        ("a: [p]\n", {"a": "r"}, "a: r\n"),
        ("a: [p] # c\nb:\n- p\nc: x\n", {"a": (), "b": (), "c": ()}, "a: [] # c\nb: []\nc: []\n"),
        ("a: |\n  p\n\nb: 1\n", {"a": "r"}, "a: r\n\nb: 1\n"),
        ("a: &x 1\n", {"a": "2"}, "a: 2\n"),
        ("a:\n  # why\n  1\n", {"a": "2"}, "a:\n  # why\n  2\n"),
        # taken out
        ("a: 1\nb: 2\nc: 3\n", {"b": None}, "a: 1\nc: 3\n"),
        ("a: 1\nb: 2", {"b": None}, "a: 1"),
        ("a: 1", {"a": None}, ""),
        ("a:\n  b:\n    c: 1\n  d: 2\n", {"a.b.c": None}, "a:\n  d: 2\n"),
        ("a:\n  b:\n    c: 1\n# x\nd: 2\n", {"a.b.c": None}, "# x\nd: 2\n"),
        ("a: {b: 1, c: 2, d: 3}\n", {"a.c": None}, "a: {b: 1, d: 3}\n"),
        ("a: {b: 1, c: 2, d: 3}\n", {"a.b": None, "a.c": None}, "a: {d: 3}\n"),
        ("a: {b: 1, c: 2, d: 3}\n", {"a.c": None, "a.d": None}, "a: {b: 1}\n"),
        ("a: {b: 1}\nc: 1\n", {"a.b": None}, "c: 1\n"),
        ("{a: 1}\n", {"a": None}, "{}\n"),
        ("a:\n  - x\n  - y\n\n# c\nb: 1\n", {"a": None}, "\n# c\nb: 1\n"),
        ("a: 1\n# managed by syncd\nj: u\nk: v\n", {"j": None}, "a: 1\n# managed by syncd\nk: v\n"),
        ("a: 1\n# managed by syncd\nj: u\nk: v\n", {"j": None, "k": None}, "a: 1\n"),
        ("# managed by syncd\nj: u", {"j": None, "k": "v"}, "# managed by syncd\nk: v"),
        ("a: 1\nb: 2\n", {"b": None, "c": "3"}, "a: 1\n# managed by syncd\nc: 3\n"),
        ("? a\n: 1\nb: 2\n", {"a": None}, "b: 2\n"),
    ],
)
def test_each_form_is_edited_in_its_place(text: str, wanted: dict[str, Value | None], after: str) -> None:
    assert with_settings(text, wanted) == after


@pytest.mark.parametrize("text", ["a: [x,y]", "a:\n- x\n- 'y'", "a: x , y", "a.0: x\na.1: y\n", "a: [x, y # c\n]\r\n"])
def test_what_is_there_already_is_not_touched(text: str) -> None:
    assert with_settings(text, {"a": ("x", "y"), "b": None}) == text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "# managed by syncd\nk: [new.crt]\n"),
        ("k:\n  - a.crt\n  - b.crt # mine\nz: 1\n", "k:\n  - a.crt\n  - b.crt # mine\n  - new.crt\nz: 1\n"),
        ("k:\r\n-   'a.crt'", "k:\r\n-   'a.crt'\r\n-   'new.crt'"),
        ("s:\n  k:\n    - a.crt\n", "s:\n  k:\n    - a.crt\n    - new.crt\n"),
        ("k: [a.crt]\n", "k: [a.crt, new.crt]\n"),
        ('k: [ "a.crt" , ] # c\n', 'k: [ "a.crt", "new.crt" , ] # c\n'),
        ("k: [\n  a.crt, # mine\n  b.crt # too\n]\n", "k: [\n  a.crt, # mine\n  b.crt, new.crt # too\n]\n"),
        ("k: []\n", "k: [new.crt]\n"),
        ("k: a.crt,b.crt\n", 'k: "a.crt,b.crt,new.crt"\n'),
        ("k: 'a.crt, b.crt' # c\n", "k: 'a.crt, b.crt, new.crt' # c\n"),
        ("k: a.crt\n", "k: [a.crt, new.crt]\n"),
        ("k: 'a.crt' # c", "k: ['a.crt', 'new.crt'] # c"),
        ("k: ${CAS}\n", 'k: "${CAS},new.crt"\n'),
        ("k: new.crt\n", "k: new.crt\n"),
        ("k: a.crt,new.crt\n", "k: a.crt,new.crt\n"),
    ],
)
def test_an_item_is_added_in_the_form_that_the_list_has(text: str, after: str) -> None:
    path = "s.k" if text.startswith("s:") else "k"
    assert appended(text, path, "new.crt") == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("k: [a, old, b]\n", "k: [a, b]\n"),
        ("k: [old, b]\n", "k: [b]\n"),
        ("k: [a, old ]\n", "k: [a ]\n"),
        ("k: [old]\nz: 1\n", "z: 1\n"),
        ("k: old\nz: 1\n", "z: 1\n"),
        ("k: a, old\n", "k: a\n"),
        ("k: a, old, b\n", 'k: "a, b"\n'),
        ("k:\n  - a # x\n  - old # y\n  # c\n  - b", "k:\n  - a # x\n  # c\n  - b"),
        ("k:\n  - a\n  - old", "k:\n  - a"),
        ("k: [a]\n", "k: [a]\n"),
        ("z: 1\n", "z: 1\n"),
    ],
)
def test_an_item_is_taken_out_and_the_last_takes_the_setting_along(text: str, after: str) -> None:
    assert removed(text, "k", "old") == after


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("k: 1\nk: 2\n", "duplicate_key"),
        ("{a: 1}\n", "flow_root"),
        ("--- {a: 1}\n", "flow_root"),
        ("a: &x old\nk: *x\n", "shared_anchor"),
        ("k: &x old\nb: *x\n", "shared_anchor"),
        ("k: [&x old]\nb: *x\n", "shared_anchor"),
        ("k: [*x, old]\n", "shared_anchor"),
        ("k.0: old\nk.1: older\n", "numbered_list"),
        ("k: [old, # why\n older]\n", "comment_inside"),
        ("k:\n  - old\n  # why\n  - older\n", "comment_inside"),
        ("---\n", "not_a_mapping"),
        ("k:\n  -\n    new one.crt\n", "edit_not_proven"),
        ("a: |\n  last line without end", "edit_not_proven"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_the_text_to_add_by_hand(text: str, rule: str) -> None:
    with pytest.raises(YmlError) as error:
        with_settings(text, {"k": ("new one.crt", "b.crt")})
    assert error.value.rule == rule
    assert 'By hand:\nk: ["new one.crt", b.crt]' in error.value.cure


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("k: [a, # why\n old]\n", ("a",)),
        ("k: [old, # why\n a]\n", ("a",)),
        ("k: # why\n  - a\n", "b"),
        ("k: [a, # why\n b]\n", "b"),
        ("k:\n  - a\n  # why\n  - b\n", ()),
    ],
)
def test_a_comment_that_would_be_swallowed_stops_the_edit(text: str, wanted: Value) -> None:
    with pytest.raises(YmlError) as error:
        with_settings(text, {"k": wanted})
    assert error.value.rule == "comment_inside"
    with pytest.raises(YmlError, match="comment"):
        with_settings("s: {j: 1, # why\n k: 2}\n", {"s.k": None})


@given(
    st.lists(st.sampled_from(["    # CHANGE-4711", "  # why", "# x: 1", "        # - y", ""]), min_size=5, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_no_comment_on_a_line_of_its_own_is_lost_with_the_mapping_around_it(
    between: list[str], newline: str, last: bool
) -> None:
    head, key, path, names, item, password, tail = (
        "s:", "  truststore:", "    path: 'a # b'", "    names:", "      - n", "    password: x # goes", "  z: 1",
    )  # fmt: skip
    one, two, three, four, five = between
    lines = [head, *([] if last else [tail]), key, one, path, two, names, three, item, four, password, five]
    lines += [tail] if last else []
    after = with_settings(
        newline.join(lines), dict.fromkeys(f"s.truststore.{n}" for n in ("path", "names", "password"))
    )
    comments = [line for line in between if line]
    assert (
        [line for line in after.split(newline) if line] == [head, *comments, tail] if last else [head, tail, *comments]
    )
    assert dict(read(after).values) == {"s.z": "1"}


@pytest.mark.parametrize("value", ["{path: a, # why\n    password: x}", "[a, # why\n    b]"])
def test_a_comment_within_braces_stops_the_mapping_around_it_from_being_taken_out(value: str) -> None:
    text = f"s:\n  truststore: {value}\n  z: 1\n"
    with pytest.raises(YmlError) as error:
        with_settings(text, {path: None for path in read(text).values if path != "s.z"})
    assert error.value.rule == "comment_inside"
    assert "(take out s.truststore" in error.value.cure


def test_a_whole_block_behind_a_shared_anchor_is_not_edited_but_its_neighbours_are() -> None:
    text = "s: &x\n  k: 1\nt: *x\nz: 1\n"
    with pytest.raises(YmlError, match="anchor"):
        with_settings(text, {"s.k": "2"})
    with pytest.raises(YmlError, match="anchor"):
        with_settings(text, {"s.k": None})
    assert with_settings(text, {"z": "2"}) == text.replace("z: 1", "z: 2")


def test_an_item_that_cannot_be_added_is_named_alone_since_the_list_must_not_be_replaced() -> None:
    with pytest.raises(YmlError) as error:
        appended("k: a.crt\nk: b.crt\n", "k", "new.crt")
    assert error.value.cure == "Take one of them out. By hand: add new.crt to the list k"
    with pytest.raises(YmlError) as error:
        removed("k: a.crt\nk: b.crt\n", "k", "a.crt")
    assert "take a.crt out" in error.value.cure


def test_a_file_that_elasticsearch_could_not_read_without_the_setting_keeps_it() -> None:
    for text in ["k: 1\n...\n", "---\nk: 1\n"]:
        with pytest.raises(YmlError) as error:
            with_settings(text, {"k": None})
        assert (error.value.rule, error.value.cure) == ("edit_not_proven", "By hand:\n(take out k)")


def test_a_context_with_two_kinds_of_trust_is_refused_and_a_conversion_is_not() -> None:
    ssl = "xpack.security.transport.ssl"
    text = f"{ssl}:\n  truststore.path: elastic.p12\n  truststore:\n    password: x\n  keystore.path: elastic.p12\n"
    with pytest.raises(YmlError) as error:
        appended(text, CAS, "new.crt")
    assert error.value.rule == "two_trusts"
    assert f"{CAS}: [new.crt]" in error.value.cure
    both = f"{text}{CAS}: ca.crt\n"
    assert with_settings(both, {CAS: ("ca.crt",)}) == both
    wanted = {f"{ssl}.truststore.path": None, f"{ssl}.truststore.password": None, CAS: ("ca.crt", "new.crt")}
    after = f"{ssl}:\n  keystore.path: elastic.p12\n# managed by syncd\n{CAS}: [ca.crt, new.crt]\n"
    assert with_settings(text, wanted) == after


def test_the_digest_names_the_wanted_settings_whatever_their_order() -> None:
    one: dict[str, Value | None] = {"a": "1", "b": ("x", "y"), "c": None}
    assert change_digest(one) == change_digest(dict(reversed(one.items()))) == "998dfab182997bf0"
    others: list[dict[str, Value | None]] = [
        {**one, "a": "2"},
        {**one, "b": ("y", "x")},
        {**one, "b": "x,y"},
        {"a": "1"},
    ]
    assert len({change_digest(wanted) for wanted in [one, *others]}) == 5


def edited(file: File, wanted: dict[str, Value | None]) -> str | None:
    """The edited text, or None when it is refused because a comment is in the way."""
    try:
        return with_settings(file.text, wanted)
    except YmlError as error:
        if error.rule != "comment_inside":
            raise
        return None


def in_order(parts: list[str], text: str) -> bool:
    at = 0
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


@given(files())
def test_a_generated_file_reads_as_what_it_was_made_of(file: File) -> None:
    assert dict(read(file.text).values) == file.means


@given(files(), st.data())
def test_only_the_wanted_settings_differ_and_all_other_lines_are_kept(file: File, data: st.DataObject) -> None:
    wanted = data.draw(wishes(file))
    after = edited(file, wanted)
    if after is None:
        return
    settings = read(after)
    for path in {*file.means, *wanted}:
        if path not in wanted:
            assert settings.get(path) == file.means[path]
        elif isinstance(value := wanted[path], tuple):
            assert settings.items(path) == value
        else:
            assert settings.get(path) == value
    assert set(settings.values) <= {*file.means, *wanted}
    gone = {path for path, value in wanted.items() if value is None}
    assert in_order(file.kept(set(wanted), gone), after)
    assert after.startswith("\ufeff") == file.bom
    if "\r\n" in file.text:
        assert after.count("\r\n") == after.count("\n")


@given(files(), st.data())
def test_a_replaced_value_changes_no_byte_before_or_after_its_own_lines(file: File, data: st.DataObject) -> None:
    lines = [number for number, piece in enumerate(file.pieces) if piece.holds]
    if not lines:
        return
    number = data.draw(st.sampled_from(lines))
    path = data.draw(st.sampled_from(file.pieces[number].holds))
    after = edited(file, {path: data.draw(st.one_of(words, st.lists(words, unique=True).map(tuple)))})
    if after is not None:
        head, tail = file.around(number)
        assert after.startswith(head)
        assert after.endswith(tail)


@given(files(), st.data())
def test_a_setting_taken_out_leaves_the_file_as_if_it_had_never_been_there(file: File, data: st.DataObject) -> None:
    """But for a comment with a line of its own between its values: that is somebody's, and stays."""
    alone = [
        piece for piece in file.pieces if len(piece.holds) == 1 and piece.holds != (LAST,) and "{" not in piece.text
    ]
    if not alone:
        return
    piece = data.draw(st.sampled_from(alone))
    comments = [line for line in piece.text.splitlines() if line.lstrip().startswith("#")]
    left = replace(piece, text="\n".join(comments)) if comments else None
    pieces = (left if other == piece else other for other in file.pieces if other.heads != piece.holds)
    rest = tuple(other for other in pieces if other is not None)
    assert with_settings(file.text, dict.fromkeys(piece.holds)) == replace(file, pieces=rest).text


@given(files(), st.lists(st.sampled_from(["new.one", "new.two", "third"]), unique=True, min_size=1))
def test_new_settings_come_at_the_end_and_change_nothing_else(file: File, new: list[str]) -> None:
    dots = tuple(piece for piece in file.pieces if piece.text == "...")
    pieces = file.pieces[: len(file.pieces) - len(dots)]
    ours = (Piece("# managed by syncd"), *(Piece(f"{path}: x") for path in new))
    empty = not file.text.removeprefix("\ufeff")
    expected = replace(file, pieces=() if empty else pieces)
    expected = replace(expected, pieces=expected.pieces + ours + dots)
    if empty:
        expected = replace(expected, final=True, newline="\n")
    elif not file.text.count("\n"):
        expected = replace(expected, newline="\n")
    assert with_settings(file.text, dict.fromkeys(new, "x")) == expected.text


@given(files(), st.data())
def test_twice_is_once(file: File, data: st.DataObject) -> None:
    wanted = data.draw(wishes(file))
    after = edited(file, wanted)
    assert after is None or with_settings(after, wanted) == after


@given(files(), st.dictionaries(st.sampled_from(["new.one", "new.two", "third"]), st.sampled_from(WORDS), min_size=1))
def test_what_was_added_and_taken_out_again_leaves_the_bytes_that_were_there(
    file: File, wanted: dict[str, str]
) -> None:
    after = with_settings(file.text, wanted)
    assert after != file.text
    assert with_settings(after, dict.fromkeys(wanted)) == file.text
    for path in sorted(wanted):
        after = with_settings(after, {path: None})
    assert after == file.text


@given(files(), st.data())
def test_an_item_added_to_a_list_and_taken_out_again_leaves_the_bytes_that_were_there(
    file: File, data: st.DataObject
) -> None:
    lists = [path for path, value in file.means.items() if isinstance(value, tuple) and value]
    path = data.draw(st.sampled_from([*lists, "not.there"]))
    after = appended(file.text, path, "new one.crt")
    assert read(after).items(path) == (*as_items(file.means.get(path, ())), "new one.crt")
    assert removed(after, path, "new one.crt") == file.text


@given(files(), st.data())
def test_whatever_a_list_looks_like_an_item_is_added_behind_the_others(file: File, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([*sorted(file.means), "not.there"]))
    old = as_items(file.means.get(path, ()))
    after = appended(file.text, path, "new.crt")
    assert read(after).items(path) == (*old, "new.crt")
    assert {**read(after).values, path: 0} == {**file.means, path: 0}


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4).map(tuple),
    st.sampled_from(["", "'x'", '"x"', "x"]),
)
def test_any_value_reads_back_as_itself(values: tuple[str, ...], before: str) -> None:
    text = f"a: {before}\n" if before else ""
    for value in values:
        assert read(with_settings(text, {"a": value})).get("a") == value
    assert read(with_settings(text, {"a": values})).items("a") == values


@given(files())
def test_libyaml_and_the_pure_parser_see_the_same_places(file: File) -> None:
    text = file.text.removeprefix("\ufeff")
    assert parse(text, yaml.SafeLoader) == parse(text, yaml.CSafeLoader)


@given(st.text(st.sampled_from("ab:-#[]{},&*'\"|>%~?.\t\r\n   \ufeffä0"), max_size=40))
def test_whatever_the_text_an_edit_is_right_or_refused_by_name(text: str) -> None:
    try:
        before = read(text)
        after = with_settings(text, {"k.l": "v", "a": "1"})
    except YmlError:
        return
    assert read(after).values == {**before.values, "k.l": "v", "a": "1"}
    assert in_order([line for line in text.split("\n") if "a" not in line and "#" in line], after)


def test_an_edit_costs_no_more_than_half_of_what_parsing_does() -> None:
    """So that a hundred files are planned in well under two seconds; the peer is PyYAML's parser in the same run."""
    text = PACKAGED + "".join(f"cluster.remote.r{n}.seeds: ['10.0.0.{n}:9300']\n" for n in range(130))
    wanted: dict[str, Value | None] = {"resource.reload.interval.high": "1s", "http.host": "127.0.0.1", "a": ("x",)}

    def spent(work: Callable[[], object]) -> float:
        started = time.thread_time()
        for _ in range(20):
            work()
        return time.thread_time() - started

    edits = min(spent(lambda: with_settings(text, wanted)) for _ in range(3))
    parses = min(spent(lambda: list(yaml.parse(text))) for _ in range(3))
    assert edits < 0.5 * parses, f"{edits:.2f} s against {parses:.2f} s of processor time"
