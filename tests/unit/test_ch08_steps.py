"""Chapter 4.8: what its files may say, what it prepares, and what its metrics are."""

import math
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from chapters.ch08_deep_networks import evaluate, preprocess, settings
from chapters.ch08_deep_networks.networks import NETWORKS
from chapters.ch08_deep_networks.train import explained, recognise
from kerasbook.configuration import load_chapter
from kerasbook.errors import KerasbookError
from kerasbook.evaluation import SeedRun
from kerasbook.pictures import make_photo_patches, make_photographs
from kerasbook.steps import Step

COMMON = {"title": "A title", "variant": "beyond"}
TUNING = {
    **COMMON,
    "task": "fine_tuning",
    "dataset": "hymenoptera",
    "network": "mobilenet_025",
    "weights": "imagenet",
    "size": 224,
    "frozen_before": "conv_pad_12",
    "head": [{"type": "global_average_pooling2d"}],
    "output": "softmax",
    "loss": "keras_3",
    "mirrored": False,
    "optimizer": {"type": "adam"},
    "epochs": 3,
    "batch_size": 32,
}
RECOGNITION = {
    **COMMON,
    "task": "recognition",
    "dataset": "imagenet_samples",
    "networks": ["vgg16"],
    "weights": "imagenet",
    "picture": "strawberry_1157",
    "preprocessing": "printed",
}
ARCHITECTURES = {
    **COMMON,
    "task": "architectures",
    "dataset": "imagenet_samples",
    "networks": ["vgg16", "resnet50"],
    "forward": ["vgg16"],
    "published": {"vgg16": "138.4"},
}
SECOND = {"frozen_before": "conv_pad_6", "optimizer": {"type": "adam"}, "epochs": 2}


def test_every_network_may_be_named():
    assert set(get_args(settings.NetworkName)) == set(NETWORKS)


def test_experiments_name_the_weights_they_read():
    tuning = settings.FineTuning.model_validate(TUNING)
    assert tuning.raw_data() == ["imagenet_mobilenet"]
    from_digits = {**TUNING, "network": "miniature", "weights": "miniature_digits"}
    small = settings.FineTuning.model_validate(from_digits)
    assert small.raw_data() == []
    assert small.starts_from() == ("miniature_digits", "pretraining")
    assert tuning.starts_from() is None
    scratch = {**TUNING, "weights": "random", "frozen_before": None}
    assert settings.FineTuning.model_validate(scratch).raw_data() == []
    recognition = settings.Recognition.model_validate(RECOGNITION)
    assert recognition.raw_data() == ["imagenet_vgg16", "imagenet_classes"]


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (settings.FineTuning, TUNING | {"network": "miniature"}, "expected one of the networks"),
        (settings.FineTuning, TUNING | {"weights": "digits"}, "networks that have such weights"),
        (settings.FineTuning, TUNING | {"network": "vgg17"}, "network"),
        (settings.FineTuning, TUNING | {"head": [{"type": "dense", "units": 3}]}, "head.0"),
        (
            settings.FineTuning,
            TUNING | {"head": [{"type": "flatten"}, {"type": "max_pooling2d"}]},
            "head: found max_pooling2d",
        ),
        (settings.FineTuning, TUNING | {"output": "linear"}, "output"),
        (
            settings.FineTuning,
            TUNING | {"frozen_before": None, "second_stage": SECOND},
            "second_stage: found one where no layer is frozen",
        ),
        (
            settings.FineTuning,
            TUNING | {"weights": "random", "own_classes": [1, 2]},
            "own_classes: found some for random weights",
        ),
        (settings.FineTuning, TUNING | {"own_classes": [1]}, "own_classes"),
        (settings.FineTuning, TUNING | {"head_start": "own_classes"}, "head_start"),
        (settings.Recognition, RECOGNITION | {"networks": []}, "networks"),
        (
            settings.Recognition,
            RECOGNITION | {"networks": ["vgg16", "mobilenet_025"]},
            "found printed for mobilenet_025",
        ),
        (settings.Recognition, RECOGNITION | {"networks": ["miniature"]}, "such weights"),
        (settings.Architectures, ARCHITECTURES | {"forward": ["vgg19"]}, "vgg19"),
        (settings.Architectures, ARCHITECTURES | {"published": {"vgg16": "many"}}, "'many'"),
        (
            settings.Pretraining,
            {
                **COMMON,
                "task": "pretraining",
                "dataset": "otto",
                "optimizer": {"type": "adam"},
                "epochs": 1,
                "batch_size": 8,
            },
            "dataset",
        ),
    ],
)
def test_nonsense_is_refused(model, given, message):
    with pytest.raises(ValidationError, match=message):
        model.model_validate(given)


@pytest.mark.parametrize("edition", ["book", "bundled", "smoke"])
def test_the_faults_differ_from_the_printed_experiment_in_one_thing(edition):
    told = load_chapter("ch08", edition).experiments
    printed = told["ft_printed"].settings()
    for name, key in (("ft_softmax", "output"), ("ft_dropout", "head")):
        repaired = told[name].settings()
        assert [one for one in printed if printed[one] != repaired[one]] == [key]
    rates = [[one.get("rate") for one in told[name].settings()["head"]]
             for name in ("ft_printed", "ft_dropout")]  # fmt: skip
    assert rates == [[None, None, 0.0, None, 0.0], [None, None, 0.5, None, 0.5]]


def test_the_printed_network_is_asked_for_in_the_book_edition():
    one = load_chapter("ch08", "book").experiments["vgg16_strawberry_1157"]
    assert (one.networks, one.weights, one.preprocessing) == (["vgg16"], "imagenet", "printed")
    assert one.raw_data() == ["imagenet_vgg16", "imagenet_classes"]


def test_prepared_data_says_what_was_left_out():
    loaded = make_photo_patches()
    loaded["left_out"] = np.array([["train/ants/no.gif", "found a GIF picture"]])
    arrays, facts = preprocess.prepare_folders(loaded, [])
    assert facts["left_out"] == "no.gif (found a GIF picture)"
    assert facts["n_left_out"] == 1
    assert facts["n_train"] == len(arrays["y_train"])
    assert (facts["first_class"], facts["second_class"]) == ("china", "flower")
    _, facts = preprocess.prepare_samples(make_photographs(), [])
    assert facts == {"n_pictures": 3, "n_left_out": 0, "left_out": "none"}


def test_a_picture_that_is_not_there_is_told_before_any_network_is_built():
    step = Step("r", "train", "book", "ch08_x", experiment="vgg16", settings=RECOGNITION)
    data = {
        "names": np.array(["strawberry_1158", "apricot_565"]),
        "left_out": np.array([["strawberry_1157.jpg", "found no picture"]]),
    }
    with pytest.raises(KerasbookError) as told:
        recognise(None, step, data)
    for part in (
        "config/chapters/ch08.yaml: experiments.vgg16.picture: found 'strawberry_1157'",
        "did you mean 'strawberry_1158'?",
        "expected one of strawberry_1158, apricot_565",
        "Left out as unreadable: strawberry_1157.jpg: found no picture.",
    ):
        assert part in str(told.value)


def test_two_classes_are_expected():
    loaded = make_photo_patches() | {"classes": np.array(["a", "b", "c"])}
    with pytest.raises(KerasbookError, match="found the classes a, b, c, expected two"):
        preprocess.prepare_folders(loaded, [])


def test_digits_are_cut_evenly(monkeypatch):
    monkeypatch.setattr(preprocess, "PRETRAINING_ROWS", 20)
    labels = np.repeat(np.arange(10, dtype=np.uint8), 30)
    digits = {name: np.zeros((300, 28, 28), np.uint8) for name in ("x_train", "x_test")}
    arrays, facts = preprocess.prepare_digits(
        digits | {"y_train": labels, "y_test": labels[:50]}, []
    )
    assert np.bincount(arrays["y_train"]).tolist() == [2] * 10
    assert facts == {"n_train": 20, "n_test": 50}


def run_of(told, predictions, data, history=None):
    return SeedRun(1, {}, np.array([1]), history or {}, predictions, data, told)


def test_metrics_of_sigmoid_outputs():
    outputs = np.array([[0.9, 0.3], [0.2, 0.2], [0.1, 0.7], [0.6, 0.6]], np.float32)
    labels = np.array([0, 1, 1, 0], np.uint8)
    own = np.array([[0.1, 0.0], [0.0, 0.2], [0.3, 0.1], [0.5, 0.4]], np.float32)
    got = evaluate.metrics_of(
        run_of(
            {"task": "fine_tuning"},
            {"outputs": outputs, "own_shares": own},
            {"y_val": labels},
            {"accuracy": np.array([0.75])},
        )
    )
    assert got["output_sum"] == pytest.approx((1.2 + 0.4 + 0.8 + 1.2) / 4)
    assert got["output_sum_error"] == pytest.approx((0.2 + 0.6 + 0.2 + 0.2) / 4)
    expected = -(math.log(0.75) + math.log(0.5) + math.log(0.7 / 0.8) + math.log(0.5)) / 4
    assert got["test_loss"] == pytest.approx(expected, rel=1e-5)
    assert got["own_classes_accuracy"] == 0.75
    assert got["train_accuracy"] == 0.75
    assert got["majority_accuracy"] == 0.5


def test_metrics_of_recognition():
    names = np.array(["strawberry_1157", "apricot_565", "lemon_1"])
    classes = np.array(["lemon", "fig", "strawberry", "a", "b", "c", "d"])
    shares = np.array(
        [
            [0.1, 0.1, 0.6, 0.05, 0.05, 0.05, 0.05],
            [0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05],
            [0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1],
        ]
    )
    got = evaluate.metrics_of(
        run_of(
            {"task": "recognition", "networks": ["vgg16"], "picture": "strawberry_1157"},
            {
                "class_names": classes,
                "wordnet_ids": np.array([f"n{i}" for i in range(7)]),
                "probabilities_vgg16": shares,
                "shape_vgg16": np.array([1, 224, 224, 3]),
                "own_vgg16": shares[:, ::-1],
            },
            {"names": names},
        )
    )
    assert got["top1"] == "strawberry"
    assert got["wordnet_id"] == "n2"
    assert got["input_shape"] == "(1, 3, 224, 224)"
    assert got["top1_probability"] == 0.6
    assert got["own_top1"] == "b"
    assert got["known_pictures"] == 2  # no network knows apricots
    assert got["top1_accuracy"] == 0.5
    assert got["top5_accuracy"] == 1.0


def test_metrics_of_architectures():
    told = {
        "task": "architectures",
        "published": {"vgg16": "138.4", "resnet50": "25.7", "mobilenet_025": "0.5"},
    }
    counts = {"vgg16": 138_357_544, "resnet50": 25_636_712, "mobilenet_025": 475_544}
    predictions = {
        "networks": np.array(list(counts)),
        "parameters": np.array(list(counts.values())),
        **{f"shape_{name}": np.array([1, 224, 224, 3]) for name in counts},
    }
    got = evaluate.metrics_of(run_of(told, predictions, {}))
    assert got["parameters_vgg16"] == 138_357_544
    assert got["millions_vgg16"] == pytest.approx(138.357544)
    assert (got["published_counts"], got["published_counts_met"]) == (3, 2)
    assert got["input_shape_vgg16"] == "(1, 3, 224, 224)"


def test_metrics_of_pretraining():
    got = evaluate.metrics_of(
        run_of(
            {"task": "pretraining"},
            {"probabilities": np.eye(3)[[0, 1, 1, 2]]},
            {"y_test": np.array([0, 1, 2, 2])},
        )
    )
    assert got == {"test_accuracy": 0.75, "majority_accuracy": 0.5}


def test_explained_pictures_take_turns():
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    assert explained(4, labels).tolist() == [0, 5, 4, 6]
    assert explained(3, labels).tolist() == [0, 5, 4]
    assert explained(6, labels).tolist() == [0, 5, 2, 6, 4]
    assert explained(0, labels).tolist() == []
