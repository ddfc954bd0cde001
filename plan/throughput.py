"""How fast: one stream's tokens a second and the time to the first token, from bytes and rates."""

from __future__ import annotations

from plan.card import Card
from plan.shape import Shape
from plan.toml import table


def tokens_a_second(shape: Shape, card: Card, offloaded: int) -> float | None:
    """Decode speed of one stream, tokens/s; None where the card's or the link's rate is unknown.

    A step reads attention, head and the routed share of the experts; what lies on the host comes over PCIe.
    """
    speed = table("costs")["speed"]
    if card.bandwidth_gb_s is None or (offloaded and card.pcie_gb_s is None):
        return None
    on_card = shape.attention + shape.head + (shape.experts - offloaded) * shape.experts_read
    seconds = on_card / (card.bandwidth_gb_s * speed["memory_efficiency"] * 1e9) + speed["overhead_ms"] / 1e3
    if offloaded and card.pcie_gb_s:
        seconds += offloaded * shape.experts_read / (card.pcie_gb_s * 1e9)
    return float(1 / seconds)


def first_token_s(shape: Shape, card: Card, offloaded: int, batched: int, tokens: int = 2000) -> float | None:
    """Seconds until the first token of a prompt, which reads the experts on the host again and again.

    Marlin reads an expert once for each tile of its tokens, the last one half full (measured: 4.3 to 6 times for 2,000 tokens).
    """
    speed = table("costs")["speed"]
    if card.tflops is None or (offloaded and card.pcie_gb_s is None):
        return None
    seconds = speed["prefill_ms"] / 1e3
    seconds += 2 * shape.active_parameters * tokens / (card.tflops * speed["prefill_efficiency"] * 1e12)
    if offloaded and card.pcie_gb_s:
        steps = -(-tokens // batched)
        reads = tokens * shape.experts_read / speed["prefill_tile"] + steps / 2
        seconds += reads * offloaded / (card.pcie_gb_s * 1e9)
    return float(seconds)


def request_s(shape: Shape, card: Card, offloaded: int, batched: int) -> float:
    """Seconds for 2,000 tokens in and 300 out: what plans are compared by. Unknown rates count as a modest card's."""
    told = {
        "bandwidth_gb_s": card.bandwidth_gb_s or 300,
        "tflops": card.tflops or 30,
        "pcie_gb_s": card.pcie_gb_s or 12,
    }
    known = card.model_copy(update=told)
    first, speed = first_token_s(shape, known, offloaded, batched), tokens_a_second(shape, known, offloaded)
    return (first or 0.0) + 300 / (speed or 1.0)
