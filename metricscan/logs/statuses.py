"""The statuses of jobs, and the words for them in usual tools."""

from __future__ import annotations

import re

#: The words by status. They are compared in lower case, without blanks, hyphens and underscores.
STATUSES = {
    "Completed": ("completed", "complete", "succeeded", "success", "successful", "finished", "done", "terminated"),
    "Failed": (
        *("failed", "fail", "failure", "error", "errored", "crashed", "metricsunavailable"),
        *("out_of_memory", "node_fail", "boot_fail", "launch_failed", "reconfig_fail", "special_exit"),
    ),
    "Stopped": (
        *("stopped", "stopping", "killed", "cancelled", "canceled", "aborted", "pruned", "early_stopped", "paused"),
        *("timeout", "timed_out", "deadline", "preempted", "revoked", "deleting"),
    ),
    "InProgress": (
        *("in_progress", "running", "pending", "created", "waiting", "queued", "scheduled", "starting", "preempting"),
        *("configuring", "completing", "suspended", "requeued", "requeue_hold", "requeue_fed", "resizing", "signaling"),
        *("stage_out", "resv_del_hold"),
    ),
}


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]", "", word).lower()


_STATUS_OF = {_plain(word): status for status, words in STATUSES.items() for word in (status, *words)}
# Slurm: CANCELLED by 1000
_BY_WHOM = re.compile(r"(?i)(cancell?ed)\s+by\s+\S+")


def status_of(word: str) -> str | None:
    """The status that a word of a tool means; None if the word is not known.

    >>> status_of("SUCCEEDED"), status_of("CANCELLED by 1000"), status_of("OUT_OF_ME+"), status_of("odd")
    ('Completed', 'Stopped', 'Failed', None)
    """
    word = word.strip()
    by = _BY_WHOM.fullmatch(word)
    plain = _plain(by[1] if by else word)
    if plain.endswith("+"):
        # Slurm cuts a word that is wider than its column
        meant = {status for known, status in _STATUS_OF.items() if known.startswith(plain[:-1])}
        return meant.pop() if len(meant) == 1 else None
    return _STATUS_OF.get(plain)
