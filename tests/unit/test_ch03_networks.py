"""Chapter 4.3's networks in Keras: equal with and without grouped steps, and what stays linear."""

import numpy as np
import pytest

from chapters.ch03_keras_basics import networks, rows
from kerasbook import models
from tests.unit.test_ch03_rows import network

N, FEATURES, CLASSES = 400, 6, 3


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


@pytest.fixture(scope="module")
def table():
    """Rows of three classes that lie apart along two columns."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, CLASSES, N).astype(np.uint8)
    x = generator.normal(size=(N, FEATURES)).astype(np.float32)
    x[:, 0] += 1.5 * y
    x[:, 1] -= 0.5 * y
    return x, y


def taken(table):
    return lambda indices: (table[0][indices], table[1][indices])


def trained(keras, table, **more):
    """A network trained as its settings say: the model, its progress, its best weights."""
    chosen = network(**more)
    told = rows.plan(N, 1, chosen)
    keras.utils.set_random_seed(1)
    model = networks.build(chosen, FEATURES, CLASSES)
    before = networks.fit_before(model, told, taken(table), chosen, 1)
    return model, *networks.fit_printed(model, told.final, taken(table), chosen, 1), before


def test_grouped_steps_change_no_number(keras, table, monkeypatch):
    more = {"layers": [{"type": "dense", "units": 5, "activation": "relu"}], "validation": "test"}
    grouped, together, best, _ = trained(keras, table, **more)
    monkeypatch.setattr(networks, "STEPS_PER_EXECUTION", 1)
    single, alone, best_alone, _ = trained(keras, table, **more)
    assert together.history == alone.history
    for found, wanted in zip(
        [*grouped.get_weights(), *best], [*single.get_weights(), *best_alone], strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_softmax_regression_is_plain_gradient_descent(keras, table):
    """One epoch in one batch: the step that the gradient of the mean cross-entropy says."""
    x, y = table
    chosen = network(held_out=0.0, epochs=1, batch_size=N, optimizer={
        "type": "sgd", "learning_rate": 0.5, "momentum": 0.0, "nesterov": False})  # fmt: skip
    keras.utils.set_random_seed(3)
    model = networks.build(chosen, FEATURES, CLASSES)
    weights, bias = model.get_weights()
    told = rows.plan(N, 1, chosen)
    networks.fit_printed(model, told.final, taken(table), chosen, 1)
    missed = networks.softmax(x @ weights + bias) - np.eye(CLASSES)[y]
    np.testing.assert_allclose(model.get_weights()[0], weights - 0.5 * x.T @ missed / N, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.5 * missed.mean(axis=0), atol=1e-6)


def test_two_dense_layers_are_one_matrix_until_something_bends(keras, table):
    x = table[0]
    for activation, bends in (("linear", False), ("relu", True)):
        layers = [{"type": "dense", "units": 20, "activation": activation}]
        model, *_ = trained(keras, table, layers=layers)
        gap = networks.linear_gap(model, x, networks.predict(model, x))
        assert (gap > 0.01) if bends else (gap < 1e-5)
    model, *_ = trained(keras, table)
    assert networks.linear_gap(model, x, networks.predict(model, x)) is None


def test_the_checkpoint_holds_the_best_epoch_and_the_model_the_last(keras, table):
    layers = [{"type": "dense", "units": 64, "activation": "relu"}]
    rate = {"type": "adam", "learning_rate": 0.03}
    more = {"layers": layers, "optimizer": rate, "epochs": 12, "validation": "test"}
    model, progress, best, _ = trained(keras, table, **more)
    losses = progress.history["val_loss"]
    assert np.argmin(losses) < len(losses) - 1, "the network must over-fit for this test"
    x, y = taken(table)(rows.plan(N, 1, network(**more)).final.watched)

    def loss():
        return -np.log(networks.predict(model, x)[np.arange(len(y)), y]).mean()

    assert loss() == pytest.approx(losses[-1], rel=1e-4)
    model.set_weights(best)
    assert loss() == pytest.approx(min(losses), rel=1e-4)


def test_a_patience_of_four_stops_after_five_epochs_without_gain(keras, table):
    # So high a rate that the first epoch stays the best one.
    rate = {"type": "sgd", "learning_rate": 50.0}
    more = {"validation": "test", "patience": 4, "epochs": 30, "optimizer": rate}
    _, progress, _, _ = trained(keras, table, **more)
    losses = progress.history["val_loss"]
    assert len(losses) == np.argmin(losses) + 1 + 5


def test_the_second_validation_argument_is_ignored(keras, table):
    both = trained(keras, table, validation="test", validation_split=0.15)
    alone = trained(keras, table, validation="test", validation_split=0.0)
    assert both[1].history == alone[1].history


def test_what_happened_before_is_told(keras, table):
    more = {"epochs_before": 2, "runs_before": 2, "validation": "test", "patience": 4}
    *_, before = trained(keras, table, **more)
    assert [(one["n_train"], one["n_val"]) for one in before] == [(400, 0), (340, 60), (289, 51)]
    assert [len(one["loss"]) for one in before] == [2, 2, 2]
    *_, none = trained(keras, table, **more, fits_before=False)
    assert [one["n_train"] for one in none] == [400]


def test_the_rate_falls_along_half_a_cosine():
    rate = networks.half_cosine(0.002, 10)
    assert [rate(0), rate(5)] == pytest.approx([0.002, 0.001])
    assert 0 < rate(9) < 0.0001
