"""A fork does what a Python that Snakemake starts would do, and ends as it would end."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from kerasbook import fork_server
from kerasbook.fork_server import LOST, ForkServer, environment_of

pytestmark = pytest.mark.skipif(not fork_server.available(), reason="forks are taken on Linux")

WORKFLOW = str(fork_server.Path(fork_server.__file__).parents[1])


def environment(**more):
    return {**os.environ, "PYTHONPATH": WORKFLOW, **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("logs") / "new" / "server.log"
    # Tests that were started in the background ignore it, and what they start inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    own = environment(OF_THE_SERVER="and not of its jobs")
    one = ForkServer("plain", environment_of(own, 1, None), log)
    signal.signal(signal.SIGINT, before)
    yield one
    one.end()
    assert one.process.returncode == 0


@pytest.fixture
def run(server, tmp_path):
    """Runs some code in a fork: its exit status, and what it wrote into the file `told`."""

    def do(code, **more):
        script = tmp_path / "job.train.py"
        script.write_text(code, encoding="utf-8")
        worker = server.start(script, environment(TOLD=str(tmp_path / "told"), **more))
        status = worker.wait()
        told = tmp_path / "told"
        return status, told.read_text(encoding="utf-8") if told.exists() else ""

    return do


TELL = "import os; tell = open(os.environ['TOLD'], 'a', encoding='utf-8').write\n"


def test_a_script_is_the_main_module_with_its_own_arguments_folder_and_environment(run, tmp_path):
    code = TELL + (
        "import sys\n"
        "tell(repr((__name__, __file__, sys.argv, sys.path[0], os.environ['MARK'],\n"
        "     sys.modules['__main__'].tell is tell, 'numpy' in sys.modules,\n"
        "     'tensorflow' in sys.modules, 'OF_THE_SERVER' in os.environ)))"
    )
    status, told = run(code, MARK="of this job")
    script = str(tmp_path / "job.train.py")
    assert status == 0
    expected = (
        "__main__", script, [script], str(tmp_path), "of this job", True, True, False, False
    )  # fmt: skip
    assert told == repr(expected)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('a reason')", 1),
        ("1 / 0", 1),
        ("this is no Python", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_its_end_is_told_as_of_a_process(run, code, status):
    assert run(code)[0] == status


def test_what_is_registered_for_the_end_is_done(run):
    status, told = run(TELL + "import atexit; atexit.register(tell, 'at the end')")
    assert (status, told) == (0, "at the end")


def test_the_projects_own_code_is_what_lies_there_when_the_job_starts(run, tmp_path):
    package = tmp_path / "kerasbook"
    package.mkdir()
    for version in ("first", "second"):
        (package / "__init__.py").write_text(f"VERSION = {version!r}\n")
        code = TELL + "import kerasbook; tell(kerasbook.VERSION + ' ')"
        assert run(code)[0] == 0  # the script's folder comes first on the path
    assert (tmp_path / "told").read_text() == "first second "


def test_forks_draw_different_numbers(run):
    code = TELL + "import numpy, random; tell(f'{numpy.random.random()} {random.random()}\\n')"
    run(code)
    first, second = run(code)[1].splitlines()
    for one, other in zip(first.split(), second.split(), strict=True):
        assert one != other


def test_several_run_at_once(server, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text("import time; time.sleep(0.5)")
    began = time.monotonic()
    workers = [server.start(script, environment()) for _ in range(4)]
    assert [one.wait() for one in workers] == [0] * 4
    assert len({one.pid for one in workers}) == 4
    assert time.monotonic() - began < 1.9


def test_ctrl_c_is_for_the_jobs_alone(server, tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(TELL + "import time\ntry:\n    tell('.') and time.sleep(60)\n"
                      "except KeyboardInterrupt:\n    raise SystemExit(7)")  # fmt: skip
    worker = server.start(script, environment(TOLD=str(tmp_path / "told")))
    time.sleep(0.5)
    for pid in (server.process.pid, worker.pid):
        os.kill(pid, signal.SIGINT)
    assert worker.wait() == 7
    assert server.process.poll() is None


def test_where_it_is_gone_no_job_starts_and_one_that_ran_is_lost(tmp_path):
    one = ForkServer("plain", environment(), tmp_path / "server.log")
    script = tmp_path / "waits.py"
    script.write_text("import time; time.sleep(60)")
    worker = one.start(script, environment())
    job = psutil.Process(worker.pid)
    one.process.kill()
    assert worker.wait() == LOST
    job.wait(timeout=10)  # it was killed, since nobody could have told its end
    one.process.wait()
    with pytest.raises(OSError):
        one.start(script, environment())


def test_what_libraries_say_as_they_are_imported_goes_to_the_log(tmp_path, capfd):
    (tmp_path / "numba.py").write_text("import os; os.write(2, b'chatter')")
    script = tmp_path / "says.py"
    script.write_text("import os; os.write(2, b'the job')")
    path = os.pathsep.join([str(tmp_path), WORKFLOW])
    one = ForkServer("plain", environment(PYTHONPATH=path), tmp_path / "server.log")
    assert one.start(script, environment()).wait() == 0
    one.end()
    assert (tmp_path / "server.log").read_text() == "chatter"
    assert capfd.readouterr().err == "the job"


def test_where_the_imports_fail_no_job_starts_and_the_log_says_why(tmp_path, capfd):
    (tmp_path / "numba.py").write_text("raise OSError('a broken library')")
    path = os.pathsep.join([str(tmp_path), WORKFLOW])
    one = ForkServer("plain", environment(PYTHONPATH=path), tmp_path / "server.log")
    with pytest.raises(OSError):
        one.start(tmp_path / "none.py", environment())
    assert one.process.wait() == 1
    assert "OSError: a broken library" in (tmp_path / "server.log").read_text()
    assert capfd.readouterr().err == ""


def test_it_goes_when_the_snakemake_that_started_it_was_killed(tmp_path):
    code = (
        "import os, time; from kerasbook.fork_server import ForkServer, Path\n"
        f"one = ForkServer('plain', os.environ, Path({str(tmp_path / 'server.log')!r}))\n"
        "print(one.process.pid, flush=True); time.sleep(60)"
    )
    keeper = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True
    )
    server = psutil.Process(int(keeper.stdout.readline()))
    keeper.kill()
    keeper.communicate()
    server.wait(timeout=30)


def test_the_environment_is_the_one_in_which_snakemake_starts_a_script():
    made = environment_of({"PATH": "/bin", "OMP_NUM_THREADS": "8", "TMPDIR": "/tmp"}, 2, "/scratch")
    assert made["PATH"] == "/bin"
    assert {made[name] for name in fork_server.THREAD_VARIABLES} == {"2"}
    assert {made[name] for name in fork_server.TEMPORARY_VARIABLES} == {"/scratch"}
    assert environment_of({"TMPDIR": "/tmp"}, 1, None)["TMPDIR"] == "/tmp"
