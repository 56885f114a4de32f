"""The preprocess stage: raw files to arrays, and the record that says what they are."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasbook.arrays import save_npz
from kerasbook.catalogue import load_catalogue
from kerasbook.data import load_dataset
from kerasbook.download import require_file
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_arrays, read_json, write_json
from kerasbook.steps import step_of
from kerasbook.tracking import tracked
from kerasbook.validation import nearest

logger = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]
Prepare = Callable[[dict[str, np.ndarray], list[Path]], tuple[Arrays, dict[str, Any]]]


def preprocess(snakemake: Any, prepare: Prepare | Mapping[str, Prepare]) -> None:
    """Load the data set, let the chapter prepare it, and write arrays and record.

    Args:
        prepare: takes the data set's arrays and its raw files (none for bundled
            data); returns the arrays that the chapter trains and tests on, and the
            facts that the chapter prints of them. A chapter with several data sets gives
            one for each, by the name that its experiments use.
    """
    step = step_of(snakemake)
    name = snakemake.wildcards.dataset
    if isinstance(prepare, Mapping):
        if name not in prepare:
            raise KerasbookError(
                f"{step.source}: found no preparation of the data set '{name}'"
                f"{nearest(name, list(prepare))}, expected one of: {', '.join(prepare)}."
            )
        prepare = prepare[name]
    catalogue = load_catalogue(Path("config/datasets.yaml"))
    resolved = catalogue.resolve(name, step.edition)
    about = catalogue.get(resolved)
    records = [read_json(file) for file in snakemake.input.raw if file.endswith(".json")]
    raw_files = [Path(file) for file in snakemake.input.raw if not file.endswith(".json")]
    files = [
        {key: record[key] for key in ("file", "bytes", "sha256", "content_sha256", "source")}
        for record in records
    ]
    digests = {one["file"]: one["content_sha256"] for one in files}
    for file in raw_files:  # what is parsed is what the record speaks of
        require_file(file, about.file(file.name))
    with tracked(snakemake.params.tracking, step, digests) as run:
        loaded = load_dataset(resolved, catalogue, Path("data/raw"), step.edition)
        arrays, facts = prepare(loaded, raw_files)
        digest = digest_of_arrays(arrays)
        save_npz(snakemake.output.data, **arrays)
        for key, array in arrays.items():
            logger.info("%s: %s %s", key, array.dtype, array.shape)
        run.dataset(resolved, digest, snakemake.output.data, "processed")
        run.metrics({key: one for key, one in facts.items() if not isinstance(one, str)})
        write_json(
            snakemake.output.about,
            {
                "dataset": name,
                "resolved": resolved,
                "title": about.title,
                "licence": about.licence,
                "citation": about.citation,
                "files": files,
                "digest": digest,
                "facts": facts,
                "run_id": run.id,
                "provenance": run.record(),
            },
        )
