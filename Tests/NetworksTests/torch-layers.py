"""Writes TorchLayers.swift: losses, outputs and gradients of small networks by PyTorch in double
precision.

    pip install torch && python3 torch-layers.py > TorchLayers.swift

Parameters, inputs and targets are fractions with few digits, the same in TorchTests.swift. Because
of the first layer of a case, all later layers compute the gradient of their input.
"""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


def numbers(count, factor, modulus, divisor):
    return torch.tensor([(i * factor % modulus - modulus // 2) / divisor for i in range(count)])


def convolution(image, inputs, outputs, **options):
    fields = "".join(f", {key}: {str(value).lower()}" for key, value in options.items())
    kernel = options.pop("kernel")
    return (
        image,
        f".conv2d(inputs: {image[0]}, outputs: {inputs}, kernel: 1), "
        f".conv2d(inputs: {inputs}, outputs: {outputs}{fields}), .flatten",
        [nn.Conv2d(image[0], inputs, 1), nn.Conv2d(inputs, outputs, kernel, **options),
         nn.Flatten()],
    )


def sequence(layer, module):
    return (
        [3, 4],
        f".linear(inputs: 4, outputs: 5), {layer}, .linear(inputs: 5, outputs: 2)",
        [nn.Linear(4, 5), module, nn.Linear(5, 2)],
    )


CASES = {
    "groups": convolution([2, 4, 5], 4, 6, kernel=3, padding=1, groups=2),
    "depthwise": convolution([2, 5, 4], 3, 3, kernel=3, stride=2, padding=1, groups=3),
    "depthwise, two outputs each": convolution([1, 4, 4], 3, 6, kernel=2, groups=3, bias=False),
    "dilation": convolution([2, 6, 5], 3, 2, kernel=2, stride=2, padding=2, dilation=3),
    "groups and dilation": convolution([2, 5, 6], 4, 2, kernel=3, padding=2, dilation=2, groups=2),
    "five inputs of a group": convolution(
        [2, 3, 3], 10, 4, kernel=2, padding=1, dilation=2, groups=2),
    "rms-norm": sequence(".rmsNorm(epsilon: 0.01)", nn.RMSNorm(5, eps=0.01)),
    "silu": sequence(".silu", nn.SiLU()),
}


def listed(values):
    return "[" + ", ".join(repr(value) for value in values.flatten().tolist()) + "]"


print("// Written by torch-layers.py with PyTorch " + torch.__version__.split("+")[0] + ".")
print("// swift-format-ignore-file\n")
print("extension TorchTests {\n  static let cases = [")
for name, (shape, layers, modules) in CASES.items():
    network = nn.Sequential(*modules)
    parameters = list(network.parameters())
    vector = numbers(sum(p.numel() for p in parameters), 53, 97, 64)
    nn.utils.vector_to_parameters(vector, parameters)
    x = numbers(2 * torch.Size(shape).numel(), 37, 101, 32).reshape([2] + shape)
    y = network(x)
    targets = numbers(y.numel(), 29, 89, 32).reshape(y.shape)
    loss = ((y - targets) ** 2).mean(dim=-1).sum()
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in parameters])
    print(f'    Case(\n      testDescription: "{name}", input: {shape}, layers: [{layers}],')
    print(f"      loss: {loss.item()!r},\n      outputs: {listed(y)},")
    print(f"      gradient: {listed(gradient)}),")
print("  ]\n}")
