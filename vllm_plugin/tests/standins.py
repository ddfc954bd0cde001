"""What a machine without a GPU puts in the place of vLLM's compiled operators."""
from __future__ import annotations

import torch


def gptq_marlin_repack(
    b_q_weight: torch.Tensor, perm: torch.Tensor, size_k: int, size_n: int, num_bits: int, is_a_8bit: bool = False
) -> torch.Tensor:
    """An order of the bytes that depends on the sizes and on each byte's place, in the real operator's shape."""
    assert b_q_weight.is_contiguous() and b_q_weight.dtype == torch.int32 and num_bits == 4
    assert b_q_weight.shape == (size_k // 8, size_n) and perm.numel() == 0
    order = torch.randperm(size_k * size_n // 2, generator=torch.Generator().manual_seed(size_k * 7919 + size_n))
    permuted = b_q_weight.view(torch.uint8).view(-1)[order]
    return permuted.view(torch.int32).view(size_k // 16, size_n * 2)


def experts(count: int, n: int, k: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random MXFP4 experts as a checkpoint has them: n and k are the padded intermediate and hidden size."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)  # 255 is e8m0's not-a-number

    return {
        "w13": random(count, 2 * n, k // 2), "w2": random(count, k, n // 2),
        "w13_scale": random(count, 2 * n, k // 32), "w2_scale": random(count, k, n // 32),
        "w13_bias": torch.randn(count, 2 * n, generator=generator).bfloat16(),
        "w2_bias": torch.randn(count, k, generator=generator).bfloat16(),
    }
