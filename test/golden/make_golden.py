#!/usr/bin/env python3
"""Records what the whole model computes, in float64, with PyTorch: the engine's tests compare with it.

    /usr/bin/python3 test/golden/make_golden.py PATH/torch_model.py [--out test/golden] [--check]

PATH/torch_model.py defines the model; its TASKS are built in variant "each". Nothing is drawn at random: weights and
inputs come from `uniform` below, whose twin is test/helpers/golden.ts, so the files written here need to hold only
results. Every value is rounded to float32 first, so that a float32 engine starts from exactly the same numbers.

--check compares the recorded gradient with a central difference along a direction, before writing.

Each file test/golden/<task>.json holds
  examples          B, the clips in the batch
  loss              of the batch, training mode (batch statistics)
  evalLoss          the same in inference mode (running statistics as given)
  inputs            of the slices and of two parameters before training: a check of the twin formula
  embedding         of slice 0 of clip 0, inference mode, state as given
  gradients         by parameter: sum, l2, and entries {index, value} of the flat gradient
  losses            what ten Adam steps (lr 1e-3, betas 0.9 / 0.999, eps 1e-8) on this batch return
  runningAfterStep, embeddingAfterStep     after the first of them: running statistics by name (as under gradients)
                    and the embedding
  stateAfterTen     after the tenth: parameters and running statistics by name (as under gradients)

The weights of encoder.blocks.0.conv_r are one scalar a channel before a batch norm, which undoes it: their gradient is
nearly zero, and in float32 it is noise, as is where Adam takes them. Compare that tensor absolutely.
"""
import argparse
import importlib.util
import json
import math
import pathlib

import numpy as np
import torch

EXAMPLES = 3
STEPS = 10
SAMPLES = 8


def uniform(name, count):
    """`count` values in [0, 1) that depend on the name and their index alone: FNV-1a of the name, then the
    finaliser of MurmurHash3 over hash + index · 0x9E3779B9, all modulo 2^32, divided by 2^32."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = (np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B9) + np.uint64(h)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return x.astype(np.float64) / 2.0**32


def parameter(name, shape):
    """Batch norm: weight and running_var in 1 ± 0.2, bias and running_mean in ± 0.2. All else: ± 1/sqrt(fan in)
    (a bias of a convolution or dense layer: ± 0.1)."""
    u = 2 * uniform(name, math.prod(shape)) - 1
    owner, key = name.split(".")[-2:]
    if owner == "bn":
        v = 0.2 * u + (1 if key in ("weight", "running_var") else 0)
    elif key == "bias":
        v = 0.1 * u
    else:
        v = u / math.sqrt(math.prod(shape[1:]))
    return torch.from_numpy(v.astype(np.float32).astype(np.float64)).reshape(shape)


def batch(task, slices, frames, bands):
    """Slices [B, slices, T, F]: noise around a slow triangular wave, so that neighbours resemble each other (triangular
    because every language computes it exactly). TemporalGap also has its targets in [0, 1)."""
    shape = (EXAMPLES, slices, frames, bands)
    noise = 2 * uniform("slices", math.prod(shape)) - 1
    clip, s, t, f = np.indices(shape)
    wave = np.abs((s * frames + t + 4 * f + 40 * clip) % 128 - 64) / 32 - 1
    x = (noise.reshape(shape) + wave).astype(np.float32).astype(np.float64)
    if task == "gap":
        return torch.from_numpy(x), torch.from_numpy(uniform("delta", EXAMPLES).astype(np.float32).astype(np.float64))
    return (torch.from_numpy(x),)


def build(reference, task):
    model = reference.TASKS[task]("each").double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(parameter(name, tensor.shape))
    return model


def digest(tensor):
    flat = tensor.detach().reshape(-1)
    n = min(SAMPLES, flat.numel())
    index = [(2 * k + 1) * flat.numel() // (2 * n) for k in range(n)]
    return {
        "sum": flat.sum().item(),
        "l2": flat.norm().item(),
        "entries": [{"index": i, "value": flat[i].item()} for i in index],
    }


def running_statistics(model):
    return {k: digest(v) for k, v in model.state_dict().items() if k.endswith(("running_mean", "running_var"))}


def embedding(model, x):
    model.eval()
    with torch.no_grad():
        z = model.encoder(x[0, :1].unsqueeze(1)).squeeze(0).tolist()
    model.train()
    return z


def check_gradient(model, inputs, h=1e-8):
    """Central difference of the loss along g/|g| must be |g|. h is so small because the loss has a
    kink wherever a ReLU or a maximum switches."""
    params = list(model.parameters())
    g = [p.grad.clone() for p in params]
    norm = math.sqrt(sum((t * t).sum().item() for t in g))
    side = {}
    with torch.no_grad():
        for sign in (1, -1):
            for p, t in zip(params, g):
                p.add_(t, alpha=sign * h / norm)
            side[sign] = model(*inputs).item()
            for p, t in zip(params, g):
                p.sub_(t, alpha=sign * h / norm)
    slope = (side[1] - side[-1]) / (2 * h)
    assert abs(slope / norm - 1) < 1e-4, (slope, norm)
    return slope / norm - 1


def record(reference, task, check):
    inputs = batch(task, reference.SLICES_IN_CLIP[task], reference.T, reference.MEL)
    if check:
        model = build(reference, task)
        model(*inputs).backward()
        print(f"{task}: directional derivative / |g| - 1 = {check_gradient(model, inputs):.1e}")

    model = build(reference, task)
    given = {"slices": inputs[0], **dict(model.named_parameters())}
    digests = {name: digest(given[name]) for name in ("slices", "encoder.fc.weight", "encoder.blocks.0.conv_t.bn.weight")}
    out = {"examples": EXAMPLES, "inputs": digests, "embedding": embedding(model, inputs[0])}
    model.eval()
    with torch.no_grad():
        out["evalLoss"] = model(*inputs).item()
    model.train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        loss = model(*inputs)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            out["loss"] = loss.item()
            out["gradients"] = {name: digest(p.grad) for name, p in model.named_parameters()}
        adam.step()
        if step == 0:
            out["runningAfterStep"] = running_statistics(model)
            out["embeddingAfterStep"] = embedding(model, inputs[0])
    out["losses"] = losses
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    out["stateAfterTen"] = {name: digest(v) for name, v in state.items()}
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("torch_model")
    ap.add_argument("--out", default=str(pathlib.Path(__file__).parent))
    ap.add_argument("--check", action="store_true")
    a = ap.parse_args()
    spec = importlib.util.spec_from_file_location("torch_model", a.torch_model)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    torch.set_num_threads(1)  # one order of additions
    for task in reference.TASKS:
        path = pathlib.Path(a.out) / f"{task}.json"
        write(path, rounded(record(reference, task, a.check)))


def rounded(value):
    """Twelve significant digits: more than any test asks for."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def write(path, record):
    """JSON with one line for each top-level value, and one for each parameter: small files, readable diffs."""
    lines = []
    for key, value in record.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f"  {json.dumps(key)}: {{\n{inner}\n  }}")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
