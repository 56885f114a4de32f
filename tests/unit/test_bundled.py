"""The stand-ins that are made of installed libraries: their form, and that they teach something."""

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasbook import bundled
from kerasbook.errors import KerasbookError
from kerasbook.texts import unpack

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("make_docstrings", "make_docstring_sentences", "make_docstring_paragraphs")


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, np.ndarray]]:
    return {name: getattr(bundled, name)() for name in TEXTS}


def texts_of(arrays: dict[str, np.ndarray]) -> list[str]:
    return unpack(arrays["texts"], arrays["offsets"])


def test_digit_counts_have_the_form_of_the_otto_tables():
    from sklearn.datasets import load_digits

    arrays = bundled.make_digit_counts()
    assert arrays["x_train"].shape == (1437, 64)
    assert arrays["x_test"].shape == (360, 64)
    assert (arrays["x_train"].dtype, arrays["y_train"].dtype) == (np.uint16, np.uint8)
    assert arrays["x_train"].max() == 16
    assert arrays["classes"].tolist() == [f"digit_{digit}" for digit in range(10)]
    assert np.array_equal(arrays["id_test"], np.arange(1, 361))
    rows = {tuple(row): label for row, label in zip(*load_digits(return_X_y=True))}
    assert [rows[tuple(row)] for row in arrays["x_train"]] == arrays["y_train"].tolist()


def test_digit_counts_are_split_as_the_digits_are():
    assert np.array_equal(bundled.make_digit_counts()["y_train"], bundled.make_digits()["y_train"])


def test_help_topics_are_whole_and_of_a_known_size():
    text = bundled.make_help_topics()["text"].tobytes().decode()
    assert 200_000 < len(text.encode()) <= bundled.HELP_BYTES
    assert text.startswith('The "assert" statement')
    assert text.endswith("\n\n")
    assert len(bundled.make_help_topics(20_000)["text"]) <= 20_000


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("make_docstrings", [750, 750]),
        ("make_docstring_sentences", [2000, 2000]),
        ("make_docstring_paragraphs", [1500, 1500]),
    ],
)
def test_texts_are_balanced_named_and_each_there_once(made, name, sizes):
    arrays = made[name]
    assert np.bincount(arrays["labels"]).tolist() == sizes
    assert arrays["label_names"].tolist() == ["pandas", "scikit-learn"]
    texts = texts_of(arrays)
    assert len(texts) == sum(sizes)
    # A sentence that both packages use stands there twice, once for each.
    labelled = list(zip(texts, arrays["labels"].tolist()))
    assert len(set(labelled)) == len(labelled)


def test_texts_stand_in_the_order_of_the_books(made):
    """Blogs: label 0 first; sentences: label 1 first; reviews: by split, then label."""
    assert np.all(np.diff(made["make_docstrings"]["labels"].astype(int)) >= 0)
    assert np.all(np.diff(made["make_docstring_sentences"]["labels"].astype(int)) <= 0)
    arrays = made["make_docstring_paragraphs"]
    groups = 2 * arrays["split"].astype(int) + arrays["labels"]
    assert np.all(np.diff(groups) >= 0)
    assert np.bincount(groups).tolist() == [1000, 1000, 500, 500]


def test_no_paragraph_is_in_both_parts(made):
    arrays = made["make_docstring_paragraphs"]
    texts = np.array(texts_of(arrays), dtype=object)
    assert not set(texts[arrays["split"] == 0]) & set(texts[arrays["split"] == 1])


def test_texts_hold_no_code_that_names_the_package(made):
    for arrays in made.values():
        for text in texts_of(arrays):
            assert ">>>" not in text.split("\n")[0][:3]
            assert "\n>>> " not in text
            assert "import sklearn" not in text[:20]


def test_sentences_are_sentences(made):
    for sentence in texts_of(made["make_docstring_sentences"]):
        assert 5 <= len(sentence.split()) <= 50
        assert sentence[0].isupper()
        assert sentence[-1] in ".!?"
        assert "\n" not in sentence


def test_docstrings_are_the_packages_own(made):
    """Seen from the other side: what the packages say of themselves when they are imported."""
    import pandas as pd

    arrays = made["make_docstrings"]
    pandas = " ".join(" ".join(texts_of(arrays)[:750]).split())
    found = 0
    for name in dir(pd.DataFrame):
        first = (getattr(pd.DataFrame, name).__doc__ or "").strip().split("\n\n")[0]
        found += len(first) > 40 and " ".join(first.split()) in pandas
    assert found > 10


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("make_docstrings", 0.80, 0.97),
        ("make_docstring_sentences", 0.75, 0.95),
        ("make_docstring_paragraphs", 0.80, 0.98),
    ],
)
def test_the_task_is_neither_trivial_nor_hopeless(made, name, least, most):
    """A linear model on words, trained on two thirds of the texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = np.array(texts_of(made[name]), dtype=object), made[name]["labels"]
    test = made[name].get("split", np.arange(len(labels)) % 3 == 2).astype(bool)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(texts[~test], labels[~test])
    assert least < model.score(texts[test], labels[test]) < most


def test_prose_leaves_out_examples_and_code():
    docstring = """Do it.

    Parameters
    ----------
    x : int
        What to do.

    Examples
    --------
    >>> import sklearn
    >>> sklearn.do(1)
    1

    Notes
    -----
    It is done.

    >>> leftover
    ... more
    .. math:: x
    """
    told = bundled.prose(ast.get_docstring(ast.parse(f'"""{docstring}"""')))
    assert "What to do." in told
    assert "It is done." in told
    assert not {">>>", "sklearn", "Examples", "math", "leftover"} & set(told.split())


def test_every_call_gives_the_same(made):
    again = bundled.make_docstring_sentences()
    for name, array in made["make_docstring_sentences"].items():
        assert np.array_equal(again[name], array)


def test_files_are_in_an_order_that_no_file_system_changes(tmp_path, monkeypatch):
    """Of a package made here, listed from both ends: the order is that of the names' digests."""
    names = ["__init__.py", "a.py", "b/c.py", "tests/test_a.py", "b/tests/x.py", "b/d.txt"]
    for name in names:
        (tmp_path / "made_here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made_here" / name).write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    first = bundled._sources("made_here")
    listing = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, what: reversed(list(listing(self, what))))
    assert bundled._sources("made_here") == first
    found = [path.relative_to(tmp_path / "made_here").as_posix() for path in first]
    assert sorted(found) == ["__init__.py", "a.py", "b/c.py"]
    assert found == sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())


def test_a_package_that_is_not_installed_is_told():
    with pytest.raises(KerasbookError, match="found no installed no_such_package"):
        bundled._sources("no_such_package")


def test_the_documented_packages_are_not_imported():
    code = f"""
import sys
from kerasbook import bundled
for name in {TEXTS!r}:
    getattr(bundled, name)()
bundled.make_help_topics()
print([name for name in ("pandas", "sklearn", "tensorflow", "scipy") if name in sys.modules])
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
