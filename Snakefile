"""kerasbook: a classic Keras tutorial, re-run, tracked and judged.

snakemake -c4                                   all chapters, bundled data
snakemake -c4 ch07                              one chapter
snakemake -c4 train                             one stage of all chapters
snakemake -c4 --configfile config/book.yaml     the reproduction
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/stages.smk"
include: "workflow/rules/hooks.smk"


for chapter in PLAN.chapters.values():  # each chapter's room: workflow/chapters/chNN_slug/

    include: f"workflow/chapters/{chapter.slug}/rules.smk"


include: "workflow/rules/report.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/tracking.smk"
include: "workflow/rules/targets.smk"


localrules:
    all,


rule all:
    """Every selected chapter's page, the index, and the crate that tells where they come from."""
    input:
        rules.index.output,
        rules.errata.output,
        rules.crate.output if PLAN.selected else [],  # of no runs there is nothing to tell
