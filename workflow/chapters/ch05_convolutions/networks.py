"""The parts of chapter 4.5 that need Keras; called after `models.set_up_keras`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapters.ch05_convolutions.receptive import Field, patch, receptive_fields
from kerasbook import models
from kerasbook.checkpoints import Checkpoints
from kerasbook.training import Progress, fit

SIDE = 28
OUTPUT = {"type": "dense", "units": 10, "activation": "softmax"}
NOISE_PICTURES = 256
PATCH_PICTURES = 1000
BATCH = 1000


def scaled(images: np.ndarray) -> np.ndarray:
    """Pictures (n, 28, 28) of uint8 as (n, 28, 28, 1) of float32 between 0 and 1."""
    return images[..., np.newaxis].astype(np.float32) / np.float32(255)


def compiled(layers: Sequence[Mapping[str, Any]], optimizer: Mapping[str, Any]) -> Any:
    """A network for ten digits, ready to train."""
    model = models.build(layers, (SIDE, SIDE, 1), OUTPUT)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=models.optimizer(optimizer),
        metrics=["accuracy"],
    )
    return model


# ---------------------------------------------------------------------------- shapes


def convolutions(network: Mapping[str, Any], order: str) -> Any:
    """A network of the chapter's `shapes` in either order of the channels.

    Args:
        order: `channels_first` or `channels_last`; the input's shape is turned to it.
    """
    import keras

    shape = list(network["input_shape"])
    if network["order"] != order:
        shape = [*shape[1:], shape[0]] if order == "channels_last" else [shape[-1], *shape[:-1]]
    kinds = {"conv1d": keras.layers.Conv1D, "conv2d": keras.layers.Conv2D}
    stack = [
        kinds[one["type"]](
            one["filters"], one["kernel_size"], padding=one["padding"], data_format=order
        )
        for one in network["layers"]
    ]
    return keras.Sequential([keras.Input(tuple(shape)), *stack])


def inputs_for(photo: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A corner of the photograph, repeated where it is too small, in a shape with channels last.

    Args:
        photo: (h, w, 3) uint8.
        shape: (steps, channels) takes rows of brightness, (rows, columns, channels) colours.

    Returns:
        (1, *shape) float32, 0 to 1.
    """
    source = photo.mean(axis=2) if len(shape) == 2 else photo
    repeats = [-(-wanted // there) for wanted, there in zip(shape, source.shape)]
    whole = np.tile(source, repeats)[tuple(slice(side) for side in shape)]
    return (whole[np.newaxis] / 255).astype(np.float32)


def orders_compared(network: Mapping[str, Any], photo: np.ndarray) -> dict[str, Any]:
    """Shapes and parameters in both orders, and whether both give the same numbers.

    Returns:
        `shape_channels_first`, `shape_channels_last` and `shape_printed` (str, of one row, the
        last in the order that is printed), `parameters`, and `difference`, the largest distance
        between the two outputs as a share of the largest output; NaN where this machine cannot
        run channels first (TensorFlow needs a GPU, or oneDNN on a CPU).
    """
    import tensorflow as tf

    both = {order: convolutions(network, order) for order in ("channels_first", "channels_last")}
    last, first = both["channels_last"], both["channels_first"]
    first.set_weights(last.get_weights())
    told: dict[str, Any] = {
        f"shape_{order}": str(model.output_shape[1:]) for order, model in both.items()
    }
    told |= {"shape_printed": told[f"shape_{network['order']}"], "parameters": last.count_params()}
    x = inputs_for(photo, last.input_shape[1:])
    expected = np.asarray(last(x))
    try:
        given = np.moveaxis(np.asarray(first(np.moveaxis(x, -1, 1))), 1, -1)
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
        return {**told, "difference": np.nan}
    return {**told, "difference": np.abs(given - expected).max() / np.abs(expected).max()}


# ---------------------------------------------------------------------------- a network, opened


def maps_model(model: Any, fields: Sequence[Field], layers: Sequence[Mapping[str, Any]]) -> Any:
    """A model that gives the maps of every convolution and pooling that `fields` names."""
    import keras

    kinds = {field.name.rsplit("_", 1)[0] for field in fields}
    places = [index for index, layer in enumerate(layers) if layer["type"] in kinds]
    outputs = [model.layers[place].output for place in places[: len(fields)]]
    return keras.Model(model.inputs, outputs)


def seen_by_middle(maps: Any, fields: Sequence[Field], x: np.ndarray) -> np.ndarray:
    """How much each pixel counts for each layer's unit in the middle: the gradient.

    Args:
        maps: as `maps_model` gives it.
        x: (n, 28, 28, 1) float32.

    Returns:
        (layers, 28, 28) float32: the mean over pictures of the absolute gradient of the unit's
        output, all channels together, with respect to the pixel.
    """
    import tensorflow as tf

    pictures = tf.convert_to_tensor(x)
    found = []
    for index, field in enumerate(fields):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            output = maps(pictures, training=False)
            output = output[index] if len(fields) > 1 else output
            unit = tf.reduce_sum(output[:, field.middle, field.middle])
        gradient = tape.gradient(unit, pictures)
        found.append(np.abs(gradient.numpy()[..., 0]).mean(axis=0))
    return np.stack(found)


def strongest_patches(
    responses: np.ndarray, images: np.ndarray, field: Field
) -> tuple[np.ndarray, np.ndarray]:
    """For each channel of a layer, what it answers most strongly to.

    Args:
        responses: (n, h, w, channels), the layer's maps.
        images: (n, 28, 28) uint8, the pictures that they are of.

    Returns:
        patches (channels, size, size) uint8 and the responses to them (channels,).
    """
    flat = responses.reshape(-1, responses.shape[-1])
    places = np.unravel_index(flat.argmax(axis=0), responses.shape[:3])
    patches = [patch(images[n], field, row, column) for n, row, column in zip(*places)]
    return np.stack(patches), flat.max(axis=0)


def opened(
    model: Any, layers: Sequence[Mapping[str, Any]], images: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """The maps of a picture, the measured receptive fields, and what the last maps look for.

    A unit that is silent on a picture passes no gradient, so the fields are measured on random
    pixels, where every unit speaks on some picture.

    Args:
        images: (n, 28, 28) uint8; the maps are of the first.

    Returns:
        `maps_<layer>` (h, w, channels) float32, `seen_on_noise` and `seen_on_digits`
        (layers, 28, 28), `patches` (channels, size, size) uint8, `patch_responses` (channels,)
        and `typical_responses`, the median of each channel's largest response to a picture.
    """
    fields = receptive_fields(layers, SIDE)
    maps = maps_model(model, fields, layers)
    x = scaled(images[:PATCH_PICTURES])
    noise = np.random.default_rng(seed).random((NOISE_PICTURES, SIDE, SIDE, 1), np.float32)
    responses = maps.predict(x, batch_size=BATCH, verbose=0)
    responses = responses if len(fields) > 1 else [responses]
    patches, strongest = strongest_patches(responses[-1], images, fields[-1])
    return {
        **{f"maps_{field.name}": one[0] for field, one in zip(fields, responses)},
        "seen_on_noise": seen_by_middle(maps, fields, noise),
        "seen_on_digits": seen_by_middle(maps, fields, x[:NOISE_PICTURES]),
        "patches": patches,
        "patch_responses": strongest,
        "typical_responses": np.median(responses[-1].max(axis=(1, 2)), axis=0),
    }


def without_pooling(layers: Sequence[Mapping[str, Any]]) -> int:
    """How many parameters the network would have without its pooling layers."""
    kept = [layer for layer in layers if not layer["type"].endswith("pooling2d")]
    return models.build(kept, (SIDE, SIDE, 1), OUTPUT).count_params()


# ---------------------------------------------------------------------------- dropout


def told_of(model: Any, rows: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Mean cross-entropy (nats) and accuracy of a network on rows, dropout at rest."""
    x, labels = rows
    given = np.concatenate(
        [model.predict_on_batch(x[i : i + BATCH]) for i in range(0, len(x), BATCH)]
    )
    own = given[np.arange(len(labels)), labels].astype(np.float64)
    return {
        # Keras clips probabilities at 1e-7 before the logarithm; so do we, to compare.
        "loss": float(-np.log(np.clip(own, 1e-7, 1 - 1e-7)).mean()),
        "accuracy": float((given.argmax(axis=1) == labels).mean()),
    }


def fit_observed(
    model: Any,
    train: tuple,
    held_out: tuple,
    settings: Mapping[str, Any],
    seed: int,
    keep: Checkpoints | None = None,
    name: str = "fit",
) -> Progress:
    """Fit, and after each epoch measure the training rows as the held-out rows are: whole.

    While it trains, Keras tells the loss with dropout at work, of weights that still move;
    `train_loss` and `train_accuracy` are those of the epoch's last weights without dropout,
    as `val_loss` and `val_accuracy` are.
    """
    import keras

    class AtRest(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            for name, rows in (("train", train), ("val", held_out)):
                logs |= {f"{name}_{key}": one for key, one in told_of(self.model, rows).items()}

    return fit(
        model, train, epochs=settings["epochs"], batch_size=settings["batch_size"],
        callbacks=[AtRest()], seed=seed, keep=keep, name=name,
    )  # fmt: skip


def dropout_scale(model: Any, x: np.ndarray, draws: int) -> dict[str, np.ndarray]:
    """What the last dropout layer does to the activations while training.

    Args:
        x: (n, 28, 28, 1) float32.

    Returns:
        `scale_training` (draws,), the mean activation behind the layer in each draw;
        `scale_inference` (), the same at inference; `zeroed` (draws,), the share of the
        activations other than zero that it sets to zero; `spread` (draws,), the root mean
        square behind the layer as a multiple of that at inference; `rate` ().
    """
    import keras

    layer = [one for one in model.layers if isinstance(one, keras.layers.Dropout)][-1]
    before = keras.Model(model.inputs, layer.input)
    activations = before.predict(x, batch_size=BATCH, verbose=0)
    alive = activations != 0
    own = np.sqrt(np.square(activations).mean())
    rows = []
    for _ in range(draws):
        dropped = np.asarray(layer(activations, training=True))
        spread = np.sqrt(np.square(dropped).mean()) / own
        rows.append((dropped.mean(), (dropped[alive] == 0).mean(), spread))
    scale, zeroed, spread = np.array(rows, dtype=np.float64).T
    return {
        "scale_training": scale,
        "scale_inference": np.asarray(layer(activations, training=False)).mean(dtype=np.float64),
        "zeroed": zeroed,
        "spread": spread,
        "rate": np.float64(layer.rate),
    }
