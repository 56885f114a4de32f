"""Steps in one pass move the weights where Keras's own steps move them."""

import keras
import numpy as np
import pytest

from kerasbook.fused import FUSED, fused

WORDS, LENGTH, SIZE = 12, 6, 5


def one_hot(x):
    return np.eye(WORDS, dtype=np.float32)[x]


def trained(optimizer, words_as_numbers):
    """Weights after a few batches in which words repeat, some never stand.

    A dense layer without bias on one-hot rows is an embedding whose gradient is one array.
    """
    first = (
        keras.layers.Embedding(WORDS, SIZE)
        if words_as_numbers
        else keras.layers.Dense(SIZE, use_bias=False)
    )
    shape = (LENGTH,) if words_as_numbers else (LENGTH, WORDS)
    model = keras.Sequential(
        [
            keras.Input(shape, dtype="int32" if words_as_numbers else "float32"),
            first,
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    model.compile(loss="binary_crossentropy", optimizer=optimizer, jit_compile=False)
    x = generator.integers(0, WORDS - 3, (64, LENGTH)).astype(np.int32)
    y = generator.integers(0, 2, 64)
    rows = x if words_as_numbers else one_hot(x)
    model.fit(rows, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


MAKERS = {
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "keras_1": lambda: keras.optimizers.RMSprop(0.01, epsilon=1e-16, clipnorm=0.1),
    "momentum": lambda: keras.optimizers.RMSprop(0.01, rho=0.8, momentum=0.5),
    "centered": lambda: keras.optimizers.RMSprop(0.01, centered=True),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0, epsilon=1e-8),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_same_weights_as_by_kerass_own_steps(make):
    plain, ours = make(), fused(make())
    assert type(ours) is FUSED[type(plain)]
    for expected, found in zip(trained(plain, False), trained(ours, False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["keras_1", "centered", "adadelta", "adam"])
def test_an_embedding_learns_as_the_sum_of_its_gradient_says(name):
    make = MAKERS[name]
    for expected, found in zip(trained(make(), False), trained(fused(make()), True), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-6)


def test_other_optimizers_stay_as_they_are():
    sgd = keras.optimizers.SGD()
    assert fused(sgd) is sgd
