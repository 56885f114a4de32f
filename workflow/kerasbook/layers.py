"""The layers and optimizers that a YAML file may name, each with its bounds.

The names are Keras's own in snake case. `kerasbook.models` builds them; this
module knows no Keras, so that the configuration is checked without its import.
"""

from typing import Annotated, Literal

from pydantic import Field

from kerasbook.validation import Strict

Units = Annotated[int, Field(ge=1, le=100_000)]
Size = Annotated[int, Field(ge=1, le=1_000)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Activation = Literal[
    "linear", "relu", "sigmoid", "tanh", "softmax", "softplus", "elu", "selu", "gelu", "silu"
]


class Dense(Strict):
    """A fully connected layer."""

    type: Literal["dense"]
    units: Units
    activation: Activation = "linear"


class Conv2D(Strict):
    """A two-dimensional convolution with square kernels."""

    type: Literal["conv2d"]
    filters: Units
    kernel_size: Size
    strides: Size = 1
    padding: Literal["valid", "same"] = "valid"
    activation: Activation = "linear"


class MaxPooling2D(Strict):
    """The largest value of each square."""

    type: Literal["max_pooling2d"]
    pool_size: Size = 2


class AveragePooling2D(Strict):
    """The mean of each square."""

    type: Literal["average_pooling2d"]
    pool_size: Size = 2


class GlobalAveragePooling2D(Strict):
    """The mean of each channel."""

    type: Literal["global_average_pooling2d"]


class Flatten(Strict):
    """All values in one row."""

    type: Literal["flatten"]


class Dropout(Strict):
    """Sets a share of the values to zero while training."""

    type: Literal["dropout"]
    rate: Rate


class BatchNormalization(Strict):
    """Normalises each channel over the batch (Ioffe and Szegedy 2015)."""

    type: Literal["batch_normalization"]
    momentum: Rate = 0.99
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-3


class ActivationLayer(Strict):
    """An activation as a layer of its own."""

    type: Literal["activation"]
    activation: Activation


Layer = Annotated[
    Dense
    | Conv2D
    | MaxPooling2D
    | AveragePooling2D
    | GlobalAveragePooling2D
    | Flatten
    | Dropout
    | BatchNormalization
    | ActivationLayer,
    Field(discriminator="type"),
]


class SGD(Strict):
    """Stochastic gradient descent."""

    type: Literal["sgd"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.01
    momentum: Rate = 0.0
    nesterov: bool = False
    decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="The learning rate of step t is learning_rate / (1 + decay * t)."
    )


class Adam(Strict):
    """Adam (Kingma and Ba 2015)."""

    type: Literal["adam"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001


class RMSprop(Strict):
    """RMSprop (Hinton 2012)."""

    type: Literal["rmsprop"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001


class Adadelta(Strict):
    """Adadelta (Zeiler 2012)."""

    type: Literal["adadelta"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001


Optimizer = Annotated[SGD | Adam | RMSprop | Adadelta, Field(discriminator="type")]
