"""Fetch one file of a data set, from the mirror or from its addresses."""

import os
import shutil
from pathlib import Path

from kerasbook import steps
from kerasbook.catalogue import FileEntry
from kerasbook.configuration import load_settings
from kerasbook.download import fetch, kept_path
from kerasbook.files import read_json, write_json, written_whole
from kerasbook.provenance import shown_uri
from kerasbook.tracking import tracked


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no links."""
    with written_whole(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def record_of(fetched: dict, kept_record: Path) -> dict:
    """The record of a file: where it was kept, the one of the time when it was fetched."""
    if fetched["source"] != "already there" or not kept_record.exists():
        return fetched
    record = read_json(kept_record)
    # Records that were written before addresses were masked may hold a mirror's password.
    return {**record, "source": shown_uri(record["source"])}


def main(snakemake) -> None:
    """Write the file and the record of where it came from."""
    # The mirror and the patience are read here and are no parameters of the rule: a
    # file that is there stays right when the place it came from changes.
    settings = load_settings(snakemake.config)
    patience = settings.config.download
    entry = FileEntry.model_validate(snakemake.params.entry)
    # Snakemake removes a rule's outputs before it runs: what was fetched once is kept in a
    # folder of its own, so that a rule that runs again needs no network and loses nothing.
    kept = kept_path(entry)
    step = steps.Step(
        rule=snakemake.rule,
        name=f"download {entry.name}",
        edition=snakemake.params.edition,
        chapter="data",
        source="workflow/scripts/download.py",
        settings={"dataset": snakemake.wildcards.dataset, "file": entry.name},
    )
    with tracked(snakemake.params.tracking, step, {entry.name: entry.content_id}) as run:
        record = fetch(
            snakemake.wildcards.dataset,
            entry,
            kept,
            settings.mirror,
            timeout=patience.timeout,
            retries=patience.retries,
            backoff=patience.backoff,
        )
        kept_record = kept.with_name(f"{kept.name}.json")
        record = record_of(record, kept_record)
        write_json(kept_record, record)
        link_or_copy(kept, Path(snakemake.output.file))
        run.metrics({"bytes": record["bytes"], "download_seconds": record["seconds"]})
        run.tags({key: record[key] for key in ("source", "sha256", "content_sha256")})
        write_json(snakemake.output.record, record)


if "snakemake" in globals():
    steps.run(main, snakemake)
