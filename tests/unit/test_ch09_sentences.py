"""Sentences as rows of words, GloVe files, and the settings of chapter 4.9."""

import zipfile

import numpy as np
import pytest
from pydantic import ValidationError

from chapters.ch09_unsupervised import glove, preprocess, sentences, settings
from kerasbook import texts
from kerasbook.errors import KerasbookError
from tests.unit.archive_examples import zipped


def test_kims_words():
    told = sentences.words_of("It's GOOD -- isn't it?! (he'd say: we'll, they've, you're) 3,5\n")
    expected = "it 's good is n't it ? ! ( he 'd say we 'll , they 've , you 're ) 3 , 5"
    assert " ".join(told) == expected
    assert sentences.words_of("--- ...") == []


def test_rows_are_padded_behind_and_indices_follow_frequency():
    rows, words, cut = sentences.encode(["a b b", "b", "c b a d"])
    assert rows.shape == (3, 4)
    assert rows.dtype == np.int32
    assert cut == 0
    assert sorted(words) == ["<PAD/>", "a", "b", "c", "d"]
    back = [[words[i] for i in row] for row in rows]
    assert back == [["a", "b", "b", "<PAD/>"], ["b"] + ["<PAD/>"] * 3, ["c", "b", "a", "d"]]
    counts = np.bincount(rows.ravel())
    assert (np.diff(counts) <= 0).all()


def test_long_sentences_are_cut_and_counted():
    rows, _, cut = sentences.encode(["a b c d e", "a"], longest=3)
    assert rows.shape == (2, 3)
    assert cut == 1


def test_texts_without_words_are_refused():
    with pytest.raises(KerasbookError, match="sentences: found 2 without a word"):
        sentences.encode(["", "---"])


def test_the_printed_split():
    assert sentences.first_validation_row(10_662) == 9_595
    order = sentences.printed_order(100)
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    np.random.seed(2)
    np.testing.assert_array_equal(order, np.random.permutation(np.arange(100)))


def test_rows_kept_for_stopping():
    apart, rest = sentences.development_rows(50, 0.1, seed=1)
    assert len(apart) == 5
    np.testing.assert_array_equal(np.sort(np.r_[apart, rest]), np.arange(50))
    assert not np.array_equal(apart, sentences.development_rows(50, 0.1, seed=2)[0])


def loaded(groups, labels, names):
    return texts.labelled(groups, labels, names)


def test_posts_are_filtered_and_coded_as_printed():
    told = loaded([["one two", "", "three"], ["four", ""]], [0, 1], ["female", "male"])
    arrays, facts = preprocess.prepare_posts(told, [])
    assert texts.unpack(arrays["texts"], arrays["offsets"]) == ["one two", "three", "four"]
    assert arrays["first_group"].tolist() == [1, 1, 0]
    assert facts == {
        "n_female_raw": 3, "n_male_raw": 2, "n_female": 2, "n_male": 1, "n_posts": 3,
    }  # fmt: skip


def test_sentences_are_shuffled_with_their_labels():
    lines = [f"word{i} and more" for i in range(40)]
    told = loaded([lines[:20], lines[20:]], [1, 0], ["negative", "positive"])
    arrays, facts = preprocess.prepare_sentences(told, [])
    words = texts.unpack(arrays["words"], arrays["word_offsets"])
    back = texts.unpack(arrays["texts"], arrays["offsets"])
    for row, line, label in zip(arrays["x"], back, arrays["y"], strict=True):
        assert [words[i] for i in row] == line.split()
        assert label == (int(line.split()[0].removeprefix("word")) < 20)
    assert back != lines
    assert facts["vocabulary"] == 42
    assert (facts["n_train"], facts["n_val"], facts["sequence_length"]) == (36, 4, 3)


@pytest.mark.book
def test_the_books_sentences(mirror):
    folder = mirror / "movie_reviews"
    told = texts.load_lines(folder / "rt-polarity.neg", folder / "rt-polarity.pos")
    arrays, facts = preprocess.prepare_sentences(told, [])
    assert facts == {
        "vocabulary": 18765, "n_train": 9595, "n_val": 1067, "sequence_length": 56, "n_cut": 0,
    }  # fmt: skip
    assert arrays["x"].max() == 18764


@pytest.mark.book
def test_the_books_posts(mirror):
    folder = mirror / "blogs"
    told = texts.load_posts(folder / "female_blog_list.txt", folder / "male_blog_list.txt")
    _, facts = preprocess.prepare_posts(told, [])
    assert list(facts.values()) == [2252, 2611, 2247, 2595, 4842]


# ------------------------------------------------------------------- GloVe


def test_the_bundled_file_of_vectors():
    found, lines = glove.read_vectors(glove.bundled_file(), ["the", "of", "no-such-word"], 50)
    assert set(found) == {"the", "of"}
    assert lines == len(glove.bundled_file().read_text(encoding="utf-8").splitlines())
    assert found["the"].shape == (50,)
    assert found["the"].dtype == np.float32
    assert found["the"][0] == np.float32(0.418)


def written(path, lines):
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_only_wanted_words_are_read(tmp_path):
    # The second line is malformed, and nobody asks for its word.
    file = written(tmp_path / "v.txt", [b"a 1 2", b"b 1 x nan", b"\xc3\xa9 3 4.5e-1"])
    found, lines = glove.read_vectors(file, ["a", "é"], 2)
    assert lines == 3
    np.testing.assert_array_equal(found["é"], np.array([3, 0.45], np.float32))


def test_the_first_of_two_vectors_counts(tmp_path, caplog):
    file = written(tmp_path / "v.txt", [b"a 1 2", b"a 3 4"])
    found, _ = glove.read_vectors(file, ["a"], 2)
    assert found["a"].tolist() == [1, 2]
    assert "line 2" in caplog.text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"a 1 2 3", r"v.txt, line 2: found 3 numbers after 'a', expected 2"),
        (b"a", "line 2: found 0 numbers"),
        (b"a 1 two", "line 2: found could not convert"),
        (b"a 1 nan", "line 2: found a number that is not finite"),
        (b"a 1 1e999", "line 2: found a number that is not finite"),
        (b"\xff\xfe 1 2", "line 2: found bytes that are no UTF-8"),
        (b"a" * (1 << 17), "line 2: found more than 65,536 bytes"),
    ],
)
def test_faults_name_file_and_line(tmp_path, line, told):
    file = written(tmp_path / "v.txt", [b"b 1 2", line])
    with pytest.raises(KerasbookError, match=told):
        glove.read_vectors(file, ["a"], 2)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(KerasbookError, match=r"none\.txt: cannot be read"):
        glove.read_vectors(tmp_path / "none.txt", ["a"], 2)
    with pytest.raises(KerasbookError, match="found an empty file"):
        glove.read_vectors(written(tmp_path / "v.txt", []), ["a"], 2)


def test_an_archive_as_published(tmp_path):
    file = tmp_path / "glove.6B.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.6B.50d.txt", "a " + "1 " * 49 + "1\n")
        archive.writestr("glove.6B.100d.txt", "a " + "2 " * 99 + "2\nb " + "3 " * 99 + "3\n")
    found, lines = glove.read_vectors(file, ["a"], 100)
    assert lines == 2
    assert found["a"].tolist() == [2.0] * 100
    with pytest.raises(KerasbookError, match=r"found glove.6B.50d.txt, glove.6B.100d.txt in it"):
        glove.read_vectors(file, ["a"], 25)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KerasbookError, match="damaged archive"):
        glove.read_vectors(file, ["a"], 100)


def damaged_archive(damage):
    """A GloVe archive that says what it holds, and holds something else."""
    method = {"lzma": zipfile.ZIP_LZMA, "encrypted": zipfile.ZIP_STORED}.get(damage, 8)
    lines = b"".join(b"w%d %d 1\n" % (n, n) for n in range(2000))
    content = bytearray(zipped([("glove.2d.txt", lines)], method))
    if damage == "packing":
        content[1000:1400] = bytes(400)
    elif damage == "encrypted":
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag in both headers
            content[content.index(mark) + place] |= 1
    elif damage == "offset":
        content[content.rindex(b"PK\x05\x06") + 18] ^= 0x80
    return bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("packing", "found a damaged archive"),
        ("encrypted", "found a damaged archive"),
        ("offset", "cannot be read"),
        ("lzma", "found 'glove.2d.txt' in it, packed by the method 14"),
    ],
)
def test_a_damaged_archive_is_told_with_the_cure(tmp_path, damage, told):
    file = tmp_path / "glove.zip"
    file.write_bytes(damaged_archive(damage))
    with pytest.raises(KerasbookError, match=rf"glove\.zip: {told}") as caught:
        glove.read_vectors(file, ["w1999"], 2)
    assert damage == "lzma" or "run snakemake again to fetch" in str(caught.value)


def test_words_without_a_vector_are_drawn(tmp_path):
    file = written(tmp_path / "v.txt", [b"a 1 2", b"b 3 4"])
    rows, known = glove.embedding(file, ["x", "b", "y"], 2, seed=1, reach=0.05)
    assert known == 1
    assert rows.dtype == np.float32
    assert rows[1].tolist() == [3, 4]
    assert (np.abs(rows[[0, 2]]) <= 0.05).all()
    again, _ = glove.embedding(file, ["x", "b", "y"], 2, seed=1, reach=0.05)
    np.testing.assert_array_equal(rows, again)


# ------------------------------------------------------------------- settings

CNN = {
    "task": "sentence_cnn", "title": "t", "variant": "as_printed", "dataset": "movie_reviews",
    "vectors": "random", "vector_epochs": 5, "train_embedding": True, "embedding_dim": 20,
    "embedding_range": 0.05,
    "filter_sizes": [3, 4], "filters": 150, "pool_size": 2, "dropout": [0.25, 0.5],
    "hidden_units": 150, "max_norm": None, "loss": "keras_1",
    "optimizer": {"type": "rmsprop"}, "epochs": 1, "batch_size": 32, "patience": None,
}  # fmt: skip


def test_settings_of_a_sentence_network():
    assert settings.SentenceCnn(**CNN).raw_data() == []
    assert settings.SentenceCnn(**CNN | {"vectors": "glove"}).raw_data() == ["glove"]


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": [0.5]},
        {"dropout": [0.5, 1.0]},
        {"filter_sizes": []},
        {"pool_size": 1},
        {"vectors": "fasttext"},
        {"train_embedding": False},
        {"patience": 0},
        {"max_norm": 0.0},
        {"loss": "keras_2"},
    ],
)
def test_settings_without_sense_are_refused(change):
    with pytest.raises(ValidationError):
        settings.SentenceCnn(**CNN | change)
