"""Chapter 4.3: the stages, and what is particular: a folder for each model, beside which the
exercise's runs leave Kaggle's submission.csv, and a GPU if there is one."""


use rule stage_preprocess as ch03_preprocess with:
    wildcard_constraints:
        chapter="ch03_keras_basics",


use rule stage_train as ch03_train with:
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch03_keras_basics",
    resources:
        mem_mb=more_each_try(2000),
        runtime=more_each_try(30),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch03_evaluate with:
    wildcard_constraints:
        chapter="ch03_keras_basics",


use rule stage_report as ch03_report with:
    output:
        **pages("ch03"),
        **figures(
            "ch03",
            ["losses", "state", "overfitting", "confusion", "ladder", "faults"],
        ),
    wildcard_constraints:
        chapter="ch03_keras_basics",
