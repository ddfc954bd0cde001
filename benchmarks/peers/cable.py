"""A cable that takes its time: the lab's bridge and a namespace of its own, each frame kept for so many milliseconds.

    python -m benchmarks.peers.cable LAB-NAMESPACE FAR-NAMESPACE ADDRESS/LENGTH MILLISECONDS

The kernel here has no netem, so frames are carried between two TAP devices in user space. One way is MILLISECONDS.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import subprocess
import sys
import time
from collections import deque

from tests.host.lab import netns

TUNSETIFF, TAP, NO_HEADER = 0x400454CA, 0x0002, 0x1000
NAME = "cable"
FRAME = 65536  # bytes at most


def end(namespace: str) -> int:
    """A TAP device in a namespace; its file descriptor."""
    netns.enter(f"/run/netns/{namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", NAME.encode(), TAP | NO_HEADER))
    return device


def ip(namespace: str, words: str) -> None:
    """`ip` in a namespace."""
    subprocess.run(["ip", "-n", namespace, *words.split()], check=True, stdout=subprocess.DEVNULL)


class Cable:
    """Both directions, each with its frames and the moments when they arrive."""

    def __init__(self, near: int, far: int, seconds: float) -> None:
        self.seconds, self.other = seconds, {near: far, far: near}
        self.waiting: dict[int, deque[tuple[float, bytes]]] = {near: deque(), far: deque()}
        self.selector = selectors.DefaultSelector()
        for device in self.other:
            self.selector.register(device, selectors.EVENT_READ)

    def run(self) -> None:
        """For ever."""
        while True:
            soonest = min((frames[0][0] for frames in self.waiting.values() if frames), default=None)
            pause = None if soonest is None else max(0.0, soonest - time.monotonic())
            for key, _ in self.selector.select(pause):
                self._read(key.fd)
            for device in self.waiting:
                self._deliver(device)

    def _read(self, device: int) -> None:
        try:
            while True:
                frame = os.read(device, FRAME)
                self.waiting[self.other[device]].append((time.monotonic() + self.seconds, frame))
        except BlockingIOError:
            return

    def _deliver(self, device: int) -> None:
        frames = self.waiting[device]
        while frames and frames[0][0] <= time.monotonic():
            try:
                os.write(device, frames.popleft()[1])
            except OSError:  # full, as a real one may be: TCP sends it again
                continue


def main() -> None:
    """Lay the cable and carry."""
    lab, far, address, milliseconds = sys.argv[1:]
    ip(lab, "link show br0")
    near_end = end(lab)
    far_end = end(far)
    ip(lab, f"link set {NAME} master {netns.BRIDGE} up")
    ip(far, f"addr add {address} dev {NAME}")
    ip(far, f"link set {NAME} up")
    ip(far, "link set lo up")
    print("laid", flush=True)
    Cable(near_end, far_end, float(milliseconds) / 1000).run()


if __name__ == "__main__":
    main()
