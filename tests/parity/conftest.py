from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """A test that holds for some weights only fails every time or never."""
    torch.manual_seed(0)
