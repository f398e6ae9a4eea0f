"""Files for a guest, as a cpio archive to be appended to the guest root (format: newc, cpio(5))."""

import os
import stat

ALIGNMENT = 512


class Overlay:
    """A set of files by guest path; a later one replaces an earlier one, also of the archive before it.

    `root` is the folder of the initrd that holds what is for the guest's root, where that is not the initrd.
    """

    def __init__(self, root=""):
        self._files = {}
        self._root = root

    def add(self, path, data, mode=0o644):
        """Adds one file with this content to the guest's root."""
        self._add(os.path.join(self._root, path.strip("/")), data, mode)

    def add_early(self, host, path):
        """Adds one file of the host to the initrd, whatever the guest's root is."""
        with open(host, "rb") as file:
            self._add(path, file.read(), stat.S_IMODE(os.stat(host).st_mode))

    def _add(self, path, data, mode):
        self._files[path] = (stat.S_IFREG | mode, data, 0)

    def add_console(self):
        """The kernel opens /dev/console before anything can be mounted."""
        self._files["dev/console"] = (stat.S_IFCHR | 0o600, b"", (5, 1))

    def add_from_host(self, host, guest):
        """Adds a file, or a folder with all that is in it, with the modes that they have."""
        if not os.path.isdir(host):
            with open(host, "rb") as file:
                self.add(guest, file.read(), stat.S_IMODE(os.stat(host).st_mode))
            return
        for name in sorted(os.listdir(host)):
            self.add_from_host(os.path.join(host, name), os.path.join(guest, name))

    def archive(self):
        """The archive. Folders come first; those that the guest root has keep their content."""
        folders = {f for path in self._files for f in _parents(path)} - GUEST_ROOT
        entries = [_entry(f, stat.S_IFDIR | 0o755) for f in sorted(folders)]
        entries += [_entry(path, *what) for path, what in sorted(self._files.items())]
        archive = b"".join(entries) + _entry("TRAILER!!!", 0)
        return padded(archive, ALIGNMENT)


# Symbolic links in the guest root, or folders with a mode of their own: an entry would replace them.
GUEST_ROOT = {"bin", "sbin", "lib", "lib64", "tmp", "var/tmp"}


def padded(data, alignment):
    """The data, up to the next multiple."""
    return data + b"\0" * (-len(data) % alignment)


def _parents(path):
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _entry(path, mode, data=b"", device=(0, 0)):
    name = path.encode() + b"\0"
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, *(device or (0, 0)), len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(head + name, 4) + padded(data, 4)
