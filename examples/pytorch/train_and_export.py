"""A small residual network in PyTorch, trained on a folder of photographs and written as ONNX: nothing in it knows of earlyexit.

    python3 train_and_export.py photos/train network.onnx

photos/train/<class>/*.jpg or *.png; needs torch, numpy and Pillow. Bring a network of your own instead: `export` is all that counts.
"""
import pathlib
import sys

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

SIDE, EPOCHS, BATCH = 64, 12, 64


class Block(nn.Module):
    def __init__(self, width_in, width, stride=1):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(width_in, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.around = nn.Identity() if stride == 1 and width_in == width else nn.Conv2d(width_in, width, 1, stride)

    def forward(self, x):
        return F.relu(self.second(self.first(x)) + self.around(x))


def network(classes):
    blocks = [Block(24, 24), Block(24, 48, 2), Block(48, 48), Block(48, 96, 2), Block(96, 96), Block(96, 96)]
    stem = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, classes))


def photographs(folder):
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    pictures, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            image = ImageOps.fit(ImageOps.exif_transpose(Image.open(path)).convert("RGB"), (SIDE, SIDE), Image.BOX)
            pictures.append(np.asarray(image).transpose(2, 0, 1))
            labels.append(label)
    return classes, torch.from_numpy(np.stack(pictures)), torch.tensor(labels)


def prepared(pictures):
    """(x / 255 - 0.5) / 0.25: what `--normalise 0.5/0.25` says to earlyexit."""
    return (pictures.float() / 255 - 0.5) / 0.25


def train(model, pictures, labels):
    steps = EPOCHS * (len(labels) // BATCH + 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
    for epoch in range(EPOCHS):
        right = 0
        for rows in torch.randperm(len(labels)).split(BATCH):
            x = prepared(pictures[rows])
            if torch.rand(()) < 0.5:
                x = x.flip(3)
            logits = model(x)
            loss = F.cross_entropy(logits, labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            right += (logits.argmax(1) == labels[rows]).sum().item()
        print(f"epoch {epoch + 1} of {EPOCHS}: right for {100 * right / len(labels):.1f}% of the pictures learned from")


def export(model, path):
    model.eval()  # else batch normalisation mixes the pictures of a batch, and attach refuses the file
    dynamic = {"input": {0: "batch"}, "logits": {0: "batch"}}
    example = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(model, example, path, input_names=["input"], output_names=["logits"], dynamic_axes=dynamic)


if __name__ == "__main__":
    torch.manual_seed(1)
    folder, path = pathlib.Path(sys.argv[1]), sys.argv[2]
    classes, pictures, labels = photographs(folder)
    model = network(len(classes))
    train(model, pictures, labels)
    export(model, path)
    print(f"{path}: {len(classes)} classes, {SIDE}x{SIDE} pixels, {sum(p.numel() for p in model.parameters()):,} parameters")
