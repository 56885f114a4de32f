"""Chapter 4.10: the stages, and what is particular: Keras models, beside a linear one."""


use rule stage_preprocess as ch10_preprocess with:
    wildcard_constraints:
        chapter="ch10_recurrent",


use rule stage_train as ch10_train with:
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch10_recurrent",
    resources:
        mem_mb=more_each_try(2500),
        runtime=more_each_try(60),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch10_evaluate with:
    wildcard_constraints:
        chapter="ch10_recurrent",


use rule stage_report as ch10_report with:
    output:
        **pages("ch10"),
        **figures(
            "ch10",
            [
                "unrolled",
                "accuracy",
                "curves",
                "lengths",
                "cells",
                "following",
                "character_loss",
                "known_words",
            ],
        ),
    wildcard_constraints:
        chapter="ch10_recurrent",
