"""What an experiment of chapter 4.3 may say."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from kerasbook.configuration import BaseExperiment, KerasExperiment
from kerasbook.layers import Layer, Optimizer, check_stack

N_FEATURES = 93  # of the Otto tables; dense layers fit any number
Share = Annotated[float, Field(ge=0, le=0.9)]
Epochs = Annotated[int, Field(ge=0, le=10_000)]


class TableExperiment(BaseExperiment):
    """A classifier of the rows of a table of counts."""

    DATA_KIND: ClassVar[str] = "tables"

    held_out: Share = Field(
        description="The share of the rows that the splitting cell calls test rows; 0 where the "
        "model is fitted on all rows, and what it says of these is all that there is to report."
    )
    features: Literal["counts", "log_counts"] = Field(
        description="What is standardised: the counts (as printed), or the logarithm of 1 + count."
    )
    scaled_on: Literal["all_rows", "training_rows"] = Field(
        description="Whose mean and standard deviation: all rows' (as printed), or only those of "
        "the rows that are not test rows."
    )


class Network(TableExperiment, KerasExperiment):
    """A Keras network: softmax regression, or with layers before it."""

    task: Literal["network"]
    layers: list[Layer] = Field(
        description="The layers between a row and the softmax; none for softmax regression."
    )
    optimizer: Optimizer
    rate_schedule: Literal["constant", "cosine"] = Field(
        description="cosine: the learning rate falls to nothing along half a cosine."
    )
    epochs: int = Field(ge=1, le=10_000, description="At most, where early stopping ends them.")
    batch_size: int = Field(ge=1, le=100_000)
    epochs_before: Epochs = Field(
        description="Epochs on all rows that the same model had before the splitting cell."
    )
    batch_size_before: int = Field(ge=1, le=100_000, description="The batch size of those epochs.")
    runs_before: int = Field(
        ge=0,
        le=20,
        description="How often the splitting cell had been run before, each time on what the time "
        "before had left as training rows.",
    )
    fits_before: bool = Field(
        description="Whether those runs went on fitting the model, or only split the rows."
    )
    learnt_before: Literal["all_rows", "without_test_rows", "training_rows"] = Field(
        description="What the model learnt from before: all rows there were (as printed), those "
        "that do not become test rows, or those that are not watched either."
    )
    validation: Literal["none", "test", "split"] = Field(
        description="What is watched while training: nothing, the test rows (as printed), or the "
        "last rows of the training rows, kept from training."
    )
    validation_split: Share = Field(
        description="The share for `split`; with `test` it is handed to Keras besides, as printed."
    )
    patience: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        description="Early stopping as Keras 1 counts: after patience + 1 epochs without a smaller "
        "validation loss. null: none."
    )
    weights: Literal["last", "best"] = Field(
        description="Which weights are the model: the last epoch's (as printed, where the file of "
        "the best is written and never read), or those of the smallest validation loss."
    )
    submission: bool = Field(description="Write Kaggle's submission.csv beside the model.")

    @model_validator(mode="after")
    def _fits(self) -> "Network":
        check_stack(self.layers, (N_FEATURES,))
        if self.held_out == 0 and (self.validation == "test" or self.runs_before):
            raise ValueError(
                "held_out: found 0 with validation: test or runs_before above 0, expected a share "
                "of rows that are split off, such as 0.15."
            )
        if self.validation == "split" and self.validation_split == 0:
            raise ValueError(
                "validation_split: found 0 with validation: split, expected a share above 0."
            )
        if self.validation == "none" and (self.patience is not None or self.weights == "best"):
            raise ValueError(
                "validation: found none with patience or weights: best, expected test or split; "
                "without rows to watch no epoch is the best one."
            )
        return self


class Reference(TableExperiment):
    """A model of scikit-learn, for comparison."""

    task: Literal["reference"]
    model: Literal["logistic_regression", "gradient_boosting"]
    iterations: int = Field(
        ge=1, le=10_000, description="Of the solver at most, or boosting rounds."
    )
    learning_rate: float = Field(0.1, gt=0, le=1, description="Of boosting.")


EXPERIMENTS = (Network, Reference)
