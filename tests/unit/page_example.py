"""A chapter page and an index as the report step hands them over, with invented results."""

import copy
import json
from pathlib import Path

import numpy as np

from kerasbook import plots
from kerasbook.errata import STANDINGS, collect
from kerasbook.reporting import unpriced

COMMAND = "snakemake -c2 --configfile config/book.yaml --forcerun ch07_train -- {target}"
RUNS = ["3f0c5d1e9a4b4c7d8e2f6a7b8c9d0e1f", "a1b2c3d4e5f60718293a4b5c6d7e8f90"]

TEXT = """
Is a handwritten digit a six, or not? The question has **two** answers, and 90.42% of the test
rows share one of them: whoever always says *not six* is right that often.

{{figure:curves}}

## The networks

1. One convolution, flattened.
2. A dense layer behind it.

### What to look at

| network | test accuracy |
| --- | --- |
| `conv` | 0.9640 |
| `conv_dense` | 0.9692 |

See [the chapter before](../ch06_mnist_explored/report.html) for the images themselves.
"""


def row(identity: str, printed: str, mean: float | None, verdict: str, **more) -> dict:
    """A row of the ledger; `identity` is `chNN.experiment.metric` with `@epoch` if it has one."""
    name, _, epoch = identity.partition("@")
    _, experiment, metric = name.split(".")
    sd = None if mean is None else more.pop("sd", 0.0021)
    interval = (None, None) if mean is None or not sd else (mean - 2 * sd, mean + 2 * sd)
    return {
        "id": identity,
        "experiment": experiment,
        "metric": metric,
        "epoch": epoch,
        "printed": printed,
        "line": 1775,
        "kind": "stochastic",
        "mean": mean,
        "sd": sd,
        "n_seeds": 0 if mean is None else 3,
        "lower": interval[0],
        "upper": interval[1],
        "verdict": verdict,
        "reason": "the printed value lies in the 95% prediction interval of 3 seeds",
        "cause": "Its printed run is a poor draw." if verdict == "better" else None,
        "stands_out": "yes" if verdict == "differs" else None,
        "baseline": 0.9042 if "accuracy" in metric else None,
        "baseline_name": "majority class",
        "peer": 0.9793 if metric == "test_accuracy" else None,
        "peer_source": "logistic regression on the same rows",
        "run_ids": [] if mean is None else list(RUNS),
        "command": COMMAND.format(target=f"results/book/ch07_mnist_convnets/{experiment}"),
        **more,
    }


ROWS = [
    row(
        "ch07.data.n_train",
        "11918",
        11918.0,
        "exact",
        sd=None,
        kind="constant",
        n_seeds=1,
        reason="every printed digit",
        baseline_name=None,
    ),
    row("ch07.conv.loss@1", "0.2890", 0.2913, "holds", sd=0.0094),
    row("ch07.conv.accuracy@1", "0.9326", 0.9311, "holds"),
    row(
        "ch07.conv.test_loss",
        "0.129807630396",
        0.10211,
        "better",
        sd=0.0051,
        reason="ours is lower in every seed and the printed value lies outside the interval",
    ),
    row("ch07.conv.test_accuracy", "0.9599", 0.9640, "holds"),
    row("ch07.conv_dense.test_accuracy", "0.9655", 0.9571, "worse"),
    row("ch07.conv_dense.loss@2", "0.1189", 0.1344, "differs", sd=0.0012),
    row(
        "ch07.conv_dense.fit_ms",
        "14500",
        3121.4,
        "not judged",
        sd=50.2,
        reason="a timing of another machine",
        baseline=None,
    ),
    row(
        "ch07.conv_dense.n_filters",
        "32",
        None,
        "not run",
        reason="the printed weights are not to be had",
        peer=None,
    ),
]

EXPERIMENTS = [
    {
        "name": "conv",
        "title": "One convolution",
        "variant": "as_printed",
        "seeds": [1, 2, 3],
        "settings": {"epochs": 2, "batch_size": 128, "optimizer": "adadelta"},
        "parameters": 43586,
        "seconds": 4.21,
        "peak_mb": 912.4,
        "metrics": [
            {"name": "test_accuracy", "mean": 0.9640, "sd": 0.0021, "n": 3},
            {"name": "test_f1", "mean": 0.781, "sd": None, "n": 1},
        ],
        "command": COMMAND.format(target="results/book/ch07_mnist_convnets/conv"),
    },
    {
        "name": "conv_dense",
        "title": "A dense layer behind it",
        "variant": "corrected",
        "seeds": [1],
        "settings": {"epochs": 2},
        "parameters": None,
        "seconds": None,
        "peak_mb": None,
        "metrics": [],
        "command": COMMAND.format(target="results/book/ch07_mnist_convnets/conv_dense"),
    },
]

FAULTS = [
    {
        "id": "optimizer",
        "printed": "an SGD optimizer is configured, and its name is then passed as a string",
        "wrong": "the string makes a new optimizer with default settings; momentum is lost",
        "as_printed": "conv",
        "corrected": "conv_optimizer",
        "metric": "test_accuracy",
        "effect": 0.0123,
        "lower": 0.0081,
        "upper": 0.0165,
        "n": 3,
        "text": "The configured optimizer learns faster in the two epochs that are printed.",
    },
    {
        "id": "negatives",
        "printed": "negatives are the first rows",
        "wrong": "the sample is not random",
        "as_printed": "conv",
        "corrected": "conv_negatives",
        "metric": "test_accuracy",
        "effect": -0.0004,
        "lower": -0.0031,
        "upper": 0.0023,
        "n": 3,
        "text": "",
    },
    {
        "id": "validation_split",
        "printed": "the test rows are the validation rows",
        "wrong": "nothing is left to test on",
        "as_printed": "conv",
        "corrected": "conv_validation",
        "metric": "test_accuracy",
        "effect": None,
        "lower": None,
        "upper": None,
        "n": 0,
        "text": "Not to be measured by a single number.",
    },
    unpriced({"id": "swallowed", "printed": "every error is caught", "wrong": "none is seen",
              "why": "nothing changes <where> none occurs."}),
]  # fmt: skip

FIGURES = [
    {
        "name": "curves",
        "title": "Loss and accuracy by epoch",
        "caption": "Thin lines are seeds.",
        "alt": "Loss falls and accuracy rises in both epochs for both networks.",
        "file": "figures/curves.svg",
    },
    {
        "name": "confusion",
        "title": "Confusion matrix",
        "caption": "",
        "alt": "Most errors are sixes that were missed.",
        "file": "figures/confusion.svg",
    },
]

COUNTS = {
    "exact": 1,
    "holds": 3,
    "better": 1,
    "worse": 1,
    "differs": 1,
    "not run": 1,
    "not judged": 1,
}

PROVENANCE = {
    "generated": "2026-01-02T03:04:05Z",
    "commit": "0123abc",
    "dirty": True,
    "tracking_uri": "sqlite:///results/mlflow.db",
    "mlflow_experiment": "book/ch07_mnist_convnets",
    "machine": {"processor": "x86_64", "cores": 2, "memory_gb": 23.5, "system": "Linux 6.1"},
    "gpu": {
        "asked": 2,
        "used": {"gpu: Some <card>": 1, "cpu": 1},
        "memory_mb": 900.0,
        "utilisation": 41.0,
    },
    "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
    "data": [
        {
            "dataset": "mnist",
            "file": "train-images-idx3-ubyte.gz",
            "bytes": 9912422,
            "sha256": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "content_sha256": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "source": "a mirror folder",
        }
    ],
    "steps": [
        {
            "rule": "ch07_train",
            "experiment": "conv",
            "seed": 1,
            "seconds": 12.1,
            "peak_mb": 700.1,
            "run_id": RUNS[0],
            "record": "conv/seed1/train.json",
        },
        {
            "rule": "ch07_preprocess",
            "experiment": None,
            "seed": None,
            "seconds": 184.0,
            "peak_mb": None,
            "run_id": None,
        },
    ],
}


SWEEP = {
    "name": "shape_and_rate",
    "title": "Shape & rate",
    "of": "conv",
    "keys": ["layers.0.filters", "batch_size"],
    "n_runs": 16,
    "target": "results/book/ch07_mnist_convnets/sweeps/shape_and_rate.html",
    "command": "snakemake -c2 -- results/book/ch07_mnist_convnets/sweeps/shape_and_rate.html",
}


def page() -> dict:
    """What report.json of chapter 7 would hold."""
    return copy.deepcopy(
        {
            "chapter": "ch07",
            "slug": "ch07_mnist_convnets",
            "number": "4.7",
            "title": "Six or not six",
            "edition": "book",
            "edition_note": None,
            "summary": "Small convolutional networks tell one digit from the nine others.",
            "text": TEXT,
            "verdict_counts": COUNTS,
            "rows": ROWS,
            "experiments": EXPERIMENTS,
            "figures": FIGURES,
            "faults": FAULTS,
            "sweeps": [SWEEP],
            "absent": {"vgg16": "the data set imagenet_vgg16 cannot be had"},
            "provenance": PROVENANCE,
        }
    )


def index() -> dict:
    """What the index is made of, with one chapter that has a report and one that has none."""
    chapter = {
        "chapter": "ch07",
        "slug": "ch07_mnist_convnets",
        "number": "4.7",
        "title": "Six or not six",
        "summary": "Small convolutional networks tell one digit from the nine others.",
        "verdict_counts": COUNTS,
        "n_rows": len(ROWS),
        "figure": {
            "alt": "Loss falls in both epochs.",
            "file": "ch07_mnist_convnets/figures/curves.svg",
        },
        "report": "ch07_mnist_convnets/report.html",
    }
    missing = {
        **chapter,
        "chapter": "ch08",
        "slug": "ch08_image_nets",
        "number": "4.8",
        "title": "Large networks",
        "verdict_counts": {"not run": 1},
        "n_rows": 1,
        "figure": None,
        "report": None,
    }
    other = {**row("ch08.vgg.label", "strawberry", None, "not run"), "chapter": "ch08"}
    return copy.deepcopy(
        {
            "edition": "book",
            "edition_note": None,
            "generated": PROVENANCE["generated"],
            "commit": PROVENANCE["commit"],
            "verdict_counts": {**COUNTS, "not run": 2},
            "chapters": [chapter, missing],
            "rows": [*({**one, "chapter": "ch07"} for one in ROWS), other],
            "n_rows_total": 313,
            "reproduction": {
                "file": "ch07_mnist_convnets/figures/curves.svg",
                "alt": "Of 313 printed numbers: 2 hold.",
                "caption": "Left: the verdicts. Right: how far off.",
            },
            "comparison": None,
            "workflow": {
                "file": "ch07_mnist_convnets/figures/curves.svg",
                "alt": "Two chapters.",
                "caption": "In each box the number of jobs.",
            },
            "stages": {
                "names": ["train"],
                "rows": [
                    {
                        "number": "4.7",
                        "title": "Six <or> not",
                        "cells": [{"jobs": 2, "seconds": 61.0, "peak_mb": 845.0}],
                    }
                ],
            },
            "many": {
                "judged": 131,
                "outside": 9,
                "expected": 6.55,
                "stand": 2,
                "seeds": 5,
                "sees": 4.12,
            },
            "experiments": [{**one, "chapter": "ch07"} for one in EXPERIMENTS],
            "steps_total": {"seconds": 4321.0, "jobs": 57},
            "mlflow_command": "mlflow ui --backend-store-uri sqlite:///results/mlflow.db",
        }
    )


def errata() -> dict:
    """What the page of faults is made of."""
    priced = [
        {**fault, "before": 0.9599, "after": 0.96, "repaired_metric": None, "command": COMMAND}
        for fault in FAULTS
    ]
    return {
        "rows": collect([{**page(), "faults": priced}]),
        "counts": {"changes": 1, "not shown": 1, "not measured": 2},
        "standings": STANDINGS,
        "figure": {
            "file": "ch07_mnist_convnets/figures/curves.svg",
            "alt": "What each costs.",
            "caption": "The dot is the mean.",
        },
        "edition": "book",
        "edition_note": None,
        "generated": PROVENANCE["generated"],
        "commit": None,
    }


def draw_figures(folder: Path) -> None:
    """The files that `page()` names, below `folder`."""
    epochs = np.arange(1, 3)
    histories = {
        name: {
            "loss": np.array([[0.3, 0.2], [0.32, 0.19]]) + shift,
            "accuracy": 1 - 0.1 / epochs[None, :] - np.array([[shift], [0.0]]),
        }
        for name, shift in (("conv", 0.0), ("conv_dense", 0.02))
    }
    plots.save_svg(
        plots.curves(histories, percent=["accuracy"]), folder / "figures/curves.svg", "Curves"
    )
    counts = np.array([[9012, 30], [150, 808]])
    plots.save_svg(
        plots.confusion_matrix(counts, ["not 6", "6"]),
        folder / "figures/confusion.svg",
        "Confusion matrix",
    )


# ------------------------------------------------------- a results folder that fits the page

SLUG = "ch07_mnist_convnets"
DIGEST = "8fc8fc4f0343f34ece1fcfdfb65f0801fac48030ce7c70e62bbb62f64ee2e65b"


def origin(stage: str, name: str = "", **more) -> dict:
    """What a run says of where its numbers come from, as `tracking.Run.record` does."""
    return {
        "edition": "book",
        "chapter": SLUG,
        "rule": f"ch07_{stage}",
        "script": f"workflow/chapters/{SLUG}/{stage}.py",
        "code_files": 12,
        "code_sha256": "c0de" * 16,
        "commit": "0123abc",
        "dirty": True,
        "settings": {"dataset": "mnist", "epochs": 2, "optimizer": {"type": "sgd"}},
        "inputs": {"data": DIGEST},
        "threads": 1,
        "versions": PROVENANCE["versions"] | {"snakemake": "9.27.1"},
        "machine": PROVENANCE["machine"],
        "log": f"logs/book/{SLUG}/{stage}/{name}.log",
        "mlflow_uri": "sqlite:///results/mlflow.db",
        "mlflow_experiment_id": "7",
        "started": "2026-01-02T03:00:00Z",
        "ended": "2026-01-02T03:04:00Z",
        **more,
    }


def write_results(folder: Path) -> list[dict]:
    """A results folder of the book edition with one chapter, two runs of `conv`; its pages."""
    told = page()
    chapter = folder / SLUG
    draw_figures(chapter)

    def write(path: str, value: object) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(value if isinstance(value, str) else json.dumps(value))

    steps = []
    for seed, run_id in enumerate(RUNS, 1):
        record = f"conv/seed{seed}/train.json"
        train = {"experiment": "conv", "seed": seed, "seconds": 4.2, "run_id": run_id}
        inputs = {"data": DIGEST} | ({"glove/glove.6B.zip": "cd"} if seed == 2 else {})
        said = origin("train", f"conv.seed{seed}", inputs=inputs)
        write(f"{SLUG}/{record}", train | {"provenance": said})
        steps.append({"rule": "ch07_train", "experiment": "conv", "seed": seed, "seconds": 12.1,
                      "peak_mb": 700.1, "run_id": run_id, "record": record})  # fmt: skip
    evaluated = {
        "run_ids": {str(seed): one for seed, one in enumerate(RUNS, 1)},
        "times": {},
        "evaluate_run_id": "e" * 32,
        "provenance": origin("evaluate", "conv"),
    }
    write(f"{SLUG}/conv/evaluate.json", evaluated)
    values = {str(seed): {"hinge": 0.25 * seed} for seed in (1, 2)}
    write(f"{SLUG}/conv/metrics.json", {"seeds": values, "summary": {}})
    file = {key: one for key, one in PROVENANCE["data"][0].items() if key != "dataset"}
    about = {
        "dataset": "mnist",
        "resolved": "mnist",
        "title": "MNIST",
        "licence": "CC BY-SA 3.0",
        "citation": "LeCun",
        "files": [file],
        "digest": DIGEST,
        "facts": {"n_train": 11918},
        "run_id": "d" * 32,
        "provenance": origin("preprocess", "mnist", settings={}, inputs={file["file"]: "ba89"}),
    }
    known = ("title", "licence", "citation", "digest")
    write(f"{SLUG}/data.json", {"mnist": about})
    for stage, name, run_id, record in (
        ("evaluate", "conv", "e" * 32, "conv/evaluate.json"),
        ("preprocess", "mnist", "d" * 32, "data.json"),
    ):
        steps.append({"rule": f"ch07_{stage}", "experiment": name, "seed": None, "seconds": 1.0,
                      "peak_mb": None, "run_id": run_id, "record": record})  # fmt: skip
    weights = {**PROVENANCE["data"][0], "dataset": "glove", "file": "glove.6B.zip", "sha256": "ab",
               "content_sha256": "cd", "source": "mirror: glove"}  # fmt: skip
    told["provenance"] |= {
        "data": [
            {**PROVENANCE["data"][0], **{key: about[key] for key in known}},
            {**weights, "title": "GloVe", "licence": "PDDL", "citation": "P", "digest": "cd"},
        ],
        "steps": steps,
        "mlflow_experiment_id": "7",
        "report": {"run_id": "a" * 32, **origin("report", settings={})},
    }
    write(f"{SLUG}/report.json", told)
    columns = ["id", "printed", "mean", "sd", "n_seeds", "verdict", "reason", "run_ids", "kind",
               "ours", "line", "command"]  # fmt: skip
    lines = [columns]
    for one in told["rows"]:
        # The rule ch07_preprocess answers what is known of the data.
        runs = ["d" * 32] if one["experiment"] == "data" else one["run_ids"]
        values = {**one, "ours": "", "run_ids": ",".join(runs)}
        lines.append(["" if values[key] is None else str(values[key]) for key in columns])
    table = "".join("\t".join(line) + "\n" for line in lines)
    for path in ("reproduction.tsv", f"{SLUG}/reproduction.tsv"):
        write(path, table)
    tables = ("errata.tsv", "steps.tsv", "experiments.tsv")
    for path in ("index.html", "errata.html", *tables, f"{SLUG}/report.html"):
        write(path, "<p>")
    return [told]
