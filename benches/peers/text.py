"""Text classification by peers: python3 text.py PEER TRAIN.csv VALIDATION.csv TEST.csv OPTIONS

PEER is fasttext, sklearn or torch. OPTIONS is JSON: the settings, `label` (the column of the label) and
`threads`. Prints one line of JSON: `seconds` and `cpu_seconds` of the training alone, from texts in
memory (fastText: from its own file) to a model that predicts; accuracy on validation and test.
"""

import csv
import json
import os
import random
import sys
import tempfile
import time

peer, options = sys.argv[1], json.loads(sys.argv[5])
threads = options.get("threads", 1)
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row[options["label"]] for row in rows]


(train_x, train_y), (validation_x, validation_y), (test_x, test_y) = map(read, sys.argv[2:5])
result = {}


class Timed:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_):
        result["seconds"] = time.perf_counter() - self.wall
        result["cpu_seconds"] = time.process_time() - self.cpu


def accuracy(predicted, true):
    return sum(p == t for p, t in zip(predicted, true)) / len(true)


def by_fasttext():
    import fasttext
    from sklearn.feature_extraction.text import CountVectorizer  # the peer's tokens are split by spaces

    words = CountVectorizer(token_pattern=r"(?u)\b\w+(?:'\w+)?\b|[^\w\s]").build_analyzer()

    def line(text):
        return " ".join(words(text))

    names = sorted(set(train_y))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        # It does not shuffle, and the records are in the order of their labels.
        order = random.Random(1).sample(list(zip(train_x, train_y)), len(train_x))
        for text, label in order:
            file.write(f"__label__{names.index(label)} {line(text)}\n")
        file.flush()
        settings = {k: v for k, v in options.items() if k not in ("label", "threads", "save")}
        with Timed():
            model = fasttext.train_supervised(file.name, thread=threads, verbose=0, **settings)
    if "save" in options:
        model.save_model(options["save"])

    def predict(texts):
        labels = model.predict([line(text) for text in texts])[0]
        return [names[int(label[0].removeprefix("__label__"))] for label in labels]

    return predict


def by_sklearn():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.svm import LinearSVC

    common = {"sublinear_tf": options.get("sublinear", False)}
    parts = [("words", TfidfVectorizer(ngram_range=(1, options["words"]), **common))]
    if "characters" in options:
        ngrams = (2, options["characters"])
        parts.append(("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=ngrams, **common)))
    linear = {
        "svm": lambda: LinearSVC(C=options.get("C", 1.0)),
        "sgd": lambda: SGDClassifier(loss="modified_huber", n_jobs=threads, random_state=1),
        "logistic": lambda: LogisticRegression(C=options.get("C", 1.0), max_iter=200),
    }[options["model"]]()
    model = make_pipeline(FeatureUnion(parts), linear)
    with Timed():
        model.fit(train_x, train_y)
    if "save" in options:
        import joblib

        joblib.dump(model, options["save"])
    return model.predict


def by_torch():
    import re

    import torch

    torch.manual_seed(options.get("seed", 1))
    torch.set_num_threads(threads)
    pattern = re.compile(r"\w+(?:'\w+)?|[^\w\s]")

    def ngrams(text):
        words = pattern.findall(text.lower())
        return words + [f"{a} {b}" for a, b in zip(words, words[1:])] if options["words"] == 2 else words

    with Timed():
        vocabulary, labels = {}, {}
        encoded = [[vocabulary.setdefault(n, len(vocabulary)) for n in ngrams(x)] for x in train_x]
        wanted = torch.tensor([labels.setdefault(y, len(labels)) for y in train_y])
        bag = torch.nn.EmbeddingBag(len(vocabulary), options["dim"], mode="mean", sparse=options["sparse"])
        torch.nn.init.uniform_(bag.weight, -0.05, 0.05)
        layer = torch.nn.Linear(options["dim"], len(labels))
        if options["sparse"]:
            table = torch.optim.SparseAdam(list(bag.parameters()), lr=options["lr"])
            optimizers = [table, torch.optim.Adam(layer.parameters(), lr=options["lr"])]
        else:
            both = list(bag.parameters()) + list(layer.parameters())
            optimizers = [torch.optim.Adam(both, lr=options["lr"])]

        def pack(texts):
            lengths = torch.tensor([0] + [len(text) for text in texts[:-1]])
            return torch.tensor([i for text in texts for i in text]), lengths.cumsum(0)

        for _ in range(options["epochs"]):
            for batch in torch.randperm(len(encoded)).split(options["batch"]):
                ids, offsets = pack([encoded[i] for i in batch.tolist()])
                loss = torch.nn.functional.cross_entropy(layer(bag(ids, offsets)), wanted[batch])
                for optimizer in optimizers:
                    optimizer.zero_grad()
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
    names = list(labels)

    def predict(texts):
        with torch.no_grad():
            known = [[vocabulary[n] for n in ngrams(x) if n in vocabulary] for x in texts]
            ids, offsets = pack(known)
            return [names[i] for i in layer(bag(ids, offsets)).argmax(1).tolist()]

    return predict


predict = {"fasttext": by_fasttext, "sklearn": by_sklearn, "torch": by_torch}[peer]()
result["validation_accuracy"] = accuracy(predict(validation_x), validation_y)
result["test_accuracy"] = accuracy(predict(test_x), test_y)
print(json.dumps(result))
