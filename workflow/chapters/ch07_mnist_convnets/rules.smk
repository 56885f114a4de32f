"""Chapter 4.7: the stages, and what is particular: Keras models, a GPU if there is one."""


use rule stage_preprocess as ch07_preprocess with:
    wildcard_constraints:
        chapter="ch07_mnist_convnets",


use rule stage_train as ch07_train with:
    output:
        model=ensure(f"{PLAN.run}/model.keras", non_empty=True),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch07_mnist_convnets",
    resources:
        mem_mb=more_each_try(2000),
        runtime=more_each_try(30),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch07_evaluate with:
    wildcard_constraints:
        chapter="ch07_mnist_convnets",


use rule stage_report as ch07_report with:
    output:
        **pages("ch07"),
        **figures(
            "ch07",
            ["curves", "fifteen", "confusion", "mistakes", "filters", "ladder", "faults"],
        ),
    wildcard_constraints:
        chapter="ch07_mnist_convnets",
