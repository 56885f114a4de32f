"""Chapter 4.8: the stages, and what is particular: weights that one experiment makes for
others, and runs that leave a folder, since not all of them leave a model."""


use rule stage_preprocess as ch08_preprocess with:
    wildcard_constraints:
        chapter="ch08_deep_networks",


use rule stage_train as ch08_train with:
    input:
        unpack(PLAN.data_of),
        raw=PLAN.raw_of,
        raw_records=PLAN.raw_records_of,
        code=PLAN.code("train"),
        start=PLAN.start_of,
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch08_deep_networks",
    resources:
        # The most is VGG19's: its weights, and as much again while they are drawn.
        mem_mb=more_each_try(3000),
        runtime=more_each_try(60),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch08_evaluate with:
    wildcard_constraints:
        chapter="ch08_deep_networks",


use rule stage_report as ch08_report with:
    output:
        **pages("ch08"),
        **figures(
            "ch08",
            [
                "architectures",
                "answers",
                "curves",
                "ways",
                "outputs",
                "grad_cam",
                "faults",
            ],
        ),
    wildcard_constraints:
        chapter="ch08_deep_networks",
