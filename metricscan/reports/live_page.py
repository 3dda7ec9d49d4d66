"""The page of a report while its jobs run: served on this machine alone, to whoever knows its address."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import os
import secrets
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from metricscan.errors import MetricscanError, OptionError
from metricscan.reports.packing import embedded
from metricscan.reports.page import page_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

_HOST = "127.0.0.1"
# The data are gathered again no sooner than so many seconds after they were, and then so many times what that took.
_LEAST_PAUSE_S, _PAUSES = 1.0, 4


class LivePage:
    """Serves a page and its data under an address that holds a random token; a context manager.

    Parameters
    ----------
    gather : callable
        Gives the data of the page as they are now. If it raises a :class:`MetricscanError`, the page keeps the data from before,
        and says so.
    state : callable, optional
        Gives something that is another one when the data may have changed; they are not gathered again before that. None stands
        for what is not known.
    port : int
        0 for any that is free.

    Attributes
    ----------
    url : str
        The address of the page.

    Raises
    ------
    OptionError
        The port cannot be used, or Bokeh is not installed.
    MetricscanError
        There are no data yet.
    """

    def __init__(
        self, gather: Callable[[], Mapping[str, Any]], *, state: Callable[[], object] | None = None, port: int = 0
    ) -> None:
        self._gather = gather
        self._state = state
        self._seen: object = None
        self._lock = threading.Lock()
        self._data: Mapping[str, Any] = {}
        self._tag = ""
        self._next = 0.0
        self._is_failed = False
        self._renew()
        self._token = secrets.token_urlsafe(32)
        try:
            self._server = _Server((_HOST, port), self._handler())
        except (OSError, OverflowError) as error:
            raise OptionError(f"cannot serve on port {port}: {getattr(error, 'strerror', None) or error}") from error
        self.port = int(self._server.server_address[1])
        self.url = f"http://{_HOST}:{self.port}/{self._token}/"

    def serve(self) -> None:
        """Answer until another thread calls :meth:`close`, or an exception such as KeyboardInterrupt comes."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop to answer."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    def _current(self) -> tuple[Mapping[str, Any], str]:
        """The data, and what names this state of them."""
        with self._lock:
            if time.monotonic() >= self._next:
                try:
                    self._renew()
                except (MetricscanError, OSError) as error:
                    self._fail(error)
            return self._data, self._tag

    def _renew(self) -> None:
        began = time.monotonic()
        seen = None if self._state is None else self._state()
        if seen is not None and seen == self._seen and not self._is_failed:
            self._next = began + _LEAST_PAUSE_S
            return
        data = {**self._gather(), "live": True}
        self._is_failed = False
        self._seen = seen
        self._set(data)
        ended = time.monotonic()
        self._next = ended + max(_LEAST_PAUSE_S, _PAUSES * (ended - began))

    def _fail(self, error: Exception) -> None:
        """Keep the data, with a note that they are from before."""
        self._next = time.monotonic() + _LEAST_PAUSE_S
        if not self._is_failed:
            note = f"These are the rows of an earlier time: {error}"
            self._is_failed = True
            self._set({**self._data, "notes": [*self._data["notes"], note]})

    def _set(self, data: Mapping[str, Any]) -> None:
        self._tag = f'"{hashlib.sha256(embedded(dict(data)).encode()).hexdigest()[:32]}"'
        self._data = {**data, "tag": self._tag}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            server_version = "metricscan"
            sys_version = ""
            timeout = 30

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def _answer(self, *, with_body: bool) -> None:
                kind, body, tag = page._found(self.path, self.headers)
                is_known = tag is not None and self.headers.get("If-None-Match") == tag
                self.send_response(404 if body is None else 304 if is_known else 200)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                content = b"nothing here\n" if body is None else b"" if is_known else body
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if tag is not None:
                    self.send_header("ETag", tag)
                self.end_headers()
                if with_body:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Print nothing: the token is a part of each path."""

        return Handler

    def _found(self, path: str, headers: Any) -> tuple[str, bytes | None, str | None]:
        """What lies at a path, for whoever may see it: kind, content and tag."""
        nothing = "text/plain; charset=utf-8", None, None
        own = {f"{_HOST}:{self.port}", f"localhost:{self.port}"}
        # a page elsewhere may have its name resolve to this machine, and a page of another origin may ask
        if len(headers.get_all("Host", [])) != 1 or headers["Host"] not in own:
            return nothing
        origins = headers.get_all("Origin", [])
        if any(one not in {f"http://{host}" for host in own} for one in origins):
            return nothing
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return nothing
        names = {f"/{self._token}/": "page", f"/{self._token}/data.json": "data"}
        # each name is compared in a time that does not depend on where it differs
        given = path.encode("utf-8", "surrogateescape")
        wanted = [kind for name, kind in names.items() if hmac.compare_digest(name.encode(), given)]
        if not wanted:
            return nothing
        data, tag = self._current()
        if wanted[0] == "page":
            return "text/html; charset=utf-8", page_html(data, live=True).encode(), None
        return "application/json", embedded(dict(data)).encode(), tag


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away amid an answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def state_of(paths: Iterable[str]) -> tuple[Any, ...] | None:
    """What changes when the rows at some paths do: names, sizes and times of the files there, as far as they can be read.

    None if a path is none of a file or a folder, such as a glob: then nothing tells whether they changed.
    """
    found: list[Any] = []
    for path in paths:
        if not os.path.exists(path):
            return None
        inside = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        for one in (path, *inside):
            try:
                facts = os.stat(one)
            except OSError:
                continue
            found.append((one, facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))
