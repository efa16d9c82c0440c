"""A browser, and dashboards that are served to it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from werkzeug.serving import make_server

from dashboards.app import server

CHROMIUM = shutil.which("chromium")
TRACES = ".scatterlayer .trace"
"""The lines of figures, once they are drawn."""

VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Site:
    """A dashboard that is served, and a page of a browser that looks at it."""

    def __init__(self, browser: Browser, root: Path) -> None:
        # Port 0: any that is free.
        self._server = make_server("127.0.0.1", 0, server.create(root).server, threaded=True)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.page: Page = browser.new_page(viewport=VIEWPORT)
        self.errors: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _hear(self, message: object) -> None:
        if getattr(message, "type", "") == "error":
            self.errors.append(str(message))

    def open(self, path: str, **query: str) -> Page:
        self.page.goto(f"http://127.0.0.1:{self._server.server_port}{path}?{urlencode(query)}")
        return self.page

    def close(self) -> None:
        self.page.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def visited(browser: Browser, root: Path) -> Iterator[Site]:
    """Serve `root`; no page that is opened may have an error in the browser's console."""
    site = Site(browser, root)
    try:
        yield site
    finally:
        site.close()
    assert site.errors == []
