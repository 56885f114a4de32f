"""A stack of sigmoid layers as an MLflow model that needs numpy and no pickle.

MLflow runs this file when the model is loaded ("models from code"). The artifact
`weights` is an npz file as the networks of chapters 4.1 and 4.4 save it:
weights_0 (n_in, n_out), biases_0 (n_out,), weights_1, ... and `scale`, a number
that the input is multiplied by. An array `linear_output` in it, whatever it holds,
leaves out the last sigmoid (the nearest mean digit of chapter 4.6). It imports
nothing of the project, so that the model can be served elsewhere.
"""

import mlflow
import numpy as np


class SigmoidLayers(mlflow.pyfunc.PythonModel):
    """Predicts the activations of the last layer."""

    def load_context(self, context):
        """Read the weights.

        Raises:
            ValueError: the file holds pickled objects.
            KeyError: an array is missing.
        """
        with np.load(context.artifacts["weights"], allow_pickle=False) as file:
            n_layers = sum(name.startswith("weights_") for name in file.files)
            self.layers = [
                (file[f"weights_{layer}"], file[f"biases_{layer}"]) for layer in range(n_layers)
            ]
            self.scale = float(file["scale"])
            self.linear_output = "linear_output" in file.files

    def predict(self, context, model_input, params=None):
        """(n, n_in) numbers, an array or a data frame, to (n, n_out) float64."""
        activation = np.asarray(model_input, dtype=np.float64) * self.scale
        for index, (weights, biases) in enumerate(self.layers):
            sums = activation @ weights + biases
            if self.linear_output and index == len(self.layers) - 1:
                return sums
            # exp of a large negative number is 0 and of a large positive one overflows:
            # 1 / (1 + exp(-z)) in a form that only takes exp of negative numbers.
            tail = np.exp(-np.abs(sums))
            activation = np.where(sums >= 0, 1.0, tail) / (1.0 + tail)
        return activation


mlflow.models.set_model(SigmoidLayers())
