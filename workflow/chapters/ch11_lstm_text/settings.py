"""What an experiment of chapter 4.11 may say, by its task."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from kerasbook.configuration import BaseExperiment, KerasExperiment
from kerasbook.keras_1 import Gates, InitialWeights
from kerasbook.layers import SGD, Optimizer, RMSprop

Epochs = Annotated[int, Field(ge=1, le=10_000)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Diversity = Annotated[float, Field(gt=0, le=1)]


class _OfTexts(BaseExperiment):
    DATA_KIND: ClassVar[str] = "labelled_texts"


class _Classifier(_OfTexts, KerasExperiment):
    """An LSTM that tells the two kinds of texts apart."""

    units: int = Field(ge=1, le=10_000, description="Of the LSTM layer.")
    gates: Gates
    initial_weights: InitialWeights
    dropout: float = Field(ge=0, lt=1, description="After the LSTM layer.")
    loss: Literal["mean_squared_error", "binary_crossentropy"]
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    texts: Share = Field(1.0, description="The share of each kind's texts to work with.")


class OneHot(_Classifier):
    """Hashed words, an embedding, an LSTM."""

    task: Literal["one_hot"]
    dimension: int = Field(ge=1, le=10_000, description="Of the embedding.")
    labels: Literal["printed_order", "order_of_texts"] = Field(
        description="`printed_order` puts the labels of the second kind first, as printed, though "
        "the texts of the first kind come first."
    )


class Tfidf(_Classifier):
    """TF-IDF rows and an LSTM."""

    task: Literal["tfidf"]
    dimension: int = Field(ge=1, le=10_000, description="Of the embedding of padded integers.")
    rows: Literal["padded_integers", "whole"] = Field(
        description="What the network reads: the last columns of a row, cut to integers, as if "
        "they were words (as printed), or the whole row of weights, as one step."
    )
    female: Literal["male_rows", "own_rows"] = Field(
        description="The rows of the second class: those of the first once more (as printed), or "
        "its own."
    )
    vectorizers: Literal["one_per_class", "one"] = Field(
        description="`one_per_class` fits TF-IDF to each class by itself (as printed), so that a "
        "column means another word in each; `one` fits it to the training rows of both."
    )

    @model_validator(mode="after")
    def _widths_agree(self) -> "Tfidf":
        if self.vectorizers == "one" and self.female == "male_rows":
            raise ValueError(
                "female: found male_rows with one vectorizer, expected own_rows: with one class "
                "there is nothing that a vectorizer could be shared with."
            )
        return self


class Linear(_OfTexts):
    """TF-IDF and logistic regression, over folds and on the rows of the networks' split."""

    task: Literal["linear"]
    folds: int = Field(ge=2, le=100)
    texts: Share = Field(1.0, description="The share of each kind's texts to work with.")


class Characters(_OfTexts):
    """A character LSTM on the texts of the second kind."""

    LIBRARIES: ClassVar[str] = "keras"  # though it is trained outside Keras

    task: Literal["characters"]
    units: int = Field(ge=1, le=10_000)
    gates: Gates
    initial_weights: InitialWeights
    window: int = Field(ge=1, le=1_000, description="Characters that the network sees.")
    loss: Literal["categorical_crossentropy", "mean_squared_error"]
    probability_floor: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="The cross-entropy counts with no smaller probability, and one that is "
        "smaller teaches nothing; Keras 1 had 1e-7. 0 counts from the sums, as Keras does today.",
    )
    optimizer: Annotated[SGD | RMSprop, Field(discriminator="type")]
    epochs: Epochs
    batch_size: BatchSize
    diversities: Annotated[list[Diversity], Field(min_length=1)]
    sample_length: int = Field(ge=1, le=10_000, description="Characters of a sample.")
    first_characters: int | None = Field(
        None, ge=1_000, description="Learn from so many characters; from all if null."
    )

    @model_validator(mode="after")
    def _optimizer_is_known(self) -> "Characters":
        if isinstance(self.optimizer, SGD) and (self.optimizer.momentum or self.optimizer.decay):
            raise ValueError(
                f"optimizer: found {self.optimizer.model_dump(exclude_defaults=True)}, expected "
                "sgd without momentum and decay, or rmsprop; the character network is trained "
                "outside Keras and knows no other."
            )
        return self


EXPERIMENTS = (OneHot, Tfidf, Linear, Characters)
