"""The policy behind any network, with ONNX Runtime and NumPy: python3 use.py, after npm start."""

import json

import numpy as np
import onnxruntime as ort


def load(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        arrays = {}
        for name, one in header.items():
            file.seek(start + one["data_offsets"][0])
            block = file.read(one["data_offsets"][1] - one["data_offsets"][0])
            arrays[name] = np.frombuffer(block, {"F32": "<f4", "I32": "<i4"}[one["dtype"]]).reshape(one["shape"])
    return arrays


test = load("test.safetensors")
policy = ort.InferenceSession("policy-onnx/policy.onnx")
recommended = json.load(open("policy-onnx/manifest.json"))["lambda"]["recommended"]


def classify(stages, x, lambda_=recommended):
    """stages: one function per exit, from what the one before handed on to (what it hands on, its logits)"""
    logits = np.zeros((1, *test["logits"].shape[1:]), np.float32)
    for k, stage in enumerate(stages):
        x, logits[0, k] = stage(x)
        feeds = {"logits": logits, "lambda": np.array(lambda_, np.float32)}
        exit_now, probabilities = policy.run(["exit_now", "probabilities"], feeds)
        if exit_now[0, k]:
            return probabilities[0, k].argmax(), probabilities[0, k].max(), k + 1


# here a picture is its row in the table, and a stage looks its logits up; in yours it computes them
stages = [lambda row, k=k: (row, test["logits"][row, k]) for k in range(test["logits"].shape[1])]
answers = [classify(stages, row) for row in range(500)]
right = np.mean([answer == test["labels"][row] for row, (answer, _, _) in enumerate(answers)])
cost = np.mean([test["costs"][exit_ - 1] for _, _, exit_ in answers])
print(f"{100 * right:.1f}% right at {cost:.2f} of {test['costs'][-1]:.2f} (lambda {recommended:.3g})")
