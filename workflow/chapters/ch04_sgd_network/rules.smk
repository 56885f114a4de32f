"""The chapter's rules: the stages, and what is particular here."""


use rule stage_preprocess as ch04_preprocess with:
    wildcard_constraints:
        chapter="ch04_sgd_network",


use rule stage_train as ch04_train with:
    wildcard_constraints:
        chapter="ch04_sgd_network",


use rule stage_evaluate as ch04_evaluate with:
    wildcard_constraints:
        chapter="ch04_sgd_network",


use rule stage_report as ch04_report with:
    output:
        **pages("ch04"),
        **figures("ch04", ["curves", "saturation", "accuracy", "confusion"]),
    wildcard_constraints:
        chapter="ch04_sgd_network",
