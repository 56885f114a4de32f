"""No chapter runs this: each inherits `stage_evaluate` and brings a evaluate.py of its own.

It has to be there all the same: for engines without a shared folder Snakemake packs the
scripts of all rules, and stops at one that is missing.
"""
