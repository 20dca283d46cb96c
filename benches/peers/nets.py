"""Epochs of image and table networks by peers: python3 nets.py PEER NETWORK OPTIONS

PEER is torch or sklearn, NETWORK mlp or cnn. OPTIONS is JSON: `file` (CSV: numbers and, last but one or
last, the column `label`), `hidden`, `filters`, `epochs`, `batch`, `threads`. Prints one line of JSON:
seconds and CPU seconds of an epoch.
"""

import csv
import json
import os
import sys
import time

peer, network, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
threads = options.get("threads", 1)
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
import numpy  # noqa: E402

random = numpy.random.default_rng(1)
if "file" in options:
    with open(options["file"], newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        place = next(reader).index("label")
        rows = list(reader)
    x = numpy.array([row[:place] for row in rows], dtype=numpy.float32)
    names = sorted({row[place] for row in rows})
    y = numpy.array([names.index(row[place]) for row in rows])
else:
    # Time does not depend on what is in the records.
    x = random.standard_normal((options["records"], options["inputs"]), dtype=numpy.float32)
    y = random.integers(0, options["classes"], options["records"])
epochs, batch = options["epochs"], options["batch"]


def report(wall, cpu):
    print(json.dumps({"epoch_seconds": wall / epochs, "cpu_seconds": cpu / epochs}))


def sklearn_mlp():
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    settings = {"hidden_layer_sizes": tuple(options["hidden"]), "batch_size": batch, "tol": 0.0}
    wall, cpu = time.perf_counter(), time.process_time()
    MLPClassifier(max_iter=epochs, n_iter_no_change=10**6, random_state=1, **settings).fit(x, y)
    report(time.perf_counter() - wall, time.process_time() - cpu)


def torch_net():
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    classes = int(y.max()) + 1
    data, wanted = torch.tensor(x), torch.tensor(y)
    if network == "cnn":
        side = int(round(data.shape[1] ** 0.5))
        data = data.reshape(-1, 1, side, side)
        layers, channels = [], 1
        for filters in options["filters"]:
            layers += [torch.nn.Conv2d(channels, filters, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
            channels, side = filters, side // 2
        layers += [torch.nn.Flatten(), torch.nn.Linear(channels * side * side, classes)]
    else:
        widths = [data.shape[1], *options["hidden"]]
        layers = []
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        layers.append(torch.nn.Linear(widths[-1], classes))
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def epoch():
        for places in torch.randperm(len(data)).split(batch):
            loss = torch.nn.functional.cross_entropy(model(data[places]), wanted[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(epochs):
        epoch()
    report(time.perf_counter() - wall, time.process_time() - cpu)


sklearn_mlp() if peer == "sklearn" else torch_net()
