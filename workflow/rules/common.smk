"""The checked configuration, and the plan that the rules ask for paths."""

import atexit
import json
import os
import sys

WORKFLOW_FOLDER = os.path.join(workflow.basedir, "workflow")
sys.path.insert(0, WORKFLOW_FOLDER)

from pathlib import Path

from snakemake.exceptions import WorkflowError

from kerasbook.catalogue import load_catalogue
from kerasbook.configuration import load_settings
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files
from kerasbook.plan import Plan, code_of
from kerasbook.provenance import shown_uri
from kerasbook.validation import read_yaml

MISSING_VARIABLE = "KERASBOOK_MISSING"


def missing_data(settings, catalogue):
    """Data set -> why it cannot be had, where the configuration says to go on without.

    Found out once, by the Snakemake that was called: its jobs' own learn it from there.
    """
    if settings.config.missing_data == "error":
        return {}
    if not workflow.is_main_process and MISSING_VARIABLE in os.environ:
        return json.loads(os.environ[MISSING_VARIABLE])
    from kerasbook import availability

    found = availability.missing(catalogue, settings.data_needed(catalogue), settings.mirror)
    reasons = {name: availability.reason(name, one) for name, one in found.items()}
    os.environ[MISSING_VARIABLE] = json.dumps(reasons)
    return reasons


def read_plan():
    """Check the whole configuration before any job, and tell what is wrong in one message."""
    files = [os.path.relpath(name) for name in workflow.configfiles]
    try:
        for file in files:
            read_yaml(Path(file))  # a key that stands there twice, which Snakemake lets pass
        settings = load_settings(config, ", ".join(files) or "the configuration")
        catalogue = load_catalogue(Path("config/datasets.yaml"))
        return Plan(settings, catalogue, missing_data(settings, catalogue))
    except KerasbookError as error:
        raise WorkflowError(str(error)) from None


PLAN = read_plan()
# Scripts run in processes of their own, on a cluster on other machines: each Snakemake
# that reads this file hands them the way to the library and to the tracking store.
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        dict.fromkeys(
            filter(None, [WORKFLOW_FOLDER, *os.getenv("PYTHONPATH", "").split(os.pathsep)])
        )
    ),
    KERASBOOK_TRACKING_URI=PLAN.settings.tracking_uri,
    KERASBOOK_REQUIRE_GPU=str(int(PLAN.settings.config.require_gpu)),
    KERAS_BACKEND=PLAN.settings.config.backend,
)
# An inherited rule resolves relative names beside the heir, so they are made whole here.
CAPTIONS = os.path.join(WORKFLOW_FOLDER, "report")
ENVIRONMENT = os.path.join(workflow.basedir, "envs", f"{PLAN.settings.config.environment}.yaml")


def more_each_try(amount):
    """A resource that a retried job gets more of: it may have ended for want of it."""
    return lambda wildcards, attempt: amount * attempt


def category(entry):
    """Where `--report` shows what belongs to a chapter; it sorts these by their letters."""
    return f"{entry.id} {entry.file.number} {entry.file.title}"


def title_of(name):
    """A label for `--report`, which asks for it when the page's data are there."""

    def labels(wildcards, output):
        shown = json.loads(Path(output.page).read_text(encoding="utf-8"))["figures"]
        return {"shows": next(one["title"] for one in shown if one["name"] == name)}

    return labels


def figures(chapter, names):
    """A chapter's figures and their captions as outputs, and where `--report` shows them."""
    entry = PLAN.chapter(chapter)
    folder = PLAN.chapter_results.format(chapter=entry.slug)
    outputs = {}
    for name in names:
        outputs[f"caption_{name}"] = f"{PLAN.chapter_results}/figures/{name}.rst"
        outputs[f"figure_{name}"] = report(
            f"{PLAN.chapter_results}/figures/{name}.svg",
            caption=os.path.abspath(f"{folder}/figures/{name}.rst"),
            category=category(entry),
            subcategory="Figures",
            labels=title_of(name),
        )
    return outputs


def pages(chapter):
    """A chapter's page and tables as outputs, the page and the table shown by `--report`."""
    entry = PLAN.chapter(chapter)
    outputs = dict(PLAN.page_files)
    shown = {"html": "page", "table": "verdicts"}
    for key, name in shown.items():
        outputs[key] = report(
            outputs[key],
            caption=os.path.join(CAPTIONS, f"{name}.rst"),
            category=category(entry),
            subcategory="Page and verdicts",
            labels={"shows": name},
        )
    return outputs


def outputs_of_training(wildcards):
    """What the chapter's training writes, relative to the folder of its run."""
    train = getattr(rules, f"{PLAN.chapter(wildcards.chapter).id}_train")
    return {key: os.path.basename(file) for key, file in train.output.items()}
