"""Chapter 4.8: fine-tuning on features computed once against the printed way, and plain Keras."""

from typing import Any

import numpy as np

from benchmarks.measure import Row, Training, paired_ratio, settings_of, throughput
from chapters.ch08_deep_networks import fine_tuning, networks
from kerasbook import models

PICTURES, DIGITS = 96, 640
# Batches of an epoch of the printed head, whose batches are larger than there are pictures.
BATCHES = 5


def labelled_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Noise of 224 x 224 pixels, and two classes, one-hot."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (PICTURES, 224, 224, 3), dtype=np.uint8)
    return pictures, np.eye(2, dtype=np.float32)[np.arange(PICTURES) % 2]


def tuned(experiment: str) -> fine_tuning.FineTuned:
    """The network of an experiment, with its head; the weights' values do not change the time."""
    settings = settings_of("ch08", experiment)
    return fine_tuning.FineTuned(networks.build(settings["network"], top=False), settings)


def compiled(model: Any, of: fine_tuning.FineTuned, loss: Any = None) -> Any:
    """The model with the loss and optimizer of an experiment, or with another loss."""
    model.compile(
        loss=loss or fine_tuning.loss_of(of.settings),
        optimizer=models.optimizer(of.settings["optimizer"]),
        metrics=["accuracy"],
    )
    return model


def features_once(pictures: np.ndarray, y: np.ndarray) -> list[Row]:
    """The last block and a small head: features computed once, or with each epoch anew."""
    import keras

    own = tuned("ft_two_stage")
    second = own.settings["second_stage"]
    bottom, model = own.trainable_from(second["frozen_before"])
    cached = fine_tuning.features(bottom, pictures, own.family)
    prepared = networks.prepared(pictures, own.family)
    whole = keras.Model(own.base.inputs[0], own.outputs)
    batch = own.settings["batch_size"]
    for one in (model, whole):
        compiled(one, own)

    def epoch(one: Any, x: np.ndarray) -> None:
        one.fit(x, y, batch_size=batch, epochs=1, verbose=0)

    for one, x in ((model, cached), (whole, prepared)):
        epoch(one, x)  # the graph is built by the first call
    recomputed = paired_ratio(lambda: epoch(whole, prepared), lambda: epoch(model, cached))
    return [
        Row("ch08_features_once_speedup", recomputed, "ratio", ">= 2"),
        throughput("ch08_two_stage_throughput", Training(model, cached, y, batch), model),
    ]


def printed_head(pictures: np.ndarray, y: np.ndarray) -> Row:
    """The printed head on features, with the loss of Keras 1: ours over plain Keras."""
    own = tuned("ft_printed")
    bottom, model = own.trainable_from(own.settings["frozen_before"])
    cached = fine_tuning.features(bottom, pictures, own.family)
    same = tuned("ft_printed")
    plain = same.trainable_from(same.settings["frozen_before"])[1]
    compiled(model, own), compiled(plain, same, "categorical_crossentropy")
    batch = own.settings["batch_size"]
    rows = np.resize(np.arange(len(cached)), BATCHES * batch)
    training = Training(model, cached[rows], y[rows], batch)
    return throughput("ch08_printed_head_throughput", training, plain)


def whole_network() -> Training:
    """All of MobileNet, from bytes of pixels."""
    own = tuned("ft_scratch")
    model = compiled(own.trainable_from(None)[1], own)
    return Training(model, *labelled_pictures(), own.settings["batch_size"])


def from_scratch() -> Row:
    """That network, over plain Keras on ready floats."""
    import keras

    same = tuned("ft_scratch")
    same.trainable_from(None)
    plain = compiled(keras.Model(same.base.inputs[0], same.outputs), same)
    ours = whole_network()
    prepared = networks.prepared(ours.x, same.family)
    return throughput("ch08_scratch_throughput", ours, plain, prepared)


def miniature() -> Row:
    """The miniature that learns digits: ours over plain Keras."""
    from chapters.ch08_deep_networks.train import DIGIT_SIZE, coloured

    settings = settings_of("ch08", "miniature_digits")
    generator = np.random.default_rng(0)
    digits = generator.integers(0, 256, (DIGITS, 28, 28), dtype=np.uint8)
    x = networks.prepared(coloured(digits), networks.NETWORKS["miniature"].family)
    y = generator.integers(0, 10, DIGITS)
    each = []
    for _ in range(2):
        model = networks.build("miniature", DIGIT_SIZE)
        optimizer = models.optimizer(settings["optimizer"])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        each.append(model)
    training = Training(each[0], x, y, settings["batch_size"])
    return throughput("ch08_miniature_throughput", training, each[1])


def ch08() -> list[Row]:
    """An epoch of the head, of the last block, of all of MobileNet, and of the miniature."""
    models.set_up_keras(1)
    pictures, y = labelled_pictures()
    return [
        *features_once(pictures, y),
        printed_head(pictures, y),
        from_scratch(),
        miniature(),
    ]
