"""A stand-in for the intake that keeps what reached it: what the gateway passes on, and what it keeps back."""

from __future__ import annotations

from email.message import Message

from tests.integration.stand_in import QuietHandler, StandIn


class Recorder(StandIn):
    """Admits every token; ``verify_status`` says otherwise. Each call that got through is in ``calls``."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Message]] = []
        self.verify_status = 204
        recorder = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/auth/verify":
                    self._answer(recorder.verify_status, {"X-Client": "billing"})
                else:
                    recorder.calls.append((self.path, self.headers))
                    self._answer(200, {})

            do_POST = do_GET

            def _answer(self, status: int, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler)
