"""m4m in a process forked from one that has the slow imports done: what a test waits for is m4m's own work.

The fork runs `python -m m4mcli` with arguments, environment, folder and three descriptors of its own. Nothing has run
before but imports; what they cost, and that they are lazy, others test.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = ("mido", "numpy", "rich.console", "rich.progress", "symusic", "typer")
LEFT_OUT = ("m4mcli.networks", "m4mcli.training", "m4mcli.manual", "m4mcli.__main__")
"""Modules that import torch, and those that are programs."""
REQUEST_BYTES = 1 << 20


def import_all() -> None:
    """Import what m4m imports, torch excepted."""
    for library in LIBRARIES:
        importlib.import_module(library)
    import m4mcli
    from m4mcli.models.session import import_runtime

    import_runtime()
    for module in pkgutil.walk_packages(m4mcli.__path__, "m4mcli."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    gc.freeze()


def serve(requests: socket.socket) -> None:
    """Fork for each request and tell the fork's number and wait status; return in the fork, which is to run m4m."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not request:
            os._exit(0)
        number = os.fork()
        if number == 0:
            requests.close()
            become(json.loads(request), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(number).encode())
        requests.send(str(os.waitpid(number, 0)[1]).encode())


def become(wanted: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Take on the arguments, the environment, the folder and the standard descriptors that a request asks for."""
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv[1:] = wanted["arguments"]


def leave(code: object) -> NoReturn:
    """End as the interpreter would, but for taking apart all that was imported, which takes as long as m4m's work."""
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


class Preloaded:
    """The process that forks. `run` is like `subprocess.run` with `input` and `capture_output`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()

    def run(
        self, arguments: Sequence[str], stdin: bytes, folder: Path, environment: dict[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run m4m. Raises subprocess.TimeoutExpired."""
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = os.pipe(), os.pipe(), os.pipe()
        request = {"arguments": [*arguments], "folder": str(folder), "environment": environment}
        socket.send_fds(self._requests, [json.dumps(request).encode()], [their_in, their_out, their_err])
        for theirs in (their_in, their_out, their_err):
            os.close(theirs)
        number = int(self._requests.recv(64))
        with ThreadPoolExecutor(3) as threads:
            threads.submit(_feed, our_in, stdin)
            out, err = threads.submit(_drain, our_out), threads.submit(_drain, our_err)
            self._requests.settimeout(timeout_s)
            try:
                status = int(self._requests.recv(64))
            except TimeoutError:
                os.kill(number, signal.SIGKILL)
                self._requests.settimeout(None)
                self._requests.recv(64)
                raise subprocess.TimeoutExpired(["m4m", *arguments], timeout_s) from None
        returncode = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(["m4m", *arguments], returncode, out.result(), err.result())

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._process.wait()


def _feed(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as pipe:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[pipe.write(rest) :]
        except BrokenPipeError:
            pass


def _drain(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


if __name__ == "__main__":
    import_all()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve(requests)
    try:
        runpy.run_module("m4mcli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        leave(end.code)
