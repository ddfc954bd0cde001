"""The ballast's arithmetic, on a stand-in for torch."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.emulate import ballast

GIB = 1 << 30


class Cuda:
    """139 GiB, of which a context takes half a GiB; each allocation is rounded up to 2 MiB."""

    total = 139 * GIB

    def __init__(self) -> None:
        self.held: list[list[int]] = []

    def mem_get_info(self) -> tuple[int, int]:
        return self.total - GIB // 2 - sum(sum(one) for one in self.held), self.total

    def empty_cache(self) -> None:
        self.held = [one for one in self.held if one]


class Torch:
    """Only what the ballast uses."""

    uint8 = "uint8"

    def __init__(self) -> None:
        self.cuda = Cuda()

    def empty(self, size: int, **_: Any) -> list[int]:
        made = [-(-size // (2 << 20)) * (2 << 20)]
        self.cuda.held.append(made)
        return made


@pytest.mark.parametrize("wanted", [7.2, 12.0, 24.0])
def test_it_leaves_what_the_card_would_have(wanted: float) -> None:
    torch = Torch()
    held: list[Any] = []
    ballast._hold(torch, held, wanted)
    assert abs(torch.cuda.mem_get_info()[0] / GIB - wanted) < ballast.NEAR_GIB
