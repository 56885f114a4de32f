"""Chapter 4.5: the stages, and what is particular: some runs have a Keras model, some none."""


use rule stage_preprocess as ch05_preprocess with:
    wildcard_constraints:
        chapter="ch05_convolutions",


use rule stage_train as ch05_train with:
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch05_convolutions",
    resources:
        mem_mb=more_each_try(2500),
        runtime=more_each_try(30),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch05_evaluate with:
    wildcard_constraints:
        chapter="ch05_convolutions",


use rule stage_report as ch05_report with:
    output:
        **pages("ch05"),
        **figures(
            "ch05",
            [
                "window",
                "kernels",
                "structure",
                "receptive",
                "features",
                "patches",
                "activations",
                "gradients",
                "squares",
                "pooling",
                "shifts",
                "dropout",
            ],
        ),
    wildcard_constraints:
        chapter="ch05_convolutions",
