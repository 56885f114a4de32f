"""Sweeps: a job for each point and seed, which trains and evaluates it, and a page for each
sweep. None is part of `all`: `snakemake sweeps`, or `snakemake ch07_sweeps`."""


wildcard_constraints:
    sweep="[a-z0-9_]+",
    point="[0-9a-f]+",


rule sweep_point:
    """One point of a sweep, one seed: trained and evaluated in one job, without keeping a model.

    A run takes seconds to minutes, so on a cluster those of a group share an allocation; how
    many do, `group-components` says in the profile.
    """
    input:
        unpack(PLAN.data_of),
        raw=PLAN.raw_of,
        raw_records=lambda wildcards: [f"{file}.json" for file in PLAN.raw_of(wildcards)],
        code=PLAN.code_of_point,
    output:
        record=PLAN.point,
    log:
        f"{PLAN.logs}/sweeps/{{sweep}}/{{point}}.seed{{seed}}.log",
    benchmark:
        f"{PLAN.benchmarks}/sweeps/{{sweep}}/{{point}}.seed{{seed}}.tsv"
    group:
        "sweep"
    conda:
        ENVIRONMENT
    threads: PLAN.settings.config.train_threads
    resources:
        mem_mb=more_each_try(2500),  # the most that a training of a chapter with sweeps asks for
        gpu=PLAN.gpu_of,
        runtime=lambda wildcards, attempt: attempt * PLAN.sweep_of(wildcards).entry.minutes,
    params:
        edition=PLAN.edition,
        tracking=PLAN.tracking,
        settings=PLAN.settings_of,
        values=PLAN.values_of,
        train_threads=PLAN.settings.config.train_threads,
        outputs=outputs_of_training,
    script:
        "../scripts/sweep_point.py"


rule sweep_page:
    """Which hyperparameter mattered: the points of a sweep, drawn and in a table."""
    input:
        points=PLAN.points_of,
        templates=PLAN.templates(),
        code=code_of(Path("workflow/scripts/sweep_page.py")),
    output:
        html=report(
            f"{PLAN.sweep}.html",
            caption="../report/sweep.rst",
            category="Sweeps",
            subcategory="{chapter}",
            labels={"shows": "{sweep}"},
        ),
        table=f"{PLAN.sweep}.tsv",
        importance=f"{PLAN.sweep}_importance.tsv",
        figures=[f"{PLAN.sweep}_{name}.svg" for name in ("importance", "parallel", "effects")],
    log:
        f"{PLAN.logs}/sweeps/{{sweep}}.log",
    benchmark:
        f"{PLAN.benchmarks}/sweeps/{{sweep}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=more_each_try(1500),
        runtime=more_each_try(10),
    params:
        edition=PLAN.edition,
        sweep=lambda wildcards: PLAN.sweep_of(wildcards).told(),
        chapter=lambda wildcards: PLAN.chapter(wildcards.chapter).file.model_dump(
            mode="json", include={"number", "title"}
        ),
        options=PLAN.command_options(),
    script:
        "../scripts/sweep_page.py"
