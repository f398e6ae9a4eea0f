"""Guardians that are none: so many sockets in one directory, each with another bad answer.

usage: python3 - DIRECTORY FIRST COUNT NAME TEMPLATE KIND...
TEMPLATE is a good answer to `status json`. KINDS go round. Says "ready" and serves until it is killed.
"""

import json
import os
import resource
import selectors
import socket
import sys

directory, first, count, name, template = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5])
kinds = sys.argv[6:]
MOST = 1 << 20

evil = '"} 1\n# HELP sentinel_guard_up Twice.\n# TYPE sentinel_guard_up counter\nsentinel_guard_up{guard="root"} 0\n\\'


def filled(build):
    """As large as an answer may be: each further item takes as much as the second."""
    one, two = len(build(8)), len(build(16))
    return build(8 + (MOST - 1 - one) // (two - one) * 8)


def status(**fields):
    return json.dumps({**template, **fields}, separators=(",", ":")).encode() + b"\n"


answers = {
    "words": lambda: filled(lambda n: status(command=[""] * n)),
    "letters": lambda: filled(lambda n: status(command=["a"] * n)),
    "word": lambda: filled(lambda n: status(command=["x" * n])),
    "reason": lambda: filled(lambda n: status(reason="r" * n, version="\u202e" * 9)),
    "unknown": lambda: filled(lambda n: status(unknown=[[]] * n)),
    "labels": lambda: status(version=evil, placement=evil, cgroup=evil * 100, tier_reason=evil),
    "numbers": lambda: status(growth=-(2**63), uptime_ms=2**64 - 1, started_unix_ms=2**64 - 1, forecast_ms=2**64 - 1),
    "twice": lambda: status().rstrip(b"}\n") + b',"schema":1}\n',
    "metrics": lambda: b"# HELP sentinel_guard_up x\n# TYPE sentinel_guard_up counter\n# HELP sentinel_guard_up y\nsentinel_guard_up{guard=\"a\",guard=\"b\"} 1\n" * 100,
    "deep": lambda: b"[" * (MOST - 1),
    "infinite": lambda: status().replace(b'"growth":', b'"growth":1e999,"x":'),
    "bytes": lambda: b"\xff\xfe\x00" * 1000,
    "nothing": lambda: b"",
    "refusal": lambda: b"error: \x1b[2J" + b"no" * 10000 + b"\n",
}
made = {kind: make() for kind, make in answers.items() if kind in kinds}

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.makedirs(directory, mode=0o700, exist_ok=True)
select = selectors.DefaultSelector()
for n in range(count):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{directory}/{name}-{first + n}.socket")
    listener.listen(8)
    listener.setblocking(False)
    select.register(listener, selectors.EVENT_READ, ("listener", kinds[n % len(kinds)]))
print("ready", flush=True)

slow = {}
while True:
    for key, _ in select.select(0.05 if slow else None):
        what, rest = key.data
        if what == "listener":
            try:
                client = key.fileobj.accept()[0]
            except BlockingIOError:
                continue
            client.setblocking(False)
            if rest == "silent":
                slow[client] = None
            elif rest == "slow":
                slow[client] = b"{"
            elif rest == "endless":
                select.register(client, selectors.EVENT_WRITE, ("endless", None))
            else:
                select.register(client, selectors.EVENT_WRITE, ("answer", memoryview(made[rest])))
            continue
        try:
            sent = key.fileobj.send(b"x" * 65536 if what == "endless" else rest[:65536])
            left = None if what == "endless" else rest[sent:]
            select.modify(key.fileobj, selectors.EVENT_WRITE, (what, left))
            if left is not None and not left:
                raise BrokenPipeError
        except BlockingIOError:
            pass
        except OSError:
            select.unregister(key.fileobj)
            key.fileobj.close()
    for client, byte in list(slow.items()):
        try:
            if byte:
                client.send(byte)
            elif client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"\0":
                raise BrokenPipeError
        except BlockingIOError:
            pass
        except OSError:
            del slow[client]
            client.close()
