"""The networks of chapters 4.1 and 4.4, logged to MLflow and loaded by their address."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import infer_signature

from chapters.ch01_neural_network import network as ch01
from chapters.ch04_sgd_network import network as ch04

CODE = Path(__file__).resolve().parents[2] / "workflow" / "kerasbook" / "dense_pyfunc.py"


@pytest.fixture
def store(tmp_path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield mlflow.create_experiment("networks", (tmp_path / "artifacts").as_uri())
    mlflow.set_tracking_uri(before)


def logged(experiment, weights, x, y):
    with mlflow.start_run(experiment_id=experiment):
        return mlflow.pyfunc.log_model(
            name="model",
            python_model=str(CODE),
            artifacts={"weights": str(weights)},
            signature=infer_signature(x, y),
            input_example=x[:2],
            pip_requirements=["mlflow", "numpy"],
        )


def test_both_networks_predict_the_same_from_their_address(store, tmp_path):
    generator = np.random.default_rng(1)

    x = generator.standard_normal((20, 2))
    weights = ch01.initial_weights(2, 10, 1, seed=123)
    weights, _ = ch01.train(x, (x[:, 0] > 0).astype(float), weights, 20)
    ch01.save(tmp_path / "ch01.npz", weights)
    expected = ch01.predict(x, weights)[:, None]
    info = logged(store, tmp_path / "ch01.npz", x, expected)
    assert info.signature is not None
    model = mlflow.pyfunc.load_model(info.model_uri)
    np.testing.assert_allclose(model.predict(x), expected, rtol=0, atol=1e-12)

    # Raw pixels: the sums reach thousands, where a careless exp overflows.
    images = generator.integers(0, 256, (20, 784), dtype=np.uint8)
    for scale in (1.0, 1 / 255):
        parameters = ch04.initial_parameters([784, 30, 10], seed=1)
        ch04.save(tmp_path / "ch04.npz", parameters, scale)
        expected = ch04.forward(images, parameters, scale)[-1]
        info = logged(store, tmp_path / "ch04.npz", images, expected)
        model = mlflow.pyfunc.load_model(info.model_uri)
        with np.errstate(over="raise"):
            np.testing.assert_allclose(model.predict(images), expected, rtol=0, atol=1e-12)


def test_pickled_weights_are_refused(store, tmp_path):
    np.savez(tmp_path / "bad.npz", weights_0=np.array([{}], dtype=object), scale=1.0)
    # MLflow tries the input example when it logs, and only warns if that fails.
    info = logged(store, tmp_path / "bad.npz", np.zeros((2, 2)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="allow_pickle"):
        mlflow.pyfunc.load_model(info.model_uri)
