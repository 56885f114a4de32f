"""The networks of chapter 4.9: shapes, sizes, and what may move."""

import keras
import numpy as np
import pytest

from chapters.ch09_unsupervised import networks, train

PRINTED = {
    "embedding_dim": 20, "embedding_range": 0.05, "filter_sizes": [3, 4], "filters": 150,
    "pool_size": 2, "dropout": [0.25, 0.5], "hidden_units": 150, "max_norm": None,
    "train_embedding": True,
}  # fmt: skip


def test_the_parts_of_an_autoencoder_share_their_weights():
    encoder, decoder, whole = networks.autoencoder(32)
    assert whole.count_params() == 784 * 32 + 32 + 32 * 784 + 784
    x = np.random.default_rng(0).random((3, 784)).astype(np.float32)
    codes = encoder.predict(x, verbose=0)
    assert codes.shape == (3, 32)
    assert (codes >= 0).all()
    np.testing.assert_allclose(
        decoder.predict(codes, verbose=0), whole.predict(x, verbose=0), atol=1e-6
    )


def test_the_printed_network_of_sentences():
    model = networks.sentence_cnn(PRINTED, 56, 18_765, None)
    convolutions = (3 * 20 + 1) * 150 + (4 * 20 + 1) * 150
    flat = 150 * (54 // 2 + 53 // 2)
    assert model.count_params() == 18_765 * 20 + convolutions + (flat + 1) * 150 + 151
    assert model.output_shape == (None, 1)
    drawn = model.get_layer("word_vectors").get_weights()[0]
    assert np.abs(drawn).max() <= 0.05


def test_fixed_vectors_stay_and_others_move():
    generator = np.random.default_rng(1)
    begun = generator.normal(size=(30, 6)).astype(np.float32)
    x, y = generator.integers(0, 30, (32, 9)), generator.integers(0, 2, 32)
    for moves in (False, True):
        settings = {**PRINTED, "embedding_dim": 6, "filters": 4, "train_embedding": moves}
        model = networks.sentence_cnn(settings, 9, 30, begun)
        layer = model.get_layer("word_vectors")
        np.testing.assert_array_equal(layer.get_weights()[0], begun)
        model.compile(loss="binary_crossentropy", optimizer="rmsprop")
        model.fit(x, y, verbose=0)
        assert np.array_equal(layer.get_weights()[0], begun) is not moves


def test_kims_network_keeps_its_norm():
    settings = {
        **PRINTED, "embedding_dim": 6, "filter_sizes": [3, 4, 5], "filters": 7, "pool_size": None,
        "dropout": [0.0, 0.5], "hidden_units": 0, "max_norm": 0.01,
    }  # fmt: skip
    model = networks.sentence_cnn(settings, 9, 30, None)
    assert model.layers[-1].input.shape == (None, 21)
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(10.0))
    generator = np.random.default_rng(1)
    model.fit(generator.integers(0, 30, (32, 9)), generator.integers(0, 2, 32), verbose=0)
    assert np.linalg.norm(model.layers[-1].get_weights()[0]) <= 0.01001


@pytest.mark.parametrize(("loss", "cost"), [("keras_1", -np.log(2**-23)), ("keras_3", 50.0)])
def test_what_a_row_costs_that_is_surely_wrong(loss, cost):
    words = keras.Input((1,))
    layer = keras.layers.Dense(1, activation="sigmoid", use_bias=False)
    model = keras.Model(words, layer(words))
    layer.set_weights([np.ones((1, 1), np.float32)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=networks.loss_of({"loss": loss}))
    x, y = np.array([[50.0]], np.float32), np.zeros(1, np.int32)
    assert model.train_on_batch(x, y) == pytest.approx(cost, rel=1e-3)
    moved = float(layer.get_weights()[0][0, 0]) - 1
    assert moved == pytest.approx(0 if loss == "keras_1" else -50)


def test_the_loss_of_keras_1_is_the_cross_entropy_where_nothing_is_sure():
    generator = np.random.default_rng(3)
    given = generator.uniform(0.01, 0.99, (20, 1)).astype(np.float32)
    true = generator.integers(0, 2, (20, 1)).astype(np.float32)
    told = keras.ops.convert_to_numpy(networks.clipped_crossentropy(true, given))
    assert told.shape == (20,)
    expected = -np.log(np.where(true == 1, given, 1 - given))[:, 0]
    np.testing.assert_allclose(told, expected, rtol=1e-5)


def test_a_classifier_begins_where_it_should():
    generator = np.random.default_rng(2)
    encoder = [generator.normal(size=(784, 5)).astype(np.float32), np.ones(5, np.float32)]
    settings = {
        "codes": 5, "step_size": 8,
        "classifier_optimizer": {"type": "adam", "learning_rate": 0.01},
    }  # fmt: skip
    x, y = generator.random((16, 784)).astype(np.float32), generator.integers(0, 10, 16)
    for way, same in (("frozen", True), ("tuned", False), ("scratch", False)):
        train_once = train.classifier(way, settings, encoder, seed=1)
        first = train_once(x, y).get_weights()
        assert np.array_equal(first[0], encoder[0]) is same
        # The second call starts anew, its optimizer too.
        for one, other in zip(first, train_once(x, y).get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        if way == "scratch":
            assert np.abs(first[0] - encoder[0]).max() > 1


def test_what_is_saved_loads_with_keras_alone(tmp_path):
    from kerasbook.fused import fused

    _, _, model = networks.autoencoder(4)
    model.compile(loss="binary_crossentropy", optimizer=fused(keras.optimizers.Adadelta()))
    x = np.random.default_rng(0).random((8, 784)).astype(np.float32)
    model.fit(x, x, verbose=0)
    train.without_state(model).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
