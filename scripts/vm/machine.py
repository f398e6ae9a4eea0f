"""One guest machine: QEMU's command line, its process, its console and its serial line."""

import ctypes
import mmap
import os
import select
import shutil
import signal
import subprocess
import time

MIB = 1 << 20
DISK_MIB = 3072
# Numbers by which a guest knows its disks: guest/disks.
EMPTY_DISK, SWAP_DISK, ROOT_DISK = 1, 2, 3


class Machine:
    """Runs until it ends by itself or is killed; `read` gives what the guest sends over its line."""

    def __init__(self, images, folder, options, initrd, root_disk=None):
        """`root_disk`: a file that the guest may write to as it likes, and that stays as it is."""
        self.console = os.path.join(folder, "console")
        self._line, theirs = os.pipe()
        disks = _disks(folder, options.swap)
        if root_disk:
            disks[ROOT_DISK] = f"{root_disk},snapshot=on"
        self.command = _command(images, options, initrd, self.console, theirs, disks)
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(folder, "qemu"), "wb"),
            pass_fds=[theirs],
            env={**os.environ, "TMPDIR": folder},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        os.close(theirs)

    def read(self, seconds):
        """What came over the line: b"" at its end, None when nothing came in time."""
        readable, _, _ = select.select([self._line], [], [], max(seconds, 0))
        return os.read(self._line, 1 << 16) if readable else None

    def kill(self):
        """Ends it at once. May be called again."""
        self._process.kill()
        self._process.wait()

    def last_words(self):
        """The ends of what QEMU and the guest's console said."""
        folder = os.path.dirname(self.console)
        return "".join(_tail(os.path.join(folder, name)) for name in ("qemu", "console"))


def _command(images, options, initrd, console, line, disks):
    share = os.path.join(images, "qemu/usr/share")
    kernel = f"console=ttyS0 quiet panic=-1 oops=panic reboot=t random.trust_cpu=on {_clock()} {options.append}"
    return [
        os.path.join(images, "qemu/usr/bin/qemu-system-x86_64"),
        *("-L", f"{share}/qemu", "-L", f"{share}/seabios", "-no-user-config", "-nodefaults"),
        *("-M", "microvm,acpi=on,pcie=on", "-cpu", "max", *_accelerator(options)),
        *("-m", str(_memory(options.mem)), "-smp", str(options.cpus), "-display", "none", "-no-reboot"),
        *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
        *("-chardev", f"file,id=line,path=/dev/fd/{line}"),
        *("-device", "isa-serial,chardev=line,iobase=0x2f8,irq=3"),
        *("-device", "nvme,id=nvme,serial=disks"),
        *(word for n, disk in disks.items() for word in _drive(n, disk)),
        *("-kernel", os.path.join(images, f"kernel-{options.kernel}/vmlinuz"), "-initrd", initrd),
        *("-append", kernel),
    ]


def _accelerator(options):
    """By instructions, 2 ns each: one thread of QEMU runs all processors in turn."""
    if options.count_instructions:
        return "-accel", "tcg,thread=single", "-icount", "shift=1,align=off,sleep=on"
    return "-accel", "tcg,thread=multi"


def _memory(mib):
    """QEMU 10 loads an initrd over the ACPI tables of a microvm with exactly 2 GiB, and no other size."""
    return mib - 1 if mib == 2048 else mib


def _drive(number, path):
    drive = f"id=d{number},if=none,format=raw,cache=unsafe,file={path}"
    return "-drive", drive, "-device", f"nvme-ns,bus=nvme,nsid={number},drive=d{number}"


def _disks(folder, swap):
    """A disk with an empty file system, and one for swap if any is wanted. Sparse, so they cost nothing."""
    disks = {EMPTY_DISK: os.path.join(folder, "disk")}
    with open(disks[EMPTY_DISK], "wb") as file:
        file.truncate(DISK_MIB * MIB)
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-m", "0", disks[EMPTY_DISK]], check=True)
    if swap:
        disks[SWAP_DISK] = os.path.join(folder, "swap")
        with open(disks[SWAP_DISK], "wb") as file:
            file.truncate(swap * MIB)
    return disks


def _clock():
    """The guest sees the host's time-stamp counter; measuring its rate under emulation goes wrong at times."""
    try:
        return f"tsc=reliable tsc_early_khz={_counter_khz()}"
    except OSError:
        return ""


def _counter_khz():
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("0f31" "48c1e220" "4809d0" "c3"))  # rdtsc; shl rdx, 32; or rax, rdx; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    rates = []
    for _ in range(5):
        ticks, nanoseconds = counter(), time.monotonic_ns()
        time.sleep(0.02)
        rates.append((counter() - ticks) * 1_000_000 // (time.monotonic_ns() - nanoseconds))
    return sorted(rates)[len(rates) // 2]


def _die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _tail(path, size=8000):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
