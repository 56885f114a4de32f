"""Downloaded files that a run reads as they are, such as weights and word vectors."""

import hashlib
from pathlib import Path
from typing import Any

from kerasbook.errors import KerasbookError
from kerasbook.files import read_json


def raw_digests(snakemake: Any) -> dict[str, str]:
    """Make sure of the downloaded files that a run reads, before it reads them.

    They are compared with the records of their downloads, which hold what was found when the
    catalogue was asked. It is not asked again: what knows the catalogue and downloads would be
    code of the training, and each change of it would train all networks anew.

    Returns:
        `<data set>/<file>` -> digest of the content, for the fingerprint of the run, so that
        exchanged weights make another run. Empty where nothing is downloaded.

    Raises:
        KerasbookError: a file was changed, or cannot be read.
    """
    files = zip(snakemake.input.raw, snakemake.input.raw_records, strict=True)
    digests = {}
    for path, record in ((Path(file), read_json(record)) for file, record in files):
        found = _sha256(path)
        if found != record["sha256"]:
            raise KerasbookError(
                f"{path}: found SHA-256 {found} of the file, expected {record['sha256']}, which it "
                "had when it was downloaded. Delete it and run snakemake again to fetch it anew."
            )
        digests[f"{record['dataset']}/{record['file']}"] = record["content_sha256"]
    return digests


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise KerasbookError(
            f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded file; "
            "run snakemake again to fetch it."
        ) from error
