"""Archives in memory, written from a dictionary, in every kind that is read."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}


def entry(name, data=b"", **fields):
    """A header of a tar, with its data."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tarred(files, *, layout=tarfile.PAX_FORMAT):
    """A tar: files by their names, or entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout, encoding="utf-8", errors="surrogateescape") as archive:
        for info, data in [entry(*one) for one in files.items()] if isinstance(files, dict) else files:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(files, method=zipfile.ZIP_DEFLATED):
    """A zip: files by their names, or pairs of a name or ZipInfo and its data."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return out.getvalue()


def packed(folder, kind):
    """An archive of the regular files of a folder, without links: bytes, written by the writer of this kind."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return KINDS[kind]({str(path.relative_to(folder)): path.read_bytes() for path in paths})


#: Writers of every kind of archive, by the name that such a file usually has.
KINDS = {
    "logs.tar": tarred,
    "old.tar": lambda files: tarred(files, layout=tarfile.GNU_FORMAT),
    "logs.tar.gz": lambda files: gzip.compress(tarred(files)),
    "logs.tar.zst": lambda files: zstd.compress(tarred(files)),
    "logs.tar.xz": lambda files: lzma.compress(tarred(files)),
    "logs.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "logs.tar.lz4": lambda files: lz4.frame.compress(tarred(files)),
    "logs.zip": zipped,
    "stored.zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "bzip2.zip": lambda files: zipped(files, zipfile.ZIP_BZIP2),
}
