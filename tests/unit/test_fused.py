"""Steps in one pass move the weights where Keras's own steps move them."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from kerasbook.fused import FUSED, fused  # noqa: E402


def trained(optimizer, steps=5):
    """Weights of an embedding and a dense layer after a few batches."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(40, 5),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer=optimizer, jit_compile=False)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 20, (16 * steps, 6)).astype(np.int32)  # half of the words are unused
    y = generator.integers(0, 2, 16 * steps)
    model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.RMSprop(0.01),
        lambda: keras.optimizers.RMSprop(0.01, epsilon=1e-16, clipnorm=0.1),
        lambda: keras.optimizers.RMSprop(0.01, rho=0.8, momentum=0.5),
        lambda: keras.optimizers.RMSprop(0.01, centered=True),
        lambda: keras.optimizers.Adadelta(1.0, epsilon=1e-8),
        lambda: keras.optimizers.Adadelta(0.5, rho=0.9),
    ],
    ids=["rmsprop", "keras_1", "momentum", "centered", "adadelta", "adadelta_half"],
)
def test_same_weights(make):
    plain, ours = make(), fused(make())
    assert type(ours) is FUSED[type(plain)]
    for expected, found in zip(trained(plain), trained(ours), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-6)


def test_other_optimizers_stay_as_they_are():
    adam = keras.optimizers.Adam()
    assert fused(adam) is adam
