"""What runs wrote beside the results, brought to a tracking store."""


localrules:
    tracking_import,


rule tracking_import:
    """Import the runs that wait in journals: exactly once, however often this is called."""

    # No benchmark: Snakemake takes it for an output, and would run this rule only once.
    log:
        f"logs/{PLAN.edition}/tracking_import.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=800,
        runtime=60,
    params:
        tracking=PLAN.tracking,
    script:
        "../scripts/tracking_import.py"
