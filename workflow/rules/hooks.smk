"""Before the first job and after the last: the data that is to be fetched can be had, and
the tracking store is made ready, and swept of runs whose job died.

These are hooks and no rule. As a rule the store would be an `ancient` input of every
job, and Snakemake 9.27 forgets the jobs behind such an input whenever the job before it
runs for a reason of its own: after an update, the first `snakemake` would make the store
and nothing else. What the hook could not do (no MLflow in Snakemake's own environment,
an experiment added while jobs run) a job does itself, under a lock.
"""


def call_tracking(action):
    """Run `python -m kerasbook.tracking`, its chatter going to a log."""
    import json
    import subprocess

    order = {
        "uri": PLAN.settings.tracking_uri,
        "edition": PLAN.edition,
        "path": PLAN.tracking,
        "chapters": PLAN.tracking_tree(),
    }
    log = Path(f"logs/{PLAN.edition}/tracking.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        done = subprocess.run(
            [sys.executable, "-m", "kerasbook.tracking", action],
            input=json.dumps(order),
            text=True,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    if done.returncode:
        raise WorkflowError(done.stdout.strip() or f"The tracking store failed; see {log}.")
    if done.stdout.strip():
        print(done.stdout.strip(), file=sys.stderr)


def stop_where_data_is_missing():
    """One message, before the first job, of all that is to be fetched and cannot be had."""
    if PLAN.settings.config.missing_data == "skip":
        return  # common.smk has asked, and left out what could not be had then
    wanted = {
        job.wildcards.dataset
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "download_file"
    }
    if not wanted:
        return
    from kerasbook import availability

    found = availability.missing(PLAN.catalogue, sorted(wanted), PLAN.settings.mirror)
    if found:
        raise WorkflowError(availability.message(found))


def count_what_was_left_out():
    """The last line on the screen, where the configuration said to go on without some data."""
    reasons = PLAN.reasons()
    print(
        f"{len(reasons)} printed numbers are not run for want of data: "
        f"{', '.join(sorted(PLAN.missing))}. The pages say why.",
        file=sys.stderr,
    )


def look_for_work_when_a_job_ends():
    """Leave out Snakemake's limit of 100 jobs a second where the jobs run on this machine.

    Snakemake 9.27 comes back a second after each look at what could be run, and once more
    for each job that ended, so that with many jobs in wait it takes time from those that run.
    Without the limit it looks when a job ends. A limit that somebody set, and that on
    submissions to a cluster, stay.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if workflow.local_exec and limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


if workflow.is_main_process and PLAN.missing:
    atexit.register(count_what_was_left_out)  # Snakemake's own last words come after its hooks


onstart:
    stop_where_data_is_missing()
    call_tracking("start")
    look_for_work_when_a_job_ends()


onerror:
    call_tracking("sweep")
