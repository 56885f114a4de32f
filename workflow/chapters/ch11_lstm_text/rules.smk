"""Chapter 4.11: the stages, and what is particular: some runs have a Keras model, one has none."""


use rule stage_preprocess as ch11_preprocess with:
    wildcard_constraints:
        chapter="ch11_lstm_text",


use rule stage_train as ch11_train with:
    output:
        model=directory(f"{PLAN.run}/model"),
        history=f"{PLAN.run}/history.tsv",
        record=f"{PLAN.run}/train.json",
        predictions=ensure(f"{PLAN.run}/predictions.npz", non_empty=True),
    wildcard_constraints:
        chapter="ch11_lstm_text",
    resources:
        mem_mb=more_each_try(2500),
        runtime=more_each_try(150),
        # The character network is trained on the processor, by code of its own.
        gpu=PLAN.gpu_of,


use rule stage_evaluate as ch11_evaluate with:
    wildcard_constraints:
        chapter="ch11_lstm_text",


use rule stage_report as ch11_report with:
    output:
        **pages("ch11"),
        **figures(
            "ch11",
            ["curves", "ladder", "padding", "words", "chain", "loss", "known_words"],
        ),
    wildcard_constraints:
        chapter="ch11_lstm_text",
