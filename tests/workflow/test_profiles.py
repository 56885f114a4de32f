"""What the cluster profiles say of the rules, compared with what the rules say."""

import re
from types import SimpleNamespace

import pytest
import yaml
from snakemake.resources import GroupResources, Resources

from tests.workflow.conftest import ROOT

GPU = ["--config", "environment=gpu"]
CLUSTERS = ["slurm", "lsf", "kubernetes", "cluster-generic"]
TARGETS = ["all", "sweeps"]
# The jobs of a group stand indented below it.
JOB = re.compile(r"^( *)(?:local)?rule (\w+):\n((?:\1    .*\n)+)", re.M)


def jobs(project, *arguments: str) -> dict[tuple[str, str], dict[str, str]]:
    """Rule and wildcards of each job that would be run -> its resources."""
    smoke = ["--configfile", "config/smoke.yaml"]
    output = project.succeed(*TARGETS, "-n", *smoke, *GPU, *arguments)
    found = {}
    for _, rule, body in JOB.findall(output):
        told = dict(re.findall(r"^ +(wildcards|resources): (.*)$", body, re.M))
        resources = dict(one.split("=", 1) for one in told["resources"].split(", "))
        found[rule, told.get("wildcards", "")] = resources
    return found


@pytest.fixture(scope="module")
def declared(copy_of_the_project):
    project = copy_of_the_project("profiles")
    return project, jobs(project)


def test_gres_is_asked_for_by_the_jobs_whose_rules_ask_for_a_gpu(declared):
    project, plain = declared
    wanted = {job for job, asked in plain.items() if asked.get("gpu") == "1"}
    # Points of all chapters may share a job, and have to say the same: those of ch01 ask too.
    points = {job for job in plain if job[0] == "sweep_point"}
    assert set() < points - wanted < points
    wanted |= points
    assert {rule for rule, _ in wanted} == set(overrides("slurm-gres"))
    gres = jobs(project, "--profile", "profiles/slurm-gres")
    assert {job for job, asked in gres.items() if asked.get("gres") == "gpu:1"} == wanted
    assert {asked.get("gpu", "0") for asked in gres.values()} == {"0"}


def read(profile: str) -> dict:
    path = ROOT / "profiles" / profile / "profile.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def overrides(profile: str) -> dict[str, dict]:
    return read(profile)["set-resources"]


def test_lsf_asks_for_a_gpu_where_gres_does():
    asked = {
        rule: {"gpu": 0, "gres": one["lsf_extra"].replace("-gpu num=1", "gpu:1")}
        for rule, one in overrides("lsf").items()
    }
    assert asked == overrides("slurm-gres")


def test_every_job_asks_for_time_and_for_more_memory_than_snakemake_takes(declared):
    _, plain = declared
    for (rule, _), asked in plain.items():
        if "mem_mb" in asked or "_" in rule:  # what is left are targets such as ch01
            least = 600 if rule in ("crate", "errata", "index") else 1000
            assert int(asked["mem_mb"]) >= least, rule
            assert int(asked["runtime"]) > 0, rule


def test_a_second_try_asks_for_twice_the_memory_and_time(declared):
    project, plain = declared
    again = jobs(project, "--attempt", "2")
    assert set(again) == set(plain)
    asked = ("mem_mb", "runtime")
    same = {
        job[0]
        for job, first in plain.items()
        if any(int(again[job].get(one, 0)) != 2 * int(first.get(one, 0)) for one in asked)
    }
    assert same <= {"crate", "errata", "index"}  # which no cluster gets


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_clusters_profile_says_all_that_the_default_says(name):
    default, cluster = read("default"), read(name)
    assert set(default) <= set(cluster)
    # It takes the default's place: a key that it lacks would be lost. Retries are its own.
    differ = {key for key in default if default[key] != cluster[key]}
    assert differ == {"retries"}
    assert cluster["retries"] > 0


def test_no_rule_has_retries_of_its_own():
    """They would be counted inside of each job, too, in the same allocation."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]
    assert len(files) > 11
    with_retries = re.compile(r"^\s*retries\s*:", re.M)
    found = [one.name for one in files if with_retries.search(one.read_text(encoding="utf-8"))]
    assert found == []


def whole_number(told: list[str], key: str) -> int:
    """The number of `key` in a profile's list of `key=number`."""
    return int(dict(one.split("=") for one in told)[key])


def allocation(profile: dict, point: dict[str, str], gpu: bool) -> dict[str, int]:
    """What Snakemake asks of a cluster for as many such points as the profile puts in a group."""
    asks = {key: int(point[key]) for key in ("runtime", "mem_mb")}
    asks |= {"_cores": 1, "_nodes": 1, "gpu": int(point.get("gpu", 0)) if gpu else 0}
    size = whole_number(profile["group-components"], "sweep")
    group = [SimpleNamespace(resources=asks, pipe_group=None)] * size
    limits = {"_cores": profile["cores"], "gpu": whole_number(profile["resources"], "gpu")}
    return GroupResources.basic_layered([group], Resources.from_mapping(limits), run_local=False)


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_group_of_a_sweep_asks_for_a_sensible_allocation(declared, name):
    """With a GPU its runs take turns. The longest is what the SLURM profile's comment says."""
    _, plain = declared
    profile = read(name)
    points = [asked for (rule, _), asked in plain.items() if rule == "sweep_point"]
    longest = max(points, key=lambda asked: int(asked["runtime"]))
    assert longest["gpu"] == "1"
    text = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text(encoding="utf-8")
    assert whole_number(profile["group-components"], "sweep") == 8
    assert f"At {longest['runtime']} minutes each" in text
    for gpu, label in ((False, "without a GPU"), (True, "with one GPU")):
        asked = allocation(profile, longest, gpu)
        cores = f"{asked['_cores']} core{'s' if asked['_cores'] > 1 else ''}"
        told = f"{asked['runtime']} minutes, {cores}, {asked['mem_mb']} MB"
        assert re.search(rf"^#   {label}: +{told}$", text, re.M), told
        assert asked["gpu"] == int(gpu)
        assert asked["runtime"] <= 3 * 60
