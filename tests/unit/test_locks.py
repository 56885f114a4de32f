"""Locks of a Snakemake that was killed are cleared, those of one that lives are not."""

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest

from kerasbook import locks, store
from kerasbook.errors import KerasbookError

WORKFLOW = Path(locks.__file__).parents[1]
HOLDS = """
import sys, time
from pathlib import Path
from kerasbook import locks
print(locks.hold(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / ".snakemake"
    (path / "locks").mkdir(parents=True)
    return path


@pytest.fixture
def holders(folder, telling):
    return lambda: telling(HOLDS, folder)


@pytest.fixture(autouse=True)
def let_go(monkeypatch):
    """What the test's own process holds is closed with the test."""
    held = []
    monkeypatch.setattr(locks, "_held", held)
    yield
    for file in held:
        file.close()


def lock(folder):
    file = folder / "locks" / "0.output.lock"
    file.write_text("results/x\n")
    return file


def test_locks_of_the_living_stay_and_those_of_the_dead_go(folder, holders):
    first, told = holders()
    assert told == "None"
    file = lock(folder)
    second, told = holders()
    assert (told, file.exists()) == ("None", True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    third, told = holders()
    assert (told, file.exists()) == ("None", True), "the second lives"
    for one in (second, third):
        one.kill()
        one.wait()
    assert "unlocked" in holders()[1]
    assert not file.exists()


def killed(process):
    process.kill()
    process.wait()


def test_where_jobs_were_submitted_the_lock_stays_and_the_user_is_told(folder, holders):
    locks.tell_owner(folder, "slurm")
    file = lock(folder)
    one, told = holders()
    assert file.exists()
    assert "cancel them there (`make slurm-cancel`), then run `snakemake --unlock`" in told
    killed(one)
    file.unlink()  # as `snakemake --unlock` does
    killed(holders()[0])
    locks.tell_owner(folder, None)
    lock(folder)
    assert "unlocked" in holders()[1]
    assert not file.exists()


@pytest.mark.parametrize("executor", ["lsf", "cluster-generic", "kubernetes"])
def test_only_slurm_jobs_are_cancelled_by_the_command_for_them(folder, holders, executor):
    locks.tell_owner(folder, executor)
    lock(folder)
    assert "(bkill, qdel, kubectl delete job)" in holders()[1]


@pytest.mark.parametrize("order", [("lsf", None), (None, "lsf")])
def test_one_that_computes_here_leaves_the_note_of_one_that_submits(folder, order):
    """Both begin, and both are killed; whichever of them came first to the note."""
    for executor in order:
        locks.tell_owner(folder, executor)
    file = lock(folder)
    assert "may still run" in locks.hold(folder)
    assert file.exists()


def test_a_note_is_of_no_use_where_nothing_is_locked(folder, holders):
    locks.tell_owner(folder, "lsf")
    first, _ = holders()
    locks.tell_owner(folder, None)
    lock(folder)
    second, _ = holders()
    killed(first)
    killed(second)
    assert "unlocked" in holders()[1]


def test_locks_of_another_machine_stay_and_the_user_is_told(folder, holders, monkeypatch):
    with monkeypatch.context() as there:
        there.setattr(locks.socket, "gethostname", lambda: "login2")
        locks.tell_owner(folder, None)
    locks.tell_owner(folder, None)
    file = lock(folder)
    one, told = holders()
    assert file.exists()
    assert "a Snakemake on login2, of which this machine" in told
    assert "If it was killed, run `snakemake --unlock`." in told
    assert locks.hosts_elsewhere(folder) == ["login2"]
    killed(one)
    locks.tell_owner(folder, "slurm")
    assert "cancel its jobs (`make slurm-cancel`) and run" in holders()[1]


def test_a_note_is_written_whole_or_stays(folder, monkeypatch):
    locks.tell_owner(folder, "slurm")

    def torn(path, text, **_):
        path.write_bytes(text.encode()[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", torn)
        with pytest.raises(KerasbookError, match="No space left"):
            locks.tell_owner(folder, "lsf")
    lock(folder)
    assert "make slurm-cancel" in locks.hold(folder)


@pytest.mark.parametrize("text", ["", "[", "[]", '{"hosts": 1, "executors": null}'])
def test_a_note_that_is_none_is_passed_over(folder, text):
    (folder / locks.OWNER).write_text(text)
    file = lock(folder)
    assert "unlocked" in locks.hold(folder)
    assert not file.exists()


def test_another_that_submits_is_known_while_it_lives(folder, telling):
    submits = HOLDS.replace("locks.hold", "locks.submit")
    computes, _ = telling(HOLDS, folder)
    first, told = telling(submits, folder)
    assert told == "False", "one that computes here has nothing in the queue"
    second, told = telling(submits, folder)
    assert told == "True"
    killed(first)
    killed(second)
    assert telling(submits, folder)[1] == "False"
    killed(computes)


@pytest.fixture
def flock(monkeypatch):
    """Puts a file system in the place of this one: a function of descriptor and operation."""

    def put(file_system):
        monkeypatch.setattr(fcntl, "flock", file_system)

    return put


def fileno(file):
    return file if isinstance(file, int) else file.fileno()


def test_on_nfs_the_project_is_held_as_here(folder, flock):
    """There a lock is one of a range of bytes: a shared one wants a file that can be read."""
    real, shared = fcntl.flock, []

    def nfs(file, operation):
        readable = fcntl.fcntl(fileno(file), fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
        if operation & fcntl.LOCK_SH:
            if not readable:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            shared.append(file)
        real(file, operation)

    flock(nfs)
    file = lock(folder)
    assert "unlocked" in locks.hold(folder)
    assert not file.exists()
    assert not locks.submit(folder)
    assert len(shared) == 2


def no_locks(file, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def no_shared_locks(file, operation):
    if operation & fcntl.LOCK_SH:
        no_locks(file, operation)


def test_on_a_file_system_without_locks_all_goes_on_and_none_is_cleared(folder, flock):
    flock(no_locks)
    file = lock(folder)
    assert locks.hold(folder) is None
    assert not locks.submit(folder)
    assert file.exists()


def test_a_lock_that_cannot_be_shared_stops_nothing(folder, flock):
    flock(no_shared_locks)
    assert locks.hold(folder) is None
    assert not locks.submit(folder)


def test_the_store_is_prepared_where_nothing_can_be_locked(tmp_path, flock, caplog):
    flock(no_locks)
    path = tmp_path / "results" / "smoke" / "tracking.json"
    told = store.prepare(store.FILES, "smoke", {"ch01": {"one": {"title": "One"}}}, path)
    assert path.is_file()
    assert told["labels"] == {"ch01/one": {"title": "One"}}
    assert "tracking.json: cannot be locked" in caplog.text
