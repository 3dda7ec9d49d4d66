"""Names of files that lie among logs but are no logs. The option ``include`` overrules them."""

from __future__ import annotations

from metricscan.logs.compression import without_suffix

_NO_LOG_SUFFIXES = """
    json jsonl yaml yml toml ini cfg conf xml html htm css js md rst tex pdf svg png jpg jpeg gif webp mp4 csv tsv
    parquet arrow feather orc npy npz mat h5 hdf5 pkl pickle dill joblib pt pth ckpt safetensors onnx pb tflite bin model
    py pyc pyx pyi ipynb c h cc cpp cu so o a rs go java jar sh bash zsh ps1 bat lock tar tgz zip whl 7z rar db sqlite
    tbz tbz2 txz tzst wandb
"""
_NO_LOGS = frozenset(_NO_LOG_SUFFIXES.split())
_NO_LOG_NAMES = frozenset(
    ["Makefile", "Dockerfile", "MLmodel", "checkpoint", "vocab.txt", "merges.txt", "aws-logs-write-test"]
)
# Names of archives: of what is no log by its name, they are counted apart.
_ARCHIVE_SUFFIXES = frozenset(["tar", "tgz", "zip", "tbz", "tbz2", "txz", "tzst"])


def is_of_no_log(name: str) -> bool:
    """Whether the name of a file, without the suffix of a compression, is that of another kind of file."""
    # no regex: it is asked of every file in a folder, and a regex of all names reads each name to its end
    _, dot, suffix = name.rpartition(".")
    return (
        bool(dot and suffix in _NO_LOGS)
        or name in _NO_LOG_NAMES
        or ".tfevents." in name
        or name.startswith(("LICENSE", "README"))
        or (name.startswith("requirements") and suffix == "txt")
    )


def is_named_like_an_archive(path: str) -> bool:
    """Whether a file has the name of an archive, which may be compressed."""
    return without_suffix(path).rpartition(".")[2] in _ARCHIVE_SUFFIXES
