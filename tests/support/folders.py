"""Folders of files, written from a dictionary."""

LINE = "loss=1\n"


def tree(folder, files):
    """Files, by their path within the folder: text, bytes or None for a usual log."""
    for name, content in files.items() if isinstance(files, dict) else dict.fromkeys(files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else (LINE if content is None else content).encode())
    return folder
