"""What the benches read of the processes that they measure."""

from __future__ import annotations

import threading
import time

import psutil

from tools.bench.processes import busy


def test_processor_time_is_fine_and_keeps_what_ended_threads_have_used() -> None:
    spent: list[float] = []

    def work() -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.004:
            pass
        spent.append(time.thread_time() - began)

    before = busy(psutil.Process())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    used = busy(psutil.Process()) - before
    assert spent[0] <= used < spent[0] + 0.1
    assert used * 100 % 1 != 0  # no count of hundredths
