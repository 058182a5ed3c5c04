"""Trains a small neural network, written in NumPy, on scikit-learn's handwritten digits.

    python train.py --steps 2000 --checkpoint-every 200

The result is the same to the last byte however often the training is stopped and resumed: a checkpoint holds the
weights, the momentum, the random generator and the place in the shuffled data; the learning rate follows from the step.
"""

import os

# One thread: sums in another order would round differently. The libraries read this when they are imported.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import ga_trainer

LAYERS = (64, 96, 10)
BATCH = 32
LEARNING_RATE = 0.1
MOMENTUM = 0.9
DROPOUT = 0.2


class Data:
    """1797 images of 8 × 8 pixels, every fifth one kept for the test."""

    def __init__(self) -> None:
        pixels, digits = load_digits(return_X_y=True)
        test = np.arange(len(digits)) % 5 == 0
        self.train = pixels[~test] / 16.0, digits[~test]
        self.test = pixels[test] / 16.0, digits[test]


class Training:
    """Everything that changes while training, and nothing else."""

    def __init__(self, seed: int, samples: int) -> None:
        self.step = 0
        self.random = np.random.default_rng(seed)
        self.order = self.random.permutation(samples)
        self.position = 0
        self.weights = {}
        for number, (inputs, outputs) in enumerate(itertools.pairwise(LAYERS)):
            self.weights[f"w{number}"] = self.random.normal(0.0, math.sqrt(2.0 / inputs), (inputs, outputs))
            self.weights[f"b{number}"] = np.zeros(outputs)
        self.momentum = {name: np.zeros_like(values) for name, values in self.weights.items()}

    def save(self, folder: Path) -> None:
        for name, values in self.weights.items():
            np.save(folder / f"{name}.npy", values)
            np.save(folder / f"{name}-momentum.npy", self.momentum[name])
        np.save(folder / "order.npy", self.order)
        place = {"step": self.step, "position": self.position, "random": self.random.bit_generator.state}
        (folder / "place.json").write_text(json.dumps(place, indent=1) + "\n")

    def load(self, folder: Path) -> None:
        for name in self.weights:
            self.weights[name] = np.load(folder / f"{name}.npy")
            self.momentum[name] = np.load(folder / f"{name}-momentum.npy")
        self.order = np.load(folder / "order.npy")
        place = json.loads((folder / "place.json").read_text())
        self.step, self.position = place["step"], place["position"]
        self.random.bit_generator.state = place["random"]

    def next_batch(self) -> np.ndarray:
        """Indices of the next samples; each epoch has an order of its own."""
        if self.position + BATCH > len(self.order):
            self.order = self.random.permutation(len(self.order))
            self.position = 0
        self.position += BATCH
        return self.order[self.position - BATCH : self.position]

    def learn(self, pixels: np.ndarray, digits: np.ndarray, learning_rate: float) -> float:
        """One step of gradient descent with momentum; returns the loss (cross entropy)."""
        kept = self.random.random((len(pixels), LAYERS[1])) >= DROPOUT
        hidden = np.maximum(pixels @ self.weights["w0"] + self.weights["b0"], 0.0) * kept / (1.0 - DROPOUT)
        scores = hidden @ self.weights["w1"] + self.weights["b1"]
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        rows = np.arange(len(digits))
        loss = -np.log(chances[rows, digits]).mean()

        chances[rows, digits] -= 1.0
        into_scores = chances / len(digits)
        into_hidden = (into_scores @ self.weights["w1"].T) * (hidden > 0.0) / (1.0 - DROPOUT)
        gradients = {
            "w1": hidden.T @ into_scores,
            "b1": into_scores.sum(axis=0),
            "w0": pixels.T @ into_hidden,
            "b0": into_hidden.sum(axis=0),
        }
        for name, gradient in gradients.items():
            self.momentum[name] = MOMENTUM * self.momentum[name] - learning_rate * gradient
            self.weights[name] += self.momentum[name]
        self.step += 1
        return float(loss)

    def accuracy(self, pixels: np.ndarray, digits: np.ndarray) -> float:
        hidden = np.maximum(pixels @ self.weights["w0"] + self.weights["b0"], 0.0)
        scores = hidden @ self.weights["w1"] + self.weights["b1"]
        return float((scores.argmax(axis=1) == digits).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--checkpoint-every", type=int, default=200, metavar="STEPS")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="make a step take at least this long")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    run = ga_trainer.Run()
    data = Data()
    training = Training(arguments.seed, len(data.train[1]))
    checkpoint = run.restore()
    if checkpoint:
        training.load(checkpoint.path)
        print(f"resumed from step {checkpoint.step}", flush=True)

    accuracy = training.accuracy(*data.test)
    while training.step < arguments.steps:
        began = time.monotonic()
        batch = training.next_batch()
        learning_rate = LEARNING_RATE * 0.5 * (1.0 + math.cos(math.pi * training.step / arguments.steps))
        loss = training.learn(data.train[0][batch], data.train[1][batch], learning_rate)
        step = training.step
        if step % 20 == 0 or step == arguments.steps:
            accuracy = training.accuracy(*data.test)
        time.sleep(max(0.0, arguments.step_seconds - (time.monotonic() - began)))
        run.report(step=step, total_steps=arguments.steps, loss=loss, accuracy=accuracy, learning_rate=learning_rate)
        if step % arguments.checkpoint_every == 0 or step == arguments.steps or run.should_stop():
            with run.save(step) as folder:
                training.save(folder)
            if run.should_stop() and step < arguments.steps:
                print(f"stopped at step {step}", flush=True)
                run.stop()

    print(f"finished {training.step} steps, test accuracy {100 * accuracy:.1f} %", flush=True)
    run.complete()


if __name__ == "__main__":
    main()
