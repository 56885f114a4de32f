"""What can be asked for by name: a stage, or a chapter."""


localrules:
    download,
    preprocess,
    train,
    evaluate,
    report,


rule download:
    """The raw files of the selected chapters."""
    input:
        PLAN.all_targets("download"),


rule preprocess:
    """The arrays of the selected chapters."""
    input:
        PLAN.all_targets("preprocess"),


rule train:
    """The trained models of the selected chapters."""
    input:
        PLAN.all_targets("train"),


rule evaluate:
    """The metrics of the selected chapters."""
    input:
        PLAN.all_targets("evaluate"),


rule report:
    """The pages of the selected chapters."""
    input:
        PLAN.all_targets("report"),


for chapter_id in PLAN.chapters:

    rule:
        name:
            chapter_id
        input:
            PLAN.targets("report", chapter_id) if PLAN.chapters[chapter_id].experiments else [],
        localrule: True
