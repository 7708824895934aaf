"""Runs `async def` tests on a fresh event loop and fails a test that leaves tasks behind."""

from __future__ import annotations

import asyncio
import atexit
import gc
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.support import quiet_imports
from tests.support.databases import database_url, postgres

__all__ = ["database_url", "postgres", "quiet_imports"]


_END = "-----END CERTIFICATE-----\n"


def _one_authority() -> str:
    """A file with the first of the usual authorities: all 120 are 20 ms of each of a service's ten clients."""
    handle, path = tempfile.mkstemp(suffix=".pem")  # of this process alone, and nobody else's to write
    with open(handle, "w", encoding="utf-8") as file:
        file.write(Path(certifi.where()).read_text(encoding="utf-8").split(_END)[0] + _END)
    atexit.register(Path(path).unlink, missing_ok=True)
    return path


# No test, and no service of a test, speaks to the internet.
os.environ["SSL_CERT_FILE"] = _one_authority()

_passed_over = [0]  # how many modules were imported, each time


@pytest.fixture(autouse=True)
def own_environment() -> Generator[None]:
    """What a command sets for its children stays with its test."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine test; leaked tasks, unawaited coroutines and unraisable errors fail it."""
    function: Callable[..., Coroutine[Any, Any, None]] = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names if name in pyfuncitem.funcargs}
    asyncio.run(_without_leaks(function(**arguments)))
    gc.collect()  # an unawaited coroutine warns when it is collected: here, inside the test that made it
    return True


def pytest_runtest_logfinish() -> None:
    """When nothing holds the fixtures of the test any more: what they left behind must not be passed over."""
    if _has_new_modules():
        gc.collect()
        _pass_over_modules()


# Minutes each: begun last, one of them would keep one worker busy and the others waiting.
_LONGEST = ("test_sample_calls.py", "test_memory_eval.py", "test_samples.py", "test_front_desk.py", "test_calls.py")
_IN_REAL_TIME = ("tests/browser", "tests/dialogues", "tests/e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mixes files that wait for whole calls with files that compute: all workers are busy, and no machine is full."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.split("::", 1)[0], []).append(item)
    kinds = [[name for name in files if name.startswith(_IN_REAL_TIME) is real] for real in (True, False)]
    place = {name: (at + 0.5) / len(kind) for kind in kinds for at, name in enumerate(kind)}
    order = sorted(files, key=lambda name: (not name.endswith(_LONGEST), place[name], name))
    items[:] = [item for name in order for item in files[name]]


def pytest_collection_finish() -> None:
    """Takes what the collection imported out of all further rounds of the garbage collector."""
    gc.collect()
    _pass_over_modules()


def _has_new_modules() -> bool:
    return len(sys.modules) > _passed_over[-1]


def _pass_over_modules() -> None:
    """A round after each test looks at what that test made: at a million objects of imported modules it takes 0.2 s."""
    if _has_new_modules():
        _passed_over.append(len(sys.modules))
        gc.freeze()


async def _without_leaks(test: Coroutine[Any, Any, None]) -> None:
    before = asyncio.all_tasks()
    await test
    await asyncio.sleep(0)  # tasks that are already done get to leave the loop's set
    leaked = [task for task in asyncio.all_tasks() - before if not task.done()]
    assert not leaked, f"the test left tasks running: {[task.get_coro() for task in leaked]}"
