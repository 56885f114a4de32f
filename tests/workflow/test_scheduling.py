"""What Snakemake itself does while jobs run."""

import re


def test_snakemake_looks_for_work_when_a_job_ends_and_not_between(project):
    output = project.succeed("-c1", "--verbose", "--configfile", "config/smoke.yaml", "--", "ch06")
    jobs = int(re.search(r"^total +(\d+)$", output, re.M)[1])
    looks = len(re.findall(r"^Ready jobs: ", output, re.M))
    # Once at the start and once for each job that ended: with Snakemake's limit of jobs per
    # second it would come back each second, of which each of these jobs takes several.
    assert jobs >= 4
    assert 1 <= looks <= jobs + 1
