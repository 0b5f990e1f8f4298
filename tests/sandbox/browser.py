"""Debian's Chromium without a window, in a role of a testbed, told what to do by its debugging pipe."""

import base64
import contextlib
import itertools
import json
import os
import select
import subprocess
import time

from conftest import until

PATIENCE = 60


def descendants(pid):
    """Of a process that lives, theirs behind them."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in map(int, file.read().split()):
                    yield child
                    yield from descendants(child)


class Browser:
    def __init__(self, bed, role, folder):
        reads, self.tells = os.pipe()
        self.hears, writes = os.pipe()
        words = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
                 "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
                 f"--user-data-dir={folder}", "about:blank"]
        # Its pipes are descriptors 3 and 4.
        script = f'exec 3<&{reads} 4>&{writes}; exec "$@"'
        self.process = subprocess.Popen(bed.command(role, "bash", "-c", script, "bash", *words), pass_fds=(reads, writes),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=os.environ | {"HOME": str(folder)}, start_new_session=True)
        os.close(reads)
        os.close(writes)
        self.numbers = itertools.count(1)
        self.waiting = b""
        self.told = []  # what the page has complained of
        try:
            self.attach()
        except BaseException:
            self.end()
            raise

    def attach(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def hear(self):
        """The next message."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.waiting:
            assert select.select([self.hears], [], [], max(0, end - time.monotonic()))[0], "the browser says nothing"
            piece = os.read(self.hears, 1 << 20)
            assert piece, "the browser has ended"
            self.waiting += piece
        message, self.waiting = self.waiting.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.told.append(message["params"])
        return message

    def ask(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.tells, json.dumps(message).encode() + b"\0")
        while (answer := self.hear()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address):
        self.ask("Page.navigate", url=address)

    def value(self, expression):
        """Of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def becomes(self, selector, *words, bound=30):
        """Waits until all of these words are in the element."""
        try:
            until(lambda: all(word in self.text(selector) for word in words), bound)
        except AssertionError:
            raise AssertionError((words, self.text(selector), self.told)) from None

    def looks(self, width, height, dark=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path):
        shot = self.ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def end(self):
        """With all the processes that it has made."""
        made = list(descendants(self.process.pid))
        for pid in (self.process.pid, *made):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.process.wait()
        os.close(self.tells)
        os.close(self.hears)
