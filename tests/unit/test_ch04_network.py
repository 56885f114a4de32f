"""Chapter 4.4's network: against one column vector at a time, and against slopes."""

import numpy as np
import pytest

from benchmarks.reference_loops import SampleLoops, as_samples
from chapters.ch04_sgd_network import evaluate, network
from kerasbook.errors import KerasbookError
from kerasbook.evaluation import SeedRun

SCALED = 1 / 255


@pytest.fixture
def digits():
    """Images with blank pixels, as MNIST's, and labels that can be learned from them."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 4, 200)
    prototypes = generator.integers(0, 256, (4, 36)) * (generator.random((4, 36)) < 0.4)
    noise = generator.integers(0, 20, (200, 36)) * (generator.random((200, 36)) < 0.2)
    return np.clip(prototypes[labels] + noise, 0, 255).astype(np.uint8), labels


def copied(parameters):
    return network.Parameters(*(tuple(array.copy() for array in part) for part in parameters))


@pytest.mark.parametrize("sizes", [[36, 8, 4], [36, 4], [36, 9, 6, 4]])
@pytest.mark.parametrize("n", [200, 137])
def test_one_sample_at_a_time_gives_the_same(digits, sizes, n):
    images, labels = digits
    order = np.random.default_rng(1).permutation(200)[:n]
    parameters = network.initial_parameters(sizes, seed=1)
    loops = SampleLoops(*parameters)
    loops.train_epoch(as_samples(images, labels, SCALED, 4), 10, 3.0, order)
    network.train_epoch(images, labels, parameters, 10, 3.0, SCALED, order)
    assert loops.difference(*parameters) <= 1e-9


def test_raw_pixels_one_mini_batch(digits):
    images, labels = digits
    parameters = network.initial_parameters([36, 8, 4], seed=1)
    start = copied(parameters)
    loops = SampleLoops(*parameters)
    with np.errstate(over="ignore"):
        loops.train_epoch(as_samples(images, labels, 1.0, 4), 10, 3.0, np.arange(10))
    network.train_epoch(images, labels, parameters, 10, 3.0, 1.0, np.arange(10))
    assert loops.difference(*parameters) <= 1e-9
    assert loops.difference(*start) > 1e-3


def test_a_step_follows_the_slope_of_the_cost(digits):
    images, labels = digits[0][:5], digits[1][:5]
    start = network.initial_parameters([36, 5, 4], seed=2)

    def cost(parameters):
        outputs = network.forward(images, parameters, SCALED)[-1]
        return 0.5 * float(np.sum((outputs - np.eye(4)[labels]) ** 2)) / 5

    trained = copied(start)
    network.train_epoch(images, labels, trained, 5, 1.0, SCALED, np.arange(5))
    for part in range(2):
        for layer in range(2):
            for place in list(np.ndindex(start[part][layer].shape))[::7]:
                around = []
                for shift in (1e-5, -1e-5):
                    moved = copied(start)
                    moved[part][layer][place] += shift
                    around.append(cost(moved))
                slope = (around[0] - around[1]) / 2e-5
                step = trained[part][layer][place] - start[part][layer][place]
                assert step == pytest.approx(-slope, abs=1e-8)


def test_initial_parameters_are_standard_normal_and_fixed_by_the_seed():
    one, same, other = (network.initial_parameters([300, 100, 10], seed) for seed in (1, 1, 2))
    assert [weight.shape for weight in one.weights] == [(300, 100), (100, 10)]
    assert [bias.shape for bias in one.biases] == [(100,), (10,)]
    np.testing.assert_array_equal(one.weights[0], same.weights[0])
    assert not np.array_equal(one.weights[0], other.weights[0])
    assert abs(one.weights[0].mean()) < 0.02
    assert one.weights[0].std() == pytest.approx(1, abs=0.02)


def test_forward_does_not_depend_on_the_batch(digits):
    images, _ = digits
    parameters = network.initial_parameters([36, 8, 4], seed=1)
    whole, parts = (network.forward(images, parameters, SCALED, batch) for batch in (1000, 33))
    assert [layer.shape for layer in whole] == [(200, 8), (200, 4)]
    for layer, same in zip(whole, parts):
        np.testing.assert_allclose(layer, same, rtol=0, atol=1e-13)


def test_counts_and_saturation_of_a_network_made_by_hand():
    # One pixel; hidden units that are 0.5, about 1, about 0; outputs 0.5 and 1 / (1 + e).
    parameters = network.Parameters(
        (np.array([[0.0, 1.0, -1.0]]), np.zeros((3, 2))),
        (np.zeros(3), np.array([0.0, -1.0])),
    )
    images = np.full((4, 1), 200, np.uint8)
    assert network.count_correct(images, np.array([0, 0, 1, 0]), parameters, 1.0) == 3
    assert network.saturated_share(images, parameters, 1.0, 0.01) == [pytest.approx(2 / 3), 0.0]
    assert network.saturated_share(images, parameters, 1.0, 0.3) == [pytest.approx(2 / 3), 0.5]


def test_training_learns_tells_its_progress_and_repeats(digits):
    images, labels = digits
    settings = {
        "epochs": 5,
        "batch_size": 10,
        "learning_rate": 3.0,
        "scale": SCALED,
        "seed": 1,
        "threshold": 0.01,
    }
    told, results = [], []
    for on_epoch in (lambda *seen: told.append(seen), None):
        parameters = network.initial_parameters([36, 8, 4], seed=1)
        results.append(
            network.train(images, labels, images, labels, parameters, **settings, on_epoch=on_epoch)
        )
    assert results[0] == results[1]
    corrects, shares = results[0]
    assert told == list(zip(range(5), corrects, shares))
    assert corrects[-1] > 150
    assert [len(share) for share in shares] == [2] * 5


def test_parameters_survive_the_disk(tmp_path):
    parameters = network.initial_parameters([36, 9, 6, 4], seed=1)
    network.save(tmp_path / "weights.npz", parameters, SCALED)
    loaded, scale = network.load(tmp_path / "weights.npz")
    assert scale == SCALED
    for part, same in zip(parameters, loaded):
        for array, other in zip(part, same):
            np.testing.assert_array_equal(array, other)


def test_images_of_another_size_are_named(digits):
    parameters = network.initial_parameters([784, 4], seed=1)
    for call in (
        lambda: network.forward(digits[0], parameters, SCALED),
        lambda: network.train_epoch(*digits, parameters, 10, 3.0, SCALED, np.arange(10)),
    ):
        with pytest.raises(KerasbookError, match=r"images: found shape \(200, 36\)"):
            call()


def test_labels_without_an_output_unit_are_named(digits):
    parameters = network.initial_parameters([36, 3], seed=1)
    with pytest.raises(KerasbookError, match="labels: found 0 to 3, expected 0 to 2"):
        network.train_epoch(*digits, parameters, 10, 3.0, SCALED, np.arange(10))


@pytest.fixture(scope="module")
def mnist(request):
    """MNIST as rows of pixels, from the mirror."""
    from kerasbook.data import read_idx_gz

    folder = request.getfixturevalue("mirror") / "mnist"
    names = {
        "x_train": ("train-images-idx3-ubyte.gz", 3),
        "y_train": ("train-labels-idx1-ubyte.gz", 1),
        "x_test": ("t10k-images-idx3-ubyte.gz", 3),
        "y_test": ("t10k-labels-idx1-ubyte.gz", 1),
    }
    arrays = {key: read_idx_gz(folder / name, dims) for key, (name, dims) in names.items()}
    return {key: one.reshape(len(one), -1) if one.ndim == 3 else one for key, one in arrays.items()}


def test_outputs_that_differ_are_counted_to_two_decimals():
    outputs = np.array([[0.1, 0.9], [0.104, 0.9], [0.2, 0.9], [0.9, 0.1]])
    history = {name: np.array([0.5, 0.25]) for name in ("saturated_hidden_1", "saturated_output")}
    data = {"y_train": np.array([1, 1, 0]), "y_test": np.array([1, 0, 0, 0])}
    run = SeedRun(1, {}, np.array([0, 1]), history, {"outputs": outputs}, data, {})
    told = evaluate.metrics_of(run)
    assert (told["distinct_outputs"], told["answers_given"]) == (3, 2)
    assert (told["test_accuracy"], told["majority_accuracy"]) == (0.5, 0.25)
    assert told["hidden_saturation"] == 0.25


def correct_after_ten_epochs(mnist, hidden, learning_rate, scale):
    parameters = network.initial_parameters([784, hidden, 10], seed=1)
    corrects, shares = network.train(
        mnist["x_train"], mnist["y_train"], mnist["x_test"], mnist["y_test"], parameters,
        epochs=10, batch_size=10, learning_rate=learning_rate, scale=scale, seed=1,
        threshold=1e-6,
    )  # fmt: skip
    return corrects, shares


@pytest.mark.book
def test_scaled_pixels_reach_94_per_cent_and_raw_ones_stay_in_the_tens(mnist):
    scaled, scaled_shares = correct_after_ten_epochs(mnist, 30, 3.0, 1 / 255)
    raw, raw_shares = correct_after_ten_epochs(mnist, 30, 3.0, 1.0)
    assert scaled[-1] >= 9400
    assert min(raw) > 500 and max(raw) < 6000
    assert raw_shares[-1][0] > 0.99 > scaled_shares[-1][0]
