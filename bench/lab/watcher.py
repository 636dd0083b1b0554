"""Watches a pooler while it is measured."""

import contextlib
import threading
import urllib.request

from .processes import Failed


class Watcher:
    """A viewer of the live page, and a scrape of the metrics once per second."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.ended = threading.Event()
        self.seen = {"documents": 0, "scrapes": 0}
        self.threads = [threading.Thread(target=self.view, daemon=True),
                        threading.Thread(target=self.scrape, daemon=True)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, _error, _trace):
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=5)
        if kind is None and not all(self.seen.values()):
            raise Failed(f"it was not looked at: {self.seen}")

    def view(self):
        """Reads the stream of live documents."""
        with contextlib.suppress(OSError), \
                urllib.request.urlopen(f"{self.url}/api/v1/live/events", timeout=5) as stream:
            for line in stream:
                self.seen["documents"] += line.startswith(b"data:")
                if self.ended.is_set():
                    return

    def scrape(self):
        """Fetches the metrics."""
        with contextlib.suppress(OSError):
            while not self.ended.wait(1):
                with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
                    self.seen["scrapes"] += bool(answer.read())
