"""Lightning's checkpoints as a run keeps them: whole, after every epoch, in any folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from graphagg.nn.compat import moved_checkpoint_state
from graphagg.nn.files import write_whole
from graphagg.nn.training.fit.slices import PauseBetweenEpochs
from graphagg.nn.training.folder import BEST, LAST


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old checkpoint and replaces it, on any file system.

    Lightning writes to the system's temporary folder and moves the file: between file systems that
    is a copy, and a run that is killed meanwhile has neither the old checkpoint nor the new one.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,
    ) -> None:
        """Write a checkpoint; `WriteFailed` where the disk refuses."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_whole(Path(path), lambda partial: partial.write_bytes(buffer.getbuffer()))


class BestEpoch(ModelCheckpoint):
    """Keeps the best epoch, also where the folder was moved after an earlier call.

    Args:
        where: the folder of the split.
        mode: "min" or "max" of `val`.
    """

    def __init__(self, where: Path, mode: str) -> None:
        super().__init__(
            where,
            filename=Path(BEST).stem,
            monitor="val",
            mode=mode,
            save_top_k=1,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state, with the paths of this folder."""
        folder = str(self.dirpath)
        best = str(Path(folder) / BEST)
        super().load_state_dict(moved_checkpoint_state(state_dict, folder, best))


class LastEpoch(Checkpoint):
    """Keeps the state after each epoch, and whether it is the last one.

    Args:
        where: the folder of the split.
        pause: what may end a fit whose training is not over.
    """

    def __init__(self, where: Path, pause: PauseBetweenEpochs) -> None:
        self._path, self._pause = where / LAST, pause
        self._over = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save; the best epoch has been saved by then."""
        last = trainer.current_epoch + 1 == trainer.max_epochs
        self._over = last or (trainer.should_stop and not self._pause.asked)
        trainer.save_checkpoint(self._path)

    def state_dict(self) -> dict[str, Any]:
        """Whether the training is over: no more epochs allowed, or stopped early."""
        return {"over": self._over}


def is_over(saved: dict[str, Any]) -> bool:
    """Whether a checkpoint says that its training is over."""
    return bool(saved["callbacks"].get(LastEpoch.__qualname__, {}).get("over", False))
