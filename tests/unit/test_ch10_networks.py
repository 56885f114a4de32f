"""Chapter 4.10's settings, networks, and what is told of the texts that they write."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from chapters.ch10_recurrent import evaluate, figures, networks, settings, train, writing
from kerasbook import characters, models
from kerasbook.configuration import load_chapter
from kerasbook.errors import KerasbookError

TEXT = b"when the owl and the cat had sailed away for a year and a day, they saw the land\n" * 6


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


def sentiment(**changed: object) -> dict[str, object]:
    values = {
        "task": "sentiment", "title": "t", "variant": "beyond", "dataset": "imdb",
        "cell": "lstm", "units": 4, "embedding": 3, "dropout": 0.5, "words": 6,
        "embedding_dropout": 0.0, "marks": True, "initial_weights": "keras_1",
        "optimizer": {"type": "adam"}, "epochs": 1, "batch_size": 8,
    }  # fmt: skip
    return values | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"cell": "rnn"},
        {"words": 101},
        {"words": 0},
        {"dropout": 1.0},
        {"rows": 0},
        {"depth": 2},
        {"validation_split": 0.95},
        {"validation_split": -0.1},
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict) -> None:
    assert settings.Sentiment(**sentiment()).cell == "lstm"
    with pytest.raises(ValidationError):
        settings.Sentiment(**sentiment(**changed))


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_a_corrected_variant_differs_from_the_printed_one_in_its_fault_alone(edition: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "config" / "chapters"
    chapter = load_chapter("ch10", edition, folder)
    told = {name: one.settings() for name, one in chapter.experiments.items()}

    def differing(one: str, other: str) -> set[str]:
        return {key for key in told[one] if told[one][key] != told[other][key]}

    assert differing("nietzsche_lstm", "nietzsche_lstm_log_space") == {"sampling"}
    assert differing("imdb_simple_rnn", "imdb_simple_rnn_exercise") == {"epochs"}
    assert differing("imdb_lstm_exercise", "imdb_gru_exercise") == {"cell"}
    # The SimpleRNN is the printed one, as Keras 1 drew and trained it.
    others = differing("imdb_lstm_exercise", "imdb_simple_rnn_exercise")
    assert others == {"cell", "initial_weights", "optimizer"}


@pytest.mark.parametrize(
    ("cell", "weights"),
    [
        ("simple_rnn", 128 * (128 + 128 + 1)),
        ("lstm", 4 * 128 * (128 + 128 + 1)),
        ("gru", 3 * 128 * (128 + 128 + 2)),
    ],
)
def test_the_printed_network_has_its_weights(keras, cell: str, weights: int) -> None:
    printed = sentiment(cell=cell, units=128, embedding=128, words=100)
    model = networks.sentiment_network(printed, 20_000)
    assert model.count_params() == 20_000 * 128 + weights + 128 + 1


def test_beginnings_are_padded_in_front() -> None:
    given = networks.beginnings(np.array([7, 8, 9], np.uint16))
    assert given.tolist() == [[0, 0, 7], [0, 7, 8], [7, 8, 9]]


@pytest.mark.parametrize("sparse", [False, True])
def test_the_fused_adam_is_adam(keras, sparse: bool) -> None:
    """Dense gradients: Keras's own steps. Slices: the same as their dense sum."""
    import tensorflow as tf

    from kerasbook.fused import fused

    generator = np.random.default_rng(3)
    ours, theirs = fused(keras.optimizers.Adam(0.01)), keras.optimizers.Adam(0.01)
    start = generator.normal(size=(20, 4)).astype(np.float32)
    one, other = keras.Variable(start), keras.Variable(start)
    for _ in range(10):
        values = tf.constant(generator.normal(size=(30, 4)).astype(np.float32))
        places = tf.constant(generator.integers(0, 20, 30))
        slices = tf.IndexedSlices(values, places, tf.constant([20, 4]))
        dense = tf.convert_to_tensor(slices)
        ours.apply([slices if sparse else dense], [one])
        theirs.apply([dense], [other])
    np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    assert np.abs(one.numpy() - start).max() > 0.01


def written_by(keras, sampling: str) -> tuple[writing.Writing, np.ndarray]:
    ids, alphabet = characters.encode(TEXT)
    keras.utils.set_random_seed(2)
    model = networks.character_network(
        {"units": 8, "recurrent_activation": "hard_sigmoid"}, 40, len(alphabet)
    )
    asked = {"diversities": [0.2, 1.0], "written": 30, "sampling": sampling}
    one = writing.Writing(model, ids, asked, seed=4)
    one.after(0)
    one.after(1)
    return one, alphabet


def test_both_samplers_write_the_same_text_from_the_same_draws(keras) -> None:
    printed, alphabet = written_by(keras, "as_printed")
    repaired, _ = written_by(keras, "log_space")
    np.testing.assert_array_equal(printed.texts, repaired.texts)
    assert printed.texts[0].shape == (2, 30)
    assert printed.texts[0].tolist() != printed.texts[1].tolist()
    assert printed.logs_of_zero == [0, 0]
    told = writing.told(alphabet, printed.starts[0], [0.2, 1.0], printed.texts[0])
    start = characters.decode(printed.starts[0], alphabet)
    assert start in TEXT.decode()
    assert told.count(start) == 2
    assert told.count("----- diversity") == 2
    assert characters.decode(printed.texts[0][1], alphabet) in told
    broken = writing.told(alphabet, printed.starts[0], [0.2, 1.0], printed.texts[0], width=20)
    assert max(map(len, broken.splitlines())) == 20
    assert broken.replace("\n", "") == told.replace("\n", "")


def test_logarithms_of_zero_are_counted(keras) -> None:
    """A softmax whose answers lie far apart has zeros; only the printed sampler meets them."""
    counts = {}
    for sampling in ("as_printed", "log_space"):
        one, _ = written_by(keras, sampling)
        kernel, bias = one.model.layers[-1].get_weights()
        bias[0] = -200.0
        one.model.layers[-1].set_weights([kernel, bias])
        one.after(2)
        counts[sampling] = one.logs_of_zero[-1]
    assert counts == {"as_printed": 2 * 30, "log_space": 0}


def test_known_words_leave_out_what_may_be_cut() -> None:
    known = {"the", "owl"}
    assert evaluate.known_words("wl the owl flew away th", known) == 0.5
    assert evaluate.known_words("== the ==", known) == 0.0


def test_entropy_is_the_loss_of_the_frequencies() -> None:
    assert evaluate.entropy(np.array([1, 1])) == pytest.approx(math.log(2))
    assert evaluate.entropy(np.array([5, 0])) == 0.0


def test_rows_are_read_with_marks_or_without() -> None:
    words = ["the", ".", "br", "end", "'s"]
    numbers = np.array([1, 5, 6, 8, 9, 1, 7, 2, 5, 8], np.uint16)
    data = {
        "x_train": np.array([[0, 0, 1, 5, 6, 8, 9]], np.uint16),
        "x_test": np.array([[0, 0, 1, 7, 2, 5, 8]], np.uint16),
        "words": numbers,
        "offsets": np.array([0, 5, 10]),
        "vocabulary": np.frombuffer("\n".join(words).encode(), np.uint8),
    }
    learnt, tested = train.rows_to_read(data, {"words": 3, "marks": True})
    assert learnt.tolist() == [[6, 8, 9]]
    assert tested.tolist() == [[2, 5, 8]]
    learnt, tested = train.rows_to_read(data, {"words": 5, "marks": False})
    assert learnt.tolist() == [[0, 1, 5, 8, 9]]
    assert tested.tolist() == [[0, 1, 2, 5, 8]]


def test_the_last_training_rows_may_be_kept_and_the_test_rows_are_watched_else() -> None:
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    tested = np.zeros((3, 2)), np.zeros(3)
    assert train.learnt_and_watched(x, y, tested, {}) == ((x, y), tested)
    learnt, watched = train.learnt_and_watched(x, y, tested, {"validation_split": 0.2})
    assert [one.tolist() for one in learnt] == [x[:8].tolist(), list(range(8))]
    assert [one.tolist() for one in watched] == [x[8:].tolist(), [8, 9]]


@pytest.mark.parametrize(("n", "share"), [(10, 0.04), (1, 0.2), (1, 0.9)])
def test_a_share_that_leaves_no_row_is_told(n: int, share: float) -> None:
    x = np.zeros((n, 2))
    with pytest.raises(KerasbookError, match=f"validation_split: found {share}, which keeps"):
        train.learnt_and_watched(x, x[:, 0], (x, x[:, 0]), {"validation_split": share})


def test_what_an_experiment_is_does_not_tell_that_no_row_is_kept() -> None:
    assert "validation_split" not in settings.Sentiment(**sentiment()).settings()
    told = settings.Sentiment(**sentiment(validation_split=0.2)).settings()
    assert told["validation_split"] == 0.2


def test_the_linear_model_may_count_words_alone() -> None:
    values = {"task": "linear", "title": "t", "variant": "beyond", "dataset": "imdb",
              "words": 2, "pairs": False, "inverse_penalties": [1]}  # fmt: skip
    assert "marks" not in settings.Linear(**values).settings()
    assert settings.Linear(**values, marks=False).settings()["marks"] is False
    # Numbers from 5 on are words by rank: a, the stop, b.
    data = {
        "words": np.array([1, 5, 6, 7, 6, 1, 7, 5, 6, 6], np.uint16),
        "offsets": np.array([0, 5, 10]),
        "vocabulary": np.frombuffer(b"a\n.\nb", np.uint8),
    }
    rows = train.without_marks(data)
    counted = train.reviews.counts(*rows, 2, pairs=False, learnt=2)
    assert counted.toarray().tolist() == [[1, 1], [1, 1]]
    marked = train.reviews.counts(data["words"], data["offsets"], 2, pairs=False, learnt=2)
    assert marked.toarray().tolist() == [[1], [2]]  # the stop, beside words that one row has


def test_the_row_with_the_least_padding_is_followed() -> None:
    x = np.array([[0, 1, 5], [1, 5, 6], [4, 4, 4]])
    assert train.first_long_row(x) == 1


def test_turns_lie_apart() -> None:
    belief = np.full(40, 0.5)
    belief[10:12], belief[30:] = 0.9, 0.1
    assert figures.turns(belief, most=2, apart=8) == [10, 30]


# --------------------------------------------------------------------------- how it begins


class Drawn(Exception):
    """Stops a training when its initial weights are drawn."""


@pytest.mark.parametrize("how", ["keras_1", "keras_3"])
@pytest.mark.parametrize("task", ["sentiment", "characters"])
def test_a_training_draws_its_initial_weights_as_it_is_told(monkeypatch, task, how) -> None:
    def draw(model, told):
        assert [one for one in model.layers if hasattr(one, "cell")]
        raise Drawn(told)

    monkeypatch.setattr(train.keras_1, "draw_initial_weights", draw)
    asked = sentiment(rows=None) | {"recurrent_activation": "sigmoid", "windows": 8}
    step = SimpleNamespace(seed=1, threads=1, gpu=0, settings=asked | {"initial_weights": how})
    ids, alphabet = characters.encode(TEXT)
    rows = np.zeros((4, 6), np.uint16)
    data = {
        "x_train": rows, "x_test": rows, "y_train": np.zeros(4), "y_test": np.zeros(4),
        "vocabulary": np.frombuffer(b"a\nb", np.uint8), "ids": ids, "alphabet": alphabet,
    }  # fmt: skip
    with pytest.raises(Drawn, match=how):
        train.TASKS[task](None, None, step, data)
