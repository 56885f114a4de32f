"""The famous networks, how each wants its pictures, and a miniature that is trained here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# Mean of ImageNet's pictures, blue green red, as subtracted in Caffe's models
# (https://gist.github.com/ksimonyan/211839e770f7b538e2d8).
CAFFE_MEANS = np.array([103.939, 116.779, 123.68], np.float32)

Family = Literal["caffe", "caffe_printed", "scaled"]


@dataclass(frozen=True)
class Network:
    """What is known of a network before it is built.

    `weights` is the data set with its ImageNet weights; `match` how their file names layers.
    """

    title: str
    size: int
    family: Family
    build: Callable[..., Any]
    weights: str | None = None
    match: Literal["name", "order"] = "name"


def _application(name: str, **options: Any) -> Callable[..., Any]:
    def build(shape: tuple[int, int, int] | None, top: bool) -> Any:
        import keras

        made = getattr(keras.applications, name)
        return made(weights=None, include_top=top, input_shape=shape, **options)

    return build


MINIATURE_FILTERS = (16, 32, 64, 64)
MINIATURE_CLASSES = 10


def _miniature(shape: tuple[int, int, int] | None, top: bool) -> Any:
    """VGG in miniature: four blocks of one 3 x 3 convolution and a pooling each."""
    import keras
    from keras import layers

    inputs = keras.Input(shape or (32, 32, 3))
    x = inputs
    for block, filters in enumerate(MINIATURE_FILTERS, start=1):
        name = f"block{block}_conv1"
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if top:
        x = layers.GlobalAveragePooling2D(name="average")(x)
        x = layers.Dense(
            MINIATURE_CLASSES, activation="softmax", dtype="float32", name="predictions"
        )(x)
    return keras.Model(inputs, x, name="miniature")


NETWORKS: dict[str, Network] = {
    "vgg16": Network("VGG16", 224, "caffe", _application("VGG16"), "imagenet_vgg16"),
    "vgg19": Network("VGG19", 224, "caffe", _application("VGG19"), "imagenet_vgg19"),
    "resnet50": Network(
        "ResNet50", 224, "caffe", _application("ResNet50"), "imagenet_resnet50", "order"
    ),
    "inception_v3": Network(
        "Inception v3", 299, "scaled", _application("InceptionV3"), "imagenet_inception_v3", "order"
    ),
    "mobilenet_025": Network(
        "MobileNet 0.25", 224, "scaled", _application("MobileNet", alpha=0.25),
        "imagenet_mobilenet",
    ),
    "miniature": Network("miniature", 64, "caffe", _miniature),
}  # fmt: skip


def prepared(pictures: np.ndarray, family: Family) -> np.ndarray:
    """Pixels as a family of networks was trained on them.

    Args:
        pictures: (n, height, width, 3), red green blue from 0 to 255.
        family: `caffe` (VGG, ResNet): blue green red, less the mean colour of ImageNet;
            `caffe_printed`: the same with the means on the wrong channels, since the tutorial
            subtracts blue's mean from what is still red, and turns the channels round only
            then (lines 2118-2131 of the chapters); `scaled` (Inception, MobileNet): from -1
            to 1.

    Returns:
        The same shape in float32.
    """
    x = pictures.astype(np.float32)
    if family == "scaled":
        x /= 127.5
        x -= 1.0
        return x
    if family == "caffe_printed":
        x -= CAFFE_MEANS
        return x[..., ::-1]
    x = x[..., ::-1]
    x -= CAFFE_MEANS
    return x


def prepare_layers(pixels: Any, family: Family) -> Any:
    """`prepared` as part of a Keras model, from a tensor of pixels of any type."""
    from keras import layers, ops

    x = ops.cast(pixels, "float32")
    if family == "scaled":
        return layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    return x[..., ::-1] - CAFFE_MEANS


def build(name: str, size: int | None = None, top: bool = True) -> Any:
    """A network with random weights.

    Args:
        size: height and width of its pictures; the network's own if None.
        top: with its classifier, for which the size must be the network's own.
    """
    network = NETWORKS[name]
    side = size or network.size
    return network.build((side, side, 3), top)


def count_parameters(name: str) -> int:
    """How many weights a network has, without a byte of them being allocated."""
    import keras

    # Variables that are made within a stateless scope get their values when it ends; this one
    # is told not to give them any.
    with keras.StatelessScope(initialize_variables=False):
        counted = build(name).count_params()
    keras.utils.clear_session()
    return int(counted)
