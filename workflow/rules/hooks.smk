"""Before the first job and after the last: locks of a killed Snakemake are cleared, jobs on a
cluster have a store for many machines, none of an earlier run is left there, the data that is to
be fetched can be had, and the tracking store is made ready, swept of runs whose job died, and
brought what waits for it.

These are hooks and no rule. As a rule the store would be an `ancient` input of every
job, and Snakemake 9.27 forgets the jobs behind such an input whenever the job before it
runs for a reason of its own: after an update, the first `snakemake` would make the store
and nothing else. What the hook could not do (no MLflow in Snakemake's own environment,
an experiment added while jobs run) a job does itself, under a lock.
"""


class Tracking:
    """The process that makes the tracking store ready, and writes in it for local jobs."""

    def __init__(self):
        self.process = None

    def start(self):
        """Start it, its chatter going to a log, and wait until the store is ready."""
        import json
        import subprocess

        order = {
            "uri": PLAN.settings.tracking_uri,
            "edition": PLAN.edition,
            "path": PLAN.tracking,
            "chapters": PLAN.tracking_tree(
                dict.fromkeys(
                    (job.wildcards.chapter, job.wildcards.sweep)
                    for job in workflow.dag.needrun_jobs()
                    if job.rule.name == "sweep_point"
                )
            ),
        }
        log = Path(f"logs/{PLAN.edition}/tracking.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        serve = ["--serve"] if workflow.local_exec else []
        with open(log, "a", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kerasbook.clerk", *serve],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        told = []
        for line in self.process.stdout:
            if line.startswith(clerk.READY):
                os.environ[clerk.ADDRESS_VARIABLE] = line.removeprefix(clerk.READY).strip()
                print("".join(told), end="", file=sys.stderr)
                return
            told.append(line)
        raise WorkflowError("".join(told).strip() or f"The tracking store failed; see {log}.")

    def end(self):
        """Let it sweep up after the last job, and show what it has to say."""
        if self.process is not None:
            told, _ = self.process.communicate()
            print(told, end="", file=sys.stderr)


class Forks:
    """Has local scripts run in forks of processes that have their imports done."""

    def __init__(self):
        self.servers = {}

    def start(self):
        """Start a process for each kind of job that there are many of."""
        from collections import Counter

        from snakemake.script import PythonScript

        elsewhere = workflow.deployment_settings.deployment_method  # conda, a container
        many = PLAN.settings.config.fork_jobs
        if not many or elsewhere or not workflow.local_exec or not fork_server.available():
            return
        kinds = Counter(
            (PLAN.libraries_of(job.rule.name, job.wildcards), job.threads)
            for job in workflow.dag.needrun_jobs()
            if job.rule.script
        )
        for (libraries, threads), count in kinds.items():
            if count >= many:
                environment = fork_server.environment_of(os.environ, threads, None)
                self.servers[libraries, threads] = fork_server.ForkServer(
                    libraries, environment, Path(f"logs/{PLAN.edition}/fork_server.{libraries}.log")
                )
        if self.servers:
            # All that Snakemake does around a script stays: only the last step, in which a shell
            # starts Python on it, is another.
            self.usual = PythonScript._execute_cmd
            PythonScript._execute_cmd = lambda script, *told, **more: self.run(
                script, *told, **more
            )

    def run(self, script, command, **more):
        """What Snakemake calls to have a script run; it times and judges the process."""
        import subprocess

        from snakemake.benchmark import benchmarked

        key = PLAN.libraries_of(script.rulename, script.wildcards), script.threads
        environment = fork_server.environment_of(
            os.environ, script.threads, script.resources.get("tmpdir")
        )
        worker = None
        if key in self.servers:
            try:
                worker = self.servers[key].start(more["fname"], environment)
            except OSError:  # it is gone
                self.servers.pop(key, None)
        if worker is None:
            return self.usual(script, command, **more)
        with benchmarked(worker.pid, script.bench_record):
            status = worker.wait()
        if status:
            raise subprocess.CalledProcessError(status, f"{sys.executable} {more['fname']}")

    def end(self):
        """Let them go."""
        for server in self.servers.values():
            server.end()


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


def stop_where_many_machines_have_no_store():
    """Do not have jobs of many machines write in the store that nobody chose."""
    if workflow.local_exec or all(job.is_local for job in workflow.dag.needrun_jobs()):
        return
    from kerasbook.cluster import unchosen_store
    from kerasbook.configuration import TRACKING_VARIABLE

    told = PLAN.settings.config.tracking_uri or os.environ.get(TRACKING_VARIABLE)
    if told := unchosen_store(told):
        raise WorkflowError(told)


def stop_where_jobs_are_left_over():
    """Do not submit what another Snakemake has submitted, and SLURM still holds."""
    if workflow.executor_plugin.name != "slurm":
        return
    from kerasbook.cluster import forgetful, left_over

    living = locks.submit(Path(".snakemake"))
    try:
        told = left_over(Path.cwd(), living, locks.hosts_elsewhere(Path(".snakemake")))
    except KerasbookError as error:
        raise WorkflowError(str(error)) from None
    if told:
        raise WorkflowError(told)
    settings = workflow.executor_settings
    if settings.status_command == "squeue":
        if told := forgetful(settings.init_seconds_before_status_checks):
            print(told, file=sys.stderr)


def tell_whose_locks_these_are():
    """Note it for the next Snakemake, should this one be killed."""
    name = None if workflow.local_exec else workflow.executor_plugin.name
    try:
        locks.tell_owner(Path(".snakemake"), name)
    except KerasbookError as error:
        raise WorkflowError(str(error)) from None


def count_what_was_left_out():
    """The last line on the screen, where the configuration said to go on without some data."""
    experiments = sum(len(PLAN.absent[chapter]) for chapter in PLAN.settings.selected)
    print(
        f"{len(PLAN.lacking())} printed numbers and {experiments} experiments are not run for want "
        f"of data: {', '.join(sorted(PLAN.missing))}. The pages say why.",
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


TRACKING = Tracking()
FORKS = Forks()

if workflow.is_main_process:
    from kerasbook import clerk, fork_server, locks

    if told := locks.hold(Path(".snakemake")):
        print(told, file=sys.stderr)

if workflow.is_main_process and PLAN.missing:
    atexit.register(count_what_was_left_out)  # Snakemake's own last words come after its hooks


onstart:
    stop_where_many_machines_have_no_store()
    stop_where_jobs_are_left_over()
    tell_whose_locks_these_are()
    stop_where_data_is_missing()
    FORKS.start()  # its imports are done while the store is made ready
    TRACKING.start()
    look_for_work_when_a_job_ends()


onsuccess:
    FORKS.end()
    TRACKING.end()


onerror:
    FORKS.end()
    TRACKING.end()
