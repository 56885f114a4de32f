"""What the engines that no test can start are told: by commands, and a server, that write it down.

Each profile submits one training with a GPU. The recorder takes it and says that it failed,
or runs it where that is to be seen; more than the submission needs a cluster.
"""

import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest

from tests.workflow.conftest import Project

CONFIGURED = ["--configfile", "config/smoke.yaml", "--config", "environment=gpu"]
SMOKE = [*CONFIGURED, "tracking_uri=files"]
DATA = "data/processed/smoke/ch03_keras_basics/otto"
TARGET = "results/smoke/ch03_keras_basics/logreg/seed1/train.json"
# Runs a script at once, and says how it ended when it is asked.
QSUB = """\
for script; do :; done
sh "$script" > {folder}/printed 2>&1; echo $? > {folder}/ended; echo 17.server"""
QSTAT = """\
echo "    job_state = F"; echo "    Exit_status = $(cat {folder}/ended)\""""
GROUP = """\
rule all:
    input: expand("{n}.txt", n=range(3))

rule point:
    output: "{n}.txt"
    group: "sweep"
    resources: mem_mb=1000, runtime=1, gpu=0
    shell: "echo {wildcards.n} >> ran; test {wildcards.n} = 1 || touch {output}"
"""
LSF_CONF = """\
LSF configuration:
LSB_SHAREDIR = {folder}
LSF_CONFDIR = {folder}
LSF_UNIT_FOR_LIMITS = MB
"""


@pytest.fixture(scope="module")
def prepared(copy_of_the_project) -> Project:
    """A copy whose training has its data, so that it is the one job; nothing reads them."""
    project = copy_of_the_project("engines")
    for suffix in ("npz", "json"):
        (project.folder / f"{DATA}.{suffix}").parent.mkdir(parents=True, exist_ok=True)
        (project.folder / f"{DATA}.{suffix}").write_text("{}", encoding="utf-8")
    return project


def commands(folder, **scripts: str) -> str:
    """Shell scripts under these names: the PATH that has them first."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


def submit(
    project: Project,
    engine: str,
    *arguments: str,
    path: str = "",
    asked: tuple[str, ...] = (TARGET, *SMOKE),
    **more: str,
):
    path = f"{path}:{project.environment['PATH']}"
    profile = ["--workflow-profile", f"profiles/{engine}", "--retries", "0"]
    return project.run(*asked, *profile, *arguments, seconds=400, PATH=path, **more)


def test_jobs_of_many_machines_are_not_begun_with_a_store_that_nobody_chose(prepared, tmp_path):
    path = commands(tmp_path / "bin", qsub=f"touch {tmp_path}/asked; exit 1")
    status, output = submit(prepared, "cluster-generic", path=path, asked=(TARGET, *CONFIGURED))
    assert status == 1
    assert "Found the local store results/mlflow.db for jobs on a cluster" in output
    assert not (tmp_path / "asked").exists()


def test_lsf_is_told_memory_time_cores_and_gpu(prepared, tmp_path):
    settings = tmp_path / "lsbatch" / "tests" / "configdir" / "lsb.params"
    settings.parent.mkdir(parents=True)
    settings.write_text("DEFAULT_QUEUE = normal\n", encoding="utf-8")
    configuration = LSF_CONF.format(folder=tmp_path)
    path = commands(
        tmp_path / "bin",
        badmin=f"cat <<'END'\n{configuration}END",
        lsclusters="echo 'CLUSTER_NAME STATUS'; echo 'tests ok'",
        bhist="echo 'Project <lab>'",
        bsub=f"printf '%s\\n' \"$@\" > {tmp_path}/told; echo refused >&2; exit 1",
    )
    status, output = submit(prepared, "lsf", path=path)
    assert status == 1
    assert (tmp_path / "told").is_file(), output
    told = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    flags = dict(pairwise(told))
    assert (flags["-P"], flags["-q"]) == ("lab", "normal")
    assert flags["-W"] == "30", output
    assert flags["-n"] == "1"
    assert "rusage[mem=2000.0]" in told
    assert flags["-gpu"] == "num=1"
    assert flags["-cwd"] == str(prepared.folder)


def test_generic_is_told_memory_time_cores_and_gpu_and_hears_of_the_end(prepared, tmp_path):
    path = commands(
        tmp_path / "bin",
        qsub=f"printf '%s\\n' \"$@\" > {tmp_path}/told; echo 17.server",
        # Once in the queue, then ended with an error; the cluster's word is all that counts.
        qstat=f"""\
test "$3" = 17.server || exit 1
if mkdir {tmp_path}/asked 2>/dev/null; then echo "    job_state = Q"; exit; fi
echo "    job_state = F"; echo "    Exit_status = 271\"""",
    )
    status, output = submit(
        prepared, "cluster-generic", "--seconds-between-status-checks", "1", path=path
    )
    assert status == 1
    assert "Error in rule ch03_train" in output, output
    told = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    asked = [value for flag, value in pairwise(told) if flag == "-l"]
    assert asked == ["select=1:ncpus=1:mem=2000mb:ngpus=1", f"walltime={30 * 60}"]
    assert re.search(r"\.sh$", told[-1])
    # What the next Snakemake is told by, should this one be killed.
    assert prepared.json(".snakemake/kerasbook.owner.json")["executors"] == ["cluster-generic"]


def test_runs_of_a_sweep_that_share_a_gpu_are_given_the_time_to_take_turns(prepared, tmp_path):
    path = commands(
        tmp_path / "bin",
        qsub=f"printf '%s\\n' \"$@\" > {tmp_path}/told.$$; echo refused >&2; exit 1",
    )
    file = prepared.folder / "config/chapters/ch03.yaml"
    kept = file.read_text(encoding="utf-8")
    file.write_text(kept.replace("smoke: {draws: 4}", "smoke: {draws: 12}"), encoding="utf-8")
    asked = ("ch03_sweeps", *SMOKE)
    status, output = submit(prepared, "cluster-generic", path=path, asked=asked)
    file.write_text(kept, encoding="utf-8")
    assert status == 1
    told = [one.read_text(encoding="utf-8").splitlines() for one in tmp_path.glob("told.*")]
    asked = [[value for flag, value in pairwise(lines) if flag == "-l"] for lines in told]
    size = "select=1:ncpus=1:mem=2500mb:ngpus=1"
    expected = [[size, f"walltime={runs * 15 * 60}"] for runs in (4, 8)]
    assert sorted(asked) == sorted(expected), output


def test_one_that_fails_takes_what_its_group_has_made(prepared, tmp_path):
    """What the profiles say of groups; a newer Snakemake may do better."""
    (tmp_path / "Snakefile").write_text(GROUP, encoding="utf-8")
    path = commands(
        tmp_path / "bin", qsub=QSUB.format(folder=tmp_path), qstat=QSTAT.format(folder=tmp_path)
    )
    wait = ["--seconds-between-status-checks", "1", "--retries", "1", "--latency-wait", "1"]
    profile = ["--workflow-profile", f"{prepared.folder}/profiles/cluster-generic"]
    path = f"{path}:{prepared.environment['PATH']}"
    status, output = Project(tmp_path, prepared.environment).run(*profile, *wait, PATH=path)
    assert status == 1
    ran = (tmp_path / "ran").read_text(encoding="utf-8").split()
    assert sorted(ran) == sorted("012" * 2), output
    assert list(tmp_path.glob("*.txt")) == []


@pytest.mark.parametrize(
    "answer, status, word",
    [
        ("    job_state = R", 0, "running"),
        ("    job_state = F\n    Exit_status = 0", 0, "success"),
        ("    job_state = F\n    Exit_status = 1", 0, "failed"),
        ("    job_state = F\n    Exit_status = -29", 0, "failed"),
        ("qstat: Unknown Job Id 17.server", 153, "failed"),
        ("Connection refused", 111, "running"),
    ],
)
def test_the_status_script_says_one_word(prepared, tmp_path, answer, status, word):
    path = commands(
        tmp_path / "bin", qstat=f"echo '{answer}' >&{2 if status else 1}; exit {status}"
    )
    done = subprocess.run(
        [prepared.folder / "profiles/cluster-generic/pbs_status.sh", "17.server"],
        env={"PATH": f"{path}:/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"{word}\n"


class ApiServer(BaseHTTPRequestHandler):
    """As much of Kubernetes as the plugin asks: takes jobs, and says that each failed."""

    jobs: list[dict]

    def answer(self, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            self.jobs.append(sent)
        self.answer(sent)

    def do_GET(self) -> None:
        if "/pods" in self.path:
            self.answer({"kind": "PodList", "items": []})
        else:
            self.answer({"kind": "Job", "status": {"failed": 1}})

    def do_DELETE(self) -> None:
        self.answer({"kind": "Status", "status": "Success"})

    def log_message(self, *_: object) -> None:
        pass


def test_kubernetes_is_told_memory_cores_and_gpu(prepared, tmp_path):
    server = HTTPServer(("127.0.0.1", 0), ApiServer)
    ApiServer.jobs = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "kubeconfig").write_text(
        json.dumps(
            {
                "current-context": "tests",
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
                "clusters": [{"name": "tests", "cluster": {"server": address}}],
                "users": [{"name": "tests", "user": {}}],
            }
        ),
        encoding="utf-8",
    )
    # The sources go to the shared folder by rsync, which not every machine has.
    path = commands(
        tmp_path / "bin",
        rsync=f"while [ $# -gt 2 ]; do shift; done; touch {tmp_path}/copied; "
        'exec cp -RLp "$1" "$2"',
    )
    try:
        status, output = submit(
            prepared, "kubernetes", "--default-storage-prefix", str(prepared.folder), path=path,
            KUBECONFIG=str(tmp_path / "kubeconfig"), no_proxy="127.0.0.1",
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert status == 1
    assert len(ApiServer.jobs) == 1, output
    assert (tmp_path / "copied").exists()
    pod = ApiServer.jobs[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/kerasbook:0.1.0"
    asked = {"memory": "2000M", "nvidia.com/gpu": "1"}
    for kind, cpu in (("requests", "950m"), ("limits", "1000m")):
        told = container["resources"][kind]
        assert {key: told[key] for key in ("cpu", *asked)} == {"cpu": cpu, **asked}
    assert {"name": "kerasbook", "mountPath": "/kerasbook"}.items() <= container["volumeMounts"][
        1
    ].items()
