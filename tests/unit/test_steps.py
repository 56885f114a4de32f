"""What surrounds a script: all it prints goes to its log, one message to the user."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasbook.steps import Step, step_of

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
    import ctypes, logging, os, sys, time, warnings
    from types import SimpleNamespace
    from kerasbook import steps
    from kerasbook.errors import KerasbookError

    def main(snakemake):
"""
TAIL = """
    steps.run(main, SimpleNamespace(rule="ch07_train", log=["logs/deep/job.log"]))
    print("printed after the script's end")
"""


@pytest.fixture
def start(tmp_path):
    """Start a script whose `main` has the given body."""

    def run(body):
        script = textwrap.dedent(HEAD) + textwrap.indent(textwrap.dedent(body), "    ")
        script += textwrap.dedent(TAIL)
        (tmp_path / "script.py").write_text(script, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def job(start, tmp_path):
    """Run such a script; returns its status, the screen, and the log."""

    def run(body):
        out, err = (process := start(body)).communicate(timeout=60)
        log = (tmp_path / "logs/deep/job.log").read_text(encoding="utf-8")
        return process.returncode, out + err, log

    return run


def test_a_good_job_says_nothing_on_the_screen_and_all_in_its_log(job):
    status, screen, log = job(
        """
        print("from print")
        print("from stderr", file=sys.stderr)
        logging.getLogger("kerasbook.some").info("from logging %d", 7)
        warnings.warn("from warnings")
        warnings.warn("out of fashion", DeprecationWarning)
        os.write(1, b"from descriptor one\\n")
        os.write(2, b"from descriptor two\\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"from C")
        libc.fflush(None)
        os.system("echo from a child >&2")
        """
    )
    assert (status, screen) == (0, "")
    for part in (
        "from print", "from stderr", "INFO kerasbook.some: from logging 7", "from warnings",
        "DeprecationWarning: out of fashion", "from descriptor one", "from descriptor two",
        "from C", "from a child", "printed after the script's end",
    ):  # fmt: skip
        assert part in log


def test_an_error_of_the_user_is_one_message_and_its_traceback_is_in_the_log(job):
    status, screen, log = job(
        """
        print("before")
        raise KerasbookError("config.yaml: found 3, expected 4; correct it.")
        """
    )
    assert (status, screen) == (1, "\nch07_train: config.yaml: found 3, expected 4; correct it.\n")
    assert "before" in log
    assert "Traceback" in log
    assert "script.py" in log
    assert "after" not in log


def test_an_error_of_the_program_names_the_log(job):
    status, screen, log = job("[][3]")
    assert status == 1
    assert screen == (
        "\nch07_train: IndexError: list index out of range\nThe traceback is in logs/deep/job.log\n"
    )
    assert "Traceback" in log


@pytest.mark.parametrize(
    "statement, told", [("raise KeyboardInterrupt", "KeyboardInterrupt"), ("sys.exit(0)", "")]
)
def test_an_interruption_is_no_success(job, statement, told):
    status, screen, log = job(statement)
    assert status == 1
    assert told in screen
    assert "Traceback" in log


def test_termination_unwinds_what_is_open_and_says_so(start, tmp_path):
    process = start(
        """
        try:
            print("began", flush=True)
            time.sleep(60)
        finally:
            print("closed what was open")
        """
    )
    log = tmp_path / "logs/deep/job.log"
    deadline = time.monotonic() + 30
    while not (log.exists() and "began" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert out + err == "\nch07_train: stopped by SIGTERM.\n"
    assert "closed what was open" in log.read_text()


# ------------------------------------------------------------------------- who it is


class Named(dict):
    """Snakemake's `wildcards` and `params`: a mapping whose values are attributes, too."""

    __getattr__ = dict.__getitem__


def script(rule, wildcards, **params):
    return SimpleNamespace(rule=rule, wildcards=Named(wildcards), params=Named(params), threads=2)


def test_step_of_a_training():
    step = step_of(
        script(
            "ch07_train",
            {"chapter": "ch07_mnist_convnets", "experiment": "conv", "seed": "12"},
            edition="book",
            settings={"epochs": 2},
        )
    )
    assert step == Step(
        "ch07_train", "train", "book", "ch07_mnist_convnets", "conv", 12, {"epochs": 2},
        "workflow/chapters/ch07_mnist_convnets/train.py", 2,
    )  # fmt: skip
    assert step.title == "conv seed 12"


@pytest.mark.parametrize("code", ["workflow/a.py", ["workflow/a.py"]])
def test_step_knows_its_log_and_the_code_that_its_script_imports(code):
    job = script("ch07_report", {"chapter": "ch07_mnist_convnets"}, edition="book")
    job.log, job.input = ["logs/book/x.log"], SimpleNamespace(code=code)
    step = step_of(job)
    assert (step.log, step.code) == ("logs/book/x.log", ("workflow/a.py",))
    assert step.source == "workflow/chapters/ch07_mnist_convnets/report.py"


@pytest.mark.parametrize(
    "resources, gpu",
    [
        ({}, 0),
        ({"gpu": 2}, 2),
        ({"gpu": 0, "gres": "gpu:a100:1"}, 1),
        ({"gpu": 0, "gres": ""}, 0),
        ({"gpu": 0, "gres": "scratch:10"}, 0),
        ({"lsf_extra": "-gpu num=1"}, 1),
        ({"gpu": 1, "lsf_extra": "-R select[bigmem]"}, 1),
    ],
)
def test_step_knows_the_gpu_that_was_asked_for_in_a_clusters_own_words(resources, gpu):
    job = script("ch07_train", {"chapter": "ch07_mnist_convnets"}, edition="book")
    job.resources = SimpleNamespace(**resources)
    assert step_of(job).gpu == gpu


def test_step_of_the_other_stages():
    chapter = {"chapter": "ch07_mnist_convnets"}
    preprocess = step_of(script("ch07_preprocess", {**chapter, "dataset": "mnist"}, edition="book"))
    evaluate = step_of(script("ch07_evaluate", {**chapter, "experiment": "conv"}, edition="book"))
    report = step_of(script("ch07_report", chapter, edition="book"))
    titles = [step.title for step in (preprocess, evaluate, report)]
    assert titles == ["preprocess mnist", "conv evaluate", "report"]
    assert preprocess.settings == {}
    assert evaluate.seed is None
