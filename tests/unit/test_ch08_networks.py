"""Chapter 4.8: preprocessing, parameter counts, cuts, features computed once, Grad-CAM."""

import numpy as np
import psutil
import pytest

from chapters.ch08_deep_networks import fine_tuning, forward, imagenet, networks, weights
from chapters.ch08_deep_networks.train import answers
from kerasbook import models
from kerasbook.errors import KerasbookError
from kerasbook.pictures import read_picture
from kerasbook.training import fit

keras = models.set_up_keras(1)

SETTINGS = {
    "network": "miniature",
    "weights": "random",
    "output": "softmax",
    "loss": "keras_3",
    "batch_size": 8,
    "head": [{"type": "flatten"}, {"type": "dense", "units": 6, "activation": "relu"}],
}
SGD = {"type": "sgd", "learning_rate": 0.01}


@pytest.fixture
def some():
    """A few pictures of two classes: dark and light."""
    generator = np.random.default_rng(0)
    labels = np.arange(12, dtype=np.uint8) % 2
    noise = generator.integers(0, 120, (12, 32, 32, 3))
    pictures = (noise + 120 * labels[:, None, None, None]).astype(np.uint8)
    return {"x_train": pictures, "y_train": labels, "x_val": pictures[:6], "y_val": labels[:6]}


def fine_tuned(seed=1, **changes):
    keras.utils.set_random_seed(seed)
    base = networks.build("miniature", 32, top=False)
    return fine_tuning.FineTuned(base, {**SETTINGS, **changes})


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("vgg16", "vgg16"),
        ("vgg19", "vgg19"),
        ("resnet50", "resnet50"),
        ("inception_v3", "inception_v3"),
        ("mobilenet_025", "mobilenet"),
    ],
)
def test_preprocessing_is_that_of_keras(name, module):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    theirs = getattr(keras.applications, module).preprocess_input(pictures.astype(np.float32))
    family = networks.NETWORKS[name].family
    ours = networks.prepared(pictures, family)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    within = keras.ops.convert_to_numpy(networks.prepare_layers(pictures, family))
    np.testing.assert_allclose(within, theirs, atol=1e-4)


def test_pixels_are_left_as_they_were():
    pictures = np.full((1, 2, 2, 3), 200, np.uint8)
    floats = pictures.astype(np.float32)
    for family in ("caffe", "caffe_printed", "scaled"):
        networks.prepared(pictures, family)
        networks.prepared(floats, family)
    assert (pictures == 200).all()
    assert (floats == 200).all()


def test_the_printed_preprocessing_exchanges_two_means():
    pictures = np.random.default_rng(2).integers(0, 256, (1, 3, 3, 3), dtype=np.uint8)
    apart = networks.prepared(pictures, "caffe_printed") - networks.prepared(pictures, "caffe")
    step = 123.68 - 103.939
    np.testing.assert_allclose(apart[0, 0, 0], [-step, 0, step], atol=1e-4)


def test_parameters_are_counted_without_making_them():
    built = networks.build("miniature", 32)
    assert networks.count_parameters("miniature") == built.count_params()
    before = psutil.Process().memory_info().rss
    assert networks.count_parameters("vgg16") == 138_357_544
    # Its weights are 553 MB.
    assert psutil.Process().memory_info().rss - before < 100e6


def test_weights_pass_from_network_to_network(tmp_path):
    keras.utils.set_random_seed(1)
    first, second = (networks.build("miniature", 32) for _ in range(2))
    weights.save_weights(tmp_path / "w.h5", weights.layers_of(first))
    picture = np.zeros((1, 32, 32, 3), np.float32) + 40
    before = second.predict_on_batch(picture)
    assert weights.load_weights(tmp_path / "w.h5", second) == 5
    np.testing.assert_array_equal(second.predict_on_batch(picture), first.predict_on_batch(picture))
    assert not np.array_equal(before, first.predict_on_batch(picture))
    base = networks.build("miniature", 64, top=False)
    assert weights.load_weights(tmp_path / "w.h5", base) == 4
    larger = networks.MINIATURE_FILTERS
    wrong = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(larger[0] + 1, 3, name="block1_conv1")]
    )
    with pytest.raises(KerasbookError, match=r"w\.h5, layer block1_conv1: found weights"):
        weights.load_weights(tmp_path / "w.h5", wrong)


def test_a_file_that_keras_itself_wrote_is_read(tmp_path):
    """Keras still writes the old layout for a whole model in a .h5 file."""
    model = networks.build("miniature", 32)
    model.save(tmp_path / "model.h5")
    other = networks.build("miniature", 32)
    assert weights.load_weights(tmp_path / "model.h5", other) == 5
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_cut_network_gives_what_the_whole_one_gives(some):
    base = networks.build("miniature", 32, top=False)
    bottom, tensor = fine_tuning.cut(base, "block3_conv1")
    rest = keras.Model(tensor, base.outputs[0])
    half = fine_tuning.features(bottom, some["x_val"], "caffe")
    assert half.shape == (6, 8, 8, 32)
    whole = fine_tuning.features(base, some["x_val"], "caffe")
    np.testing.assert_allclose(rest.predict_on_batch(half), whole, rtol=1e-5, atol=1e-3)
    assert fine_tuning.cut(base, None)[0] is None
    assert fine_tuning.cut(base, "block1_conv1")[0] is None
    assert fine_tuning.cut(base, "head")[0] is base


def test_unknown_and_branching_layers_are_refused():
    base = networks.build("miniature", 32, top=False)
    with pytest.raises(KerasbookError, match=r"found 'block3_conv' .did you mean 'block3_conv1'"):
        fine_tuning.cut(base, "block3_conv")
    inputs = keras.Input((4, 4, 3))
    left = keras.layers.Conv2D(3, 1, name="left")(inputs)
    after = keras.layers.Conv2D(3, 1, name="after")(left)
    branching = keras.Model(inputs, keras.layers.Add(name="add")([after, inputs]))
    with pytest.raises(KerasbookError, match="found 'after', where the branches"):
        fine_tuning.cut(branching, "after")
    with pytest.raises(KerasbookError, match="found 'add', where the branches"):
        fine_tuning.cut(branching, "add")


def test_the_famous_networks_are_cut_at_their_blocks():
    with keras.StatelessScope(initialize_variables=False):  # their weights are not needed
        vgg = networks.build("vgg16", 64, top=False)
        bottom, tensor = fine_tuning.cut(vgg, "block5_conv1")  # where the tutorial's 25 layers end
        assert tensor.shape == (None, 4, 4, 512)
        assert bottom.layers[-1].name == "block4_pool"
        resnet = networks.build("resnet50", 64, top=False)
        assert fine_tuning.cut(resnet, "conv5_block1_1_conv")[1].shape == (None, 4, 4, 1024)
        with pytest.raises(KerasbookError, match="found 'conv5_block1_2_conv', where the branches"):
            fine_tuning.cut(resnet, "conv5_block1_2_conv")
    keras.utils.clear_session()


def test_features_computed_once_give_the_weights_of_recomputing(some):
    """The printed way passes all pictures through the frozen layers in each epoch."""
    cached = fine_tuned()
    frozen_before = cached.base.get_layer("block1_conv1").get_weights()
    progress = cached.stage(some, "block3_conv1", SGD, 3, seed=1)
    assert len(progress.history["val_accuracy"]) == 3

    whole = fine_tuned()
    whole.trainable_from("block3_conv1")
    model = keras.Model(whole.base.inputs[0], whole.outputs)
    model.compile(loss="categorical_crossentropy", optimizer=models.optimizer(SGD))
    x = networks.prepared(some["x_train"], "caffe")
    y = np.eye(2, dtype=np.float32)[some["y_train"]]
    fit(model, (x, y), None, 3, 8, seed=1)
    for ours, theirs in zip(cached.base.get_weights(), whole.base.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    after = cached.base.get_layer("block1_conv1").get_weights()
    np.testing.assert_array_equal(frozen_before[0], after[0])
    assert set(cached.times) == {"frozen_pass_ms", "cached_epoch_ms"}


def test_a_second_stage_goes_on_from_the_first(some):
    tuned = fine_tuned()
    adam = {"type": "adam", "learning_rate": 0.001}
    first = tuned.stage(some, "head", adam, 2, seed=1)
    kept = tuned.base.get_layer("block4_conv1").get_weights()[0]
    sent = []
    second = tuned.stage(
        some, "block4_conv1", adam, 3, lambda values, epoch: sent.append((epoch, values["loss"])),
        seed=1,
    )  # fmt: skip
    assert not np.array_equal(kept, tuned.base.get_layer("block4_conv1").get_weights()[0])
    whole = fine_tuning.joined(first, second)
    assert whole.history["loss"] == [*first.history["loss"], *second.history["loss"]]
    assert [epoch for epoch, _ in sent] == [1, 2, 3]
    assert whole.seconds == pytest.approx(first.seconds + second.seconds)
    assert whole.rows_per_second == pytest.approx(whole.rows * 5 / whole.seconds)


def test_batch_normalisation_keeps_averages_that_were_learnt_elsewhere():
    for origin, learnt in (("imagenet", False), ("random", True)):
        base = networks.build("mobilenet_025", 32, top=False)
        tuned = fine_tuning.FineTuned(
            base, {**SETTINGS, "network": "mobilenet_025", "weights": origin}
        )
        tuned.trainable_from("conv_pad_12")
        assert base.get_layer("conv_pw_13_bn").trainable is learnt
        assert (base.get_layer("conv_pw_13_bn").momentum == 0.9) is learnt
        assert base.get_layer("conv_pw_13").trainable
        assert not base.get_layer("conv_pw_11").trainable


def test_the_served_model_takes_pixels(some, tmp_path):
    for network in ("miniature", "mobilenet_025"):
        base = networks.build(network, 32, top=False)
        tuned = fine_tuning.FineTuned(base, {**SETTINGS, "network": network})
        tuned.serving().save(tmp_path / "m.keras")
        loaded = keras.models.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(
            loaded.predict_on_batch(some["x_val"]),
            tuned.probabilities(some["x_val"]),
            rtol=1e-3,
            atol=1e-5,
        )


def test_keras_3_trains_sigmoids_as_softmax(some):
    """Why the printed loss is computed here as Keras 1 did: Keras 3 hides the fault."""
    weights_of = {}
    for output in ("sigmoid", "softmax"):
        tuned = fine_tuned(output=output, loss="keras_3")
        tuned.stage(some, "block4_conv1", SGD, 2, seed=1)
        weights_of[output] = tuned.head.get_weights()
    for ours, theirs in zip(*weights_of.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    tuned = fine_tuned(output="sigmoid", loss="keras_1")
    tuned.stage(some, "block4_conv1", SGD, 2, seed=1)
    assert not np.array_equal(tuned.head.get_weights()[0], weights_of["softmax"][0])


def test_crossentropy_of_shares():
    truth = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    given = np.array([[0.2, 0.6], [0.3, 0.3]], np.float32)
    ours = keras.ops.convert_to_numpy(fine_tuning.shares_crossentropy(truth, given))
    np.testing.assert_allclose(ours, -np.log([0.25, 0.5]), rtol=1e-5)
    sure = keras.ops.convert_to_numpy(
        fine_tuning.shares_crossentropy(truth[:1], np.array([[0.0, 0.5]], np.float32))
    )
    assert np.isfinite(sure).all()


def test_outputs_begin_as_the_network_knew_them(some):
    keras.utils.set_random_seed(3)
    known = networks.build("miniature", 32)
    own = fine_tuning.own_classes(known, some["x_val"], "caffe", [4, 7])
    expected = fine_tuning.features(known, some["x_val"], "caffe")[:, [4, 7]]
    np.testing.assert_array_equal(own.shares, expected)
    base = networks.build("miniature", 32, top=False)
    for layer in base.layers:
        layer.set_weights(known.get_layer(layer.name).get_weights() if layer.weights else [])
    tuned = fine_tuning.FineTuned(
        base, {**SETTINGS, "head": [{"type": "global_average_pooling2d"}]}
    )
    tuned.start_from(own)
    given = tuned.probabilities(some["x_val"])
    np.testing.assert_allclose(given, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
    with pytest.raises(KerasbookError, match="head_start: found outputs that take 6 values"):
        fine_tuned().start_from(own)
    with pytest.raises(KerasbookError, match=r"own_classes: found \[4, 10\]"):
        fine_tuning.own_classes(known, some["x_val"], "caffe", [4, 10])


def test_grad_cam_finds_what_speaks_for_the_answer():
    """One feature map decides for each class: its place is where the heat is."""
    tuned = fine_tuned(head=[{"type": "global_average_pooling2d"}])
    kernel = np.zeros((networks.MINIATURE_FILTERS[-1], 2), np.float32)
    kernel[0, 0] = kernel[1, 1] = 1.0
    tuned.head.layers[-1].set_weights([kernel, np.zeros(2, np.float32)])
    picture = np.random.default_rng(4).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    base = networks.build("miniature", 64, top=False)
    base.set_weights(tuned.base.get_weights())
    tuned.base = base
    maps = fine_tuning.features(base, picture, "caffe")
    heat = tuned.grad_cam(picture)
    assert heat.shape == (3, 4, 4)
    answers = maps[..., :2].mean(axis=(1, 2)).argmax(axis=1)
    for one, answer, given in zip(maps, answers, heat):
        expected = one[..., answer]
        np.testing.assert_allclose(given, expected / max(expected.max(), 1e-9), atol=1e-5)


def test_mirrored_pictures_follow_the_others(some):
    pictures, labels = fine_tuning.with_mirrored(some["x_train"], some["y_train"])
    assert len(pictures) == len(labels) == 24
    np.testing.assert_array_equal(pictures[12:, :, 0], some["x_train"][:, :, -1])
    np.testing.assert_array_equal(labels[12:], some["y_train"])


def test_nothing_frozen_trains_all_from_pixels(some):
    tuned = fine_tuned()
    before = [value.copy() for value in tuned.base.get_weights()]
    bottom, model = tuned.trainable_from(None)
    assert bottom is None
    assert fine_tuning.features(None, some["x_val"], "caffe") is some["x_val"]
    np.testing.assert_allclose(
        model.predict_on_batch(some["x_val"]), tuned.probabilities(some["x_val"]), rtol=1e-4
    )
    tuned.stage(some, None, {"type": "adam", "learning_rate": 0.0001}, 1, seed=1)
    changed = [not np.array_equal(a, b) for a, b in zip(before, tuned.base.get_weights())]
    assert all(changed)
    assert tuned.times == {}


def test_sizes_are_found_out_in_processes_of_their_own():
    told = forward.passed("miniature", 1)
    assert told["ms"] > 0
    assert told["mb"] > 0
    assert forward.counted(["miniature"]) == {"miniature": 61_162}
    with pytest.raises(KerasbookError, match="count nothing: found a process that ended with"):
        forward.counted(["nothing"])


@pytest.mark.book
def test_real_weights_know_a_strawberry(mirror):
    path = mirror / "imagenet_samples" / "strawberry_1157.jpeg"
    picture = read_picture(path.read_bytes(), path.name)
    folder = mirror / "imagenet_weights"
    told = answers("mobilenet_025", folder / "mobilenet_2_5_224_tf.h5", [picture], "own")
    classes, shares = imagenet.best(told["probabilities_mobilenet_025"])
    names = imagenet.read_class_index(folder / "imagenet_class_index.json")
    assert names[classes[0, 0]] == ("n07745940", "strawberry")
    assert shares[0, 0] > 0.9
