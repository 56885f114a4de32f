"""Pickled lists of texts: what is admitted, and that nothing else is ever run."""

import os
import pickle
import pickletools
from pathlib import Path

import pytest

from kerasbook import safe_pickle
from kerasbook.errors import KerasbookError
from kerasbook.safe_pickle import load_texts

LIST = b"\x80\x02]q\x00"  # protocol 2, an empty list, named 0
TEXTS = ["", "a", "b" * 300, "naïve – ☃", "a", "line\nline", "\ud800"]


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return path


def refused(path: Path, **options) -> str:
    with pytest.raises(KerasbookError) as caught:
        load_texts(path, **options)
    assert str(caught.value).startswith(f"{path}: found ")
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("texts", [TEXTS, ["one"], [f"text {n}" for n in range(2500)]])
def test_lists_of_texts_are_read_whatever_the_protocol(tmp_path, protocol, texts):
    content = pickle.dumps(texts, protocol)
    if protocol == 0 and content.startswith(b"(lp"):
        # Protocol 0 has no instruction for an empty list: it makes one of a mark.
        assert "LIST" in refused(written(tmp_path, content))
        return
    assert load_texts(written(tmp_path, content)) == texts


def test_an_empty_list_is_read(tmp_path):
    assert load_texts(written(tmp_path, pickle.dumps([], 2))) == []


def test_strings_of_python_2_as_the_books_files_hold_them(tmp_path):
    """Protocol 2 of Python 2: byte strings for ASCII, unicode for the rest, names reused."""
    content = (
        b"\x80\x02]q\x00(U\x03abcq\x01T\x04\x00\x00\x00defgq\x02X\x02\x00\x00\x00\xc3\xa9h\x01e."
    )
    assert pickle.loads(content) == ["abc", "defg", "é", "abc"]  # noqa: S301 (ours)
    assert load_texts(written(tmp_path, content)) == ["abc", "defg", "é", "abc"]
    other = content.replace(b"abc", b"ab\xe9")
    assert "bytes that are no ASCII in the instruction SHORT_BINSTRING" in refused(
        written(tmp_path, other)
    )


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [1, 2, 4])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: ["a", x, "b"]])
def test_a_hostile_pickle_is_refused_by_name_and_not_run(tmp_path, protocol, wrap):
    proof = tmp_path / "proof"
    content = pickle.dumps(wrap(Command(f"touch {proof}")), protocol)
    told = refused(written(tmp_path, content))
    assert "GLOBAL" in told
    assert "Nothing of it was run" in told
    assert not proof.exists()
    pickle.loads(content)  # noqa: S301 (it is as hostile as it is meant to be)
    assert proof.exists()


def persistent(tmp_path: Path) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return "id" if value == "me" else None

    with open(tmp_path / "p", "wb") as file:
        Pickler(file, 2).dump(["me"])
    return (tmp_path / "p").read_bytes()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (["a", 7], "BININT1"),
        (["a", 10**30], "LONG1"),
        (["a", 1.5], "BINFLOAT"),
        (["a", True], "NEWTRUE"),
        (["a", None], "NONE"),
        (["a", b"bytes"], "SHORT_BINBYTES"),
        (["a", ["b"]], "EMPTY_LIST"),
        (["a", ("b",)], "TUPLE1"),
        ({"a": "b"}, "EMPTY_DICT"),
        ({"a"}, "EMPTY_SET"),
        ("a", "something other than one list"),
        (Path("a"), "GLOBAL"),
        (pytest.fail, "GLOBAL"),
    ],
)
def test_anything_but_texts_is_told(tmp_path, value, told):
    assert told in refused(written(tmp_path, pickle.dumps(value, 4)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps([10**5000], 2), "the instruction LONG4 at byte"),
        (LIST + b"L1" + b"0" * 5000 + b"L\na.", "damaged or truncated"),
    ],
)
def test_a_number_too_long_to_be_shown_is_told_with_the_file(tmp_path, content, told):
    assert told in refused(written(tmp_path, content))


def test_a_persistent_id_is_refused(tmp_path):
    assert "PERSID" in refused(written(tmp_path, persistent(tmp_path)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "damaged or truncated"),
        (b"<!DOCTYPE html>", "damaged or truncated"),
        (LIST + b"(U\x03abc", "damaged or truncated"),
        (LIST + b"(T\xff\xff\xff\x7fabc", "damaged or truncated"),
        (LIST + b"(X\x02\x00\x00\x00\xff\xffe.", "damaged or truncated"),
        (LIST + b"(U\x03abce.trailing", "8 bytes after the list's end"),
        (LIST + b"(U\x03abc.", "something other than one list"),
        (LIST + b"h\x00e.", "BINGET"),  # the list in itself
        (LIST + b"(h\x07e.", "BINGET"),  # a name that was not given
        (LIST + b"U\x01aU\x01ba.", "APPEND"),
        (LIST + b"U\x01ae.", "APPENDS"),
        (LIST + b"((e.", "something other than texts"),
        (b"((e.", "something other than texts"),
        (b"e.", "APPENDS"),
        (b"a.", "APPEND"),
        (b"q\x00.", "BINPUT"),
        (b".", "something other than one list"),
        (b"cos\nsystem\n(S'true'\ntR.", "GLOBAL at byte 0 ('os system')"),
        (b"\x82\x01.", "EXT1"),
    ],
)
def test_damaged_and_odd_pickles_are_told(tmp_path, content, told):
    assert told in refused(written(tmp_path, content))


def test_every_instruction_that_is_not_needed_is_refused(tmp_path):
    """Also the instructions that pickle may get one day: only those listed are carried out."""
    needed = safe_pickle.TEXTS | safe_pickle.PUTS | safe_pickle.GETS
    needed |= {"EMPTY_LIST", "MARK", "MEMOIZE", "APPEND", "APPENDS", "PROTO", "FRAME", "STOP"}
    names = {one.name for one in pickletools.opcodes}
    assert needed < names
    for name in sorted(names - needed):
        with pytest.raises(safe_pickle._Refused):
            safe_pickle._Machine().carry_out(name, "value", name)


def test_too_large_files_are_refused_unread(tmp_path):
    path = written(tmp_path, pickle.dumps(["a" * 1000], 2))
    assert "more than 500 bytes" in refused(path, most_bytes=500)
    with open(path, "r+b") as file:
        file.truncate(safe_pickle.LARGEST * 100)  # a hole, which takes no room
    assert f"more than {safe_pickle.LARGEST:,} bytes" in refused(path)


def test_a_text_that_is_named_very_often_does_not_fill_memory(tmp_path):
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x01"
    content = LIST + b"(" + text + b"h\x01" * 100 + b"e."
    assert "characters" in refused(written(tmp_path, content))


def test_an_index_of_four_billion_takes_no_memory(tmp_path):
    content = LIST + b"(U\x01ar\xff\xff\xff\xffj\xff\xff\xff\xffe."
    assert load_texts(written(tmp_path, content)) == ["a", "a"]


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(KerasbookError, match=r"cannot be read .*run snakemake again"):
        load_texts(tmp_path / "none")


@pytest.mark.book
def test_the_books_posts(mirror):
    for sex, count in (("female", 2252), ("male", 2611)):
        path = mirror / "blogs" / f"{sex}_blog_list.txt"
        texts = load_texts(path)
        assert len(texts) == count
        with open(path, "rb") as file:  # the digest of the file is in the catalogue
            assert texts == pickle.load(file)  # noqa: S301
