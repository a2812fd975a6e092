"""What the exits of a network say, as a table: `logits` [N, E, K], `labels` [N], `costs` [E].

Put your own network where `network` stands. This one is made up: three exits, each surer and more often right than the one before.
Only NumPy is needed; `safetensors.numpy.save_file` writes the same file as `save` below.
"""

import json

import numpy as np

IMAGES, EXITS, CLASSES = 4000, 3, 10
COSTS = [1.0, 3.0, 8.0]  # multiply-accumulates, milliseconds, joules: anything that rises


def network(rng, labels):
    """Logits [N, E, K]: a picture is as hard at every exit, and later exits see it better."""
    hardness = rng.gamma(2.0, 1.0, len(labels))
    logits = rng.normal(size=(len(labels), EXITS, CLASSES))
    for exit_, strength in enumerate([3.0, 5.0, 8.0]):
        logits[np.arange(len(labels)), exit_, labels] += strength / (0.5 + hardness)
    return logits.astype(np.float32)


def save(path, arrays):
    """Safetensors: the length of a JSON header, the header, the bytes."""
    header, blocks, at = {}, [], 0
    names = {"float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64"}
    for name, array in arrays.items():
        block = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": names[str(array.dtype)], "shape": array.shape, "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(blocks))


for seed, name in enumerate(["validation", "test"]):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, IMAGES).astype(np.int32)
    save(f"{name}.safetensors", {"logits": network(rng, labels), "labels": labels, "costs": np.float32(COSTS)})
    print(f"{name}.safetensors: {IMAGES} images, {EXITS} exits, {CLASSES} classes")
