"""What stands over all chapters: the index, the table of every printed number, the errata."""


localrules:
    crate,
    errata,
    index,


rule errata:
    """The faults of the printed code over all chapters, ranked by what each costs."""
    input:
        pages=[PLAN.page(chapter)["page"] for chapter in PLAN.selected],
        templates=PLAN.templates(),
        code=code_of(Path("workflow/scripts/errata.py")),
    output:
        html=f"{PLAN.results}/errata.html",
        table=report(
            f"{PLAN.results}/errata.tsv",
            caption="../report/errata.rst",
            category="All chapters",
            labels={"shows": "errata"},
        ),
        figure=report(
            f"{PLAN.results}/figures/errata.svg",
            caption="../report/errata.rst",
            category="All chapters",
            labels={"shows": "errata, drawn"},
        ),
    log:
        f"logs/{PLAN.edition}/errata.log",
    benchmark:
        f"{PLAN.results}/benchmarks/errata.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=800,
        runtime=10,
    params:
        edition=PLAN.edition,
    script:
        "../scripts/errata.py"


rule index:
    """The first page, and one row for each number of the ledger."""
    input:
        pages=[PLAN.page(chapter)["page"] for chapter in PLAN.selected],
        ledger="config/published.tsv",
        templates=PLAN.templates(),
        code=code_of(Path("workflow/scripts/index.py")),
    output:
        html=f"{PLAN.results}/index.html",
        comparison=report(
            f"{PLAN.results}/figures/comparison.svg",
            caption="../report/comparison.rst",
            category="All chapters",
            labels={"shows": "experiments compared"},
        ),
        reproduction=report(
            f"{PLAN.results}/figures/reproduction.svg",
            caption="../report/reproduction.rst",
            category="All chapters",
            labels={"shows": "reproduction"},
        ),
        workflow=report(
            f"{PLAN.results}/figures/workflow.svg",
            caption="../report/workflow.rst",
            category="All chapters",
            labels={"shows": "workflow"},
        ),
        table=report(
            f"{PLAN.results}/reproduction.tsv",
            caption="../report/verdicts.rst",
            category="All chapters",
            labels={"shows": "verdicts"},
        ),
        steps=f"{PLAN.results}/steps.tsv",
        experiments=f"{PLAN.results}/experiments.tsv",
    log:
        f"logs/{PLAN.edition}/index.log",
    benchmark:
        f"{PLAN.results}/benchmarks/index.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=600,
        runtime=10,
    params:
        edition=PLAN.edition,
        reasons=PLAN.reasons(),
        overview=PLAN.overview(),
        tracking_uri=shown_uri(PLAN.settings.tracking_uri),
    script:
        "../scripts/index.py"


rule crate:
    """The results folder as an RO-Crate: which run, data and code made what is in it."""
    input:
        pages=[PLAN.page(chapter)["page"] for chapter in PLAN.selected],
        first=[*rules.index.output, *rules.errata.output],
        code=code_of(Path("workflow/scripts/crate.py")),
    output:
        metadata=f"{PLAN.results}/ro-crate-metadata.json",
        readme=f"{PLAN.results}/README.md",
        code=directory(f"{PLAN.results}/code"),
    log:
        f"logs/{PLAN.edition}/crate.log",
    benchmark:
        f"{PLAN.results}/benchmarks/crate.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=600,
        runtime=10,
    params:
        configuration=PLAN.configuration(),
        # As inputs they would fill the screen.
        sources=lambda wildcards: PLAN.sources(),
        sources_sha256=lambda wildcards: digest_of_files(PLAN.sources()),
    script:
        "../scripts/crate.py"
