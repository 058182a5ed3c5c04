"""Trains a small convolutional network with PyTorch on scikit-learn's handwritten digits, on the CPU.

    python train.py --steps 800 --checkpoint-every 100

The result is the same to the last byte however often the training is stopped and resumed: `ga_trainer.TorchState` keeps
the model, the optimizer, the learning-rate schedule, the data's order and place, and the random generators of Python,
NumPy (both vary the images) and PyTorch (drop-out).
"""

import argparse
import random
import time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import ga_trainer

BATCH = 32


class Batches:
    """Shuffled indices without end; where it stands is a state like the model's."""

    def __init__(self, samples: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(samples, generator=self.generator)
        self.position = 0

    def next(self) -> torch.Tensor:
        if self.position + BATCH > len(self.order):
            self.order = torch.randperm(len(self.order), generator=self.generator)
            self.position = 0
        self.position += BATCH
        return self.order[self.position - BATCH : self.position]

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order, "position": self.position, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.order, self.position = state["order"], state["position"]
        self.generator.set_state(state["generator"])


def load_data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images and digits for training, then for the test: every fifth of 1797."""
    pixels, digits = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    labels = torch.tensor(digits)
    test = torch.arange(len(labels)) % 5 == 0
    return images[~test], labels[~test], images[test], labels[test]


def vary(images: torch.Tensor) -> torch.Tensor:
    """Moved by up to one pixel, with a little noise."""
    moved = torch.roll(images, (random.randint(-1, 1), random.randint(-1, 1)), dims=(2, 3))
    noise = np.random.normal(0.0, 0.05, images.shape)
    return moved + torch.tensor(noise, dtype=torch.float32)


def test_accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        accuracy = (model(images).argmax(dim=1) == labels).float().mean().item()
    model.train()
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--checkpoint-every", type=int, default=100, metavar="STEPS")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="make a step take at least this long")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    run = ga_trainer.Run()
    torch.set_num_threads(1)  # sums in another order would round differently
    torch.use_deterministic_algorithms(True)
    random.seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)

    images, labels, test_images, test_labels = load_data()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=arguments.steps)
    batches = Batches(len(labels), arguments.seed)
    state = ga_trainer.TorchState(model=model, optimizer=optimizer, scheduler=scheduler, batches=batches)

    first = 1
    checkpoint = run.restore()
    if checkpoint:
        state.load(checkpoint.path)
        first = checkpoint.step + 1
        print(f"resumed from step {checkpoint.step}", flush=True)

    accuracy = test_accuracy(model, test_images, test_labels)
    for step in range(first, arguments.steps + 1):
        began = time.monotonic()
        batch = batches.next()
        loss = nn.functional.cross_entropy(model(vary(images[batch])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 20 == 0 or step == arguments.steps:
            accuracy = test_accuracy(model, test_images, test_labels)
        time.sleep(max(0.0, arguments.step_seconds - (time.monotonic() - began)))
        run.report(step=step, total_steps=arguments.steps, loss=loss.detach(), accuracy=accuracy)
        if step % arguments.checkpoint_every == 0 or step == arguments.steps or run.should_stop():
            with run.save(step) as folder:
                state.save(folder)
            if run.should_stop() and step < arguments.steps:
                print(f"stopped at step {step}", flush=True)
                run.stop()

    print(f"finished {arguments.steps} steps, test accuracy {100 * accuracy:.1f} %", flush=True)
    run.complete()


if __name__ == "__main__":
    main()
