"""The layers and optimizers that a YAML file may name, each with its bounds.

The names are Keras's own in snake case. `kerasbook.models` builds them; this
module knows no Keras, so that the configuration is checked without its import.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

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


class _Clipped(Strict):
    """What every optimizer may have."""

    clipnorm: Annotated[float, Field(gt=0, le=1_000)] | None = Field(
        None, description="The largest norm of a weight's gradient; longer ones are shortened."
    )


class SGD(_Clipped):
    """Stochastic gradient descent."""

    type: Literal["sgd"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.01
    momentum: Rate = 0.0
    nesterov: bool = False
    decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="The learning rate of step t is learning_rate / (1 + decay * t)."
    )


class Adam(_Clipped):
    """Adam (Kingma and Ba 2015)."""

    type: Literal["adam"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001
    epsilon: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-7, description="Added to the root. Keras 1 had 1e-8."
    )

    @model_serializer(mode="wrap")
    def _without_the_usual_epsilon(self, usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The settings of an Adam that names none are as they were before it could."""
        told = usual(self)
        if told.get("epsilon") == type(self).model_fields["epsilon"].default:
            del told["epsilon"]
        return told


class RMSprop(_Clipped):
    """RMSprop (Hinton 2012)."""

    type: Literal["rmsprop"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001
    epsilon: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-7,
        description="Added under the root. Keras 1 added 1e-8 to the root: 1e-16 here.",
    )


class Adadelta(_Clipped):
    """Adadelta (Zeiler 2012)."""

    type: Literal["adadelta"]
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001
    rho: Rate = 0.95
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-7


Optimizer = Annotated[SGD | Adam | RMSprop | Adadelta, Field(discriminator="type")]


def check_stack(layers: Sequence[Layer], shape: tuple[int, ...]) -> None:
    """Follow the shape of one row through a stack of layers, as Keras will.

    Args:
        shape: of one row, channels last.

    Raises:
        ValueError: a layer cannot follow the one before it, or the last one does not leave
            a single row of values for the output layer.
    """
    for index, layer in enumerate(layers):
        where = f"layers.{index} ({layer.type})"
        if isinstance(layer, Conv2D | MaxPooling2D | AveragePooling2D):
            if len(shape) != 3:
                raise ValueError(
                    f"{where}: found an input of shape {shape}, expected (height, width, "
                    "channels); put it before the flatten and dense layers."
                )
            shape = _over_squares(layer, shape, where)
        elif isinstance(layer, GlobalAveragePooling2D):
            if len(shape) != 3:
                raise ValueError(
                    f"{where}: found an input of shape {shape}, expected (height, width, "
                    "channels); put it before the flatten and dense layers."
                )
            shape = shape[2:]
        elif isinstance(layer, Flatten):
            shape = (math.prod(shape),)
        elif isinstance(layer, Dense):
            shape = (*shape[:-1], layer.units)
    if len(shape) != 1:
        raise ValueError(
            f"layers: found an output of shape {shape} after the last layer, expected a single "
            "row of values; add a layer {type: flatten}."
        )


def _over_squares(
    layer: Conv2D | MaxPooling2D | AveragePooling2D, shape: tuple[int, ...], where: str
) -> tuple[int, ...]:
    height, width, channels = shape
    size = layer.kernel_size if isinstance(layer, Conv2D) else layer.pool_size
    step = layer.strides if isinstance(layer, Conv2D) else layer.pool_size
    if isinstance(layer, Conv2D) and layer.padding == "same":
        height, width = -(-height // step), -(-width // step)
    elif size > min(height, width):
        raise ValueError(
            f"{where}: found squares of {size} x {size} over an input of {height} x {width}, "
            "expected squares that fit."
        )
    else:
        height, width = (height - size) // step + 1, (width - size) // step + 1
    return height, width, layer.filters if isinstance(layer, Conv2D) else channels
