"""What the scripts of all chapters share.

Nothing here knows Snakemake, and no module imports TensorFlow, MLflow or
matplotlib at its top: a script pays only for what it uses.
"""

__version__ = "0.1.0"
