"""Chapter 4.2: the stages, and what is particular: a run leaves a folder, not one file."""


use rule stage_preprocess as ch02_preprocess with:
    wildcard_constraints:
        chapter="ch02_theano",


use rule stage_train as ch02_train with:
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch02_theano",
    resources:
        mem_mb=more_each_try(2500),
        runtime=more_each_try(30),


use rule stage_evaluate as ch02_evaluate with:
    wildcard_constraints:
        chapter="ch02_theano",


use rule stage_report as ch02_report with:
    output:
        **pages("ch02"),
        **figures(
            "ch02",
            ["expression", "gradient", "traced", "loss", "overflow", "descent", "answers"],
        ),
    wildcard_constraints:
        chapter="ch02_theano",
