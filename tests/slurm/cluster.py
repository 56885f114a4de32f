"""A real SLURM on one machine, from Debian's packages, for as long as the tests run.

Two virtual nodes, of which one has fake GPUs (the null device under other names), with
accounting, so that `sacct` tells what each job asked for. Its daemons are children of the
tests, listen on free ports of 127.0.0.1 and write below one folder. The one thing outside
of it is /etc/slurm/slurm.conf, since the plugin's inner `srun` looks there and nowhere
else; where that file is already there is a SLURM already, and it is left alone.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = [
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "munge",
    "slurmdbd",
    "slurm-wlm-mysql-plugin",
    "mariadb-server",
]
CONFIGURATION = Path("/etc/slurm/slurm.conf")
PREFIX = "kerasbook-slurm-"
POLICY = Path("/usr/sbin/policy-rc.d")
ACCOUNT = "lab"
# Of each node. More than the machine may have, so that jobs that only wait stop no others; not
# so many that those that work fill its memory.
CPUS, MEMORY_MB, GPUS = 6, 60000, 4

SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2
DefMemPerCPU=256
KillWait=2
MinJobAge=300
JobRequeue=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={folder}/munge.socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
GresTypes=gpu
NodeName=plain NodeHostname={host} NodeAddr=127.0.0.1 Port={plain} {size}
NodeName=fast NodeHostname={host} NodeAddr=127.0.0.1 Port={fast} {size} Gres=gpu:fake:{gpus}
PartitionName=cpu Nodes=plain Default=YES MaxTime=1-0 State=UP
PartitionName=gpu Nodes=fast MaxTime=1-0 State=UP
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd}
CommunicationParameters=NoInAddrAny
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""

# slurmdbd refuses a smaller pool and a shorter wait.
MARIADB_CNF = """\
[mariadbd]
user=root
datadir={folder}/mariadb
socket={folder}/mariadb.socket
pid-file={folder}/mariadb.pid
log-error={folder}/mariadb.log
bind-address=127.0.0.1
port={sql}
skip-name-resolve
innodb_buffer_pool_size=128M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
performance_schema=OFF
"""


class ClusterError(Exception):
    """The cluster did not come up; the text says which part and shows the end of its log."""


def missing_packages() -> list[str]:
    """The Debian packages that are not installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return PACKAGES
    told = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PACKAGES],
        capture_output=True, text=True,
    )  # fmt: skip
    there = {line.split()[0] for line in told.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in PACKAGES if name not in there]


def why_not(may_install: bool) -> str | None:
    """Why no SLURM can be started here, or None."""
    if os.geteuid() != 0:
        return "a real SLURM is started by root alone, and these tests run as another user"
    forget_the_dead()
    if CONFIGURATION.exists() or CONFIGURATION.is_symlink():
        return f"{CONFIGURATION} is there: this machine has a SLURM, which is left alone"
    missing = missing_packages()
    if missing and shutil.which("apt-get") is None:
        return "a real SLURM comes from Debian's packages, and there is no apt-get here"
    if missing and not may_install:
        return f"not installed: {' '.join(missing)} (`make test-slurm` installs them)"
    return None


def install() -> None:
    """Install what is missing of Debian's packages, without starting their daemons.

    Raises:
        ClusterError: apt-get failed.
    """
    missing = missing_packages()
    if not missing:
        return
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, env=environment)
        done = subprocess.run(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip
    finally:
        if made:
            POLICY.unlink()
    if done.returncode:
        raise ClusterError(f"apt-get install failed:\n{done.stdout[-2000:]}")


def wait_for(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds.

    Raises:
        ClusterError: it does not hold in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds} s for {what}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _end_with_parent() -> None:
    """Have the kernel end a daemon when the tests end, be it by kill -9 (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def forget_the_dead() -> None:
    """Remove the link that tests left which were killed; their daemons ended with them."""
    if CONFIGURATION.is_symlink() and PREFIX in str(CONFIGURATION.readlink()):
        daemon = CONFIGURATION.readlink().with_name("slurmctld.pid")
        if not (daemon.is_file() and Path(f"/proc/{daemon.read_text().strip()}").is_dir()):
            CONFIGURATION.unlink()


class Cluster:
    """The daemons and how to ask them.

    Args:
        folder: where everything is written; its path is short, as that of a socket has to be.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: list[subprocess.Popen] = []
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        path = f"{clean.get('PATH', '')}:/usr/sbin:/sbin"
        self.environment = {**clean, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
        # The daemons bind to what the machine's name stands for. Where that is not loopback
        # they see another name of the machine, which is.
        self.host, self.prefix = socket.gethostname().split(".")[0], []
        try:
            loopback = socket.gethostbyname(self.host).startswith("127.")
        except OSError:
            loopback = False
        if not loopback:
            script = 'hostname localhost && exec "$@"'
            self.host, self.prefix = "localhost", ["unshare", "--uts", "sh", "-c", script, "sh"]

    def call(self, *command: str, check: bool = True) -> str:
        """What a command of the cluster's prints.

        Raises:
            ClusterError: it failed.
        """
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise ClusterError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def _works(self, *command: str) -> bool:
        done = subprocess.run(command, env=self.environment, capture_output=True)
        return done.returncode == 0

    def _start(self, *command: str) -> None:
        """Start a daemon in the foreground, in a session of its own (Ctrl-C ends the tests)."""
        with (self.folder / f"{command[0]}.out").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(
                    [*self.prefix, *command],
                    env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, preexec_fn=_end_with_parent,
                )
            )  # fmt: skip

    def start(self) -> None:
        """Bring everything up.

        Raises:
            ClusterError: something did not come up.
        """
        folder = self.folder
        for name in ("state", "spool-plain", "spool-fast", "mariadb"):
            (folder / name).mkdir()
        folder.chmod(0o755)
        ctld, plain, fast, dbd, sql = _free_ports(5)
        password = secrets.token_hex(16)
        values = {
            "folder": folder, "host": self.host, "ctld": ctld, "plain": plain, "fast": fast,
            "dbd": dbd, "sql": sql, "gpus": GPUS, "password": password,
            "size": f"CPUS={CPUS} CoresPerSocket={CPUS} RealMemory={MEMORY_MB} State=UNKNOWN",
        }  # fmt: skip
        templates = {
            "slurm.conf": SLURM_CONF, "slurmdbd.conf": SLURMDBD_CONF, "my.cnf": MARIADB_CNF,
        }  # fmt: skip
        for name, template in templates.items():
            (folder / name).write_text(template.format(**values))
            (folder / name).chmod(0o600 if name == "slurmdbd.conf" else 0o644)
        for number in range(GPUS):
            (folder / f"gpu{number}").symlink_to("/dev/null")
        (folder / "gres.conf").write_text(
            f"NodeName=fast AutoDetect=off Name=gpu Type=fake "
            f"File={folder}/gpu[0-{GPUS - 1}] Flags=nvidia_gpu_env\n"
        )
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        CONFIGURATION.parent.mkdir(exist_ok=True)
        CONFIGURATION.symlink_to(folder / "slurm.conf")

        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        options = f"--defaults-file={folder}/my.cnf"
        self.call(
            "mariadb-install-db", options, "--user=root", "--skip-test-db",
            "--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
        )  # fmt: skip
        self._start("mariadbd", options)
        client = ["--no-defaults", f"--socket={folder}/mariadb.socket", "-uroot"]
        wait_for("mariadb", lambda: self._works("mariadb-admin", *client, "ping"))
        self.call(
            "mariadb", *client, "-e",
            "CREATE DATABASE slurm;"
            f"CREATE USER slurm@127.0.0.1 IDENTIFIED BY '{password}';"
            "GRANT ALL ON slurm.* TO slurm@127.0.0.1;",
        )  # fmt: skip
        munge = ["munge", "-S", f"{folder}/munge.socket", "-n"]
        wait_for("munge", lambda: self._works(*munge))
        self._start("slurmdbd", "-D")
        wait_for("slurmdbd", lambda: self._works("sacctmgr", "-n", "list", "cluster"))
        self.call("sacctmgr", "-i", "add", "cluster", "tests")
        self.call("sacctmgr", "-i", "add", "account", ACCOUNT)
        self.call("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")
        self.start_controller()
        for node in ("plain", "fast"):
            self._start("slurmd", "-D", "-N", node)
        states = ["sinfo", "-h", "-N", "-o", "%T"]
        wait_for("the nodes", lambda: self.call(*states).split() == ["idle", "idle"])

    def start_controller(self) -> None:
        """Start slurmctld, for the first time or again.

        Raises:
            ClusterError: it does not answer.
        """
        self._start("slurmctld", "-D")
        wait_for("slurmctld", lambda: "is UP" in self.call("scontrol", "ping", check=False))

    def stop(self) -> None:
        """Cancel what runs and end every daemon, the latest first."""
        if self._works("timeout", "10", "scontrol", "ping"):
            self.call("scancel", "--user=root", check=False)
            with contextlib.suppress(ClusterError):
                wait_for("the jobs to end", lambda: not self.queued(), seconds=15)
        for daemon in reversed(self.daemons):
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(daemon.pid, signal.SIGKILL)
                    daemon.wait()
        if CONFIGURATION.is_symlink() and CONFIGURATION.readlink() == self.folder / "slurm.conf":
            CONFIGURATION.unlink()

    def queued(self, folder: Path | None = None) -> list[dict[str, str]]:
        """The jobs that wait or run, all of them or those submitted from a folder."""
        fields = ("id", "state", "name", "comment", "folder")
        told = self.call("squeue", "-h", "-o", "%i|%T|%j|%k|%Z", check=False)
        rows = [dict(zip(fields, line.split("|"))) for line in told.splitlines()]
        return [one for one in rows if folder is None or one["folder"] == str(folder)]

    def accounts(self, folder: Path) -> list[dict[str, str]]:
        """The jobs submitted from a folder, oldest first, each with what `sacct` knows of it."""
        fields = (
            "JobIDRaw,JobName,State,Partition,NodeList,Account,ReqCPUS,ReqMem,ReqTRES,Timelimit,"
            "Comment,WorkDir"
        )
        told = self.call("sacct", "-X", "--parsable2", "-n", "-S", "now-1days", "-o", fields)
        rows = [dict(zip(fields.split(","), line.split("|"))) for line in told.splitlines()]
        return [one for one in rows if one["WorkDir"] == str(folder)]

    def logs(self) -> Iterator[str]:
        """The ends of the daemons' logs, for a failed start."""
        for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")]):
            yield f"== {path.name}\n" + path.read_text(errors="replace")[-800:]
