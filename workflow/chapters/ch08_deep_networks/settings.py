"""What an experiment of chapter 4.8 may say: four tasks."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from chapters.ch08_deep_networks.networks import NETWORKS
from kerasbook.configuration import BaseExperiment, KerasExperiment, Name
from kerasbook.layers import Layer, Optimizer
from kerasbook.validation import Strict

NetworkName = Literal[
    "vgg16", "vgg19", "resnet50", "inception_v3", "mobilenet_025", "miniature"
]  # fmt: skip
Networks = Annotated[list[NetworkName], Field(min_length=1)]
Epochs = Annotated[int, Field(ge=1, le=10_000)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Weights = Annotated[
    Name,
    Field(
        description="`imagenet` (downloaded), `random`, or an experiment of the task `pretraining` "
        "whose first seed's weights are taken."
    ),
]


def _weights_fit(weights: str, networks: list[str]) -> None:
    """Raises ValueError where a network has no weights of that origin."""
    if weights == "random":
        return
    made_here = weights != "imagenet"
    for name in networks:
        if made_here != (NETWORKS[name].weights is None):
            able = [one for one, told in NETWORKS.items() if (told.weights is None) == made_here]
            raise ValueError(
                f"weights: found {weights} for the network {name}, expected one of the networks "
                f"that have such weights: {', '.join(able)}."
            )


def _weights_maker(weights: str) -> tuple[str, str] | None:
    """The experiment that makes weights of that origin, and its task."""
    return None if weights in ("random", "imagenet") else (weights, "pretraining")


def _weights_data(weights: str, networks: list[str]) -> list[str]:
    """The data sets that weights of that origin are."""
    if weights != "imagenet":
        return []
    return [NETWORKS[name].weights for name in networks if NETWORKS[name].weights]


class Architectures(BaseExperiment):
    """The networks as they are before they learn: how large, how fast."""

    DATA_KIND: ClassVar[str] = "pictures"

    task: Literal["architectures"]
    networks: Networks = Field(description="Whose parameters are counted.")
    forward: list[NetworkName] = Field(
        description="Those that are built, with random weights, and shown a picture, each in a "
        "process of its own."
    )
    published: dict[NetworkName, str] = Field(
        description="Millions of parameters, as published, with the published decimals."
    )

    @model_validator(mode="after")
    def _known(self) -> "Architectures":
        strange = sorted({*self.forward, *self.published} - set(self.networks))
        if strange:
            raise ValueError(
                f"forward, published: found {', '.join(strange)}, expected networks that "
                f"`networks` names: {', '.join(self.networks)}."
            )
        for name, millions in self.published.items():
            if not millions.replace(".", "", 1).isdigit():
                raise ValueError(f"published.{name}: found '{millions}', expected such as '138.4'.")
        return self


class Recognition(KerasExperiment):
    """Trained networks are asked what is on a few pictures."""

    DATA_KIND: ClassVar[str] = "pictures"

    task: Literal["recognition"]
    networks: Networks
    weights: Weights
    picture: str = Field(description="The picture whose answer is `top1`.")
    preprocessing: Literal["printed", "own"] = Field(
        description="`own`: as each network was trained. `printed`: the tutorial's, which "
        "subtracts blue's mean from red and red's from blue; networks of other families than "
        "VGG's have none that is printed."
    )

    @model_validator(mode="after")
    def _fits(self) -> "Recognition":
        _weights_fit(self.weights, self.networks)
        strange = [one for one in self.networks if NETWORKS[one].family != "caffe"]
        if self.preprocessing == "printed" and strange:
            raise ValueError(
                f"preprocessing: found printed for {', '.join(strange)}, expected own: the "
                "tutorial prints it for VGG's family only."
            )
        return self

    def raw_data(self) -> list[str]:
        """The weights, and for ImageNet's the names of the classes."""
        names = ["imagenet_classes"] if self.weights == "imagenet" else []
        return [*_weights_data(self.weights, self.networks), *names]

    def starts_from(self) -> tuple[str, str] | None:
        """The experiment that made the weights, where they are made here."""
        return _weights_maker(self.weights)


class Pretraining(KerasExperiment):
    """The miniature network learns digits, so that there are weights to fine-tune."""

    DATA_KIND: ClassVar[str] = "idx_images"

    task: Literal["pretraining"]
    dataset: Literal["mnist"] = "mnist"
    network: Literal["miniature"] = "miniature"
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize


class SecondStage(Strict):
    """More layers are trained once the new ones know what they want."""

    frozen_before: str = Field(description="The first layer of the network that is trained now.")
    optimizer: Optimizer
    epochs: Epochs


class FineTuning(KerasExperiment):
    """A network that was trained on other pictures learns two new classes."""

    DATA_KIND: ClassVar[str] = "picture_folders"

    task: Literal["fine_tuning"]
    network: NetworkName
    weights: Weights
    size: int = Field(ge=32, le=512, description="Height and width of the pictures, in pixels.")
    frozen_before: str | None = Field(
        description="The first layer of the network that is trained; `head` trains none of them, "
        "only the new layers; null trains all."
    )
    head: Annotated[list[Layer], Field(min_length=1)] = Field(
        description="New layers between the network's last feature maps and the outputs."
    )
    output: Literal["sigmoid", "softmax"] = Field(description="The activation of the outputs.")
    loss: Literal["keras_1", "keras_3"] = Field(
        description="Categorical cross-entropy as Keras 1 computed it, of the outputs' shares, or "
        "as Keras 3 does: it takes the values before a sigmoid for those before a softmax, and "
        "so trains sigmoid outputs as if they were softmax."
    )
    mirrored: bool = Field(description="Whether each training picture is shown mirrored, too.")
    optimizer: Optimizer
    epochs: Epochs
    batch_size: BatchSize
    second_stage: SecondStage | None = None
    own_classes: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Which of the network's own classes the two classes are: its answer between "
        "them, before it learns anything, is the bar to clear.",
    )
    head_start: Literal["random", "own_classes"] = Field(
        "random",
        description="Where the outputs' weights start: drawn by the seed, or as the network's own "
        "for `own_classes` (for a head that ends in the average of each feature map).",
    )
    grad_cam: int = Field(0, ge=0, le=12, description="Validation pictures to explain by Grad-CAM.")

    @model_validator(mode="after")
    def _fits(self) -> "FineTuning":
        _weights_fit(self.weights, [self.network])
        if self.head[0].type not in ("flatten", "global_average_pooling2d"):
            raise ValueError(
                f"head.0: found {self.head[0].type}, expected flatten or "
                "global_average_pooling2d: the network leaves feature maps."
            )
        later = {one.type for one in self.head[1:]}
        if later - {"dense", "dropout", "batch_normalization", "activation"}:
            raise ValueError(
                f"head: found {', '.join(sorted(later))} after the first layer, expected dense, "
                "dropout, batch_normalization or activation."
            )
        if self.own_classes is not None and self.weights == "random":
            raise ValueError(
                "own_classes: found some for random weights, expected null: they know no class."
            )
        if self.head_start == "own_classes" and self.own_classes is None:
            raise ValueError(
                "head_start: found own_classes, expected random where own_classes is null."
            )
        if self.second_stage is not None and self.frozen_before is None:
            raise ValueError(
                "second_stage: found one where no layer is frozen, expected frozen_before to "
                "name the first layer of the first stage."
            )
        return self

    def raw_data(self) -> list[str]:
        """The weights."""
        return _weights_data(self.weights, [self.network])

    def starts_from(self) -> tuple[str, str] | None:
        """The experiment that made the weights, where they are made here."""
        return _weights_maker(self.weights)


EXPERIMENTS = (Architectures, Recognition, Pretraining, FineTuning)
