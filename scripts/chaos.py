#!/usr/bin/env python3
"""A workload to try a memory guard on: it leaks memory at a steady rate until somebody ends it.

  chaos.py                             leak 50 MiB a second
  chaos.py --rate max --forks 4        five processes, as fast as they can
  chaos.py --checkpoint /tmp/work      on SIGTERM, save 5 MB first
  chaos.py --ignore-term               SIGTERM does nothing
  chaos.py --peak 80M                  leak so much, then stay
  chaos.py --cache /var/tmp            no leak: write and read a big file, which only fills the page cache

A guard should end the first five in time and leave the last one alone, for the kernel can take page
cache back. Sizes are bytes with K, M, G or T (powers of 1024): 50M, 2GiB.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import time

KIB, MIB = 1 << 10, 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
# Small, so that the program comes back to Python, and to its signal handler, soon under a throttle.
CHUNK = 256 * KIB
TICK = 0.02
CHECKPOINT = 5_000_000


class Parser(argparse.ArgumentParser):
    """One line about what is wrong is enough."""

    def error(self, message):
        self.exit(2, f"chaos.py: {message} (--help tells more)\n")


def size(text):
    """A number of bytes as a person writes it."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not match or (bytes_ := int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 50M or 2GiB")
    return bytes_


def rate(text):
    """Bytes a second; infinite for max."""
    return float("inf") if text == "max" else size(text)


def count(text):
    """How many children."""
    if not text.isdecimal() or not 0 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1000")
    return int(text)


def options(argv):
    parser = Parser(
        prog="chaos.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rate", type=rate, default="50M", metavar="SIZE|max", help="leak so much a second (50M)")
    add("--peak", type=size, metavar="SIZE", help="leak up to here, then stay")
    add("--forks", type=count, default=0, metavar="N", help="N children leak as well, each at the rate")
    on_term = parser.add_mutually_exclusive_group()
    on_term.add_argument("--ignore-term", action="store_true", help="SIGTERM does nothing")
    on_term.add_argument("--checkpoint", metavar="FILE", help="SIGTERM saves 5 MB there, then ends it")
    add("--cache", metavar="FILE|DIR", help="leak nothing: write and read back a file, then remove it")
    add("--size", type=size, default="1G", metavar="SIZE", help="of the file of --cache (1G)")
    return parser.parse_args(argv)


class Screen:
    """Says how it goes: one line that moves on a terminal, a line now and then elsewhere."""

    def __init__(self):
        self._live = os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
        self._colour = self._live and "NO_COLOR" not in os.environ
        self._interval = 0.1 if self._live else 0.5
        self._began = self._last = time.monotonic()
        self._moving = False
        self._cell = 4 * MIB

    def progress(self, done, note, at_once=False):
        """Shows the amount, if it is time to."""
        now = time.monotonic()
        if now - self._last < self._interval and not at_once:
            return
        self._last = now
        line = f"chaos: {now - self._began:5.1f} s  {human(done):>10}  {note}"
        if self._live:
            line = line[: shutil.get_terminal_size().columns - 1]  # A line that wraps cannot be written over.
            self._write("\r" + line + self._bar(done, len(line)) + "\x1b[K")
            self._moving = True
        else:
            self._write(line + "\n")

    def say(self, text):
        """A line that stays."""
        self._write(("\n" if self._moving else "") + f"chaos: {text}\n")
        self._moving = False

    def _bar(self, done, used):
        room = shutil.get_terminal_size().columns - used - 3
        if room < 4:
            return ""
        while done // self._cell > room:
            self._cell *= 2
        bar = "█" * (done // self._cell)
        return "  " + (f"\x1b[33m{bar}\x1b[0m" if self._colour else bar)

    def _write(self, text):
        """Straight to the descriptor: a handler may come in between, and Python's buffers mind that."""
        data = text.encode()
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            pass  # Nobody listens; the leak goes on.


def human(amount):
    """The size in the unit that suits it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024


def resident():
    """What this process holds, in bytes (proc_pid_statm(5))."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def on_term(chosen, screen, child):
    if chosen.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if chosen.checkpoint:
        path = chosen.checkpoint + (f".{child}" if child else "")
        work = b"\x5a" * (64 * KIB)
        signal.signal(signal.SIGTERM, lambda *_: save_and_end(path, work, screen))


def save_and_end(path, work, screen):
    """Then dies of SIGTERM after all, so that the exit status tells it."""
    began, left = time.monotonic(), CHECKPOINT
    try:
        with open(path, "wb", buffering=0) as file:
            while left:
                left -= file.write(work[: min(left, len(work))])
            os.fsync(file.fileno())
        screen.say(f"saved {CHECKPOINT // 10**6} MB to {path} in {(time.monotonic() - began) * 1000:.0f} ms")
    except OSError as error:
        screen.say(f"could not save to {path}: {error.strerror}")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def fork(number):
    """Makes the children; says which one this process is, 0 being the parent."""
    for child in range(1, number + 1):
        if os.fork() == 0:
            return child
    return 0


def leak(chosen, screen):
    parent = os.getpid()
    child = fork(chosen.forks)
    on_term(chosen, screen, child)
    speed = "flat out" if chosen.rate == float("inf") else f"{human(chosen.rate)}/s"
    note = speed + (f" x {chosen.forks + 1}" if chosen.forks else "")
    if not child:
        screen.progress(resident(), note, at_once=True)
    kept, owed, last = [], 0.0, time.monotonic()
    while chosen.peak is None or resident() < chosen.peak:
        if child and os.getppid() != parent:
            return
        while owed < CHUNK:
            time.sleep(TICK)
            now = time.monotonic()
            # What a throttle held up is not made up for later: at most two ticks' worth.
            owed += chosen.rate * min(now - last, 2 * TICK)
            last = now
        kept.append(b"\x5a" * CHUNK)
        owed -= CHUNK
        if not child:
            screen.progress(resident(), note)
    if not child:
        screen.progress(resident(), "and no further", at_once=True)
    while not child or os.getppid() == parent:
        time.sleep(0.2)


def cache(path, amount, screen):
    """Writes and reads back. What it holds itself is two blocks."""
    if os.path.isdir(path):
        path = os.path.join(path, f"chaos.{os.getpid()}")
    block = os.urandom(MIB)
    with open(path, "xb", buffering=0) as file:
        try:
            began, done = time.monotonic(), 0
            while done < amount:
                done += file.write(block[: min(MIB, amount - done)])
                screen.progress(done, "written")
            os.fsync(file.fileno())
            screen.say(f"wrote {human(done)} in {time.monotonic() - began:.1f} s")
            began, done = time.monotonic(), 0
            with open(path, "rb", buffering=0) as again:
                while piece := again.read(MIB):
                    if piece != block[: len(piece)]:
                        raise OSError(5, "read back something else than was written")
                    done += len(piece)
                    screen.progress(done, "read back")
            screen.say(f"read {human(done)} back in {time.monotonic() - began:.1f} s; all of it was right")
        finally:
            os.unlink(path)


def main():
    chosen = options(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    screen = Screen()
    try:
        if chosen.cache:
            cache(chosen.cache, chosen.size, screen)
        else:
            leak(chosen, screen)
    except MemoryError:
        screen.say("no more memory to be had")
        return 1
    except OSError as error:
        screen.say(f"{error.filename or chosen.cache or 'failed'}: {error.strerror}")
        return 1
    return 0


sys.exit(main())
