"""Chapter 4.5 against Keras: convolution, gradients, fields, shapes, dropout."""

import ast

import numpy as np
import pytest

from chapters.ch05_convolutions import activations, filters, networks, pooling, receptive
from kerasbook import models
from kerasbook.configuration import load_chapter

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(6)
CHAPTER = load_chapter("ch05", "smoke")


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [2, 3])
def test_convolution_is_keras_s(keras, padding, size):
    images = RNG.normal(size=(2, 7, 6, 3)).astype(np.float32)
    layer = keras.layers.Conv2D(4, size, padding=padding, use_bias=False)
    expected = np.asarray(layer(images))
    found = filters.correlate2d(images, np.asarray(layer.kernel), padding)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_pooling_is_keras_s(keras):
    images = RNG.random((2, 7, 9, 1)).astype(np.float32)
    layers = {"max": keras.layers.MaxPooling2D(2), "average": keras.layers.AveragePooling2D(2)}
    for kind, layer in layers.items():
        found = pooling.pool(images[..., 0], 2, kind)
        np.testing.assert_allclose(found, np.asarray(layer(images))[..., 0], atol=1e-6)


@pytest.mark.parametrize("name", activations.NAMES)
def test_gradients_by_hand_are_tensorflow_s(keras, name):
    import tensorflow as tf

    x, labels = RNG.random((8, 12)), np.arange(8) % 10
    weights = [
        activations.initial("glorot_uniform", 1, a, b, RNG) for a, b in ((12, 6), (6, 6), (6, 10))
    ]
    variables = [tf.Variable(one[0]) for one in weights]
    with tf.GradientTape() as tape:
        hidden = tf.constant(x)
        for matrix in variables[:-1]:
            hidden = keras.activations.get(name)(hidden @ matrix)
        scores = hidden @ variables[-1]
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
        )
    expected = tape.gradient(loss, variables)
    for ours, theirs in zip(activations.kernel_gradients(x, labels, weights, name), expected):
        np.testing.assert_allclose(ours[0], theirs.numpy(), atol=1e-12)


def runs_channels_first(dimensions):
    """Whether this machine has a convolution with the channels first."""
    import tensorflow as tf

    x, kernel = tf.zeros([1, 2, *[5] * dimensions]), tf.zeros([*[3] * dimensions, 2, 1])
    try:
        tf.nn.convolution(x, kernel, data_format="NCHW" if dimensions == 2 else "NCW")
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
        return False
    return True


@pytest.mark.parametrize("name", ["conv1d", "conv1d_stacked", "conv2d", "conv2d_stacked"])
def test_shapes_in_both_orders(keras, name):
    network = CHAPTER.experiments["shapes"].settings()["networks"][name]
    photo = RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    told = networks.orders_compared(network, photo)
    printed = {"conv1d": "(10, 64)", "conv1d_stacked": "(10, 32)",
               "conv2d": "(64, 256, 256)", "conv2d_stacked": "(32, 256, 256)"}[name]  # fmt: skip
    assert told["shape_printed"] == printed
    first, last = (ast.literal_eval(told[f"shape_channels_{one}"]) for one in ("first", "last"))
    assert (*first[1:], first[0]) == last
    wide = network["layers"][0]["kernel_size"] ** (len(last) - 1)
    channels, expected = (32 if len(last) == 2 else 3), 0
    for layer in network["layers"]:
        expected += (wide * channels + 1) * layer["filters"]
        channels = layer["filters"]
    assert told["parameters"] == expected
    if runs_channels_first(len(last) - 1):
        assert told["difference"] < 1e-5
    else:
        assert np.isnan(told["difference"])


def test_a_machine_without_channels_first_is_told_by_nan(keras, monkeypatch):
    import tensorflow as tf

    real = networks.convolutions

    def cannot(network, order):
        model = real(network, order)
        if order == "channels_last":
            return model

        class Refuses:
            def __getattr__(self, name):
                return getattr(model, name)

            def __call__(self, x):
                raise tf.errors.UnimplementedError(None, None, "NCHW")

        return Refuses()

    monkeypatch.setattr(networks, "convolutions", cannot)
    network = CHAPTER.experiments["shapes"].settings()["networks"]["conv1d"]
    told = networks.orders_compared(network, np.ones((16, 40, 3), np.uint8))
    assert np.isnan(told["difference"])
    assert told["shape_channels_first"] == "(64, 10)"


def test_inputs_repeat_a_photograph_that_is_too_small():
    photo = RNG.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    x = networks.inputs_for(photo, (7, 8, 3))
    assert x.shape == (1, 7, 8, 3)
    assert x[0, 5, 4].tolist() == x[0, 0, 0].tolist()
    assert 0 <= x.min() <= x.max() <= 1
    assert networks.inputs_for(photo, (10, 6)).shape == (1, 10, 6)


def conv(filters, size, **more):
    return {"type": "conv2d", "filters": filters, "kernel_size": size, "strides": 1,
            "padding": "valid", "activation": "relu", **more}  # fmt: skip


STACKS = {
    "chapter": CHAPTER.experiments["network"].settings()["layers"],
    "strides, same": [
        conv(6, 3, strides=2, padding="same"),
        {"type": "dropout", "rate": 0.2},
        conv(8, 4, padding="same"),
        {"type": "average_pooling2d", "pool_size": 2},
        {"type": "flatten"},
    ],
}


@pytest.mark.parametrize("stack", STACKS)
def test_measured_fields_are_those_worked_out(keras, stack):
    keras.utils.set_random_seed(1)
    layers = STACKS[stack]
    model = models.build(layers, (28, 28, 1), networks.OUTPUT)
    images = RNG.integers(0, 256, (20, 28, 28)).astype(np.uint8)
    found = networks.opened(model, layers, images, 1)
    fields = receptive.receptive_fields(layers, 28)
    assert len(found["seen_on_noise"]) == len(fields) >= 3
    for field, seen in zip(fields, found["seen_on_noise"]):
        assert receptive.extent(seen) == (receptive.within(field, 28),) * 2
        assert found[f"maps_{field.name}"].shape[0] == field.units
    assert found["patches"].shape[1:] == (fields[-1].size,) * 2
    whole = sum(one[2] for one in receptive.outline(layers, 28, 10))
    assert whole == model.count_params()
    shape = model.layers[-2].output.shape[1:]
    assert receptive.outline(layers, 28, 10)[-2][1] == shape


def test_strongest_patch_answers_as_told(keras):
    layer = keras.layers.Conv2D(3, 5)
    images = RNG.integers(0, 256, (6, 28, 28)).astype(np.uint8)
    responses = np.asarray(layer(networks.scaled(images)))
    field = receptive.receptive_fields([conv(3, 5)], 28)[0]
    patches, strongest = networks.strongest_patches(responses, images, field)
    again = np.asarray(layer(networks.scaled(patches)))[:, 0, 0]
    np.testing.assert_allclose(np.diag(again), strongest, rtol=1e-5)


def test_dropout_keeps_the_mean_and_adds_noise(keras):
    keras.utils.set_random_seed(2)
    layers = CHAPTER.experiments["dropout"].settings()["layers"]
    model = models.build(layers, (28, 28, 1), networks.OUTPUT)
    x = RNG.random((64, 28, 28, 1)).astype(np.float32)
    found = networks.dropout_scale(model, x, 20)
    assert found["rate"] == 0.5
    assert found["zeroed"].mean() == pytest.approx(0.5, abs=0.02)
    assert found["scale_training"].mean() == pytest.approx(
        float(found["scale_inference"]), rel=0.03
    )
    assert found["spread"].mean() == pytest.approx(np.sqrt(2), rel=0.03)


def test_losses_at_rest_are_keras_s(keras):
    layers = [{"type": "flatten"}, {"type": "dropout", "rate": 0.5}]
    model = networks.compiled(layers, {"type": "sgd", "learning_rate": 0.1})
    rows = RNG.random((1500, 28, 28, 1)).astype(np.float32), RNG.integers(0, 10, 1500)
    told = networks.told_of(model, rows)
    theirs = model.evaluate(*rows, verbose=0, return_dict=True)
    assert told["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert told["accuracy"] == pytest.approx(theirs["accuracy"])
    history = networks.fit_observed(
        model, (rows[0][:64], rows[1][:64]), rows, {"epochs": 2, "batch_size": 32}, seed=1
    ).history
    assert {key: len(one) for key, one in history.items()} == dict.fromkeys(
        ["accuracy", "loss", "train_loss", "train_accuracy", "val_loss", "val_accuracy"], 2
    )
    assert history["val_loss"][-1] == pytest.approx(networks.told_of(model, rows)["loss"])
    pooled = [conv(2, 3), {"type": "max_pooling2d", "pool_size": 2}, {"type": "flatten"}]
    assert networks.without_pooling(pooled) == 20 + (26 * 26 * 2 + 1) * 10
