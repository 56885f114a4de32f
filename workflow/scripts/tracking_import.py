"""Bring the runs that wait in journals beside the results to a tracking store."""

import logging
import os
from pathlib import Path

from kerasbook import steps
from kerasbook.delivery import deliver
from kerasbook.errors import KerasbookError
from kerasbook.journal import journals_of
from kerasbook.provenance import shown_uri
from kerasbook.store import DEFAULT_URI, FILES
from kerasbook.tracking import URI_VARIABLE

logger = logging.getLogger(__name__)


def main(snakemake) -> None:
    """Import into the configured store, or into the usual one where none is configured.

    Raises:
        KerasbookError: some runs could not be imported.
    """
    # The address may hold a password, so it is no parameter of the rule.
    uri = os.environ[URI_VARIABLE]
    uri = DEFAULT_URI if uri == FILES else uri
    path = Path(snakemake.params.tracking)
    done = deliver(path, uri, the_dead=True, everywhere=True, from_anywhere=True)
    shown = shown_uri(uri)
    logger.info("%s: %d runs imported, %d were there.", shown, done.brought, done.there)
    if done.faults:
        more = f" And {len(done.faults) - 1} more." if len(done.faults) > 1 else ""
        raise KerasbookError(
            f"{shown}: {done.waiting} runs of {journals_of(path)} could not be imported "
            f"({done.brought} could). {done.faults[0]}{more} Call tracking_import again."
        )


if "snakemake" in globals():
    steps.run(main, snakemake)
