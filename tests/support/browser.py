"""A headless Chromium, driven through its DevTools protocol. Only one thread may use the browser. The methods wait
until a condition is true, never for a fixed time."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_SECONDS = 45.0
SERVER_ERROR = -32000
NAVIGATED = ("navigated or closed", "context was destroyed", "Cannot find context", "Cannot find default")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--hide-scrollbars",
)


def result(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error", {})
    if error.get("code") == SERVER_ERROR and any(said in error["message"] for said in NAVIGATED):
        raise NavigatedError(error["message"])
    assert not error, error
    return answer["result"]


class NavigatedError(AssertionError):
    """The browser left the page before the page answered."""


class Browser:
    """One tab. `problems`: errors in the console, and answers with a status of 500 or more."""

    def __init__(self, profile: Path, user: str = "", password: str = "") -> None:
        assert CHROMIUM is not None
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._socket = self._connect(profile)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        if user:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {token}"})

    def close(self) -> None:
        async def close() -> None:
            self._socket.close()

        self._loop.run_until_complete(close())
        self._process.terminate()
        self._process.wait(10)
        self._loop.close()

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def theme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        self.wait("(window.isLeft = true)")
        self.call("Page.navigate", url=url)
        self.wait(f"!window.isLeft && location.href.startsWith({json.dumps(url)}) && ({ready})")

    def run(self, script: str) -> Any:
        """Evaluates an expression in the page, awaits the value if it is a promise, and returns it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Waits until the condition is true, even if the browser leaves the page during this time. Returns the
        value, or True for a DOM element."""
        answer = f"const v = ({condition}); return v instanceof Node ? true : v"
        script = f"(() => {{ try {{ {answer} }} catch {{ return false }} }})()"
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            with suppress(NavigatedError):
                if value := self.run(script):
                    return value
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"never became true: {condition}\n{self.run('document.body?.innerText')}"
                )
            self._loop.run_until_complete(asyncio.sleep(0.05))

    def click(self, text: str, inside: str = "#queue-page") -> None:
        """Clicks the button or link with this text, as soon as it is there and enabled."""
        find = (
            f"[...document.querySelectorAll({json.dumps(inside + ' button, ' + inside + ' a')})]"
            f".find((e) => e.textContent.trim() === {json.dumps(text)} && !e.disabled)"
        )
        self.wait(f"({find}.click(), true)")

    def press(self, key: str, code: int, text: str = "") -> None:
        details: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **details, **({"text": text} if text else {}))

    def screenshot(self, path: Path) -> None:
        height = self.run("Math.ceil(document.documentElement.scrollHeight)")
        width = self.run("window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 4_000), "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = json.dumps({"id": number, "method": method, "params": parameters})
        return self._loop.run_until_complete(self._exchange(number, message))

    async def _exchange(self, number: int, message: str) -> dict[str, Any]:
        await self._socket.write_message(message)
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), WAIT_SECONDS)
            assert text is not None, "the browser went away"
            answer = json.loads(text)
            if answer.get("id") == number:
                return result(answer)
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        details = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(details["exceptionDetails"])[:500])
        elif event.get("method") == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.problems.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
        elif event.get("method") == "Runtime.consoleAPICalled" and details["type"] == "error":
            self.problems.append(json.dumps(details["args"])[:500])

    def _connect(self, profile: Path) -> WebSocketClientConnection:
        deadline = time.monotonic() + WAIT_SECONDS
        port_file = profile / "DevToolsActivePort"
        while not port_file.exists() or not port_file.read_text().strip():
            assert self._process.poll() is None, "the browser did not start"
            assert time.monotonic() < deadline, "the browser opened no port"
            self._loop.run_until_complete(asyncio.sleep(0.05))
        port = port_file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = json.load(answer)
        url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")

        async def connect() -> WebSocketClientConnection:
            return await websocket_connect(url, max_message_size=200 * 1024 * 1024)

        return self._loop.run_until_complete(connect())
