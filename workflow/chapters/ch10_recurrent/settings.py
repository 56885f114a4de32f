"""What an experiment of chapter 4.10 may say."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kerasbook.configuration import BaseExperiment, KerasExperiment
from kerasbook.keras_1 import Gates, InitialWeights
from kerasbook.layers import Optimizer, Rate, Units

Epochs = Annotated[int, Field(ge=1, le=10_000)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Words = Annotated[int, Field(ge=1, le=100)]
Count = Annotated[int, Field(ge=1)]
Diversity = Annotated[float, Field(gt=0, le=100)]


class Sentiment(KerasExperiment):
    """A recurrent network that tells a good review from a bad one by its last words."""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["sentiment"]
    cell: Literal["simple_rnn", "lstm", "gru"]
    units: Units = Field(description="Of the recurrent layer.")
    initial_weights: InitialWeights
    embedding: Units = Field(description="Numbers that stand for a word.")
    dropout: Rate = Field(description="Of the recurrent layer's answer.")
    embedding_dropout: Rate = Field(
        description="The share of the numbers of an embedding that are dropped, the same ones for "
        "all words of a row."
    )
    marks: bool = Field(
        description="Whether punctuation marks and line breaks count as words (as printed)."
    )
    words: Words = Field(description="How many last words of a review the network reads.")
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    rows: Count | None = Field(None, description="Training rows, the first ones; all if null.")
    validation_split: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.0,
        description="The share of these rows, the last ones, that are kept from training and "
        "watched. 0: the test rows are watched (as printed).",
    )

    def settings(self) -> dict[str, Any]:
        """As of every experiment; that no row is kept from training is not told."""
        told = super().settings()
        if told["validation_split"] == 0:
            del told["validation_split"]
        return told


class Linear(BaseExperiment):
    """Logistic regression on TF-IDF weights of words, or of words and pairs of words."""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["linear"]
    words: Words | None = Field(
        description="How many last words of a review count; the whole review if null."
    )
    pairs: bool = Field(description="Whether pairs of neighbouring words count too.")
    marks: bool = Field(
        True, description="Whether punctuation marks and line breaks count as words (as printed)."
    )
    inverse_penalties: Annotated[
        list[Annotated[float, Field(gt=0, le=1e6)]], Field(min_length=1)
    ] = Field(
        description="C of scikit-learn's LogisticRegression: a fifth of the training rows chooses."
    )

    def settings(self) -> dict[str, Any]:
        """As of every experiment; that marks count is not told."""
        told = super().settings()
        if told["marks"]:
            del told["marks"]
        return told


class Characters(KerasExperiment):
    """A recurrent network that learns which character comes next, and writes."""

    DATA_KIND: ClassVar[str] = "text"

    task: Literal["characters"]
    units: Units = Field(description="Of the LSTM.")
    recurrent_activation: Gates
    initial_weights: InitialWeights
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    windows: Count | None = Field(
        None, description="Windows to learn from, the first ones of the text; all if null."
    )
    interrupted_after: Count | None = Field(
        None,
        description="Windows of one more epoch, in which training stops: the tutorial's "
        "printed output ends there.",
    )
    sampling: Literal["as_printed", "log_space"] = Field(
        description="How a character is drawn: by the logarithm of every probability (as "
        "printed), or with logarithms that are all finite."
    )
    diversities: Annotated[list[Diversity], Field(min_length=1)] = Field(
        description="One text is written at each, after every epoch."
    )
    written: Count = Field(description="Characters of each text.")


EXPERIMENTS = (Sentiment, Linear, Characters)
