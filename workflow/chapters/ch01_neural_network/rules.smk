"""The chapter's rules: the stages, and what is particular here."""


use rule stage_preprocess as ch01_preprocess with:
    wildcard_constraints:
        chapter="ch01_neural_network",


use rule stage_train as ch01_train with:
    wildcard_constraints:
        chapter="ch01_neural_network",


use rule stage_evaluate as ch01_evaluate with:
    wildcard_constraints:
        chapter="ch01_neural_network",


use rule stage_report as ch01_report with:
    output:
        **pages("ch01"),
        **figures("ch01", ["data", "boundaries", "errors", "momentum"]),
    wildcard_constraints:
        chapter="ch01_neural_network",
