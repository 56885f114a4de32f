"""What an experiment of chapter 4.6 may say."""

from pydantic import Field

from kerasbook.configuration import BaseExperiment, Seeds


class Experiment(BaseExperiment):
    """A look at a set of digit pictures, and the classifier by the nearest mean picture."""

    # Nothing here is random: one run says it all.
    seeds: Seeds = Field([0], description="Nothing is random here, so one seed is enough.")
    first_labels: int = Field(10, ge=1, le=1000, description="Labels to list from the top.")
