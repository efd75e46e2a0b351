"""A grade calculator over HTTP: the small app of a Docker tutorial, with nothing but Python's own library."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = b"""<!doctype html>
<title>Student API</title>
<h1>Student API</h1>
<form action="/grade"><label>Points (0-100) <input name="points" value="72"></label> <button>Grade</button></form>
"""


def grade(points: float) -> str:
    limits = [(90, "A"), (80, "B"), (70, "C"), (60, "D")]
    return next((letter for limit, letter in limits if points >= limit), "F")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/":
            return self.answer(200, "text/html", PAGE)
        if url.path != "/grade":
            return self.answer(404, "text/plain", b"not found\n")
        try:
            points = float(parse_qs(url.query)["points"][0])
        except (KeyError, ValueError):
            return self.answer(400, "text/plain", b"points is a number: /grade?points=72\n")
        return self.answer(200, "application/json", json.dumps({"grade": grade(points)}).encode() + b"\n")

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    # The first process of a container is asked to end by SIGTERM, and ignores it unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening on port 8000", flush=True)
    # 0.0.0.0, not 127.0.0.1: requests come from outside of the container.
    ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
