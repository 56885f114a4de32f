"""Recurrent layers as Keras 1 had them: gates, and first weights."""

import numpy as np
import pytest

from kerasbook import keras_1, models

INPUTS, UNITS, STEPS = 6, 64, 5


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


def a_model(keras, cell: str, seed: int = 1, **more):
    keras.utils.set_random_seed(seed)
    layer = getattr(keras.layers, cell)(UNITS, **more)
    return keras.Sequential([keras.Input((STEPS, INPUTS)), layer, keras.layers.Dense(1)])


def test_a_gate_of_keras_1_rises_by_a_fifth(keras) -> None:
    gate = keras_1.gates_of("hard_sigmoid_keras_1")
    values = gate(np.array([-3.0, -1.0, 0.0, 1.0, 3.0], np.float32))
    np.testing.assert_allclose(values, [0, 0.3, 0.5, 0.7, 1], atol=1e-6)
    assert keras_1.gates_of("hard_sigmoid") == "hard_sigmoid"


def test_a_model_with_gates_of_keras_1_says_the_same_with_todays(keras, tmp_path) -> None:
    gates = keras_1.gates_of(keras_1.GATES)
    model = a_model(keras, "LSTM", recurrent_activation=gates)
    model.set_weights([3 * one for one in model.get_weights()])
    given = np.random.default_rng(1).normal(size=(40, STEPS, INPUTS)).astype(np.float32)
    said = model.predict(given, verbose=0)

    def build(name):
        return a_model(keras, "LSTM", seed=2, recurrent_activation=name)

    assert keras_1.model_of_today(model, "hard_sigmoid", build) is model
    today = keras_1.model_of_today(model, keras_1.GATES, build)
    np.testing.assert_allclose(today.predict(given, verbose=0), said, atol=1e-5)
    # It loads without a word about gates, and the comparison can tell.
    today.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict(given, verbose=0), said, atol=1e-5)
    today.set_weights(model.get_weights())
    assert np.abs(today.predict(given, verbose=0) - said).max() > 1e-3


@pytest.mark.parametrize(("cell", "gates"), [("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_each_gate_has_first_weights_of_its_own(keras, cell: str, gates: int) -> None:
    model = a_model(keras, cell)
    before = model.get_weights()
    keras_1.draw_initial_weights(model, "keras_1")
    kernel, between, bias, *others = model.get_weights()
    # Glorot and Bengio's rule for the outputs of one gate.
    limit = np.sqrt(6 / (INPUTS + UNITS))
    assert np.abs(kernel).max() <= limit
    assert np.abs(kernel).max() > 0.97 * limit
    for one in np.split(between, gates, axis=1):
        np.testing.assert_allclose(one.T @ one, 1.1**2 * np.eye(UNITS), atol=1e-4)
    parts = np.split(kernel, gates, axis=1) + np.split(between, gates, axis=1)
    same = [np.array_equal(one, other) for one in parts for other in parts if one is not other]
    assert not any(same)
    for found, kept in zip([bias, *others], before[2:]):  # and the dense layer's
        np.testing.assert_array_equal(found, kept)
    if cell == "LSTM":
        np.testing.assert_array_equal(np.split(bias, 4)[1], 1)


def test_the_seed_draws_the_first_weights(keras) -> None:
    drawn = []
    for seed in (3, 3, 4):
        model = a_model(keras, "LSTM", seed)
        keras_1.draw_initial_weights(model, "keras_1")
        drawn.append(np.concatenate([one.ravel() for one in model.get_weights()]))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0.01


def test_todays_first_weights_are_those_that_keras_drew(keras) -> None:
    model = a_model(keras, "LSTM")
    before = model.get_weights()
    keras_1.draw_initial_weights(model, "keras_3")
    for found, kept in zip(model.get_weights(), before):
        np.testing.assert_array_equal(found, kept)


def test_a_model_without_a_recurrent_layer_is_no_matter_for_it(keras) -> None:
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="found no recurrent layer"):
        keras_1.draw_initial_weights(plain, "keras_1")
