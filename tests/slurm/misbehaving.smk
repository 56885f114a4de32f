"""Jobs that go wrong the first time and end well the second, for the profile's retries."""

import sys

WRONG = {
    "fails": "exit 3",
    "overruns": "sleep 600",
    "swells": f"{sys.executable} -c 'x = b\"x\" * 1_300_000_000; import time; time.sleep(600)'",
    "cancelled": "sleep 600",
}


rule all:
    input:
        [f"{name}.txt" for name in WRONG],
        "refused.txt",
        "gpu.txt",
        "gres.txt",


for name, what in WRONG.items():

    rule:
        name:
            name
        output:
            f"{name}.txt",
        resources:
            mem_mb=lambda wildcards, attempt: 1000 * attempt,
            # The least that SLURM knows, and no time to lose for those that do not overrun it.
            runtime=(
                (lambda wildcards, attempt: attempt)
                if name == "overruns"
                else (lambda wildcards, attempt: 20 * attempt)
            ),
        params:
            tried=f"{name}.tried",
            what=what,
        shell:
            "test -e {params.tried} || {{ touch {params.tried}; {params.what}; }}; touch {output}"


rule refused:
    output:
        "refused.txt",
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=20,
    shell:
        "touch {output}"


rule gpu:
    output:
        "gpu.txt",
    resources:
        mem_mb=1000,
        runtime=20,
        gpu=1,
    shell:
        "printenv CUDA_VISIBLE_DEVICES > {output}"


rule gres:
    output:
        "gres.txt",
    resources:
        mem_mb=1000,
        runtime=20,
        gpu=0,
        gres="gpu:1",
    shell:
        "printenv CUDA_VISIBLE_DEVICES > {output}"
