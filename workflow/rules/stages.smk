"""The stages of a chapter, once. A chapter's rules.smk inherits them by `use rule`
and says what is particular; the script of that name is the one beside its rules.smk."""

import re


localrules:
    download_file,


wildcard_constraints:
    dataset="[a-z0-9_]+",
    experiment="[a-z0-9_]+",
    seed="[0-9]+",


rule download_file:
    """One file of a data set: from the mirror, else from its addresses, checked."""
    output:
        file="data/raw/{dataset}/{file}",
        record="data/raw/{dataset}/{file}.json",
    log:
        "logs/download/{dataset}/{file}.log",
    benchmark:
        "logs/download/{dataset}/{file}.benchmark.tsv"
    wildcard_constraints:
        # The names that there are: one of them ends in .json, as the records do.
        file="|".join(
            sorted(
                {re.escape(one.name) for d in PLAN.catalogue.datasets.values() for one in d.files}
            )
        ),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=more_each_try(600),
        runtime=more_each_try(60),
    params:
        entry=lambda wildcards: PLAN.catalogue.get(wildcards.dataset)
        .file(wildcards.file)
        .model_dump(mode="json"),
        edition=PLAN.edition,
        tracking=PLAN.tracking,
    script:
        "../scripts/download.py"


rule stage_preprocess:
    """Raw files to arrays, with their digest and the facts that the chapter prints of them."""
    input:
        raw=PLAN.raw_files,
        code=PLAN.code("preprocess"),
    output:
        data=ensure(f"{PLAN.processed}.npz", non_empty=True),
        about=f"{PLAN.processed}.json",
    log:
        f"{PLAN.logs}/preprocess/{{dataset}}.log",
    benchmark:
        f"{PLAN.benchmarks}/preprocess/{{dataset}}.tsv"
    wildcard_constraints:
        chapter="(?!)",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=more_each_try(1500),
        runtime=more_each_try(10),
    params:
        edition=PLAN.edition,
        tracking=PLAN.tracking,
        dataset=PLAN.dataset_of,
    script:
        "preprocess.py"


rule stage_train:
    """One experiment, one seed: the model, its history and its predictions."""
    input:
        unpack(PLAN.data_of),
        raw=PLAN.raw_of,
        code=PLAN.code("train"),
    output:
        model=ensure(f"{PLAN.run}/weights.npz", non_empty=True),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    log:
        f"{PLAN.logs}/train/{{experiment}}.seed{{seed}}.log",
    benchmark:
        f"{PLAN.benchmarks}/train/{{experiment}}.seed{{seed}}.tsv"
    wildcard_constraints:
        chapter="(?!)",
    conda:
        ENVIRONMENT
    threads: PLAN.settings.config.train_threads
    resources:
        mem_mb=more_each_try(1500),
        runtime=more_each_try(30),
    params:
        edition=PLAN.edition,
        tracking=PLAN.tracking,
        settings=PLAN.settings_of,
        # The same seed and threads give the same numbers, so another count is another run.
        train_threads=PLAN.settings.config.train_threads,
    script:
        "train.py"


rule stage_evaluate:
    """All seeds of an experiment: metrics, their mean and spread. No TensorFlow."""
    input:
        unpack(PLAN.data_of),
        unpack(PLAN.runs_of),
        code=PLAN.code("evaluate"),
    output:
        metrics=f"{PLAN.experiment}/metrics.json",
        record=f"{PLAN.experiment}/evaluate.json",
    log:
        f"{PLAN.logs}/evaluate/{{experiment}}.log",
    benchmark:
        f"{PLAN.benchmarks}/evaluate/{{experiment}}.tsv"
    wildcard_constraints:
        chapter="(?!)",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=more_each_try(1500),
        runtime=more_each_try(10),
    params:
        edition=PLAN.edition,
        tracking=PLAN.tracking,
        settings=PLAN.settings_of,
    script:
        "evaluate.py"


rule stage_report:
    """A chapter's page: verdicts, figures, faults, provenance."""
    input:
        unpack(PLAN.report_inputs),
        code=PLAN.code("report"),
    output:
        html=f"{PLAN.chapter_results}/report.html",
    log:
        f"{PLAN.logs}/report.log",
    benchmark:
        f"{PLAN.benchmarks}/report.tsv"
    wildcard_constraints:
        chapter="(?!)",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=more_each_try(1500),
        runtime=more_each_try(10),
    params:
        edition=PLAN.edition,
        tracking=PLAN.tracking,
        # The sweeps have pages of their own, to which this one leads.
        chapter=lambda wildcards: PLAN.chapter(wildcards.chapter).file.model_dump(
            mode="json", exclude={"sweeps"}
        ),
        experiments=lambda wildcards: PLAN.experiments_table(wildcards.chapter),
        sweeps=lambda wildcards: PLAN.sweeps_table(wildcards.chapter),
        absent=lambda wildcards: PLAN.absent[wildcards.chapter.split("_")[0]],
        reasons=PLAN.reasons(),
        options=PLAN.command_options(),
    script:
        "report.py"
