"""What an experiment of chapter 4.4 may say."""

from typing import Annotated, Literal

from pydantic import Field

from kerasbook.configuration import BaseExperiment

Units = Annotated[int, Field(ge=1, le=10_000)]


class Experiment(BaseExperiment):
    """A sigmoid network on pictures of digits, trained by mini-batch SGD."""

    hidden: Annotated[list[Units], Field(min_length=1)] = Field(
        description="Units of each hidden layer."
    )
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(10, ge=1, le=100_000)
    learning_rate: Annotated[float, Field(gt=0, le=1000)]
    saturation_threshold: float = Field(
        1e-6,
        gt=0,
        lt=0.5,
        description="An activation closer to 0 or 1 than this counts as saturated.",
    )
    pixels: Literal["raw", "scaled"] = Field(
        description="raw: 0 to 255, as printed; scaled: 0 to 1."
    )
