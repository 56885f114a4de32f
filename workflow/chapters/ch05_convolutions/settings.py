"""What the experiments of chapter 4.5 may say: one model for each task."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from kerasbook.configuration import BaseExperiment, KerasExperiment, Name
from kerasbook.layers import Layer, Optimizer, Size, Units, check_stack
from kerasbook.validation import Strict

PICTURE = (28, 28, 1)
Rows = Annotated[int, Field(ge=1, le=1_000_000)]


class Kernel(Strict):
    """A small matrix of weights that slides over a picture."""

    weights: list[list[float]] = Field(description="Rows of equal length, at most 31 x 31.")
    divide_by: float = Field(1.0, description="All weights are divided by this.")
    signed: bool = Field(
        False, description="Whether results below zero mean something, and are shown as such."
    )

    @field_validator("weights")
    @classmethod
    def _is_matrix(cls, rows: list[list[float]]) -> list[list[float]]:
        lengths = {len(row) for row in rows}
        if len(lengths) != 1 or not 1 <= lengths.pop() <= 31 or len(rows) > 31:
            raise ValueError(
                f"found {len(rows)} rows of {[len(row) for row in rows]} weights, "
                "expected 1 to 31 rows of equal length, 1 to 31."
            )
        return rows

    @field_validator("divide_by")
    @classmethod
    def _not_zero(cls, value: float) -> float:
        if value == 0:
            raise ValueError("found 0, expected a number to divide the weights by.")
        return value


class Kernels(BaseExperiment):
    """A photograph under kernels that are written down, not learnt."""

    DATA_KIND: ClassVar[str] = "pictures"

    task: Literal["kernels"]
    kernels: Annotated[dict[Name, Kernel], Field(min_length=1)]


class Stack(Strict):
    """Equal dense layers, one above the other."""

    activation: Literal["relu", "softplus", "sigmoid", "tanh"]
    initializer: Literal["glorot_uniform", "he_normal"] = Field(
        "glorot_uniform", description="Glorot's is what Keras takes if it is told nothing."
    )


class Activations(BaseExperiment):
    """Activation functions, and what is left of the gradient below many layers of each."""

    task: Literal["activations"]
    stacks: Annotated[dict[Name, Stack], Field(min_length=1)]
    depths: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=2)] = Field(
        description="Numbers of hidden layers, rising."
    )
    width: Units = Field(description="Units of each hidden layer.")
    rows: Rows = Field(description="Pictures that the gradient is the mean over.")
    draws: int = Field(ge=1, le=1_000, description="Sets of initial weights for each network.")

    @field_validator("depths")
    @classmethod
    def _rise(cls, depths: list[int]) -> list[int]:
        if depths != sorted(set(depths)):
            raise ValueError(f"found {depths}, expected rising numbers of layers.")
        return depths


class Pooling(BaseExperiment):
    """Max, average and L2 pooling, and what each makes of a shifted picture."""

    task: Literal["pooling"]
    sizes: Annotated[list[Annotated[int, Field(ge=1, le=14)]], Field(min_length=1)] = Field(
        description="Sides of the squares that are pooled, in pixels."
    )
    shifts: int = Field(ge=1, le=14, description="Shifts from one pixel to this many.")
    rows: Rows = Field(description="Test pictures to look at.")


class ConvolutionLayer(Strict):
    """A convolution as the tutorial writes it: as wide in each direction."""

    type: Literal["conv1d", "conv2d"]
    filters: Units
    kernel_size: Size
    padding: Literal["valid", "same"]


class ConvolutionStack(Strict):
    """Convolutions and what they are given, as the tutorial prints it."""

    input_shape: Annotated[list[Units], Field(min_length=2, max_length=3)] = Field(
        description="Of one row: two numbers for Conv1D, three for Conv2D."
    )
    order: Literal["channels_first", "channels_last"] = Field(
        description="Where the tutorial has the channels."
    )
    layers: Annotated[list[ConvolutionLayer], Field(min_length=1)]

    @model_validator(mode="after")
    def _kernels_fit(self) -> "ConvolutionStack":
        first = self.order == "channels_first"
        sides = self.input_shape[1:] if first else self.input_shape[:-1]
        for index, layer in enumerate(self.layers):
            if layer.type != f"conv{len(sides)}d":
                raise ValueError(
                    f"layers.{index}: found {layer.type} over an input of shape "
                    f"{self.input_shape}, expected conv{len(sides)}d."
                )
            if layer.padding == "valid":
                sides = [side - layer.kernel_size + 1 for side in sides]
            if min(sides) < 1:
                raise ValueError(
                    f"layers.{index}: found kernels of {layer.kernel_size}, expected kernels "
                    f"that fit into the input of shape {self.input_shape}."
                )
        return self


class Shapes(BaseExperiment):
    """What Keras makes of the tutorial's convolutions, in both orders of the channels."""

    DATA_KIND: ClassVar[str] = "pictures"
    LIBRARIES: ClassVar[str] = "keras"

    task: Literal["shapes"]
    networks: Annotated[dict[Name, ConvolutionStack], Field(min_length=1)]


class _Trained(KerasExperiment):
    """What the tasks that train have in common."""

    layers: Annotated[list[Layer], Field(min_length=1)] = Field(
        description="The layers between the 28 x 28 picture and the ten-way softmax."
    )
    optimizer: Optimizer
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=100_000)

    @model_validator(mode="after")
    def _layers_fit(self) -> "_Trained":
        check_stack(self.layers, PICTURE)
        return self


class Network(_Trained):
    """A small convolutional network, opened: receptive fields and feature maps."""

    task: Literal["network"]

    @model_validator(mode="after")
    def _looks_at_squares(self) -> "Network":
        if self.layers[0].type != "conv2d":
            raise ValueError(
                f"layers.0: found {self.layers[0].type}, expected conv2d, whose maps are looked at."
            )
        return self


class Dropout(_Trained):
    """One network with its dropout layers and without, trained on few rows."""

    task: Literal["dropout"]
    train_rows: Rows = Field(description="Training pictures, drawn by the seed.")
    draws: int = Field(
        ge=1, le=10_000, description="Draws of the last dropout layer to look at the scale."
    )

    @model_validator(mode="after")
    def _has_dropout(self) -> "Dropout":
        if not any(layer.type == "dropout" and layer.rate > 0 for layer in self.layers):
            raise ValueError("layers: found no dropout layer with a rate, expected one or more.")
        return self


EXPERIMENTS = (Kernels, Activations, Pooling, Shapes, Network, Dropout)
