"""Chapter 4.8: fine-tuning on features computed once against the printed way, and plain Keras."""

import numpy as np

from benchmarks.measure import Row, paired_ratio
from chapters.ch08_deep_networks import fine_tuning, networks
from kerasbook import models
from kerasbook.training import fit

PICTURES, BATCH = 96, 32
ADAM = {"type": "adam", "learning_rate": 0.0001}
SETTINGS = {
    "network": "mobilenet_025",
    "weights": "imagenet",  # whose averages stay; the values do not change the time
    "output": "softmax",
    "loss": "keras_3",
    "head": [{"type": "global_average_pooling2d"}],
}


def ch08() -> list[Row]:
    """An epoch that trains MobileNet's last block and a new head."""
    keras = models.set_up_keras(1)
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (PICTURES, 224, 224, 3), dtype=np.uint8)
    y = np.eye(2, dtype=np.float32)[np.arange(PICTURES) % 2]
    tuned = fine_tuning.FineTuned(networks.build("mobilenet_025", top=False), SETTINGS)
    bottom, model = tuned.trainable_from("conv_pad_12")
    cached = fine_tuning.features(bottom, pictures, tuned.family)
    prepared = networks.prepared(pictures, tuned.family)
    whole = keras.Model(tuned.base.inputs[0], tuned.outputs)
    for one in (model, whole):
        one.compile(loss="categorical_crossentropy", optimizer=models.optimizer(ADAM))

    def epoch(one, x):
        one.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)

    def ours():
        fit(model, (cached, y), epochs=1, batch_size=BATCH, seed=1)

    for one, x in ((model, cached), (whole, prepared)):
        epoch(one, x)  # the graph is built by the first call
    recomputed = paired_ratio(lambda: epoch(whole, prepared), lambda: epoch(model, cached))
    plain = paired_ratio(lambda: epoch(model, cached), ours)
    return [
        Row("ch08_features_once_speedup", recomputed, "ratio", ">= 2"),
        Row("ch08_throughput", plain, "ratio", ">= 0.9"),
    ]
