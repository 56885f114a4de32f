"""The results folder as an RO-Crate, with the code that made it."""

from pathlib import Path

from kerasbook import records, steps
from kerasbook.catalogue import load_catalogue
from kerasbook.crate import README, copy_code, crate
from kerasbook.files import read_json, write_json, write_text


def main(snakemake) -> None:
    """Copy the code, and write the crate's metadata and its README."""
    configuration = snakemake.params.configuration
    folder = Path(snakemake.output.metadata).parent
    copy_code(snakemake.params.sources, Path(snakemake.output.code), configuration)
    write_text(snakemake.output.readme, README.format(edition=configuration["edition"]))
    told = crate(
        folder,
        [read_json(file) for file in snakemake.input.pages],
        records.find(folder),
        load_catalogue(Path("config/datasets.yaml")),
        configuration,
    )
    write_json(snakemake.output.metadata, told)


if "snakemake" in globals():
    steps.run(main, snakemake)
