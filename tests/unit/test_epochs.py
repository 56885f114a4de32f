"""What an epoch draws follows from the seed and its number: order, dropout, going on later."""

import numpy as np
import pytest

from kerasbook import epochs
from kerasbook.training import fit

N, BATCH = 70, 16
X = np.random.default_rng(1).random((N, 5))
Y = (X.sum(axis=1) > 2.5).astype(np.uint8)


@pytest.fixture(scope="module")
def keras():
    from kerasbook.models import set_up_keras

    return set_up_keras(1)


def test_orders_are_of_their_epoch_and_seed_and_of_nothing_else():
    first = epochs.order(N, 3, 0)
    assert sorted(first) == list(range(N))
    assert first.tobytes() == epochs.order(N, 3, 0).tobytes() == epochs.order(N, [3], 0).tobytes()
    others = [epochs.order(N, 3, 1), epochs.order(N, 4, 0), epochs.order(N, (3, 1), 0)]
    assert all(first.tolist() != other.tolist() for other in others)
    assert epochs.order(4, None, 9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("n", [N, 64])
def test_an_epochs_batches_hold_its_rows_in_its_order(keras, monkeypatch, backend, n):
    with monkeypatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: backend)
        data, begin = epochs.batches(([X[:n], Y[:n]], Y[:n]), BATCH, 3)
    assert len(data) == -(-n // BATCH)
    for epoch in (0, 2):
        begin(epoch)
        taken = list(data) if backend == "tensorflow" else [data[i] for i in range(len(data))]
        order = epochs.order(n, 3, epoch)
        for place, ((x, again), y) in enumerate(taken):
            rows = order[place * BATCH : (place + 1) * BATCH]
            np.testing.assert_array_equal(x, X[rows].astype(np.float32))
            np.testing.assert_array_equal(again, Y[rows])
            np.testing.assert_array_equal(y, Y[rows])
        assert sum(len(y) for _, y in taken) == n


def network(keras):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    return model


@pytest.mark.slow
def test_a_training_that_goes_on_later_ends_with_the_same_bits(keras, tmp_path):
    whole = network(keras)
    progress = fit(whole, (X, Y), None, 4, BATCH, seed=7)
    part = network(keras)
    fit(part, (X, Y), None, 2, BATCH, seed=7)
    part.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)  # another process has drawn other things
    later = keras.models.load_model(tmp_path / "model.keras")
    rest = fit(later, (X, Y), None, 4, BATCH, seed=7, initial_epoch=2)
    assert rest.history["loss"] == progress.history["loss"][2:]
    for one, other in zip(whole.get_weights(), later.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.slow
def test_dropout_and_order_differ_by_seed_and_epoch_and_the_layers_from_each_other(keras):
    model = network(keras)
    states = [one for one in model.variables if one.name == "seed_generator_state"]
    assert len(states) == 2
    seen = set()
    for seed, epoch in ((1, 0), (1, 1), (2, 0)):
        epochs.reseed(model, seed, epoch)
        seen |= {state.numpy().tobytes() for state in states}
    assert len(seen) == 6
    histories = [fit(network(keras), (X, Y), None, 2, BATCH, seed=s).history for s in (1, 1, 2)]
    assert histories[0] == histories[1] != histories[2]


@pytest.mark.slow
def test_fit_learns_as_the_batches_by_hand_do(keras):
    def plain():
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, "sigmoid")])
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss="binary_crossentropy")
        return model

    ours, by_hand = plain(), plain()
    fit(ours, (X, Y), None, 3, BATCH, seed=7)
    for epoch in range(3):
        order = epochs.order(N, 7, epoch)
        for place in range(0, N, BATCH):
            rows = order[place : place + BATCH]
            by_hand.train_on_batch(X[rows].astype(np.float32), Y[rows])
    for one, other in zip(ours.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
