"""Chapter 4.5 without TensorFlow: kernels, activations, pooling, receptive fields, settings."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import signal

from chapters.ch05_convolutions import (
    activations,
    evaluate,
    filters,
    pooling,
    preprocess,
    receptive,
    report,
    settings,
)
from kerasbook.configuration import load_chapter
from kerasbook.errors import KerasbookError
from kerasbook.pictures import make_photographs, pack
from kerasbook.validation import validate

RNG = np.random.default_rng(5)
CHAPTER = load_chapter("ch05", "bundled")


def conv(size, filters=4, padding="valid", strides=1):
    return {"type": "conv2d", "filters": filters, "kernel_size": size, "padding": padding,
            "strides": strides, "activation": "relu"}  # fmt: skip


POOL = {"type": "max_pooling2d", "pool_size": 2}


# ---------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shape", [(3, 3), (1, 5), (5, 3)])
def test_correlation_is_scipys(padding, shape):
    images, kernels = RNG.normal(size=(2, 9, 8, 3)), RNG.normal(size=(*shape, 3, 4))
    found = filters.correlate2d(images, kernels, padding)
    for n in range(2):
        for f in range(4):
            expected = sum(
                signal.correlate2d(images[n, ..., c], kernels[..., c, f], mode=padding)
                for c in range(3)
            )
            np.testing.assert_allclose(found[n, ..., f], expected, atol=1e-12)


def test_correlation_does_not_flip_the_kernel():
    image = np.zeros((1, 3, 3, 1))
    image[0, 0, 0] = 1
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    kernel[0, 0] = 7
    assert filters.correlate2d(image, kernel)[0, 0, 0, 0] == 7


def test_correlation_says_what_does_not_fit():
    with pytest.raises(ValueError, match="as many channels"):
        filters.correlate2d(np.zeros((1, 5, 5, 2)), np.zeros((3, 3, 3, 1)))
    with pytest.raises(ValueError, match="kernel of 6 x 3"):
        filters.correlate2d(np.zeros((1, 5, 5, 1)), np.zeros((6, 3, 1, 1)))


def test_kernels_of_the_chapter_do_what_they_are_called():
    photo = preprocess.prepare_photographs(make_photographs(), [])[0]["photo"]
    kernels = CHAPTER.experiments["kernels"].settings()["kernels"]
    found = filters.look_through(photo, kernels)
    rough = dict(zip(kernels, found["roughness"]))
    sums = dict(zip(kernels, found["sums"]))
    assert found["scipy_difference"].max() < 1e-9
    assert rough["blur"] < rough["soft_blur"] < 1 < rough["sharpen"]
    for name, kernel in kernels.items():
        assert sums[name] == pytest.approx(0 if kernel["signed"] else 1)
    flat = np.full((9, 9), 100.0)
    for kernel in kernels.values():  # an even sky stays as bright as it is, or turns to zero
        expected = 0 if kernel["signed"] else 100
        np.testing.assert_allclose(
            filters.filtered(flat, filters.weights_of(kernel)), expected, atol=1e-9
        )


def test_roughness_is_the_mean_of_all_neighbouring_differences():
    assert filters.roughness(np.array([[0.0, 2.0], [4.0, 2.0]])) == (2 + 2 + 4 + 0) / 4


# ---------------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", activations.NAMES)
def test_slope_is_the_derivative(name):
    x = np.array([-30.0, -3.0, -0.2, 0.1, 2.0, 30.0])
    numeric = (activations.value(name, x + 1e-6) - activations.value(name, x - 1e-6)) / 2e-6
    np.testing.assert_allclose(activations.slope(name, x), numeric, atol=1e-8)


def test_far_inputs_overflow_nowhere():
    with np.errstate(all="raise", under="ignore"):
        for name in activations.NAMES:
            assert np.isfinite(activations.value(name, np.array([-800.0, 800.0]))).all()
            assert np.isfinite(activations.slope(name, np.array([-800.0, 800.0]))).all()


def mean_loss(x, labels, weights, activation):
    for matrix in weights[:-1]:
        x = activations.value(activation, x @ matrix)
    scores = x @ weights[-1]
    return np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels])


@pytest.mark.parametrize("name", ["softplus", "sigmoid", "tanh"])
def test_gradients_are_those_of_the_loss(name):
    x, labels = RNG.normal(size=(7, 5)), np.arange(7) % 3
    weights = [RNG.normal(size=(1, a, b)) for a, b in ((5, 4), (4, 4), (4, 3))]
    gradients = activations.kernel_gradients(x, labels, weights, name)
    for layer, place in ((0, (0, 2, 1)), (1, (0, 3, 3)), (2, (0, 1, 2))):
        losses = []
        for step in (1e-5, -1e-5):
            moved = [matrix.copy() for matrix in weights]
            moved[layer][place] += step
            losses.append(mean_loss(x, labels, [one[0] for one in moved], name))
        assert gradients[layer][place] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6)


def test_draws_are_independent_networks():
    x, labels = RNG.normal(size=(6, 5)), np.arange(6) % 3
    weights = [RNG.normal(size=(3, a, b)) for a, b in ((5, 4), (4, 3))]
    together = activations.kernel_gradients(x, labels, weights, "relu")
    for draw in range(3):
        alone = activations.kernel_gradients(
            x, labels, [one[draw : draw + 1] for one in weights], "relu"
        )
        for a, b in zip(together, alone):
            np.testing.assert_allclose(a[draw], b[0], atol=1e-14)


def test_gradient_vanishes_below_sigmoids_and_not_below_he_relu():
    x, labels = RNG.random((32, 20)), np.arange(32) % 10
    told = {}
    for activation, initializer in (("sigmoid", "glorot_uniform"), ("relu", "he_normal")):
        stack = {"activation": activation, "initializer": initializer}
        norms = activations.gradient_norms(x, labels, stack, [2, 12], 32, 3, RNG)
        assert norms.shape == (2, 3, 12)
        assert np.isnan(norms[0, :, 2:]).all()
        assert (norms[1] > 0).all()
        told[activation] = activations.first_to_last(norms, [2, 12])
    assert told["sigmoid"][1].max() < 1e-4
    assert told["relu"][1].min() > 0.05


@pytest.mark.parametrize(
    ("kind", "spread"), [("glorot_uniform", np.sqrt(2 / 300)), ("he_normal", np.sqrt(2 / 200))]
)
def test_initial_weights_have_the_spread_of_the_rule(kind, spread):
    weights = activations.initial(kind, 5, 200, 100, np.random.default_rng(0))
    assert weights.shape == (5, 200, 100)
    assert weights.std() == pytest.approx(spread, rel=0.01)
    assert abs(weights.mean()) < spread / 50
    assert np.abs(weights).max() <= 2.28 * spread


# ---------------------------------------------------------------------------- pooling


def test_pooling_of_each_square_by_hand():
    images = RNG.random((3, 7, 9))
    rules = {"max": np.max, "average": np.mean, "l2": lambda s: np.sqrt((s**2).sum())}
    for kind, rule in rules.items():
        found = pooling.pool(images, 2, kind)
        assert found.shape == (3, 3, 4)
        for n, row, column in np.ndindex(found.shape):
            square = images[n, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert found[n, row, column] == pytest.approx(rule(square))


def test_pooling_says_what_is_wrong():
    with pytest.raises(ValueError, match="expected one of: max, average, l2"):
        pooling.pool(np.zeros((1, 4, 4)), 2, "median")
    with pytest.raises(ValueError, match="squares of 5 x 5"):
        pooling.pool(np.zeros((1, 4, 9)), 5, "max")


def test_shift_moves_pixels_and_lets_zeros_in():
    image = np.arange(1.0, 10.0).reshape(1, 3, 3)
    assert pooling.shifted(image, 1, 0)[0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert pooling.shifted(image, 0, -2)[0].tolist() == [[3, 0, 0], [6, 0, 0], [9, 0, 0]]
    assert pooling.shifted(image, -1, 1)[0].tolist() == [[0, 4, 5], [0, 7, 8], [0, 0, 0]]
    assert pooling.shifted(image, 0, 0).tolist() == image.tolist()


def test_relative_change_is_a_share_of_the_own_length():
    before = np.array([[[3.0, 4.0]], [[0.0, 0.0]]])
    after = np.array([[[3.0, 14.0]], [[1.0, 0.0]]])
    change = pooling.relative_change(before, after)
    assert change[0] == pytest.approx(2)
    assert np.isnan(change[1])


def test_one_pixel_within_its_square_moves_nothing_but_the_plain_picture():
    image = np.zeros((1, 8, 8))
    image[0, 4, 4] = 1  # the top left of its square: two of the four shifts leave the square
    found = pooling.shift_changes(image, [2], 1)
    assert found["plain"][0] == pytest.approx(np.sqrt(2))
    for kind in pooling.KINDS:
        assert found[kind][0, 0] == pytest.approx(np.sqrt(2) / 2)


# ---------------------------------------------------------------------------- receptive fields


def test_receptive_field_of_vgg16_is_the_known_one():
    # Araujo, Norris and Sim (2019), table: VGG-16 up to its last pooling sees 212 pixels.
    layers = []
    for convolutions in (2, 2, 3, 3, 3):
        layers += [conv(3, padding="same")] * convolutions + [POOL]
    fields = receptive.receptive_fields(layers, 224)
    assert (fields[-1].size, fields[-1].jump, fields[-1].units) == (212, 32, 7)
    assert fields[0].seen(0) == (-1, 2)


def test_receptive_field_with_strides_and_layers_that_change_nothing():
    layers = [conv(5, strides=2), {"type": "dropout", "rate": 0.5}, conv(3), POOL,
              {"type": "flatten"}, {"type": "dense", "units": 3}]  # fmt: skip
    fields = receptive.receptive_fields(layers, 28)
    assert [(one.name, one.size, one.jump, one.units) for one in fields] == [
        ("conv2d_1", 5, 2, 12), ("conv2d_2", 9, 2, 10), ("max_pooling2d_1", 11, 4, 5)
    ]  # fmt: skip


def test_field_is_cut_at_the_border():
    field = receptive.receptive_fields([conv(27, padding="same")], 28)[0]
    assert field.seen(field.middle) == (1, 28)
    assert receptive.within(receptive.Field("conv2d_1", 9, 1, -4, 5), 5) == (0, 5)


def test_extent_of_a_gradient():
    gradient = np.zeros((6, 6))
    gradient[2, 3] = gradient[4, 1] = -1
    assert receptive.extent(gradient) == ((2, 5), (1, 4))
    with pytest.raises(ValueError, match="zero everywhere"):
        receptive.extent(np.zeros((3, 3)))


def test_patch_has_zeros_past_the_edge():
    field = receptive.Field("conv2d_1", 3, 2, -1, 3)
    image = np.arange(1, 26).reshape(5, 5)
    assert receptive.patch(image, field, 0, 2).tolist() == [[0, 0, 0], [4, 5, 0], [9, 10, 0]]
    assert receptive.patch(image, field, 1, 1).tolist() == image[1:4, 1:4].tolist()


def test_a_filter_fits_best_where_it_was_cut():
    picture = np.zeros((20, 20))
    picture[5:9, 4] = picture[8, 4:9] = 1
    weights, ((row, column), other) = report.places_for(picture, 5)
    assert weights.sum() == pytest.approx(0)
    answers = filters.filtered(picture, weights)
    assert answers[row, column] == answers.max()
    assert answers[other] < answers.max()


# ---------------------------------------------------------------------------- data, settings


def test_photograph_is_a_square_of_the_temple():
    arrays, facts = preprocess.prepare_photographs(make_photographs(), [])
    assert arrays["photo"].shape == (256, 256, 3)
    assert arrays["photo"].dtype == np.uint8
    assert facts["photo_side"] == 256


def test_photographs_that_will_not_do_are_told_by_name():
    pixels, shapes = pack([np.zeros((300, 400, 3), np.uint8)])
    with pytest.raises(KerasbookError, match="found flower, expected one called china"):
        preprocess.prepare_photographs(
            {"pixels": pixels, "shapes": shapes, "names": np.array(["flower"])}, []
        )
    small, shapes = pack([np.zeros((100, 400, 3), np.uint8)])
    with pytest.raises(KerasbookError, match=r"china of shape \(100, 400, 3\)"):
        preprocess.prepare_photographs(
            {"pixels": small, "shapes": shapes, "names": np.array(["china"])}, []
        )


def changed(experiment, **values):
    own = CHAPTER.experiments[experiment]
    told = {**own.model_dump(), **values}
    return lambda: validate(type(own), told, "ch05.yaml")


NETWORK = {"order": "channels_last", "input_shape": [10, 32]}
LAYER = {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "valid"}


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (changed("kernels", kernels={}), "kernels"),
        (changed("kernels", kernels={"a": {"weights": [[1.0], [1.0, 2.0]]}}), "equal length"),
        (changed("kernels", kernels={"a": {"weights": [[1.0]], "divide_by": 0.0}}), "found 0"),
        (changed("activations", depths=[4, 2]), "rising"),
        (changed("activations", stacks={"a": {"activation": "softmax"}}), "softmax"),
        (changed("pooling", sizes=[0]), "sizes"),
        (changed("pooling", shifts=15), "shifts"),
        (
            changed("shapes", networks={"a": {**NETWORK, "layers": [LAYER] * 5}}),
            "layers.4: found kernels of 3",
        ),
        (
            changed("shapes", networks={"a": {**NETWORK, "layers": [{**LAYER, "type": "conv2d"}]}}),
            "expected conv1d",
        ),
        (
            changed("network", layers=[{"type": "flatten"}, {"type": "dense", "units": 3}]),
            "found flatten, expected conv2d",
        ),
        (changed("network", layers=[conv(29)]), "29 x 29"),
        (changed("dropout", layers=[{"type": "flatten"}]), "no dropout layer"),
        (changed("dropout", train_rows=0), "train_rows"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, told):
    with pytest.raises(KerasbookError, match=told):
        build()


def test_every_row_of_the_ledger_has_an_answer():
    networks = CHAPTER.experiments["shapes"].networks
    for row, answer in CHAPTER.file.answers.items():
        experiment, _, metric = answer.partition(".")
        assert experiment == "shapes"
        assert metric == f"{row.partition('.')[0]}_output_shape"
        assert row.partition(".")[0] in networks


def test_each_experiment_is_a_task_that_can_be_evaluated():
    tasks = {one.task for one in CHAPTER.experiments.values()}
    assert tasks == set(evaluate.TASKS)
    assert len(settings.EXPERIMENTS) == len(tasks)


def test_every_figure_of_the_rule_is_written_even_without_data():
    rules = (Path(report.__file__).parent / "rules.smk").read_text(encoding="utf-8")
    named = re.findall(r'^ {16}"(\w+)",$', rules, re.MULTILINE)
    absent = dict.fromkeys(CHAPTER.experiments, "mnist cannot be had")
    results = SimpleNamespace(has=lambda name: False, absent=absent)
    drawn = report.figures_of(results)
    assert [one.name for one in drawn] == named
    assert all("mnist cannot be had" in one.caption for one in drawn)


# ---------------------------------------------------------------------------- metrics


def run_of(task, predictions, history=None, **values):
    history = {key: np.array(one) for key, one in (history or {}).items()}
    return SimpleNamespace(
        settings={"task": task, **values}, predictions=predictions, history=history, data={}
    )


def test_metrics_of_gradients_are_medians_over_draws():
    norms = np.full((2, 3, 4), np.nan)
    norms[0, :, :2] = [[1, 1], [1, 2], [3, 3]]
    norms[1] = [[1e-6, 1, 1, 1], [1e-4, 1, 1, 1], [1e-5, 1, 1, 1]]
    told = evaluate.metrics_of(
        run_of(
            "activations",
            {**activations.curves(), "norms_sigmoid": norms},
            depths=[2, 4],
            stacks={"sigmoid": {}},
        )
    )
    assert told["first_to_last_sigmoid_2"] == 1
    assert told["first_to_last_sigmoid_4"] == told["first_to_last_sigmoid"] == pytest.approx(1e-5)
    assert told["powers_lost_sigmoid"] == pytest.approx(5)
    assert told["powers_lost_by_depth_sigmoid"] == pytest.approx(5)
    assert told["steepest_sigmoid"] == pytest.approx(0.25)
    assert told["softplus_slope_from_sigmoid"] < 1e-4


@pytest.mark.parametrize(("difference", "expected"), [(2e-7, 2e-7), (np.nan, None)])
def test_order_difference_is_told_where_it_could_be_measured(difference, expected):
    found = {"shape_printed": "(10, 64)", "shape_channels_first": "(64, 10)",
             "shape_channels_last": "(10, 64)", "parameters": 7,
             "difference": difference}  # fmt: skip
    arrays = {f"conv1d.{key}": np.asarray(one) for key, one in found.items()}
    told = evaluate.metrics_of(run_of("shapes", arrays, networks={"conv1d": {}}))
    assert told["conv1d_output_shape"] == "(10, 64)"
    assert told.get("order_difference") == expected
    assert told["channels_first_ran"] == (expected is not None)


def test_a_measured_field_that_differs_is_counted():
    layers = [conv(3)]
    seen = np.zeros((1, 28, 28))
    seen[0, 13:16, 13:16] = 1
    labels = np.array([1, 0])
    for grown, wrong in ((False, 0), (True, 1)):
        seen[0, 20, 14] = grown
        run = run_of(
            "network",
            {"probabilities": np.eye(2), "parameters_without_pooling": 1, "seen_on_noise": seen},
            layers=layers,
        )
        run.data = {"y_test": labels, "y_train": np.array([0, 0, 1])}
        told = evaluate.metrics_of(run)
        assert told["fields_that_differ"] == wrong
        assert told["field_conv2d_1"] == 3
        assert told["test_accuracy"] == 0
        assert told["majority_accuracy"] == 0.5


def test_gaps_of_dropout_are_those_of_the_last_epoch():
    history = {
        f"{prefix}{rows}_{what}": [0.0, last]
        for prefix, rows, what, last in (
            ("", "train", "accuracy", 0.9), ("", "val", "accuracy", 0.8),
            ("", "train", "loss", 0.3), ("", "val", "loss", 0.5),
            ("plain_", "train", "accuracy", 1.0), ("plain_", "val", "accuracy", 0.7),
            ("plain_", "train", "loss", 0.1), ("plain_", "val", "loss", 0.9),
        )
    }  # fmt: skip
    scale = {"scale_training": np.array([1.0, 3.0]), "scale_inference": np.float64(2),
             "zeroed": np.array([0.4, 0.6]), "spread": np.array([1.4, 1.4])}  # fmt: skip
    told = evaluate.metrics_of(run_of("dropout", scale, history))
    assert told["accuracy_gap_dropout"] == pytest.approx(0.1)
    assert told["accuracy_gap_plain"] == pytest.approx(0.3)
    assert told["loss_gap_dropout"] == pytest.approx(0.2)
    assert told["loss_gap_plain"] == pytest.approx(0.8)
    assert told["scale_ratio"] == 1
    assert told["zeroed_share"] == pytest.approx(0.5)
