"""What can be asked for by name: a stage, or a chapter."""


localrules:
    download,
    preprocess,
    train,
    evaluate,
    report,
    sweeps,


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


rule sweeps:
    """The pages of the sweeps of the selected chapters; they are not part of `all`."""
    input:
        PLAN.sweep_targets(PLAN.selected),


for chapter_id in PLAN.chapters:

    rule:
        name:
            chapter_id
        input:
            PLAN.targets("report", chapter_id) if PLAN.chapters[chapter_id].experiments else [],
        localrule: True


for chapter_id in [one for one, entry in PLAN.chapters.items() if entry.file.sweeps]:

    rule:
        name:
            f"{chapter_id}_sweeps"
        input:
            PLAN.sweep_targets([chapter_id]),
        localrule: True
