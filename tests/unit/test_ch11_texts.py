"""Chapter 4.11's classifiers: what they read, how it is labelled, what is told of them."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from chapters.ch11_lstm_text import evaluate, inputs, networks, settings
from chapters.ch11_lstm_text.evaluate import metrics_of, samples_of
from chapters.ch11_lstm_text.preprocess import prepare
from chapters.ch11_lstm_text.train import folds_of, model_of_today, new_model
from kerasbook import models
from kerasbook.characters import decode
from kerasbook.errors import KerasbookError
from kerasbook.evaluation import SeedRun
from kerasbook.texts import labelled
from kerasbook.validation import validate

FEMALE = [f"the cat sat on mat number {i} while tea was served" for i in range(6)] + [""]
MALE = [f"a dog ran after ball {i} before the rain began to fall" for i in range(9)]


@pytest.fixture
def posts():
    return labelled([FEMALE, MALE], [0, 1], ["female", "male"])


@pytest.fixture
def prepared(posts):
    return prepare(posts, [])


def test_empty_posts_are_left_out_and_counted(prepared):
    arrays, facts = prepared
    assert facts["n_posts"] == len(arrays["labels"]) == 15
    assert (facts["n_empty"], facts["n_first"], facts["n_second"]) == (1, 6, 9)
    assert (facts["n_train"], facts["n_test"]) == (12, 3)


def test_characters_are_the_second_kind_of_posts_in_one_row(prepared):
    arrays, facts = prepared
    joined = " ".join(MALE)
    assert decode(arrays["characters"], arrays["alphabet"]) == joined
    assert facts["n_characters"] == len(joined)
    assert facts["n_windows_filled"] == len(joined) - 20
    assert facts["one_hot_gb"] == pytest.approx(len(joined) * 20 * len(set(joined)) / 1e9)


def test_a_kind_without_posts_is_an_error():
    with pytest.raises(KerasbookError, match="found 0 and 9"):
        prepare(labelled([["", ""], MALE], [0, 1], ["female", "male"]), [])


def test_hashed_rows_are_padded_before_and_hold_the_last_words(prepared):
    arrays, _ = prepared
    row = arrays["hashed"][0]
    assert row.shape == (inputs.LENGTH,)
    n_words = len(FEMALE[0].split())
    assert (row[:-n_words] == 0).all()
    assert (row[-n_words:] > 0).all()
    assert row.max() < inputs.VOCABULARY


def test_a_hash_is_the_same_in_every_process(prepared):
    values, offsets = inputs.hashed_words(["Zebra, zebra! stripes"])
    assert offsets.tolist() == [0, 3]
    assert values[0] == values[1] != values[2]
    code = (
        "from chapters.ch11_lstm_text.inputs import hashed_words;"
        "print(hashed_words(['Zebra, zebra! stripes'])[0].tolist())"
    )
    for salt in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": "workflow", "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == str(values.tolist())


def test_hashes_stay_within_the_vocabulary():
    values, _ = inputs.hashed_words([" ".join(f"w{i}" for i in range(200))], size=8)
    assert set(values.tolist()) == set(range(1, 8))


def test_printed_labels_name_most_authors_wrongly():
    """Of the book's numbers of posts, 348 in 4,842 are named right."""
    female = np.repeat([1, 0], [2247, 2595])
    labels = inputs.printed_labels(female)
    assert labels.sum() == female.sum()
    assert (labels == female).sum() == 348


def test_the_split_is_a_fifth_rounded_up():
    for n, tested in ((4842, 969), (5190, 1038), (11, 3)):
        train, test = inputs.split(n, seed=4)
        assert len(test) == tested
        assert sorted([*train, *test]) == list(range(n))
    assert (inputs.split(50, 1)[1] != inputs.split(50, 2)[1]).any()


def test_some_texts_takes_the_same_share_of_both_kinds(prepared):
    arrays, _ = prepared
    assert inputs.some_texts(arrays, 1.0).tolist() == list(range(15))
    assert inputs.some_texts(arrays, 1 / 3).tolist() == [0, 1, 6, 7, 8]


# ------------------------------------------------------------------------------ TF-IDF

PRINTED = {"female": "male_rows", "vectorizers": "one_per_class"}


@pytest.fixture
def counts(prepared):
    arrays, _ = prepared
    chosen = np.arange(15)
    female = (arrays["labels"] == 0).astype(np.uint8)
    return inputs.word_counts(arrays, chosen)[0], female


def test_rows_are_those_of_the_vectorizer_of_the_tutorial(counts):
    from sklearn.feature_extraction.text import TfidfVectorizer

    table, female = counts
    train = np.arange(14)
    rows, labels = inputs.tfidf_rows(table, female, train, PRINTED)
    vectorizer = TfidfVectorizer(decode_error="ignore", norm="l2", min_df=5)
    expected = vectorizer.fit_transform(MALE).toarray()
    np.testing.assert_allclose(rows[:9].toarray(), expected, atol=1e-6)
    np.testing.assert_allclose(rows[9:].toarray(), expected, atol=1e-6)
    assert labels.tolist() == [0] * 9 + [1] * 9
    assert inputs.n_rows(female, PRINTED) == rows.shape[0] == 18


def test_own_rows_come_from_a_vectorizer_of_their_own(counts):
    from sklearn.feature_extraction.text import TfidfVectorizer

    table, female = counts
    own = {"female": "own_rows", "vectorizers": "one_per_class"}
    rows, labels = inputs.tfidf_rows(table, female, np.arange(12), own)
    expected = TfidfVectorizer(min_df=5).fit_transform(FEMALE[:-1]).toarray()
    assert labels.tolist() == [1] * 6 + [0] * 9
    width = expected.shape[1]
    np.testing.assert_allclose(rows[:6, :width].toarray(), expected, atol=1e-6)
    assert rows[:6, width:].nnz == 0
    male = inputs.tfidf_rows(table, female, np.arange(14), PRINTED)[0][:9].toarray()
    np.testing.assert_array_equal(rows[6:, : male.shape[1]].toarray(), male)
    assert inputs.n_rows(female, own) == 15


def test_one_vectorizer_learns_from_the_training_rows_alone(counts):
    table, female = counts
    one = {"female": "own_rows", "vectorizers": "one"}
    train = np.arange(6, 15)  # the male posts
    rows, labels = inputs.tfidf_rows(table, female, train, one)
    assert labels.tolist() == [1] * 6 + [0] * 9
    # The only word of at least five male posts that a female post has is `the`.
    assert (rows[:6].getnnz(axis=1) == 1).all()


def test_padding_leaves_integers_of_the_last_columns(counts):
    table, female = counts
    rows, _ = inputs.tfidf_rows(table, female, np.arange(14), PRINTED)
    assert rows.shape[1] < inputs.LENGTH
    padded = inputs.padded_integers(rows)
    assert padded.shape == (18, inputs.LENGTH)
    assert not padded.any()
    kept = inputs.last_columns(rows, 3)
    np.testing.assert_array_equal(kept, rows.toarray()[:, -3:])
    losses = inputs.padding_losses(rows)
    assert losses == {"whole": rows.nnz, "last_columns": rows.nnz, "integers": 0}


def test_a_post_of_one_known_word_survives_the_cast():
    from scipy import sparse

    rows = sparse.csr_matrix(np.array([[0, 1.0], [0.6, 0.8]], np.float32))
    assert inputs.padded_integers(rows, 2).tolist() == [[0, 1], [0, 0]]


def test_folds_part_all_rows_evenly():
    fold = folds_of(23, 5, seed=1)
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5]
    assert (fold != folds_of(23, 5, seed=2)).any()


# ------------------------------------------------------------------- settings and metrics

COMMON = {"title": "t", "variant": "corrected", "dataset": "blogs"}
CLASSIFIER = COMMON | {
    "units": 8,
    "gates": "sigmoid",
    "initial_weights": "keras_3",
    "dimension": 4,
    "dropout": 0.5,
    "loss": "mean_squared_error",
    "optimizer": {"type": "sgd"},
    "epochs": 1,
    "batch_size": 8,
}
CHARACTERS = COMMON | {
    "task": "characters",
    "units": 8,
    "gates": "sigmoid",
    "initial_weights": "keras_3",
    "window": 5,
    "loss": "categorical_crossentropy",
    "optimizer": {"type": "rmsprop"},
    "epochs": 1,
    "batch_size": 8,
    "diversities": [0.5],
    "sample_length": 10,
}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (settings.OneHot, {"task": "one_hot", "labels": "any"}, "labels: found 'any'"),
        (settings.OneHot, {"task": "one_hot", "labels": "printed_order", "texts": 0.0}, "texts"),
        (settings.OneHot, {"task": "one_hot", "initial_weights": "keras_2"}, "'keras_2'"),
        (
            settings.Tfidf,
            {"task": "tfidf", "rows": "whole", "female": "male_rows", "vectorizers": "one"},
            "expected own_rows",
        ),
    ],
)
def test_a_classifier_refuses_nonsense(model, values, message):
    with pytest.raises(KerasbookError, match=message):
        validate(model, CLASSIFIER | values, "here")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": {"type": "adam"}}, "adam"),
        ({"optimizer": {"type": "sgd", "momentum": 0.9}}, "expected sgd without momentum"),
        ({"gates": "tanh"}, "gates: found 'tanh'"),
        ({"probability_floor": 0.5}, "probability_floor"),
        ({"diversities": [0.0]}, "diversities"),
        ({"diversities": [1.5]}, "diversities"),
        ({"diversities": []}, "diversities"),
        ({"first_characters": 10}, "first_characters"),
    ],
)
def test_a_character_network_refuses_nonsense(values, message):
    validate(settings.Characters, CHARACTERS, "here")
    with pytest.raises(KerasbookError, match=message):
        validate(settings.Characters, CHARACTERS | values, "here")


def run_of(task, predictions, history=None, data=None, **values):
    history = history or {"loss": np.array([1.0])}
    epochs = np.arange(1, 1 + len(history["loss"]))
    settings_ = {"task": task, **values}
    return SeedRun(1, {}, epochs, history, predictions, data or {}, settings_)


@pytest.mark.parametrize("whole_rows", [False, True])
def test_a_classifier_begins_as_in_keras_1_and_ends_as_a_model_of_today(whole_rows, tmp_path):
    keras = models.set_up_keras(1)
    asked = CLASSIFIER | {"units": 32, "gates": "hard_sigmoid_keras_1"}
    generator = np.random.default_rng(1)
    if whole_rows:
        build = partial(networks.row_classifier, width=6)
        x = generator.normal(size=(20, 1, 6)).astype(np.float32)
    else:
        build = partial(networks.embedding_classifier, vocabulary=9, length=6)
        x = generator.integers(0, 9, (20, 6)).astype(np.int32)

    def begun(**changed):
        keras.utils.set_random_seed(1)
        return new_model(build, asked | changed)

    model = begun(initial_weights="keras_1")
    lengths = [
        np.linalg.norm(one.layers[-4].get_weights()[1], axis=1).max()
        for one in (model, begun(initial_weights="keras_3"))
    ]
    np.testing.assert_allclose(lengths, [2 * 1.1, 1], rtol=1e-5)
    model.set_weights([5 * one for one in model.get_weights()])
    said = model.predict(x, verbose=0)
    todays = model_of_today(build, asked, model)
    todays.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.layers[-4].get_config()["recurrent_activation"] == "hard_sigmoid"
    np.testing.assert_allclose(loaded.predict(x, verbose=0), said, atol=1e-5)
    assert loaded.evaluate(x, np.ones(20), verbose=0, return_dict=True).keys() == {
        "loss",
        "accuracy",
    }
    plain = asked | {"gates": "sigmoid"}
    assert model_of_today(build, plain, model) is model


def test_a_one_hot_run_is_measured_by_its_own_loss_and_by_author():
    predictions = {
        "probabilities": np.array([0.9, 0.2, 0.6, 0.4]),
        "labels": np.array([1, 0, 0, 1]),
        "female": np.array([0, 1, 1, 1]),
        "n_train": np.array(16),
        "wrong_labels": np.array(0.75),
    }
    squared = np.mean([0.01, 0.04, 0.36, 0.36])
    told = metrics_of(run_of("one_hot", predictions, loss="mean_squared_error"))
    assert told["test_loss"] == pytest.approx(squared)
    assert told["test_accuracy"] == 0.5
    assert told["author_accuracy"] == 0.25
    assert (told["n_train"], told["n_test"], told["wrong_labels"]) == (16, 4, 0.75)
    other = metrics_of(run_of("one_hot", predictions, loss="binary_crossentropy"))
    assert other["test_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]).mean())


def test_a_tfidf_run_tells_what_the_padding_left():
    predictions = {
        "probabilities": np.array([0.6, 0.4]),
        "labels": np.array([1, 1]),
        "n_train": np.array(8),
        "columns": np.array(300),
        "nonzero_whole": np.array(200),
        "nonzero_last_columns": np.array(10),
        "nonzero_integers": np.array(1),
    }
    told = metrics_of(run_of("tfidf", predictions, loss="binary_crossentropy"))
    assert told["share_in_last_columns"] == 0.05
    assert told["share_as_integers"] == 0.005
    assert told["nonzero_integers"] == 1


def test_a_linear_run_tells_each_fold():
    predictions = {
        "probabilities": np.array([0.6, 0.4]),
        "labels": np.array([1, 1]),
        "n_train": np.array(4),
        "fold": np.array([0, 0, 1, 1]),
        "fold_probabilities": np.array([0.9, 0.9, 0.1, 0.8]),
        "fold_labels": np.array([1, 1, 0, 0]),
    }
    told = metrics_of(run_of("linear", predictions, folds=2))
    assert (told["fold1_accuracy"], told["fold2_accuracy"]) == (1.0, 0.5)
    assert told["folds_accuracy"] == 0.75


def character_run(losses):
    data = {
        "characters": np.array([0, 1, 2, 1, 0, 2], np.uint8),
        "alphabet": np.array(["a", "b", " "]),
    }
    n = len(losses)
    predictions = {
        "starts": np.arange(n),
        "samples": np.tile(np.array([[[0, 1, 1]], [[2, 0, 0]]], np.uint8), (n, 1, 1, 1)),
        "n_windows": np.array(4),
        "n_characters": np.array(6),
    }
    history = {"loss": np.array(losses), "text_loss": np.array(losses), "known_words": np.ones(n)}
    return run_of("characters", predictions, history, data, window=2, diversities=[0.5])


def test_a_character_run_tells_its_rise_and_its_samples():
    told = metrics_of(character_run([2.0, 1.5, 4.0]))
    assert told["rise"] == 2.5
    assert told["last_loss"] == 4.0
    assert (told["n_windows"], told["n_windows_filled"], told["n_chars"]) == (6, 4, 3)
    assert told["one_hot_gb"] == pytest.approx(6 * 2 * 3 / 1e9)
    assert told["uniform_loss"] == pytest.approx(np.log(3))
    assert told["sample"].endswith("diversity 0.5:\nabb")
    assert told["sample_by_temperature"].endswith("diversity 0.5:\n aa")
    assert samples_of(character_run([1.0, 1.0]), 2, "as printed").startswith("going on from: 'b '")


def test_a_sample_is_folded_and_whole():
    text = "word " * 40 + "\n\n" + "x" * 100
    folded = evaluate._folded(text)
    assert max(map(len, folded.split("\n"))) <= evaluate.LINE
    assert folded.replace("\n", "") == text.replace("\n", "")


def test_a_run_that_is_no_number_any_more_has_no_rise():
    assert np.isnan(metrics_of(character_run([2.0, np.nan]))["rise"])
