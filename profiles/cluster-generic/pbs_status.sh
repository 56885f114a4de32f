#!/bin/sh
# What Snakemake asks of a job, in one word: running, success or failed.
# `qstat -x` knows finished jobs too. A server that does not answer has not ended the job.
if ! told=$(qstat -x -f "$1" 2>&1); then
    case "$told" in *"Unknown Job Id"*) echo failed ;; *) echo running ;; esac
    exit 0
fi
case "$told" in
    *"job_state = F"* | *"job_state = C"*)
        case "$told" in
            *"Exit_status = 0"*) echo success ;;
            *) echo failed ;;
        esac ;;
    *) echo running ;;
esac
