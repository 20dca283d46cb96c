"""The three textbook examples by their books' libraries: python3 examples.py NAME OPTIONS

NAME is keras-sentences, torch-sine or sklearn-classification. Prints one line of JSON: `seconds` and
`cpu_seconds` of the training alone, and what came of it.
"""

import csv
import json
import os
import sys
import time

name, options = sys.argv[1], json.loads(sys.argv[2])
threads = options.get("threads", 1)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[variable] = str(threads)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
result = {}


class Timed:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_):
        result["seconds"] = time.perf_counter() - self.wall
        result["cpu_seconds"] = time.process_time() - self.cpu


def rows():
    with open(options["file"], newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def keras_sentences():
    import keras
    import numpy

    keras.utils.set_random_seed(1)
    texts, labels = zip(*[(row[0], row[1]) for row in rows()])
    names = sorted(set(labels))
    words = {}
    tokens = [[words.setdefault(w, len(words) + 1) for w in t.lower().split()] for t in texts]
    longest = max(map(len, tokens))
    x = numpy.array([t + [0] * (longest - len(t)) for t in tokens])
    y = numpy.array([names.index(label) for label in labels])
    model = keras.Sequential(
        [
            keras.layers.Embedding(len(words) + 1, 8),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    with Timed():
        history = model.fit(x, y, epochs=100, batch_size=32, verbose=0)
    result["accuracy"] = history.history["accuracy"][-1]


def torch_sine():
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    data = torch.tensor([[float(cell) for cell in row] for row in rows()])
    x, y = data[:, :1], data[:, 1:]
    # Standardised, as ours does it by default.
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    widths = [1, *options["hidden"], 1]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_of = torch.nn.MSELoss()
    with Timed():
        for _ in range(1_000):
            # Batches by hand: a DataLoader takes longer.
            for batch in torch.randperm(len(x)).split(10):
                loss = loss_of(model(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    result["mse"] = float(loss_of(model(x), y) * data[:, 1].var())


def sklearn_classification():
    import warnings

    import numpy
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    warnings.simplefilter("ignore")
    data = rows()
    x = numpy.array([row[:20] for row in data], dtype=float)
    y = numpy.array([row[20] for row in data])
    train = numpy.array([row[21] != "test" for row in data])
    settings = {"hidden_layer_sizes": tuple(options["hidden"]), "max_iter": options["epochs"]}
    with Timed():
        scaler = StandardScaler().fit(x[train])
        model = MLPClassifier(random_state=1, tol=options.get("tol", 1e-4), n_iter_no_change=10**6, **settings)
        model.fit(scaler.transform(x[train]), y[train])
    result["epochs"] = model.n_iter_
    result["accuracy"] = model.score(scaler.transform(x[~train]), y[~train])


{
    "keras-sentences": keras_sentences,
    "torch-sine": torch_sine,
    "sklearn-classification": sklearn_classification,
}[name]()
print(json.dumps(result))
