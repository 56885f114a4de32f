"""What an experiment of chapter 4.1 may say."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kerasbook.configuration import BaseExperiment


class Experiment(BaseExperiment):
    """A 2-h-1 sigmoid network, trained one row at a time."""

    DATA_KIND: ClassVar[str] = "csv_points"

    hidden_units: int = Field(ge=1, le=10_000, description="Units of the hidden layer.")
    iterations: int = Field(ge=1, le=1_000_000, description="Passes over the training rows.")
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.5
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.1
    momentum_kind: Literal["last_gradient", "last_update"] = Field(
        "last_gradient",
        description="What the momentum term keeps: the last gradient (as printed) or the last "
        "update (momentum proper).",
    )
    held_out: float = Field(
        0.0, ge=0, le=0.9, description="Share of the rows kept from training, to be tested on."
    )
    draws_before: int = Field(
        0,
        ge=0,
        description="Random numbers that the networks printed before have drawn from the seed.",
    )
