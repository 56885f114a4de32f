"""The networks of chapter 4.9: an autoencoder, and convolutions over the words of a sentence.

Imported by training jobs alone: it needs Keras.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasbook import models
from kerasbook.fused import fused

PIXELS = 784
# Batches that TensorFlow takes in one call from Python.
STEPS_PER_CALL = 16
# How near to 0 and 1 Keras 1 let a probability come before the logarithm.
EPSILON = 1e-7


def compiled(model: Any, settings: Mapping[str, Any], **options: Any) -> Any:
    """The model with the experiment's optimizer, in its fast form.

    Args:
        options: further arguments of Keras's `compile`, such as `loss`.
    """
    optimizer = fused(models.optimizer(settings["optimizer"]))
    model.compile(optimizer=optimizer, steps_per_execution=STEPS_PER_CALL, **options)
    return model


def clipped_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """Binary cross-entropy (nats) as Keras 1 computed it, of probabilities that are cut off.

    A row costs 16 nats at most, and one that is cut off teaches nothing. Keras 3 on
    TensorFlow looks behind the sigmoid instead: what a row costs there has no bound, and a row
    that is surely wrong goes on teaching (`binary_crossentropy` and `_get_logits` of
    keras/src/backend/tensorflow/nn.py, 3.15; backends JAX and PyTorch cut off as Keras 1 did).

    Args:
        y_true: (n, 1), 0 or 1.
        y_pred: (n, 1), from 0 to 1.
    """
    sure = ops.clip(y_pred, EPSILON, 1 - EPSILON)
    return -ops.mean(y_true * ops.log(sure) + (1 - y_true) * ops.log(1 - sure), axis=-1)


def loss_of(settings: Mapping[str, Any]) -> Any:
    """The loss that an experiment's `loss` names."""
    return clipped_crossentropy if settings["loss"] == "keras_1" else "binary_crossentropy"


def autoencoder(codes: int) -> tuple[Any, Any, Any]:
    """Encoder, decoder, and the two in a row (lines 2467 to 2476 of the chapters).

    Returns:
        Models from (784,) to (codes,), from (codes,) to (784,), and from (784,) to (784,);
        they share their weights.
    """
    encoder = keras.Sequential(
        [keras.Input((PIXELS,)), layers.Dense(codes, activation="relu")], name="encoder"
    )
    decoder = keras.Sequential(
        [keras.Input((codes,)), layers.Dense(PIXELS, activation="sigmoid", dtype="float32")],
        name="decoder",
    )
    pixels = keras.Input((PIXELS,))
    return encoder, decoder, keras.Model(pixels, decoder(encoder(pixels)), name="autoencoder")


def classifier(codes: int, frozen: bool = False) -> Any:
    """The encoder's layer, which learns unless it is frozen, with ten outputs behind it."""
    return keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(codes, activation="relu", trainable=not frozen),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ]
    )


def sentence_cnn(
    settings: Mapping[str, Any], length: int, n_words: int, vectors: np.ndarray | None
) -> Any:
    """A network that reads a sentence by windows of words (Kim 2014; lines 2822 to 2858).

    Args:
        settings: the experiment's.
        length: words of a sentence.
        n_words: of the vocabulary.
        vectors: (n_words, embedding_dim) to begin with, or None for random ones.

    Returns:
        A model from (length,) word indices to (1,), the probability of a positive sentence.
    """
    norm = settings["max_norm"]
    initial = (
        keras.initializers.RandomUniform(-settings["embedding_range"], settings["embedding_range"])
        if vectors is None
        else keras.initializers.Constant(vectors)
    )
    words = keras.Input((length,), dtype="int32")
    flow = layers.Embedding(
        n_words,
        settings["embedding_dim"],
        embeddings_initializer=initial,
        trainable=settings["train_embedding"],
        name="word_vectors",
    )(words)
    flow = layers.Dropout(settings["dropout"][0])(flow)
    found = []
    for size in settings["filter_sizes"]:
        window = layers.Conv1D(settings["filters"], size, activation="relu")(flow)
        if settings["pool_size"] is None:
            found.append(layers.GlobalMaxPooling1D()(window))
        else:
            found.append(layers.Flatten()(layers.MaxPooling1D(settings["pool_size"])(window)))
    flow = layers.Concatenate()(found) if len(found) > 1 else found[0]
    if settings["hidden_units"]:
        flow = layers.Dense(settings["hidden_units"])(flow)
        flow = layers.Dropout(settings["dropout"][1])(flow)
        flow = layers.Activation("relu")(flow)
    else:
        flow = layers.Dropout(settings["dropout"][1])(flow)
    limit = None if norm is None else keras.constraints.MaxNorm(norm, axis=0)
    output = layers.Dense(1, activation="sigmoid", kernel_constraint=limit, dtype="float32")(flow)
    return keras.Model(words, output)
