"""What surrounds every script: its log, its errors, and who it is."""

import atexit
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from kerasbook.errors import KerasbookError

logger = logging.getLogger("kerasbook")


class Terminated(BaseException):
    """The job was told to stop (SIGTERM); open runs and files are closed on the way out."""


@dataclass(frozen=True)
class Step:
    """One job: which rule of which chapter, for which experiment and seed.

    `settings` are the values that make its numbers what they are; `source` is its script,
    `code` the project's other files that the script imports; `gpu` is how many it asked for. A
    point of a sweep has its name and the `values` that were chosen for it, and `sweeps/NAME`
    for its experiment.
    """

    rule: str
    name: str
    edition: str
    chapter: str
    experiment: str | None = None
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    threads: int = 1
    gpu: int = 0
    log: str = ""
    code: tuple[str, ...] = ()
    point: str | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The run's name in MLflow: `conv seed 1`, `conv evaluate`, `preprocess mnist`."""
        parts = [self.experiment or "", self.point or ""]
        parts.append(f"seed {self.seed}" if self.seed is not None else self.name)
        return " ".join(part for part in parts if part)


def _gpus(resources: Any) -> int:
    """How many GPUs a job asked for: by `gpu`, or by what a cluster's profile sends in its place.

    Such a text (`gres: gpu:a100:1`, `lsf_extra: -gpu num=1`) counts as one.
    """
    texts = (str(getattr(resources, name, None) or "") for name in ("gres", "lsf_extra"))
    return int(getattr(resources, "gpu", 0) or 0) or int(any("gpu" in text for text in texts))


def step_of(snakemake: Any) -> Step:
    """The step that a Snakemake script object stands for."""
    wildcards = dict(snakemake.wildcards.items())
    params = dict(snakemake.params.items())
    seed = wildcards.get("seed")
    name = snakemake.rule.split("_", 1)[-1]
    code = getattr(getattr(snakemake, "input", None), "code", ())
    script, experiment = name, wildcards.get("experiment")
    if "dataset" in wildcards:
        name = f"{name} {wildcards['dataset']}"
    if "sweep" in wildcards:
        script, experiment = "train", f"sweeps/{wildcards['sweep']}"
    return Step(
        rule=snakemake.rule,
        name=name,
        edition=params["edition"],
        chapter=wildcards["chapter"],
        experiment=experiment,
        seed=None if seed is None else int(seed),
        settings=dict(params.get("settings") or {}),
        source=f"workflow/chapters/{wildcards['chapter']}/{script}.py",
        threads=snakemake.threads,
        gpu=_gpus(getattr(snakemake, "resources", None)),
        log=next(iter(getattr(snakemake, "log", ())), ""),
        code=(code,) if isinstance(code, str) else tuple(code),  # Snakemake's list of one file
        point=wildcards.get("point"),
        values=dict(params.get("values") or {}),
    )


_when_done: list[Callable[[], None]] = []


def when_done(action: Callable[[], None]) -> None:
    """Have something done once the job's `main` has ended well, and not otherwise."""
    _when_done.append(action)


SHELLS = ("bash", "dash", "sh")


def _end_with_snakemake(every: float = 1.0) -> None:
    """Stop this job when the Snakemake that started it is gone, as after `kill -9`.

    Nobody waits for such a job any more, and the next `snakemake` starts it anew.
    """
    import psutil

    # Between the two there may be a shell, which goes on waiting for this job, or the process
    # that it was forked from (kerasbook.fork_server), which goes with its Snakemake.
    above = (one for one in psutil.Process().parents() if one.name() not in SHELLS)
    keeper = next(above, None)
    if keeper is None:
        return

    def watch() -> None:
        try:
            while keeper.is_running() and keeper.status() != psutil.STATUS_ZOMBIE:
                time.sleep(every)
        except psutil.NoSuchProcess:
            pass
        logger.warning("the Snakemake that started this job is gone: the job stops.")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with Snakemake", daemon=True).start()


def _terminate(signum: int, frame: object) -> None:
    raise Terminated(f"signal {signum}")


def collect_seldom() -> None:
    """Have Python look for unreachable cycles less often, and not at all when it leaves.

    A great many objects come with TensorFlow and MLflow. The usual thresholds walk them again
    and again while they are imported, and once more at exit, which a short job notices.
    """
    gc.set_threshold(100_000, 20, 50)
    atexit.register(gc.freeze)


def _opened(log_path: str) -> IO[str]:
    """The job's log, opened to be written anew."""
    os.makedirs(os.path.dirname(log_path) or ".", exist_ok=True)  # noqa: PTH103, PTH120
    return open(log_path, "w", encoding="utf-8", buffering=1)


def _say(screen: IO[str], text: str) -> None:
    """Show the user a message, at once; a screen that is gone changes no exit status."""
    with contextlib.suppress(OSError):
        print(f"\n{text}", file=screen, flush=True)


def _let_go() -> None:
    """Empty Python's streams into the log. Where it takes no more, drop what is left in them.

    Else Python tries again as it leaves, and its exit status is 120 instead of the job's.
    """
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Call `main(snakemake)` with everything that is printed going to the rule's log.

    File descriptors are redirected, not only `sys.stderr`: TensorFlow's chatter
    comes from C++. A `KerasbookError` reaches the user as its message alone, any
    other error as its type, text and the log's name; the traceback goes to the log.
    The user is told before the log is, which takes nothing on a full disk.

    Raises:
        SystemExit: 1 where `main` or the opening of the log failed, 143 after SIGTERM.
    """
    collect_seldom()
    log_path = snakemake.log[0]
    screen = os.fdopen(os.dup(2), "w")
    try:
        log = _opened(log_path)
    except OSError as error:
        _say(
            screen,
            f"{snakemake.rule}: {log_path}: cannot be written ({error.strerror or error}). "
            "Expected a folder for logs that is writable, with space left; free space, or see "
            "what lies there.",
        )
        sys.exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    logging.basicConfig(
        level=logging.INFO,
        stream=log,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    signal.signal(signal.SIGTERM, _terminate)
    _end_with_snakemake()
    _when_done.clear()
    status = 0
    try:
        main(snakemake)
        while _when_done:
            _when_done.pop()()
    except BaseException as error:
        status = 1
        if isinstance(error, KerasbookError):
            told = str(error)
        elif isinstance(error, Terminated):
            status, told = 143, "stopped by SIGTERM."
        else:
            told = f"{type(error).__name__}: {error}".strip()
            told += f"\nThe traceback is in {log_path}"
        _say(screen, f"{snakemake.rule}: {told}")
        try:
            traceback.print_exc(file=log)
        except OSError as full:
            _say(screen, f"{log_path}: cannot be written ({full.strerror}): no traceback in it.")
    finally:
        logging.captureWarnings(False)
        with contextlib.suppress(OSError):
            logging.shutdown()
        logging.getLogger().handlers.clear()
        for one in (screen, log):
            with contextlib.suppress(OSError):
                one.close()
        _let_go()
    if status:
        sys.exit(status)
