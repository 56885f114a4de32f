"""What chapter 4.9 promises about speed: training against plain Keras on ready arrays."""

import numpy as np

from benchmarks.measure import Row, Training, paired_ratio, settings_of, throughput

# The printed sizes (lines 2775 to 2784), and a tenth of the sentences.
WORDS, LENGTH, SENTENCES = 18_765, 56, 960
PICTURES = 5_120
# Every shape of network that an experiment trains; the others differ in when they stop.
SENTENCE_NETWORKS = ("rand", "rand_unbounded", "static", "nonstatic", "kim")
AUTOENCODERS = ("autoencoder", "autoencoder_adam")
LABELLED, STEPS = 1_000, 400


def sentences(kind: str) -> Training:
    """A network of sentences."""
    from chapters.ch09_unsupervised import networks

    settings = settings_of("ch09", f"sentence_cnn_{kind}")
    generator = np.random.default_rng(1)
    vectors = None
    if settings["vectors"] != "random":
        vectors = generator.normal(size=(WORDS, settings["embedding_dim"])).astype(np.float32)
    model = networks.sentence_cnn(settings, LENGTH, WORDS, vectors)
    networks.compiled(model, settings, loss=networks.loss_of(settings), metrics=["accuracy"])
    x = generator.integers(0, WORDS, (SENTENCES, LENGTH)).astype(np.int32)
    return Training(model, x, generator.integers(0, 2, SENTENCES), settings["batch_size"])


def sentence_network(kind: str) -> Row:
    """A network of sentences: rows a second, ours over plain Keras."""
    from kerasbook import models

    settings = settings_of("ch09", f"sentence_cnn_{kind}")
    plain = sentences(kind).model
    # With Keras's own loss: the one of Keras 1 is a part of what is compared.
    optimizer = models.optimizer(settings["optimizer"])
    plain.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return throughput(f"ch09_sentence_cnn_{kind}_throughput", sentences(kind), plain)


def autoencoder(experiment: str) -> Row:
    """An autoencoder of digits: rows a second, ours over plain Keras."""
    from chapters.ch09_unsupervised import networks
    from kerasbook import models

    settings = settings_of("ch09", experiment)
    ours, plain = (networks.autoencoder(settings["codes"])[2] for _ in range(2))
    networks.compiled(ours, settings, loss="binary_crossentropy")
    plain.compile(models.optimizer(settings["optimizer"]), loss="binary_crossentropy")
    x = np.random.default_rng(1).random((PICTURES, networks.PIXELS), dtype=np.float32)
    training = Training(ours, x, x, settings["batch_size"])
    return throughput(f"ch09_{experiment}_throughput", training, plain)


def few_labels() -> Row:
    """The classifier that is trained anew for each draw of labels, over plain Keras."""
    from chapters.ch09_unsupervised import networks, train
    from kerasbook import models

    settings = settings_of("ch09", "pretraining")
    generator = np.random.default_rng(1)
    rows = STEPS * settings["step_size"]
    known = generator.random((LABELLED, networks.PIXELS), dtype=np.float32)
    drawn = generator.integers(0, LABELLED, rows)
    x, y = known[drawn], generator.integers(0, 10, LABELLED)[drawn]
    encoder = networks.autoencoder(settings["codes"])[0].get_weights()
    train_once = train.classifier("tuned", settings, encoder, seed=1)
    plain = networks.classifier(settings["codes"])
    plain.compile(
        models.optimizer(settings["classifier_optimizer"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    def with_keras() -> None:
        plain.fit(x, y, batch_size=settings["step_size"], epochs=1, verbose=0)

    train_once(x, y), with_keras()  # the first calls build the graphs
    ratio = paired_ratio(with_keras, lambda: train_once(x, y))
    return Row("ch09_few_labels_throughput", ratio, "ratio", ">= 0.9")


def ch09() -> list[Row]:
    """All of the chapter's measurements."""
    from kerasbook import models

    models.set_up_keras(1)
    return [
        *map(sentence_network, SENTENCE_NETWORKS),
        *map(autoencoder, AUTOENCODERS),
        few_labels(),
    ]
