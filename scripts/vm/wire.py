"""The serial line between a guest and its runner: frames of a kind and a payload, each with a CRC.

Used on both sides. A digest of all that went before is the last frame, so that output which was lost or
changed on the way, and a guest that died, are never taken for a result.
"""

import hashlib
import json
import struct
import zlib

START, STDOUT, STDERR, FILES, RESULT = b"S", b"o", b"e", b"f", b"R"
HEAD = struct.Struct(">2scII")
MAGIC = b"\x01V"
MAX_PAYLOAD = 4096


class Broken(Exception):
    """What came over the line is not what was sent."""


class Sender:
    """The guest's end."""

    def __init__(self, stream):
        self._stream = stream
        self._digest = hashlib.sha256()

    def send(self, kind, payload=b""):
        """Sends the payload in as many frames as it takes, at least one."""
        for at in range(0, max(len(payload), 1), MAX_PAYLOAD):
            piece = payload[at : at + MAX_PAYLOAD]
            self._stream.write(HEAD.pack(MAGIC, kind, len(piece), zlib.crc32(piece)) + piece)
            self._digest.update(kind + piece)

    def finish(self, status):
        """Sends the exit status with the digest; the last frame."""
        self.send(RESULT, json.dumps({"status": status, "digest": self._digest.hexdigest()}).encode())


class Receiver:
    """The runner's end: takes bytes as they come, gives the whole frames in them."""

    def __init__(self):
        self._pending = b""
        self._digest = hashlib.sha256()

    def feed(self, data):
        """Yields (kind, payload) of each frame that is complete. Raises Broken."""
        self._pending += data
        while len(self._pending) >= HEAD.size:
            magic, kind, length, crc = HEAD.unpack_from(self._pending)
            if magic != MAGIC or length > MAX_PAYLOAD:
                raise Broken(f"no frame at {self._pending[:40]!r}")
            payload = self._pending[HEAD.size : HEAD.size + length]
            if len(payload) < length:
                return
            if zlib.crc32(payload) != crc:
                raise Broken(f"wrong checksum of a frame of {length} bytes")
            self._pending = self._pending[HEAD.size + length :]
            if kind != RESULT:
                self._digest.update(kind + payload)
            yield kind, payload

    def status(self, payload):
        """The exit status in a result frame. Raises Broken when something before it was lost."""
        result = json.loads(payload)
        if result["digest"] != self._digest.hexdigest():
            raise Broken("wrong digest: output was lost")
        return result["status"]
