"""What chapter 4.9 promises about speed: training against plain Keras on ready arrays."""

import numpy as np

from benchmarks.measure import Row, throughput

# The printed sizes (lines 2775 to 2784), and a tenth of the sentences.
WORDS, LENGTH, SENTENCES, BATCH = 18_765, 56, 960, 32
PICTURES = 5_120


def sentence_network() -> Row:
    """The printed network of sentences: rows a second, ours over plain Keras."""
    from chapters.ch09_unsupervised import networks
    from kerasbook import models

    keras = models.set_up_keras(1)
    settings = {
        "embedding_dim": 20, "embedding_range": 0.05, "filter_sizes": [3, 4], "filters": 150,
        "pool_size": 2, "dropout": [0.25, 0.5], "hidden_units": 150, "max_norm": None,
        "train_embedding": True, "optimizer": {"type": "rmsprop", "epsilon": 1e-16},
    }  # fmt: skip
    loss = networks.loss_of({"loss": "keras_1"})
    ours = networks.sentence_cnn(settings, LENGTH, WORDS, None)
    networks.compiled(ours, settings, loss=loss, metrics=["accuracy"])
    plain = networks.sentence_cnn(settings, LENGTH, WORDS, None)
    optimizer = keras.optimizers.RMSprop(epsilon=1e-16)
    plain.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(1)
    x = generator.integers(0, WORDS, (SENTENCES, LENGTH)).astype(np.int32)
    y = generator.integers(0, 2, SENTENCES)
    return throughput("ch09_sentence_cnn_throughput", ours, plain, x, y, BATCH)


def autoencoder() -> Row:
    """The printed autoencoder: rows a second, ours over plain Keras."""
    from chapters.ch09_unsupervised import networks
    from kerasbook import models

    keras = models.set_up_keras(1)
    settings = {"optimizer": {"type": "adadelta", "learning_rate": 1.0, "epsilon": 1e-8}}
    ours = networks.compiled(networks.autoencoder(32)[2], settings, loss="binary_crossentropy")
    plain = networks.autoencoder(32)[2]
    plain.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adadelta(1.0))
    x = np.random.default_rng(1).random((PICTURES, networks.PIXELS), dtype=np.float32)
    return throughput("ch09_autoencoder_throughput", ours, plain, x, x, 256)


def ch09() -> list[Row]:
    """All of the chapter's measurements."""
    return [sentence_network(), autoencoder()]
