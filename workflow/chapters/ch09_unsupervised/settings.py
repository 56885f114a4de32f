"""What an experiment of chapter 4.9 may say."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from kerasbook.configuration import BaseExperiment, KerasExperiment
from kerasbook.layers import Optimizer, Rate

Epochs = Annotated[int, Field(ge=1, le=10_000)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Size = Annotated[int, Field(ge=1, le=10_000)]


class Autoencoder(KerasExperiment):
    """Pictures of digits pressed through a few codes and back."""

    task: Literal["autoencoder"]
    codes: Size = Field(description="Units of the layer in the middle.")
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    samples: Literal["uniform", "codes"] = Field(
        description="Where the codes of drawn pictures come from: uniform between 0 and 1 (as "
        "printed), or the normal distribution with mean and covariance of the training pictures' "
        "codes, negative values set to 0 as the encoder does."
    )


class Pretraining(KerasExperiment):
    """A classifier that begins with an autoencoder's encoder, where few digits have labels."""

    task: Literal["pretraining"]
    codes: Size = Field(description="Units of the encoder and of the classifier's hidden layer.")
    optimizer: Optimizer = Field(description="Of the autoencoder.")
    classifier_optimizer: Optimizer
    epochs: Epochs = Field(description="Of the autoencoder.")
    batch_size: BatchSize = Field(description="Of the autoencoder.")
    label_counts: Annotated[list[Annotated[int, Field(ge=10, le=60_000)]], Field(min_length=1)] = (
        Field(description="How many pictures have labels, as many of each digit.")
    )
    draws: Size = Field(description="How often labelled pictures are drawn, for each count.")
    steps: Size = Field(description="Batches of each classifier's training.")
    step_size: BatchSize = Field(description="Pictures of a classifier's batch.")


class WordVectors(BaseExperiment):
    """Word2Vec on blog posts."""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["word_vectors"]
    posts: Size | None = Field(description="How many of the first posts are read; null for all.")
    vector_size: Size
    min_count: Size = Field(description="Words that occur less often are left out.")
    window: Size = Field(description="Words to each side that are predicted.")
    algorithm: Literal["cbow", "skip_gram"]
    epochs: Annotated[int, Field(ge=0, le=1_000)] = Field(
        description="Passes over the posts; 0 leaves the vectors as they were drawn (as printed)."
    )
    draws: Annotated[int, Field(ge=0, le=10_000)] = Field(
        description="Further untrained models whose similarities show what chance gives."
    )


class DocVectors(BaseExperiment):
    """Doc2Vec on blog posts, and a classifier of its vectors: who wrote the post?"""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["doc_vectors"]
    labels: Literal["printed_order", "own"] = Field(
        description="`printed_order`: zeros for as many posts as men wrote, then ones, although "
        "the women's posts come first (as printed). `own`: each post's own."
    )
    vector_size: Size
    min_count: Size
    window: Size
    epochs: Epochs
    folds: Annotated[int, Field(ge=2, le=20)] = Field(description="Of the cross-validation.")


class TfidfReference(BaseExperiment):
    """A linear model of TF-IDF weights: what a text classifier without word vectors gives."""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["tfidf"]


class SentenceCnn(KerasExperiment):
    """A convolutional network over the words of a sentence."""

    DATA_KIND: ClassVar[str] = "labelled_texts"

    task: Literal["sentence_cnn"]
    vectors: Literal["random", "word2vec", "glove"] = Field(
        description="What the embedding begins with: draws, vectors trained on the sentences "
        "themselves, or those of the data set `glove`."
    )
    vector_epochs: Epochs = Field(
        description="Passes over the sentences of word2vec (5 is gensim's default, as printed)."
    )
    train_embedding: bool = Field(description="Whether training moves the word vectors.")
    embedding_dim: Size
    embedding_range: float = Field(gt=0, le=1, description="Draws are uniform in ± this.")
    filter_sizes: Annotated[list[Size], Field(min_length=1)] = Field(description="Words.")
    filters: Size = Field(description="Of each size.")
    pool_size: Annotated[int, Field(ge=2, le=1_000)] | None = Field(
        description="Windows of which the largest value is kept; null for one value per filter."
    )
    dropout: Annotated[list[Rate], Field(min_length=2, max_length=2)] = Field(
        description="Share of the word vectors' values, and of the values before the output."
    )
    hidden_units: Annotated[int, Field(ge=0, le=10_000)] = Field(
        description="Of the layer before the output; 0 for none."
    )
    max_norm: Annotated[float, Field(gt=0, le=100)] | None = Field(
        description="The largest norm of the output's weights; null for any."
    )
    loss: Literal["keras_1", "keras_3"] = Field(
        description="Binary cross-entropy as Keras 1 computed it, of probabilities that stay "
        "1e-7 away from 0 and 1, or as Keras 3 does on TensorFlow: of the values before the "
        "sigmoid, without a bound."
    )
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    patience: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        description="Training ends after so many epochs without a smaller loss on a tenth of the "
        "training rows, kept apart for that, and the best weights count; null for all epochs."
    )

    @model_validator(mode="after")
    def _fits(self) -> "SentenceCnn":
        if self.vectors == "random" and not self.train_embedding:
            raise ValueError(
                "train_embedding: found false with random vectors, expected true; random vectors "
                "that never move tell the network little."
            )
        return self

    def raw_data(self) -> list[str]:
        """The file of word vectors, where the experiment begins with them."""
        return ["glove"] if self.vectors == "glove" else []


EXPERIMENTS = (Autoencoder, Pretraining, WordVectors, DocVectors, TfidfReference, SentenceCnn)
