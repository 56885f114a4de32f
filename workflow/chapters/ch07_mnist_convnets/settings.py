"""What an experiment of chapter 4.7 may say."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kerasbook.configuration import KerasExperiment
from kerasbook.layers import Layer, Optimizer, check_stack


class Experiment(KerasExperiment):
    """A convolutional network that tells sixes from other digits."""

    layers: Annotated[list[Layer], Field(min_length=1)] = Field(
        description="The layers between the 28 x 28 picture and the two-way softmax."
    )
    optimizer: Optimizer
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=100_000)
    negatives: Literal["first_rows", "all_rows"] = Field(
        description="Where the not-sixes come from: drawn with replacement from the first rows "
        "only (as printed), or without replacement from all."
    )
    validation: Literal["test", "split"] = Field(
        description="What is watched while training: the test rows (as printed), or a tenth of "
        "the training rows, kept from training."
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> "Experiment":
        check_stack(self.layers, (28, 28, 1))
        return self
