"""The rule `overlay`: our files where there are any, else the real host's, streamed through."""

from __future__ import annotations

import ssl
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path

from . import dir as files
from .answer import Answer

_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
_SYSTEM_CAS = Path("/etc/ssl/certs/ca-certificates.crt")


def answer(request: Answer) -> None:
    """A stand-in file, else a request to the real host with the client's own headers."""
    if request.file.is_file() or (request.file / "index.html").is_file():
        files.answer(request)
        return
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    try:
        response = _ask(request, body)
    except (OSError, HTTPException) as error:
        request.reply(502, f"stand-in gateway: {error}\n".encode())
        return
    _stream(request, response)


def _ask(request: Answer, body: bytes) -> HTTPResponse:
    """Over the connection that the last request used; a new one when that has died."""
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
    for fresh in (request.upstream is None, True):
        if fresh or request.upstream is None:
            request.upstream = HTTPSConnection(request.name, timeout=60, context=_trust())
        try:
            request.upstream.request(request.command, request.path, body or None, headers)
            return request.upstream.getresponse()
        except (OSError, HTTPException):
            request.upstream.close()
            if fresh:
                request.upstream = None
                raise
    raise OSError("not reached")


def _stream(request: Answer, response: HTTPResponse) -> None:
    """Pass on status, headers and body; chunked when the length is not known."""
    headers = {k: v for k, v in response.getheaders() if k.lower() not in _HOP}
    bodiless = request.command == "HEAD" or response.status in (204, 304)
    chunked = not bodiless and response.length is None
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    request.begin(response.status, headers)
    while block := response.read(1 << 16):
        if chunked:
            request.wfile.write(b"%x\r\n" % len(block))
        request.body(block)
        if chunked:
            request.wfile.write(b"\r\n")
    if chunked:
        request.wfile.write(b"0\r\n\r\n")


def _trust() -> ssl.SSLContext:
    """What this machine's own clients trust: its system store."""
    context = ssl.create_default_context()
    if _SYSTEM_CAS.exists():
        context.load_verify_locations(_SYSTEM_CAS)
    return context
