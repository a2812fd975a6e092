"""The published network ("classic") in PyTorch, for comparison in `npm run bench:train`. Never needed to install, test or use earlyexit.

Prints one JSON object: images per second of whole training steps (AdamW, clipping, dropout; the loss is the mean of the
four exits' cross entropies) and of evaluation with all exits, on random images, with the given number of threads.
"""
import argparse
import json
import time

import torch
from torch import nn


def stage(inputs, channels, drop):
    layers = [nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
    if drop:
        layers.append(nn.Dropout2d(drop))
    layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def head(channels, hidden, drop):
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.BatchNorm1d(hidden)]
    if drop:
        layers.append(nn.Dropout(drop))
    return nn.Sequential(*layers, nn.Linear(hidden, 10))


class Classic(nn.Module):
    def __init__(self):
        super().__init__()
        widths, drops, hidden, head_drops = [64, 128, 256, 512], [0, 0.3, 0.4, 0.5], [128, 256, 512, 1024], [0, 0.4, 0.5, 0.5]
        self.stages = nn.ModuleList(stage(i, o, d) for i, o, d in zip([3] + widths, widths, drops))
        self.heads = nn.ModuleList(head(w, h, d) for w, h, d in zip(widths, hidden, head_drops))

    def forward(self, x):
        logits = []
        for one, exit_head in zip(self.stages, self.heads):
            x = one(x)
            logits.append(exit_head(x))
        return logits


def median_seconds(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = Classic()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    images, labels = torch.randn(options.batch, 3, 32, 32), torch.randint(10, (options.batch,))
    loss_of = nn.CrossEntropyLoss()

    def train():
        optimizer.zero_grad()
        loss = sum(loss_of(logits, labels) for logits in network(images)) / 4
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    network.train()
    step = median_seconds(train, options.repeats)
    network.eval()
    with torch.no_grad():
        evaluation = median_seconds(lambda: network(images), options.repeats)
    print(json.dumps({
        "name": f"PyTorch {torch.__version__}",
        "imagesPerSecond": options.batch / step,
        "evaluationImagesPerSecond": options.batch / evaluation,
    }))


main()
