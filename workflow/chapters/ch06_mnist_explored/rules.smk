"""The chapter's rules: the stages, and what is particular here."""


use rule stage_preprocess as ch06_preprocess with:
    wildcard_constraints:
        chapter="ch06_mnist_explored",


use rule stage_train as ch06_train with:
    wildcard_constraints:
        chapter="ch06_mnist_explored",


use rule stage_evaluate as ch06_evaluate with:
    wildcard_constraints:
        chapter="ch06_mnist_explored",


use rule stage_report as ch06_report with:
    output:
        **pages("ch06"),
        **figures("ch06", ["second", "eleventh", "means", "pixels", "confusion"]),
    wildcard_constraints:
        chapter="ch06_mnist_explored",
