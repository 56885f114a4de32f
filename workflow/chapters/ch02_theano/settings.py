"""What an experiment of chapter 4.2 may say."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kerasbook.configuration import BaseExperiment, Seeds

NOT_RANDOM = "Nothing is random here, so one seed is enough."


class Symbolic(BaseExperiment):
    """Expressions, their graphs, values and gradients, in PyTensor and in TensorFlow."""

    DATA_KIND: ClassVar[str] = "tables"
    LIBRARIES: ClassVar[str] = "keras"

    task: Literal["symbolic"]
    seeds: Seeds = Field([0], description=NOT_RANDOM)


class Shared(BaseExperiment):
    """Variables that keep a value, and functions that change it, in both libraries."""

    DATA_KIND: ClassVar[str] = "tables"
    LIBRARIES: ClassVar[str] = "keras"

    task: Literal["shared"]
    seeds: Seeds = Field([0], description=NOT_RANDOM)


class LogisticRegression(BaseExperiment):
    """Class 1 against all others, by gradient descent over all rows at once."""

    DATA_KIND: ClassVar[str] = "tables"

    task: Literal["logistic_regression"]
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    penalty: float = Field(
        ge=0, le=100, description="Times the sum of the squared weights, added to the loss."
    )
    steps: int = Field(
        ge=1, le=1_000_000, description="Steps of gradient descent, at most; one uses all rows."
    )
    tolerance: float = Field(
        gt=0,
        le=1,
        description="The descent ends sooner where no component of the gradient is larger.",
    )
    held_out: float = Field(
        ge=0.05,
        le=0.5,
        description="Share of the rows that a second descent is kept from, to be tested on.",
    )
    rewrites: bool = Field(
        description="Whether PyTensor may rewrite the loss before it computes (its default), or "
        "computes it as it is written."
    )
    tensorflow: bool = Field(
        description="Whether TensorFlow repeats the descent: same rows, weights and steps."
    )

    @property
    def libraries(self) -> str:
        """TensorFlow, where it repeats the descent."""
        return "keras" if self.tensorflow else "plain"


EXPERIMENTS = (Symbolic, Shared, LogisticRegression)
