"""The locks and the conda files say the same, and name what the code imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from envs import conda

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
LOCKS = ["cpu", "gpu", "test", "crate", "server"]
# Import names that differ from the package's.
PACKAGE_OF = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "markdown_it": "markdown-it-py",
    "tensorflow": "tensorflow-cpu",
    "requests_cache": "requests-cache",
    "rocrate_validator": "roc-validator",
    "pynvml": "nvidia-ml-py",
    "snakemake_executor_plugin_slurm": "snakemake-executor-plugin-slurm",
}
# Keras's other backends, which whoever sets one installs; and what looks at a GPU.
NOT_EVERYWHERE = {"cpu": {"jax", "torch", "nvidia-ml-py"}, "gpu": {"jax", "torch"}}
# Run by the environment of the crate's validator.
IN_CRATE = "validate_crate.py"
# What the library imports and a package of ours already brings in, with the package.
COMES_WITH = {"markupsafe": "jinja2"}


def imports_of(folder: Path) -> set[str]:
    """The packages outside the standard library and the project that a folder's files import."""
    return {name for file in folder.rglob("*.py") for name in imports_in(file)}


def imports_in(*files: Path) -> set[str]:
    """The same of some files."""
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    own = {"kerasbook", "chapters", "scripts", "benchmarks", "envs", "tests"}
    return names - set(sys.stdlib_module_names) - own


@pytest.mark.parametrize("kind", LOCKS)
def test_every_locked_package_has_hashes_and_no_address(kind):
    text = (ENVS / f"{kind}.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert len(entries) > {"crate": 30, "server": 0}.get(kind, 50)
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash)", text, re.M)


def test_conda_files_are_those_that_the_locks_give():
    for kind in ("cpu", "gpu"):
        assert (ENVS / f"{kind}.yaml").read_text("utf-8") == conda.conda_file(kind)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_conda_files_hold_locked_versions_of_all_that_the_rules_import(kind):
    told = yaml.safe_load((ENVS / f"{kind}.yaml").read_text("utf-8"))
    listed = told["dependencies"][-1]["pip"]
    assert listed == conda.pins(ENVS / f"{kind}.lock")
    names = {line.partition("==")[0].partition("[")[0] for line in listed}
    assert len(names) > 50
    for module in imports_of(ROOT / "workflow"):
        package = COMES_WITH.get(module, PACKAGE_OF.get(module, module))
        if kind == "gpu" and package == "tensorflow-cpu":
            package = "tensorflow"
        if package in NOT_EVERYWHERE[kind]:
            continue
        assert package in names, f"{module} is imported; envs/{kind}.in does not name {package}"


def test_locks_agree_with_each_other():
    cpu, test = conda.locked(ENVS / "cpu.lock"), conda.locked(ENVS / "test.lock")
    assert set(cpu) <= set(test)
    assert {name: test[name] for name in cpu} == cpu


def test_test_lock_holds_what_the_tests_import():
    versions = conda.locked(ENVS / "test.lock")
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    files = [file for file in (ROOT / "tests").rglob("*.py") if file.name != IN_CRATE]
    for module in imports_in(*files) | imports_of(ROOT / "benchmarks"):
        package = COMES_WITH.get(module, PACKAGE_OF.get(module, module))
        assert package in versions or module in own, module


def test_crate_lock_holds_what_its_script_imports():
    versions = conda.locked(ENVS / "crate.lock")
    for module in imports_in(ROOT / "tests" / IN_CRATE):
        assert PACKAGE_OF.get(module, module) in versions, module


def test_library_imports_nothing_heavy_at_its_top():
    """Jobs that need no TensorFlow, MLflow or matplotlib do not pay for their import."""
    code = (
        "import sys; sys.path.insert(0, 'workflow');"
        "from kerasbook import catalogue, configuration, data, evaluation, files, metrics, models,"
        " plan, processed, provenance, reporting, steps, tracking, training, verdicts;"
        "from kerasbook import crate, records, trace;"
        "print([name for name in ('tensorflow', 'keras', 'mlflow', 'matplotlib', 'sklearn',"
        " 'numba') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
