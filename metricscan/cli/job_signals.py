"""The signals of ``metricscan run``: they go on to the job, and end a reader that hangs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from metricscan.live.running import RunningJob

_FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
# Once a signal has asked for the end, and the job has ended: how long the reader may be busy with one read.
_LAST_READ_S = 1.0


class ReadingStopped(KeyboardInterrupt):
    """A signal has asked for the end, and the job has ended: the reader makes no progress, as where ``re`` searches a record.

    Or all was read, and what is left is to say so.
    """


class Forwarder:
    """Forwards the signals of this process to the job while its block runs."""

    def __init__(self) -> None:
        self.job: RunningJob | None = None
        self._early: list[int] = []
        # how often the job was polled, or bytes of it were passed on; where that stands still, the reader is busy with a record
        self.polls = self._polls_before = 0
        # whoever reads our output may be slow: that is no reason to stop
        self.is_passing_on = False
        # whether commands of events may be running, which are to be ended in order; and whether they are waited for
        self.is_telling, self.is_waited_for = False, True
        self._is_stop = self._has_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _FORWARDED:
                number = getattr(signal, name)
                # under nohup the job outlives its terminal
                if name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, _: object) -> None:
        if self.job is None:
            self._early.append(number)
            return
        self._forward(number)

    def _forward(self, number: int) -> None:
        assert self.job is not None
        asks = number in (signal.SIGTERM, signal.SIGINT)
        if self.job.is_done:
            if asks and not self.is_telling:
                raise ReadingStopped
            self.is_waited_for = self.is_waited_for and not asks
            return
        if asks and not self._has_asked:
            # `re` looks for signals while it searches, so this ends a search that would take years
            self._has_asked = True
            self._polls_before = self.polls
            signal.setitimer(signal.ITIMER_REAL, _LAST_READ_S, _LAST_READ_S)
        if not self.job.send_signal(number) and asks:
            # Its supervisor was killed, or ends at this moment.
            self._is_stop = True

    def _look(self, *_: object) -> None:
        """Stop a read that has taken long, if the job has ended."""
        from metricscan.errors import MetricscanError

        assert self.job is not None
        is_busy, self._polls_before = self.polls == self._polls_before, self.polls
        with contextlib.suppress(MetricscanError):
            if is_busy and not self.is_passing_on and not self.job.is_done and self.job.record.status != "InProgress":
                raise ReadingStopped

    @property
    def asked_for_end(self) -> bool:
        """Whether a signal asked for an end, and there is no supervisor any more, so that the reader alone goes on."""
        return self._is_stop or (self._has_asked and self.job is not None and not self.job.is_supervised)

    def stop_orphans(self) -> None:
        """Forward what came before the job; stop a job that has no supervisor any more, if a signal asked for that."""
        early, self._early = self._early, []
        for number in early:
            self._forward(number)
        if self._is_stop and self.job is not None:
            self._is_stop = False
            self.job.stop("a signal")
