"""The guests that scripts/vm/run can boot, by name: which kernel, which root, which layout of the cgroups.

A guest's root is the bare initrd of scripts/vm/setup, without systemd, or a disk with a Debian suite by
scripts/vm/image, with systemd.
"""

import os
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Guest:
    """`suite` is of the Debian on its disk, if it has one; `append` goes to the kernel's command line."""

    kernel: str
    suite: str | None = None
    layout: str = "unified"
    append: str = ""


NO_MEMORY = "cgroup_disable=memory"

# In the order in which they are of use; `newest` is known by its series too. 6.12 cannot do `hybrid` (no v1 memory), and trixie's systemd will not.
ALL = {
    "6.1": Guest("6.1"),
    "5.10": Guest("5.10"),
    "6.12": Guest("6.12"),
    "newest": Guest("newest"),
    "6.1-hybrid": Guest("6.1", layout="hybrid"),
    "6.1-nomemory": Guest("6.1", append=NO_MEMORY),
    "bookworm": Guest("6.1", "bookworm"),
    "trixie": Guest("6.12", "trixie"),
    "bookworm-hybrid": Guest("6.1", "bookworm", layout="hybrid"),
    "bookworm-nomemory": Guest("6.1", "bookworm", append=NO_MEMORY),
}

# What a test runs in that says nothing else.
KERNELS = ("6.1", "5.10", "6.12", "newest")

LAYOUTS = ("unified", "hybrid", "v1", "none")

# systemd makes the layout itself.
SYSTEMD_LAYOUTS = {
    "unified": "",
    "hybrid": "systemd.unified_cgroup_hierarchy=0",
    "v1": "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
}


def canonical(name):
    """The name in `ALL` of what may be called by its series instead, such as 7.3: which one is the newest, scripts/vm/setup found out."""
    return "newest" if name not in ALL and name == _newest_series() else name


def _newest_series():
    """None before scripts/vm/setup has run."""
    setup = os.path.join(os.path.dirname(os.path.realpath(__file__)), "setup")
    folder = subprocess.run([setup, "--path"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    try:
        return os.readlink(os.path.join(folder, "kernel-newest")).removeprefix("kernel-")
    except OSError:
        return None
