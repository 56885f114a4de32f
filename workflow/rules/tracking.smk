"""The tracking store, made once before any job, and swept of runs whose job died."""


localrules:
    tracking_store,


rule tracking_store:
    """The MLflow store, its experiments and the runs that hold others."""
    input:
        code=code_of(Path("workflow/scripts/tracking_store.py")),
    output:
        PLAN.tracking,
    log:
        f"logs/{PLAN.edition}/tracking_store.log",
    benchmark:
        f"logs/{PLAN.edition}/tracking_store.benchmark.tsv"
    params:
        uri=PLAN.settings.tracking_uri,
        edition=PLAN.edition,
        chapters=PLAN.tracking_tree(),
    resources:
        mem_mb=600,
        runtime=10,
    conda:
        ENVIRONMENT
    script:
        "../scripts/tracking_store.py"


CLOSE_DEAD_RUNS = f"test ! -f {PLAN.tracking} || {sys.executable} -m kerasbook.tracking {PLAN.tracking}"


onstart:
    shell(CLOSE_DEAD_RUNS)


onerror:
    shell(CLOSE_DEAD_RUNS)
