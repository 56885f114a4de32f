"""Make the MLflow store before any job runs."""

from pathlib import Path

from kerasbook import steps
from kerasbook.tracking import prepare


def main(snakemake) -> None:
    """Make store, experiments and parent runs; write their ids."""
    params = snakemake.params
    prepare(params.uri, params.edition, params.chapters, Path(snakemake.output[0]))


if "snakemake" in globals():
    steps.run(main, snakemake)
