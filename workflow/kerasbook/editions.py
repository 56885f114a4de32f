"""The editions of the workflow, and the files that ask for them."""

# The first is what plain `snakemake` runs.
EDITIONS = ("bundled", "book", "smoke")


def configfile(edition: str) -> str:
    """What `--configfile` is given for an edition; nothing for the first."""
    return "" if edition == EDITIONS[0] else f"config/{edition}.yaml"
