"""Chapter 4.9: the stages, and what is particular: models of several kinds, in a folder."""


use rule stage_preprocess as ch09_preprocess with:
    wildcard_constraints:
        chapter="ch09_unsupervised",


use rule stage_train as ch09_train with:
    input:
        unpack(PLAN.data_of),
        raw=PLAN.raw_of,
        raw_records=PLAN.raw_records_of,
        code=PLAN.code("train"),
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch09_unsupervised",
    resources:
        mem_mb=more_each_try(3000),
        runtime=more_each_try(60),
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch09_evaluate with:
    wildcard_constraints:
        chapter="ch09_unsupervised",


use rule stage_report as ch09_report with:
    output:
        **pages("ch09"),
        **figures(
            "ch09",
            [
                "structure",
                "autoencoder_curves",
                "reconstructions",
                "samples",
                "codes",
                "few_labels",
                "similarities",
                "word_map",
                "posts_map",
                "posts",
                "sentence_curves",
                "sentence_ladder",
            ],
        ),
    wildcard_constraints:
        chapter="ch09_unsupervised",
