#!/usr/bin/env python3
"""Writes the runs of Muon that MuonTests follow: muon.json and muon-initial.safetensors.

    pip install torch safetensors
    python3 Tests/EndToEndTests/Trajectories/muon.py

The data are the digits of Sources/CDigits, pixels/16, in file order; the network is muon.yaml.
PyTorch computes gradients in double precision. The update is that of Jordan and others
(github.com/KellerJordan/Muon) in double precision; the reference iterates in bfloat16.
"""

import gzip
import json
import pathlib

import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent
DIGITS = FOLDER.parents[2] / "Sources/CDigits"
SETTINGS = {
    "batch_size": 64,
    "steps": 60,
    "learning_rate": 0.02,
    "momentum": 0.95,
    "adamw_rate": 0.003,
    "weight_decay": 0.01,
    "seed": 5,
}


def read(name, header):
    data = gzip.open(DIGITS / name).read()[header:]
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def orthogonalised(matrix):
    """Runs the quintic iteration five times, from a matrix of Frobenius norm 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def losses(network, images, labels, nesterov):
    rate, decay = SETTINGS["learning_rate"], SETTINGS["weight_decay"]
    hidden = {"0.weight", "3.weight", "5.weight"}
    beta = SETTINGS["momentum"]
    state = {name: (torch.zeros_like(p), torch.zeros_like(p))
             for name, p in network.named_parameters()}
    size, found = SETTINGS["batch_size"], []
    batches = len(labels) // size
    for step in range(SETTINGS["steps"]):
        start = step % batches * size
        batch = slice(start, start + size)
        loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
        network.zero_grad()
        loss.backward()
        found.append(loss.item())
        with torch.no_grad():
            for name, weight in network.named_parameters():
                gradient, (first, second) = weight.grad, state[name]
                if name in hidden:
                    first.mul_(beta).add_(gradient, alpha=1 - beta)
                    update = (1 - beta) * gradient + beta * first if nesterov else first
                    update = orthogonalised(update.flatten(1))
                    update = update * max(1, update.shape[0] / update.shape[1]) ** 0.5
                    weight.mul_(1 - rate * decay).sub_(rate * update.reshape(weight.shape))
                else:
                    t, adamw = step + 1, SETTINGS["adamw_rate"]
                    first.mul_(0.9).add_(gradient, alpha=0.1)
                    second.mul_(0.95).add_(gradient**2, alpha=0.05)
                    update = first / (1 - 0.9**t) / ((second / (1 - 0.95**t)).sqrt() + 1e-10)
                    weight.mul_(1 - adamw * decay).sub_(adamw * update)
    return found


def network():
    torch.manual_seed(SETTINGS["seed"])
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(96, 24), torch.nn.Tanh(), torch.nn.Linear(24, 40), torch.nn.Tanh(),
        torch.nn.Linear(40, 10),
    )


images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 8, 8).double() / 16
labels = read("train-labels-idx1-ubyte.gz", 8).long()
save_file(network().state_dict(), FOLDER / "muon-initial.safetensors")
record = {"settings": SETTINGS}
for key, nesterov in (("loss_nesterov", True), ("loss_plain", False)):
    record[key] = losses(network().double(), images, labels, nesterov)
(FOLDER / "muon.json").write_text(json.dumps(record, indent=1) + "\n")
