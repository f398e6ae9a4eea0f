"""Passes a child's output on as it comes, in a guest. Nobody but the child itself is waited for."""

import os
import selectors
import time


class Relay:
    """The child's pipes, and who gets what comes out of them: sink(name, data)."""

    def __init__(self, child, sink):
        self._child, self._sink = child, sink
        self._pipes = {name: pipe for name in ("stdout", "stderr") if (pipe := getattr(child, name))}
        for pipe in self._pipes.values():
            os.set_blocking(pipe.fileno(), False)

    def run(self, seconds):
        """Until the child has ended: True; False when that takes longer than so many seconds."""
        deadline = time.monotonic() + seconds
        selector = selectors.DefaultSelector()
        selector.register(os.pidfd_open(self._child.pid), selectors.EVENT_READ)
        for name, pipe in self._pipes.items():
            selector.register(pipe, selectors.EVENT_READ, name)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.data is None:
                    return True
                if self._pass_on(key.data) is False:
                    selector.unregister(key.fileobj)
        return False

    def finish(self):
        """Waits for the child, passes on what is still in the pipes, and gives the exit status."""
        status = self._child.wait()
        for name in self._pipes:
            while self._pass_on(name):
                pass
        return status if status >= 0 else 128 - status

    def _pass_on(self, name):
        """What is in the pipe now. None when there is nothing, False at its end."""
        data = self._pipes[name].read(65536)
        if data:
            self._sink(name, data)
        return None if data is None else bool(data)
