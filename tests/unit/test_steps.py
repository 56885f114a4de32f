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
    """Start a script whose `main` has the given body, after lines of its own."""

    def run(body, log="logs/deep/job.log", first=""):
        script = textwrap.dedent(first) + textwrap.dedent(HEAD)
        script += textwrap.indent(textwrap.dedent(body), "    ")
        script += textwrap.dedent(TAIL).replace("logs/deep/job.log", log)
        (tmp_path / "script.py").write_text(script, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            # Buffered, as the jobs' Pythons are: else each `print` into a full log is an error.
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "PYTHONUNBUFFERED": ""},
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


FULL = "/dev/full"  # takes nothing, as a full disk; Linux has it, others may not
only_on_linux = pytest.mark.skipif(sys.platform != "linux", reason=f"{FULL} is a device of Linux")


@only_on_linux
@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        ("raise KerasbookError('x.npz: found no space, expected some; free it.')", 1,
         "ch07_train: x.npz: found no space, expected some; free it."),
        ("[][3]", 1, "ch07_train: IndexError: list index out of range"),
        ("raise SystemExit(3)", 1, "ch07_train: SystemExit: 3"),
        ("os.kill(os.getpid(), 15); time.sleep(60)", 143, "ch07_train: stopped by SIGTERM."),
    ],
)  # fmt: skip
def test_a_full_disk_keeps_no_message_from_the_screen(start, end, status, told):
    said = 'print("lost"); logging.getLogger("k").error("lost")'
    out, err = (process := start(f"{said}\n{end}", FULL)).communicate(timeout=60)
    assert process.returncode == status
    assert (out + err).splitlines()[1] == told
    assert "/dev/full: cannot be written (No space left on device): no traceback" in out + err
    assert "lost" not in out + err


@only_on_linux
def test_a_job_that_ends_well_is_a_success_without_its_log(start, tmp_path):
    body = 'print("lost"); open("out.txt", "w").close()'
    out, err = (process := start(body, FULL)).communicate(timeout=60)
    assert (process.returncode, out + err) == (0, "")
    assert (tmp_path / "out.txt").exists()


NO_SPACE = """
    import builtins
    really = open
    def open(path, *how, **more):
        if str(path).endswith(".log"):
            raise OSError(28, "No space left on device", str(path))
        return really(path, *how, **more)
    builtins.open = open
"""


@pytest.mark.parametrize(
    ("first", "log", "why"),
    [
        (NO_SPACE, "logs/deep/job.log", "No space left on device"),
        ("open('logs', 'w').close()", "logs/job.log", "File exists"),
        ("import os; os.makedirs('logs/job.log')", "logs/job.log", "Is a directory"),
    ],
)
def test_a_log_that_cannot_be_opened_is_one_message(start, tmp_path, first, log, why):
    process = start("open('out.txt', 'w').close()", log, first)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out + err == (
        f"\nch07_train: {log}: cannot be written ({why}). Expected a folder for logs that is "
        "writable, with space left; free space, or see what lies there.\n"
    )
    assert not (tmp_path / "out.txt").exists()


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
