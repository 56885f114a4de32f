"""Train one model of chapter 4.3 with one seed."""

from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch03_keras_basics.metrics import log_loss
from chapters.ch03_keras_basics.rows import Plan, Scaling, plan, scaling_of, share_seen
from kerasbook import checkpoints, models, steps
from kerasbook.arrays import read_processed, save_npz
from kerasbook.files import nulled
from kerasbook.tracking import tracked
from kerasbook.training import Progress, save_keras_run, save_run

BOOSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def counts_of(told: Plan, settings: dict[str, Any]) -> dict[str, Any]:
    """How many rows there are of each sort, and the share of test rows that were learnt from."""
    return {
        "n_rows": len(told.all_rows),
        "n_train": len(told.final.train),
        "n_val": len(told.final.watched),
        "n_test": len(told.test),
        "share_seen": share_seen(told, settings),
    }


def save_scaling(folder: Path, scale: Scaling) -> None:
    """Keep beside the model what turns counts into its inputs."""
    save_npz(
        folder / "scaling.npz",
        mean=scale.mean,
        deviation=scale.deviation,
        logarithm=np.array(scale.logarithm),
    )


def train_network(
    snakemake: Any, run: Any, step: Any, data: dict[str, np.ndarray], told: Plan, scale: Scaling
) -> None:
    """A Keras network: its earlier fits, the printed one, and what both its ends predict."""
    from chapters.ch03_keras_basics import networks
    from chapters.ch03_keras_basics.submission import write_submission

    settings = step.settings
    keras = models.set_up(step)
    keras.utils.set_random_seed(step.seed)
    x, y = scale(data["x_train"]), data["y_train"]

    def rows(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x[indices], y[indices]

    model = networks.build(settings, x.shape[1], len(data["classes"]))
    keep = checkpoints.of_run(snakemake, run, step)
    before = networks.fit_before(model, told, rows, settings, step.seed, keep)
    progress, best = networks.fit_printed(
        model, told.final, rows, settings, step.seed, run.metrics, keep
    )
    tested = x[told.test]
    predictions = {"rows": told.test.astype(np.int32), "last": networks.predict(model, tested)}
    more = counts_of(told, settings) | {"before": nulled(before)}
    more["other_fits_seconds"] = sum(one["seconds"] for one in before)
    gap = networks.linear_gap(model, tested, predictions["last"])
    if gap is not None:
        more["linear_gap"] = gap
    if best is not None:
        last = model.get_weights()
        model.set_weights(best)
        predictions["best"] = networks.predict(model, tested)
        if settings["weights"] == "last":
            model.set_weights(last)
    if settings["patience"] is not None:
        ended = len(progress.history["loss"])
        more["stopped_early"] = ended < settings["epochs"]
    folder = Path(snakemake.output.model)
    save_scaling(folder, scale)
    if settings["submission"]:
        answers = networks.predict(model, scale(data["x_test"]))
        write_submission(folder / "submission.csv", data["id_test"], data["classes"], answers)
    save_keras_run(snakemake, run, step, model, progress, predictions, tested[:2], **more)


def reference_model(settings: dict[str, Any], seed: int) -> Any:
    """scikit-learn's model of an experiment's settings."""
    if settings["model"] == "logistic_regression":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=settings["iterations"])
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=settings["learning_rate"],
        max_iter=settings["iterations"],
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def train_reference(
    snakemake: Any, run: Any, step: Any, data: dict[str, np.ndarray], told: Plan, scale: Scaling
) -> None:
    """A model of scikit-learn on the same rows."""
    import importlib.metadata

    import mlflow

    # Twice the digits: the solver's last steps are smaller than those of float32.
    x, y = scale(data["x_train"]).astype(np.float64), data["y_train"]
    progress = Progress(1, len(told.final.train), run.metrics)
    model = reference_model(step.settings, step.seed)
    model.fit(x[told.final.train], y[told.final.train])
    tested = model.predict_proba(x[told.test])
    learnt = told.final.train
    progress.epoch({"loss": log_loss(y[learnt], model.predict_proba(x[learnt]))}, 1)
    folder = Path(snakemake.output.model)
    save_scaling(folder, scale)
    example = x[:2]
    model_uri = run.model(
        mlflow.sklearn,
        sk_model=model,
        signature=mlflow.models.infer_signature(example, model.predict_proba(example)),
        input_example=example,
        pip_requirements=[
            f"{package}=={importlib.metadata.version(package)}"
            for package in ("scikit-learn", "skops")
        ],
        pyfunc_predict_fn="predict_proba",
        # Trees are refused unless named, since a stranger's could read beyond an array; these
        # were grown here.
        skops_trusted_types=BOOSTED if step.settings["model"] == "gradient_boosting" else None,
    )
    predictions = {"rows": told.test.astype(np.int32), "last": tested.astype(np.float32)}
    parameters = model.coef_.size + model.intercept_.size if hasattr(model, "coef_") else None
    save_run(
        snakemake, run, step, progress, predictions, parameters, model_uri,
        **counts_of(told, step.settings),
    )  # fmt: skip


def main(snakemake) -> None:
    """Train, predict the test rows, and write model, history and predictions."""
    step = steps.step_of(snakemake)
    data, about = read_processed(snakemake)
    told = plan(len(data["x_train"]), step.seed, step.settings)
    scale = scaling_of(data, told, step.settings)
    train = train_network if step.settings["task"] == "network" else train_reference
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        train(snakemake, run, step, data, told, scale)


if "snakemake" in globals():
    steps.run(main, snakemake)
