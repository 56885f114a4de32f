"""Chapter 4.8: weights in Keras's old HDF5 layout, and the names of ImageNet's classes."""

import json

import h5py
import numpy as np
import pytest

from chapters.ch08_deep_networks import imagenet, weights
from kerasbook.errors import KerasbookError


class Variable:
    """As much of a Keras variable as the loader uses."""

    def __init__(self, name, shape):
        self.name = name
        self.shape = shape
        self.value = np.zeros(shape, np.float32)

    def assign(self, value):
        self.value = value


class Layer:
    def __init__(self, name, **shapes):
        self.name = name
        self.weights = [Variable(kind, shape) for kind, shape in shapes.items()]

    def get_weights(self):
        return [one.value for one in self.weights]


class Network:
    """A small VGG: convolutions and poolings, then two dense layers."""

    name = "small_vgg"

    def __init__(self, *extra):
        self.layers = [
            Layer("input"),
            Layer("block1_conv1", kernel=(3, 3, 3, 4), bias=(4,)),
            Layer("block1_pool"),
            Layer("block2_conv1", kernel=(3, 3, 4, 8), bias=(8,)),
            Layer("norm", gamma=(8,), beta=(8,), moving_mean=(8,), moving_variance=(8,)),
            Layer("flatten"),
            Layer("fc1", kernel=(32, 5), bias=(5,)),
            *extra,
        ]

    def values(self):
        return {
            (layer.name, one.name): one.value.copy()
            for layer in self.layers
            for one in layer.weights
        }

    def untouched(self):
        return not any(value.any() for value in self.values().values())


@pytest.fixture
def trained():
    network = Network()
    generator = np.random.default_rng(0)
    for layer in network.layers:
        for one in layer.weights:
            one.value = generator.normal(size=one.shape).astype(np.float32)
    return network


@pytest.fixture
def file(tmp_path, trained):
    path = tmp_path / "vgg.h5"
    weights.save_weights(path, weights.layers_of(trained))
    return path


def test_a_file_of_weights_is_opened_for_reading(file, monkeypatch):
    """The printed code says no mode, which older versions of h5py took for leave to write."""
    modes, opened = [], h5py.File
    before = file.read_bytes(), file.stat().st_mtime_ns

    def spy(path, mode=None, **more):
        modes.append(mode)
        return opened(path, mode, **more)

    monkeypatch.setattr(h5py, "File", spy)
    weights.load_weights(file, Network(), "name")
    assert modes and set(modes) == {"r"}
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def assert_same_last_kernel(one, other):
    kernels = [network.layers[6].weights[0].value for network in (one, other)]
    np.testing.assert_array_equal(*kernels)


def changed(path, change):
    with h5py.File(path, "r+") as opened:
        change(opened)
    return path


def test_the_layout_is_that_of_keras_1(file):
    with h5py.File(file, "r") as opened:
        names = [name.decode() for name in opened.attrs["layer_names"]]
        assert names[:3] == ["input", "block1_conv1", "block1_pool"]
        group = opened["block1_conv1"]
        told = [name.decode() for name in group.attrs["weight_names"]]
        assert told == ["block1_conv1/kernel:0", "block1_conv1/bias:0"]
        assert group[told[0]].shape == (3, 3, 3, 4)
        assert len(opened["block1_pool"].attrs["weight_names"]) == 0


@pytest.mark.parametrize("match", ["name", "order"])
def test_weights_return_as_they_were_saved(file, trained, match):
    network = Network()
    assert weights.load_weights(file, network, match) == 4
    for key, value in trained.values().items():
        np.testing.assert_array_equal(network.values()[key], value)


def test_order_is_what_counts_where_keras_numbers_layers(file, trained):
    network = Network()
    for number, layer in enumerate(network.layers):
        layer.name = f"layer_{number}"
    with pytest.raises(KerasbookError, match="layer layer_1: found no layer of that name"):
        weights.load_weights(file, network, "name")
    assert network.untouched()
    weights.load_weights(file, network, "order")
    np.testing.assert_array_equal(
        network.layers[6].weights[0].value, trained.layers[6].weights[0].value
    )


def test_a_network_without_its_classifier_takes_what_it_has(file, trained):
    for match in ("name", "order"):
        network = Network()
        network.layers.pop()
        assert weights.load_weights(file, network, match, whole=False) == 3
        np.testing.assert_array_equal(
            network.layers[1].weights[0].value, trained.layers[1].weights[0].value
        )
    with pytest.raises(KerasbookError, match="layer fc1: found 4 layers with weights, expected 3"):
        weights.load_weights(file, network, "order")


def test_a_missing_layer_is_named_and_nothing_is_loaded(file):
    network = Network(Layer("fc2", kernel=(5, 2)))
    with pytest.raises(KerasbookError, match=r"vgg\.h5, layer fc2: found no layer of that name"):
        weights.load_weights(file, network)
    assert network.untouched()
    with pytest.raises(KerasbookError, match=r"vgg\.h5, layer fc2: found 4 layers"):
        weights.load_weights(file, network, "order")
    assert network.untouched()


def test_a_wrong_shape_is_named_and_nothing_is_loaded(file):
    network = Network()
    network.layers[6] = Layer("fc1", kernel=(32, 6), bias=(6,))
    with pytest.raises(
        KerasbookError, match=r"layer fc1: found weights of the shapes \[\(32, 5\), \(5,\)\]"
    ):
        weights.load_weights(file, network)
    assert network.untouched()


def test_a_missing_array_is_named(file):
    def drop(opened):
        names = opened["norm"].attrs["weight_names"]
        del opened["norm"].attrs["weight_names"]
        opened["norm"].attrs["weight_names"] = names[:3]

    network = Network()
    with pytest.raises(KerasbookError, match="layer norm: found weights of the shapes"):
        weights.load_weights(changed(file, drop), network)
    assert network.untouched()


def replaced(opened, values):
    del opened["fc1/fc1/kernel:0"]
    opened["fc1"].create_dataset("fc1/kernel:0", data=values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: replaced(f, np.zeros((32, 5), np.int32)), "layer fc1: found values of the type"),
        (lambda f: replaced(f, np.full((32, 5), np.nan)), "layer fc1: found values that are not"),
        (lambda f: f.__delitem__("fc1/fc1/kernel:0"), "layer fc1: found no fc1/kernel:0 in it"),
        (lambda f: f.__delitem__("fc1"), "layer fc1: found no fc1 in it"),
        (lambda f: f["fc1"].attrs.__delitem__("weight_names"), "layer fc1: found no attribute"),
        (lambda f: f.attrs.__delitem__("layer_names"), "found no attribute layer_names"),
        (
            lambda f: f.attrs.__setitem__("layer_names", np.array([b"fc1", b"fc1"])),
            "found a layer's name twice",
        ),
    ],
)
def test_faulty_files_are_refused_whole(file, change, message):
    network = Network()
    with pytest.raises(KerasbookError, match=message) as caught:
        weights.load_weights(changed(file, change), network)
    assert str(file) in str(caught.value)
    assert network.untouched()


def test_links_out_of_the_file_are_refused(tmp_path, file, trained):
    other = tmp_path / "other.h5"
    other.write_bytes(file.read_bytes())

    def link(opened):
        del opened["fc1"]
        opened["fc1"] = h5py.ExternalLink(str(other), "/fc1")

    network = Network()
    with pytest.raises(KerasbookError, match="layer fc1: found no fc1 in it"):
        weights.load_weights(changed(file, link), network)

    def soft(opened):
        del opened["fc1"]
        opened["fc1"] = h5py.SoftLink("/norm")

    with pytest.raises(KerasbookError, match="layer fc1: found no fc1 in it"):
        weights.load_weights(changed(file, soft), network)
    assert network.untouched()


def test_values_kept_in_another_file_are_refused(tmp_path, file):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(160, np.float32).tobytes())

    def outside(opened):
        del opened["fc1/fc1/kernel:0"]
        opened["fc1"].create_dataset(
            "fc1/kernel:0", (32, 5), np.float32, external=[(str(secret), 0, 640)]
        )

    with pytest.raises(KerasbookError, match="an array that lies in the file"):
        weights.load_weights(changed(file, outside), Network())


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_truncated_files_are_refused(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    network = Network()
    with pytest.raises(KerasbookError, match=r"vgg\.h5: found no whole HDF5 file"):
        weights.load_weights(file, network)
    assert network.untouched()


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "page.h5"
    text.write_text("<html>404</html>")
    with pytest.raises(KerasbookError, match="no whole HDF5 file"):
        weights.load_weights(text, Network())
    with pytest.raises(KerasbookError, match="not found"):
        weights.load_weights(tmp_path / "none.h5", Network())
    keras_3 = tmp_path / "keras_3.weights.h5"
    with h5py.File(keras_3, "w") as opened:
        opened.create_group("layers/dense/vars").create_dataset("0", data=np.zeros((2, 2)))
    with pytest.raises(KerasbookError, match="old HDF5 layout"):
        weights.load_weights(keras_3, Network())


def test_a_whole_model_of_keras_2_is_read_too(file, tmp_path, trained):
    path = tmp_path / "model.h5"
    with h5py.File(file, "r") as source, h5py.File(path, "w") as target:
        group = target.create_group("model_weights")
        for name in source:
            source.copy(name, group)
        group.attrs["layer_names"] = source.attrs["layer_names"]
    network = Network()
    assert weights.load_weights(path, network) == 4
    np.testing.assert_array_equal(
        network.layers[6].weights[0].value, trained.layers[6].weights[0].value
    )


def test_long_lists_of_names_are_kept_in_parts(tmp_path):
    layers = {
        f"{'layer' * 8}_{number:04d}": [(f"kernel_{number}:0", np.full(1, number, np.float32))]
        for number in range(2500)
    }
    path = tmp_path / "many.h5"
    weights.save_weights(path, layers)
    with h5py.File(path, "r") as opened:
        assert "layer_names" not in opened.attrs
        assert "layer_names1" in opened.attrs
    with weights.WeightsFile(path) as opened:
        assert list(opened.layers) == list(layers)
        assert float(opened.layers[list(layers)[-1]][0][0]) == 2499


def table(**changes):
    entries = {str(number): [f"n{number:08d}", f"name_{number}"] for number in range(1000)}
    return {**entries, **changes}


def test_class_names_in_their_order(tmp_path):
    path = tmp_path / "index.json"
    path.write_text(json.dumps(dict(reversed(table().items()))))
    told = imagenet.read_class_index(path)
    assert len(told) == 1000
    assert told[10] == ("n00000010", "name_10")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "found no JSON"),
        ("[" * 100_000, "found no JSON"),
        ("[1, 2]", "found 2 entries"),
        ("7", "found int entries"),
        (json.dumps({"0": ["n1", "one"]}), "found 1 entries"),
        (json.dumps(table(**{"1000": ["n", "x"]})), "found 1001 entries"),
        (json.dumps(table(**{"7": ["n1"]})), "for class 7"),
        (json.dumps(table(**{"7": ["n1", 3]})), "for class 7"),
        (json.dumps(table(**{"7": "n1"})), "for class 7"),
        (" " * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_faulty_class_names_are_refused(tmp_path, content, message):
    path = tmp_path / "index.json"
    path.write_text(content)
    with pytest.raises(KerasbookError, match=message):
        imagenet.read_class_index(path)
    with pytest.raises(KerasbookError, match="not found"):
        imagenet.read_class_index(tmp_path / "none.json")


def test_best_answers_come_first():
    probabilities = np.array([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    classes, values = imagenet.best(probabilities, 5)
    assert classes.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert values.tolist() == [[0.6, 0.3, 0.1], [0.4, 0.4, 0.2]]


@pytest.mark.book
def test_real_class_names(mirror):
    told = imagenet.read_class_index(mirror / "imagenet_weights" / "imagenet_class_index.json")
    assert told[949] == ("n07745940", "strawberry")
    assert [told[310][1], told[309][1]] == ["ant", "bee"]


def test_the_digest_is_that_of_the_weights_not_of_the_file(tmp_path):
    layers = {"dense": [("dense/kernel:0", np.ones((2, 3))), ("dense/bias:0", np.zeros(3))]}
    for name in ("one", "same"):
        weights.save_weights(tmp_path / name, layers)
    with h5py.File(tmp_path / "same", "a") as file:
        file.attrs["written"] = "on another day"
    layers["dense"][1] = ("dense/bias:0", np.full(3, 1e-7))
    weights.save_weights(tmp_path / "other", layers)
    one, same, other = (weights.digest(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one != other
