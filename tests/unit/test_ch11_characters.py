"""Chapter 4.11's character network: step by step as Keras, and what is drawn from it."""

import numpy as np
import pytest

from chapters.ch11_lstm_text import networks, sampling, train
from chapters.ch11_lstm_text.character_network import CharacterNetwork
from kerasbook import models
from kerasbook.characters import encode, one_hot_layer, window_starts, windows
from kerasbook.errors import KerasbookError

TEXT = "a rose is a rose is a rose, said Gertrude Stein; and a stone is a stone.\n" * 6
WINDOW, UNITS, BATCH = 7, 12, 32
RMSPROP = {"type": "rmsprop", "learning_rate": 0.01}


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


@pytest.fixture
def text():
    return encode(TEXT)


@pytest.fixture
def model(keras, text):
    return a_model(keras, text)


def a_model(keras, text, gates="sigmoid"):
    keras.utils.set_random_seed(5)
    return networks.character_model(len(text[1]), WINDOW, UNITS, gates)


def one_hot(targets, n_chars):
    return np.eye(n_chars, dtype=np.float32)[targets]


@pytest.mark.parametrize(
    ("loss", "optimizer", "gates"),
    [
        ("categorical_crossentropy", RMSPROP, "sigmoid"),
        ("categorical_crossentropy", RMSPROP, "hard_sigmoid"),
        ("categorical_crossentropy", {**RMSPROP, "epsilon": 1e-4, "clipnorm": 0.05}, "sigmoid"),
        ("mean_squared_error", {"type": "sgd", "learning_rate": 0.5}, "sigmoid"),
    ],
)
def test_an_epoch_is_that_of_keras(keras, text, loss, optimizer, gates):
    ids, alphabet = text
    model = a_model(keras, text, gates)
    # So large that hard gates are shut, open and in between.
    model.set_weights([3 * one for one in model.get_weights()])
    model.compile(loss=loss, optimizer=models.optimizer(optimizer))
    network = CharacterNetwork(model.get_weights(), loss, optimizer, gates)
    order = np.random.default_rng(1).permutation(window_starts(len(ids), WINDOW))
    assert len(order) % BATCH  # the last batch is a smaller one
    told = network.learn_epoch(ids, WINDOW, order, BATCH)
    view, losses = windows(ids, WINDOW), []
    for first in range(0, len(order), BATCH):
        rows = order[first : first + BATCH]
        y = one_hot(ids[rows + WINDOW], len(alphabet))
        model.reset_metrics()
        losses.append(len(rows) * float(model.train_on_batch(view[rows].astype(np.int32), y)))
    assert told == pytest.approx(sum(losses) / len(order), rel=1e-5)
    for ours, theirs in zip(network.weights, model.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    x = view[:50]
    predicted = model.predict(x.astype(np.int32), verbose=0)
    np.testing.assert_allclose(network.probabilities(x), predicted, atol=1e-5)


def test_gates_of_keras_1_learn_as_keras_with_its_formula_and_leave_a_model_of_today(keras, text):
    ids, alphabet = text
    gates = "hard_sigmoid_keras_1"
    saved = a_model(keras, text, gates)
    saved.set_weights([3 * one for one in saved.get_weights()])

    def keras_1(sums):
        return keras.ops.clip(0.2 * sums + 0.5, 0.0, 1.0)

    model = keras.Sequential(
        [
            keras.Input((WINDOW,), dtype="int32"),
            one_hot_layer(len(alphabet)),
            keras.layers.LSTM(UNITS, recurrent_activation=keras_1),
            keras.layers.Dense(len(alphabet)),
            keras.layers.Activation("softmax"),
        ]
    )
    model.set_weights(saved.get_weights())
    model.compile(loss="categorical_crossentropy", optimizer=models.optimizer(RMSPROP))
    network = CharacterNetwork(saved.get_weights(), "categorical_crossentropy", RMSPROP, gates)
    order = window_starts(len(ids), WINDOW)[: 6 * BATCH]
    network.learn_epoch(ids, WINDOW, order, BATCH)
    x, y = windows(ids, WINDOW)[order].astype(np.int32), one_hot(ids[order + WINDOW], len(alphabet))
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    for ours, theirs in zip(network.weights, model.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    said = network.probabilities(windows(ids, WINDOW)[:50])
    saved.set_weights(network.keras_weights)
    np.testing.assert_allclose(saved.predict(x[:50], verbose=0), said, atol=1e-5)
    saved.set_weights(network.weights)  # the comparison can tell
    assert np.abs(saved.predict(x[:50], verbose=0) - said).max() > 1e-3


def test_the_repaired_step_is_not_the_printed_one(text, model):
    """The comparison above can tell: other settings lead elsewhere."""
    ids, _ = text
    order = window_starts(len(ids), WINDOW)
    ends = []
    for optimizer in (RMSPROP, {**RMSPROP, "clipnorm": 0.05}, {**RMSPROP, "learning_rate": 0.001}):
        network = CharacterNetwork(model.get_weights(), "categorical_crossentropy", optimizer)
        network.learn_epoch(ids, WINDOW, order, BATCH)
        ends.append(network.flat.copy())
    assert np.abs(ends[0] - ends[1]).max() > 1e-3
    assert np.abs(ends[0] - ends[2]).max() > 1e-3


def test_a_loss_beyond_the_smallest_probability_is_finite(text, model):
    """Logits of a diverged network: single precision has no such small probability."""
    ids, alphabet = text
    weights = model.get_weights()
    weights[4] = np.linspace(0, 400, len(alphabet)).astype(np.float32)
    model.set_weights(weights)
    model.compile(loss="categorical_crossentropy")
    network = CharacterNetwork(weights, "categorical_crossentropy", RMSPROP)
    x, y = windows(ids, WINDOW)[:64], ids[WINDOW : WINDOW + 64]
    expected = float(model.test_on_batch(x.astype(np.int32), one_hot(y, len(alphabet))))
    assert expected > 90
    assert network.text_loss(x, y) == pytest.approx(expected, rel=1e-5)


def test_a_floor_is_that_of_keras_on_probabilities(keras, text):
    """Keras counts from the sums only where it knows them to be a softmax layer's."""
    ids, alphabet = text
    model = keras.Sequential(
        [
            keras.Input((WINDOW,), dtype="int32"),
            one_hot_layer(len(alphabet)),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(len(alphabet)),
            keras.layers.Lambda(lambda sums: keras.ops.exp(sums - keras.ops.logsumexp(
                sums, axis=-1, keepdims=True))),
        ]
    )  # fmt: skip
    weights = model.get_weights()
    weights[3] *= 60
    weights[4] = np.linspace(0, 16, len(alphabet)).astype(np.float32)
    model.set_weights(weights)
    model.compile(loss="categorical_crossentropy", optimizer=models.optimizer(RMSPROP))
    network = CharacterNetwork(weights, "categorical_crossentropy", RMSPROP, floor=1e-7)
    unbounded = CharacterNetwork(weights, "categorical_crossentropy", RMSPROP)
    starts = window_starts(len(ids), WINDOW)
    x, y = windows(ids, WINDOW)[starts], ids[starts + WINDOW]
    given = network.probabilities(x)[np.arange(len(y)), y]
    assert 0.05 < (given < 1e-7).mean() < 0.95
    for _ in range(3):
        expected = float(model.train_on_batch(x.astype(np.int32), one_hot(y, len(alphabet))))
        model.reset_metrics()
        assert network.learn(np.ascontiguousarray(x.T), y) == pytest.approx(expected, rel=1e-4)
        unbounded.learn(np.ascontiguousarray(x.T), y)
    for ours, theirs in zip(network.weights, model.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(network.flat - unbounded.flat).max() > 1e-3


def test_the_text_loss_is_a_mean_over_all_windows(text, model):
    ids, _ = text
    network = CharacterNetwork(model.get_weights(), "mean_squared_error", RMSPROP)
    starts = window_starts(len(ids), WINDOW)
    x, y = windows(ids, WINDOW)[starts], ids[starts + WINDOW]
    many = network.text_loss(np.tile(x, (4, 1)), np.tile(y, 4))
    given = network.probabilities(x)[np.arange(len(y)), y]
    assert many == pytest.approx(-np.log(given).mean(), rel=1e-5)


def test_weights_of_another_network_are_refused(model):
    weights = model.get_weights()
    with pytest.raises(KerasbookError, match="weights: found arrays"):
        CharacterNetwork(weights[:3], "categorical_crossentropy", RMSPROP)
    with pytest.raises(KerasbookError, match="expected those of an LSTM layer"):
        CharacterNetwork([weights[0][1:], *weights[1:]], "categorical_crossentropy", RMSPROP)


def test_another_optimizer_is_refused(model):
    for optimizer in (
        {"type": "adam", "learning_rate": 0.01},
        {"type": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    ):
        with pytest.raises(KerasbookError, match="the character network knows no other"):
            CharacterNetwork(model.get_weights(), "categorical_crossentropy", optimizer)


def printed_sample(probabilities, diversity, random):
    """The sampler of the tutorial, in its own steps: greedy, or by rejection."""
    if random.random() > diversity:
        return int(np.argmax(probabilities))
    while True:
        proposed = int(random.integers(0, len(probabilities)))
        if probabilities[proposed] > random.random():
            return proposed


def test_the_printed_sampler_is_a_mixture(keras):
    probabilities = np.array([0.05, 0.5, 0.1, 0.35])
    random = np.random.default_rng(0)
    draws = 20_000
    for diversity in (0.2, 0.8):
        drawn = [printed_sample(probabilities, diversity, random) for _ in range(draws)]
        seen = np.bincount(drawn, minlength=4) / draws
        mixture = np.asarray(
            sampling.greedy_mixture(
                keras.ops.convert_to_tensor(probabilities[None]), np.array([[diversity]])
            )
        )[0]
        assert mixture.sum() == pytest.approx(1)
        # Five standard deviations of a share.
        np.testing.assert_allclose(seen, mixture, atol=5 * 0.5 / np.sqrt(draws))
        # A temperature gives something else.
        tempered = probabilities ** (1 / diversity)
        assert np.abs(mixture - tempered / tempered.sum()).max() > 0.02


def test_a_writer_writes_by_both_samplers(text, model):
    ids, alphabet = text
    writer = sampling.Writer(model, ids, WINDOW, length=15, diversities=[0.2, 1.0])
    start, written = writer.write(seed=1, epoch=2)
    assert written.shape == (2, 2, 15)
    assert 0 <= start < len(ids) - WINDOW
    assert written.max() < len(alphabet)
    again = writer.write(seed=1, epoch=2)
    assert again[0] == start
    assert (again[1] == written).all()
    assert (writer.write(seed=1, epoch=3)[1] != written).any()
    # At a diversity of 1 both are draws from the probabilities as they are.
    assert sampling.SAMPLERS == ("as printed", "temperature")


def test_samples_are_told_whole(text):
    ids, alphabet = text
    samples = np.stack([ids[:24].reshape(2, 2, 6), ids[30:54].reshape(2, 2, 6)])
    told = sampling.as_text(ids, alphabet, np.array([0, 9]), samples, WINDOW, [0.2, 0.4])
    assert told.count("---") == 8
    assert repr(TEXT[9 : 9 + WINDOW]) in told
    for part in (TEXT[:6], TEXT[18:24], TEXT[48:54]):
        assert part in told


def test_known_words():
    known = frozenset(["rose", "is"])
    assert sampling.known_words("xro rose is a ros", known) == pytest.approx(2 / 3)
    assert sampling.known_words("is  rose is", known) == 1
    assert np.isnan(sampling.known_words("rose", known))


class Drawn(Exception):
    """Stops a training when its initial weights are drawn."""


@pytest.mark.parametrize("how", ["keras_1", "keras_3"])
def test_a_training_draws_its_initial_weights_as_it_is_told(keras, monkeypatch, text, how):
    def draw(model, told):
        assert [one for one in model.layers if hasattr(one, "cell")]
        raise Drawn(told)

    monkeypatch.setattr(train.keras_1, "draw_initial_weights", draw)
    settings = {"first_characters": None, "window": WINDOW, "units": UNITS, "gates": "sigmoid",
                "initial_weights": how}  # fmt: skip
    data = dict(zip(("characters", "alphabet"), text))
    with pytest.raises(Drawn, match=how):
        train.fit_characters(settings, data, 1, None, None)
