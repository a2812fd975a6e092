"""The first training step of somebody's network in PyTorch, beside ours: see bench/tuning-step.ts, which writes what is read here.

Runs the file's nodes with torch's functions, the loss of its last answer, and the gradients of all weights. Writes the gradients, prints
one JSON object: the loss, and images per second of whole steps (plain SGD). Needs python3-torch, and libopenblas0 to be fast.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F


def read(path, shapes):
    values = torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.float32)
    out, at = {}, 0
    for name, shape in shapes:
        count = 1
        for size in shape:
            count *= size
        out[name] = values[at:at + count].reshape(shape).clone()
        at += count
    return out


def conv(x, weight, bias, one):
    kernel = weight.shape[2:]
    top, left, bottom, right = one.get("pads", [0, 0, 0, 0])
    x = F.pad(x, (left, right, top, bottom)) if (top, left) != (bottom, right) else x
    padding = 0 if (top, left) != (bottom, right) else (top, left)
    assert len(kernel) == 2
    return F.conv2d(x, weight, bias, stride=one.get("strides", 1), padding=padding, groups=one.get("group", 1))


def sliced(x, one):
    for start, end, axis, step in zip(one["starts"], one["ends"], one["axes"], one["steps"]):
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, min(end, x.shape[axis]) if end >= 0 else end, step)
        x = x[tuple(index)]
    return x


def padded(x, one):
    rank = x.dim()
    pads = one["pads"]
    flat = [size for axis in reversed(range(rank)) for size in (pads[axis], pads[axis + rank])]
    return F.pad(x, flat)


def run(nodes, values):
    for node in nodes:
        op, one = node["op"], node["attributes"]
        inputs = [values[name] if name else None for name in node["inputs"]]
        x = inputs[0]
        if op == "Conv":
            y = conv(x, inputs[1], inputs[2] if len(inputs) > 2 else None, one)
        elif op == "Relu":
            y = F.relu(x)
        elif op == "Clip":
            y = torch.clamp(x, one["min"], one["max"])
        elif op == "Add":
            y = x + inputs[1]
        elif op == "Slice":
            y = sliced(x, one)
        elif op == "Pad":
            y = padded(x, one)
        elif op == "AveragePool":
            y = F.avg_pool2d(x, one["kernel_shape"], one.get("strides", one["kernel_shape"]))
        elif op == "GlobalAveragePool":
            y = x.mean((2, 3), keepdim=True)
        elif op in ("Reshape", "Flatten", "Squeeze"):
            y = x.reshape(x.shape[0], -1)
        elif op == "Gemm":
            y = F.linear(x, inputs[1], inputs[2] if len(inputs) > 2 else None)
        else:
            raise SystemExit(f"tuning_step: an operator of ResNets or MobileNetV2 expected, found {op}; add a line for it")
        values[node["output"]] = y
    return y


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    graph = json.load(open(f"{flags.folder}/graph.json"))
    weights = read(f"{flags.folder}/weights.bin", graph["weights"])
    fed = read(f"{flags.folder}/batch.bin", graph["batch"])
    parameters = list(weights.values())
    for one in parameters:
        one.requires_grad_(True)

    def step():
        logits = run(graph["nodes"], {**weights, graph["input"]: fed["images"]}).reshape(fed["targets"].shape)
        loss = -(fed["targets"] * F.log_softmax(logits, 1)).sum(1).mean()
        for one in parameters:
            one.grad = None
        loss.backward()
        return loss

    loss = step().item()
    with open(f"{flags.folder}/gradients.bin", "wb") as file:
        for one in parameters:
            file.write(one.grad.contiguous().numpy().tobytes())
    optimizer = torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, nesterov=True)
    times = []
    for _ in range(flags.steps):
        started = time.perf_counter()
        step()
        optimizer.step()
        times.append(time.perf_counter() - started)
    batch = fed["images"].shape[0]
    print(json.dumps({"torch": torch.__version__, "loss": loss, "imagesPerSecond": batch / sorted(times)[len(times) // 2]}))


main()
