"""Which GPU a job uses: none that another job of this machine holds; and what it made of it.

Snakemake counts local GPUs (`--resources gpu=2`) and does not say which one a job gets; without
more, each job takes the first. A cluster's scheduler says it, and is followed.
"""

import fcntl
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from kerasbook.errors import KerasbookError

logger = logging.getLogger(__name__)
VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
# Set by the Snakefile for its jobs.
REQUIRED = "KERASBOOK_REQUIRE_GPU"
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}

# Held until the process ends.
_held: list[IO] = []
_watch: "Watch | None" = None


def _nvml() -> Any:
    """NVIDIA's management library, begun; None where there is none, or no driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def visible() -> list[str]:
    """The GPUs that this process may use: numbers or UUIDs, as the variable has them."""
    told = os.environ.get(VISIBLE)
    if told is not None:
        names = [one.strip() for one in told.split(",")]
        return [one for one in names if one and one not in ("-1", "NoDevFiles", "void")]
    library = _nvml()
    if library is None:
        return []
    return [str(number) for number in range(library.nvmlDeviceGetCount())]


def claim(folder: Path | None = None, asked: int = 1) -> str | None:
    """Keep this process to one GPU of several, one that no other job holds.

    Called before the backend of Keras looks at the devices, also where there is only one: it
    says in which order CUDA counts. The claim ends with the process.

    Args:
        folder: where the claims lie, the same for all jobs of the machine.
        asked: how many GPUs the job asked for. One that asked for none holds none, since
            Snakemake counts it with none; the GPU is for a job that waits for it.

    Returns:
        The GPU; None where there are fewer than two to choose from, or none was asked for.
    """
    # Of itself CUDA counts from the fastest GPU. NVML, which is asked how many there are and how
    # they are used, counts by the bus, as nvidia-smi and the schedulers do. One number is one GPU.
    os.environ.setdefault(ORDER, "PCI_BUS_ID")
    devices = visible() if asked else []
    if len(devices) < 2:
        return None
    folder = folder or Path(tempfile.gettempdir()) / f"kerasbook-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for device in devices:
        file = (folder / device.replace("/", "_")).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        _held.append(file)
        os.environ[VISIBLE] = device
        return device
    logger.warning(
        "all %d GPUs are held by other jobs: this one shares %s. Tell Snakemake how many there "
        "are (--resources gpu=%d), so that no more jobs run at once.",
        len(devices), devices[0], len(devices),
    )  # fmt: skip
    os.environ[VISIBLE] = devices[0]
    return devices[0]


def name_of(backend: str) -> str | None:
    """What the GPU is called on which the backend computes; None where it is the CPU."""
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return None if first.platform == "cpu" else first.device_kind
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)


def require(backend: str, asked: int) -> None:
    """Stop a job that asked for a GPU and has none, where the configuration says so.

    Raises:
        KerasbookError: `require_gpu` is set, and there is no GPU.
    """
    if not asked or os.environ.get(REQUIRED) != "1" or name_of(backend):
        return
    seen = os.environ.get(VISIBLE)
    raise KerasbookError(
        f"require_gpu: found no GPU that {NAMES[backend]} can use"
        f"{'' if seen is None else f' ({VISIBLE} is {seen!r})'}, expected one. Install "
        "envs/gpu.lock (or run with --sdm conda and environment: gpu), on a cluster see that the "
        "profile asks for GPUs, or set require_gpu: false to train on the CPU."
    )


class Watch:
    """Looks at the process's GPU while it trains.

    Args:
        library: pynvml, begun.
        seconds: from one look to the next.
    """

    def __init__(self, library: Any, seconds: float = 1.0):
        self.library = library
        first = next(iter(visible()), "0")
        self.handle = (
            library.nvmlDeviceGetHandleByIndex(int(first))
            if first.isdigit()
            else library.nvmlDeviceGetHandleByUUID(first)
        )
        self.most = 0
        self.shares: list[int] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(seconds,), daemon=True)
        self.thread.start()

    def _run(self, seconds: float) -> None:
        while not self.stop.wait(seconds):
            self.look()

    def look(self) -> None:
        """Take one measurement: memory in use on the GPU, and its utilisation."""
        try:
            self.most = max(self.most, self.library.nvmlDeviceGetMemoryInfo(self.handle).used)
            self.shares.append(self.library.nvmlDeviceGetUtilizationRates(self.handle).gpu)
        except self.library.NVMLError as error:
            logger.info("the GPU cannot be looked at: %s", error)

    def told(self) -> dict[str, float]:
        """`memory_mb`, the most in use (MiB), and `utilisation`, the mean (%)."""
        self.look()
        if not self.shares:
            return {}
        mean = sum(self.shares) / len(self.shares)
        return {"memory_mb": self.most / 2**20, "utilisation": mean}


def watch() -> None:
    """Look at the process's GPU from now on, if there is one that can be looked at."""
    global _watch
    library = _nvml()
    if library is None:
        return
    try:
        if visible():
            _watch = Watch(library)
    # A number that NVML does not count to in a container, or a UUID that is shortened.
    except library.NVMLError as error:
        logger.info("the GPU %s cannot be looked at: %s", os.environ.get(VISIBLE, ""), error)


def used() -> dict[str, float]:
    """What `Watch.told` says; nothing where nobody looked."""
    return {} if _watch is None else _watch.told()
