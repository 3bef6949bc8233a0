"""Times networks of this package and of PyTorch alternately on one core; prints a table of medians.

    bench-networks.py [--rounds 5] [--seconds 1] path/to/swift-mfac-bench [NETWORK ...]

A time is that of forward, loss and backward over a batch of 128, in 8 micro-batches of 16 or in one
of 128. PyTorch's column is the fastest of its variants: both micro-batch sizes and, for
convolutions, both memory formats.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 128


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)).add_(self.shortcut(x)), inplace=True)


class Transformer(nn.Module):
    def __init__(self, vocabulary=256, context=64, width=192, heads=6, layers=6):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(context, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0, activation="gelu", batch_first=True,
            norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x):
        x = self.tokens(x) + self.positions
        return self.head(self.norm(self.blocks(x, mask=self.mask, is_causal=True)))


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 10))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10))


def resnet20():
    widths = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2
    widths += [(32, 64, 2)] + [(64, 64, 1)] * 2
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        *[ResidualBlock(*width) for width in widths], nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10))


# Name: (constructor, shape of an example, vocabulary size; None for images)
NETWORKS = {
    "mlp": (mlp, (1, 28, 28), None),
    "cnn": (cnn, (1, 28, 28), None),
    "resnet20": (resnet20, (3, 32, 32), None),
    "gpt-mini": (Transformer, (64,), 256),
}


class Pass:
    """PyTorch's forward and backward pass of one network over one batch."""

    def __init__(self, name, micro_batches, channels_last):
        torch.manual_seed(0)
        make, shape, vocabulary = NETWORKS[name]
        network = make().train()
        if vocabulary:
            inputs = torch.randint(vocabulary, (BATCH, *shape))
            labels = torch.randint(vocabulary, (BATCH, *shape))
        else:
            inputs = torch.rand(BATCH, *shape) * 2 - 1
            labels = torch.randint(10, (BATCH,))
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            inputs = inputs.to(memory_format=torch.channels_last)
        self.network = network
        self.parameters = list(network.parameters())
        self.micro_batches = list(zip(inputs.chunk(micro_batches), labels.chunk(micro_batches)))

    def __call__(self):
        for inputs, labels in self.micro_batches:
            for parameter in self.parameters:
                parameter.grad = None
            outputs = self.network(inputs)
            F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), labels.reshape(-1)).backward()


def seconds_each(body, seconds):
    """Returns the median time of a call in seconds, after a warm-up."""
    def repeated(seconds, at_least):
        times, start = [], time.perf_counter()
        while len(times) < at_least or time.perf_counter() - start < seconds:
            before = time.perf_counter()
            body()
            times.append(time.perf_counter() - before)
        return times
    repeated(seconds / 5, 1)
    return statistics.median(repeated(seconds, 3))


def ours(program, name, seconds):
    """Returns our median time in milliseconds, by number of micro-batches."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            [program, "networks", name, "--seconds", str(seconds), "--json", file.name], check=True,
            stdout=subprocess.DEVNULL)
        return {line["micro_batches"]: line["median_ms"] for line in json.load(file)}


def known(program):
    """Returns the names of the networks that the program can time."""
    listing = subprocess.run(
        [program, "networks", "--list"], check=True, capture_output=True, text=True)
    return listing.stdout.split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*")
    arguments = parser.parse_args()
    for name in arguments.networks:
        if name not in NETWORKS:
            parser.error(f"no network '{name}'; there are {', '.join(NETWORKS)}")
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)

    print(f"ms for forward and backward of {BATCH} examples on one core, median of "
          f"{arguments.rounds} rounds of {arguments.seconds} s each; PyTorch {torch.__version__}")
    print(f"{'network':10} {'ours 8×16':>10} {'ours 1×128':>10} {'PyTorch':>10}  "
          f"{'PyTorch as':26} {'8×16 ratio':>10} {'1×128 ratio':>11}  goal")
    have = known(arguments.program)
    for name in arguments.networks or NETWORKS:
        formats = [False, True] if name in ("cnn", "resnet20") else [False]
        passes = {
            (micro_batches, channels_last): Pass(name, micro_batches, channels_last)
            for micro_batches in (8, 1) for channels_last in formats}
        our_times, their_times = {}, {way: [] for way in passes}
        for _ in range(arguments.rounds):
            if name in have:
                for count, median in ours(arguments.program, name, arguments.seconds / 2).items():
                    our_times.setdefault(count, []).append(median)
            for way, body in passes.items():
                their_times[way].append(1000 * seconds_each(body, arguments.seconds / len(passes)))
        medians = {way: statistics.median(times) for way, times in their_times.items()}
        (count, channels_last), theirs = min(medians.items(), key=lambda item: item[1])
        way = ("8×16" if count == 8 else "1×128") + (", channels last" if channels_last else "")
        mine = {count: statistics.median(times) for count, times in our_times.items()}
        numbers = [f"{mine[c]:10.2f}" if mine else f"{'—':>10}" for c in (8, 1)]
        ratios = [mine[c] / theirs if mine else None for c in (8, 1)]
        texts = [f"{ratio:.2f}" if ratio else "—" for ratio in ratios]
        goal = "≤ 1.00 (1×128)" if name == "mlp" else "≤ 1.00"
        reached = ratios[1] if name == "mlp" else ratios[0]
        verdict = "" if not mine else "  reached" if reached <= 1 else "  missed"
        print(f"{name:10} {numbers[0]} {numbers[1]} {theirs:10.2f}  {way:26} {texts[0]:>10} "
              f"{texts[1]:>11}  {goal}{verdict}", flush=True)


if __name__ == "__main__":
    main()
