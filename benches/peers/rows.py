"""What is compared: one `Row` for each line of the table, in its order."""

import csv
import dataclasses
import json
import pathlib
from typing import Any, Callable

CLASSIFY = {"type": "text_classification", "text": "text"}


@dataclasses.dataclass
class Compared:
    """A number of both sides. Smaller is better, unless `more_is_better`."""

    name: str
    ours: str
    peer: str
    unit: str = "s"
    more_is_better: bool = False


TRAINING = Compared("training, wall", "seconds", "seconds")
TRAINING_CPU = Compared("training, CPU", "cpu_seconds", "cpu_seconds")
PROCESS = Compared("whole process, wall", "process_seconds", "process_seconds")
PROCESS_CPU = Compared("whole process, CPU", "process_cpu_seconds", "process_cpu_seconds")
EPOCH = Compared("an epoch, wall", "epoch_seconds", "epoch_seconds")
EPOCH_CPU = Compared("an epoch, CPU", "epoch_cpu_seconds", "cpu_seconds")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    sides: Callable[[Any], dict] = lambda bench: {}
    compared: list = dataclasses.field(default_factory=list)
    targets: dict = dataclasses.field(default_factory=dict)
    alone: list = dataclasses.field(default_factory=list)
    quality: list = dataclasses.field(default_factory=list)
    settings: str = ""
    unmeasured: str = ""
    close: Callable[[], None] = lambda: None

    @property
    def target(self):
        return ", ".join(f"≥ {value:g}" for value in dict.fromkeys(self.targets.values()))


def splits(bench, folder, names, label):
    """One CSV file with a column `split`, of files of parts."""
    path = bench.scratch / f"{folder}.csv"
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["text", label, "split"])
        for part, name in names.items():
            with open(name, newline="", encoding="utf-8") as file:
                writer.writerows([row["text"], row[label], part] for row in csv.DictReader(file))
    return path


def clinc_files(bench):
    return {part: bench.file(f"clinc150/{part}.csv") for part in ("train", "validation", "test")}


def texts(files_of, folder, label, peers, request, threads, goal):
    """Training to a validation accuracy, ours and peers'."""

    def sides(bench):
        files = files_of(bench)
        table = splits(bench, folder, files, label)
        wanted = {
            **request,
            "task": {**CLASSIFY, "label": label},
            "split": {"column": "split", "validation": 0.0, "calibration": 0.0},
            "training": {
                **request.get("training", {}),
                "early_stopping": None,
                "keep_state": False,
                "target": {"metric": "accuracy", "value": goal},
            },
        }
        order = [files["train"], files["validation"], files["test"]]
        work = {"ours": lambda: bench.ours("train", file=table, request=wanted, threads=threads)}
        for name, (peer, settings) in peers.items():
            bench.need({"sklearn": "sklearn"}.get(peer, peer))
            options = {"label": label, "threads": threads, **settings}
            work[name] = lambda peer=peer, options=options: bench.peer("text.py", peer, *order, options)
        return work

    return sides


def fitted(optimizer, dimension, batch, epochs, **vectorizer):
    """A text training in the shape of a request."""
    return {
        "vectorizer": {"character_ngrams": None, **vectorizer},
        "network": {"type": "embedding_bag", "dimension": dimension},
        "regularization": {"ngram_dropout": 0.0},
        "optimizer": {"type": "adam", "learning_rate": optimizer},
        "training": {"epochs": epochs, "batch_size": batch},
        # The rest is measured after the training, and no part of it.
        "detectors": ["msp"],
        "keep_training_vectors": False,
    }


def sine_file(bench):
    import math

    path = bench.scratch / "sine.csv"
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["x", "y"])
        writer.writerows([10 * i / 99, math.sin(10 * i / 99)] for i in range(100))
    return path


def sine(hidden):
    def sides(bench):
        bench.need("torch")
        path = sine_file(bench)
        request = {
            "task": {"type": "tabular_regression", "features": ["x"], "target": "y"},
            "network": {"type": "mlp", "hidden": hidden, "activation": "relu"},
            "optimizer": {"type": "adam", "learning_rate": 0.01},
            "schedule": {"type": "constant"},
            "training": {"epochs": 1000, "batch_size": 10, "early_stopping": None},
            "split": {"train": 1.0},
        }
        options = {"file": str(path), "hidden": hidden, "threads": 1}
        return {
            "ours": lambda: bench.ours("train", file=path, request=request, threads=1),
            "PyTorch": lambda: bench.peer("examples.py", "torch-sine", options),
        }

    return sides


def sentences(bench):
    bench.need("keras")
    path = pathlib.Path(__file__).resolve().parents[2] / "demo/six_sentences.csv"
    request = {
        "task": {**CLASSIFY, "label": "sentiment"},
        "vectorizer": {"word_ngrams": 1, "character_ngrams": None},
        "network": {"type": "embedding_bag", "dimension": 8},
        "optimizer": {"type": "adam", "learning_rate": 0.001},
        "schedule": {"type": "constant"},
        "regularization": {"ngram_dropout": 0.0},
        "training": {"epochs": 100, "batch_size": 32, "early_stopping": None},
        "split": {"train": 1.0},
    }
    options = {"file": str(path), "threads": 1}
    return {
        "ours": lambda: bench.ours("train", file=path, request=request, threads=1),
        "Keras": lambda: bench.peer("examples.py", "keras-sentences", options),
    }


def classification_file(bench):
    """A thousand records by scikit-learn's own generator; the last fifth is the test."""
    bench.need("sklearn")
    path = bench.scratch / "classification.csv"
    code = (
        "import csv, sys\nfrom sklearn.datasets import make_classification\n"
        "x, y = make_classification(1000, 20, n_informative=15, n_redundant=5, random_state=42)\n"
        "out = csv.writer(sys.stdout)\nout.writerow([*(f'x{i}' for i in range(20)), 'label', 'part'])\n"
        "out.writerows([*row, label, 'test' if i >= 800 else 'train'] for i, (row, label) in enumerate(zip(x, y)))\n"
        "print('{}', file=sys.stderr)"
    )
    import subprocess

    path.write_bytes(subprocess.run([bench.python, "-c", code], check=True, capture_output=True).stdout)
    return path


def classification(hidden, epochs):
    def sides(bench):
        path = classification_file(bench)
        request = {
            "task": {
                "type": "tabular_classification",
                "features": [f"x{i}" for i in range(20)],
                "label": "label",
            },
            "network": {"type": "mlp", "hidden": hidden, "activation": "relu"},
            "optimizer": {"type": "adam", "learning_rate": 0.001},
            "schedule": {"type": "constant"},
            "regularization": {"l2": 0.0001},
            "training": {"epochs": epochs, "batch_size": 200, "early_stopping": None},
            "split": {"column": "part", "validation": 0.0, "calibration": 0.0},
        }
        # A tolerance of 0 keeps it at work for as many epochs as ours.
        options = {"file": str(path), "hidden": hidden, "epochs": epochs, "tol": 0.0, "threads": 1}
        return {
            "ours": lambda: bench.ours("train", file=path, request=request, threads=1),
            "scikit-learn": lambda: bench.peer("examples.py", "sklearn-classification", options),
        }

    return sides


def mlp(inputs, hidden, classes, records, batch, epochs):
    def sides(bench):
        bench.need("torch")
        generator = {
            "type": "make_classification",
            "samples": records,
            "features": inputs,
            "informative": min(inputs, 15),
            "redundant": 0,
            "classes": classes,
            "seed": 1,
        }
        request = {
            "task": {
                "type": "tabular_classification",
                "features": [f"x{i}" for i in range(inputs)],
                "label": "label",
            },
            "network": {"type": "mlp", "hidden": hidden},
            "optimizer": {"type": "adam", "learning_rate": 0.001},
            "schedule": {"type": "constant"},
            "training": {"epochs": epochs, "batch_size": batch, "early_stopping": None},
            "split": {"train": 1.0},
            "detectors": ["msp"],
            "keep_training_vectors": False,
        }
        options = {
            "records": records,
            "inputs": inputs,
            "classes": classes,
            "hidden": hidden,
            "batch": batch,
            "epochs": epochs,
            "threads": 1,
        }

        return {
            "ours": lambda: by_epoch(bench.ours("train", generator=generator, request=request, threads=1)),
            "scikit-learn": lambda: bench.peer("nets.py", "sklearn", "mlp", options),
            "PyTorch": lambda: bench.peer("nets.py", "torch", "mlp", options),
        }

    return sides


def images(network, peer_network, records, epochs, batch):
    """Networks on images of shapes, with several labels each; the peer trains on noise of the same size."""

    def sides(bench):
        bench.need("torch")
        generator = {"type": "shapes", "images": records, "size": 28, "seed": 1}
        request = {
            "task": {"type": "image_classification", "image": "image", "label": "labels", "multi_label": True},
            "network": network,
            "optimizer": {"type": "adam", "learning_rate": 0.001},
            "schedule": {"type": "constant"},
            "training": {"epochs": epochs, "batch_size": batch, "early_stopping": None, "keep_state": False},
            "split": {"train": 1.0},
            "detectors": ["msp"],
            "keep_training_vectors": False,
        }
        options = {"records": records, "inputs": 784, "classes": 4, "batch": batch, "epochs": epochs, "threads": 1}
        options |= {key: network[key] for key in ("hidden", "filters") if key in network}
        work = {
            "ours": lambda: by_epoch(bench.ours("train", generator=generator, request=request, threads=1)),
            "PyTorch": lambda: bench.peer("nets.py", "torch", peer_network, options),
        }
        if peer_network == "mlp":
            work["scikit-learn"] = lambda: bench.peer("nets.py", "sklearn", "mlp", options)
        return work

    return sides


def by_epoch(result):
    return {**result, "epoch_cpu_seconds": result["training_cpu_seconds"] / result["epochs"]}


FASTTEXT = {"dim": 50, "epoch": 5, "lr": 1.0}


def fasttext_model(bench):
    bench.need("fasttext")
    path = bench.scratch / "clinc.ftz"
    if not path.exists():
        files = clinc_files(bench)
        options = {"label": "intent", "threads": 2, "save": str(path), **FASTTEXT}
        bench.peer("text.py", "fasttext", files["train"], files["validation"], files["test"], options)
    return path


SERVED = {
    "task": {**CLASSIFY, "label": "intent"},
    "split": {"column": "split", "calibration": 0.2, "validation": 0.0},
    "training": {"keep_state": False},
}


def words_artifact(bench):
    """A model of the features that fastText has: words. The more accurate of the two still."""
    path = bench.scratch / "clinc-words.model"
    table = splits(bench, "clinc", clinc_files(bench), "intent")
    if not path.exists():
        request = {**SERVED, **fitted(0.01, 64, 32, 5, word_ngrams=1), "task": SERVED["task"], "split": SERVED["split"]}
        bench.ours("train", file=table, request=request, threads=2, artifact=path)
    return path


def our_artifact(bench):
    """A model with every default, but for its split: CLINC150's own parts."""
    path = bench.scratch / "clinc.model"
    files = clinc_files(bench)
    table = splits(bench, "clinc", files, "intent")
    if not path.exists():
        bench.ours("train", file=table, request=SERVED, threads=2, artifact=path)
    return path


def in_microseconds(result):
    return {**result, "microseconds": result["seconds"] * 1e6, "cpu_microseconds": result["cpu_seconds"] * 1e6}


def scoring(what, artifact_of):
    def sides(bench):
        model, artifact = fasttext_model(bench), artifact_of(bench)
        test = bench.file("clinc150/test.csv")
        return {
            "ours": lambda: in_microseconds(bench.ours("score", artifact=artifact, file=test, what=what)),
            "fastText, a call a text": lambda: in_microseconds(bench.peer("predict.py", model, test, "one", 5)),
            "fastText, one call for all": lambda: in_microseconds(bench.peer("predict.py", model, test, "all", 5)),
        }

    return sides


WORD_PAIRS = {"vectorizer": {"character_ngrams": None, "word_ngrams": 2}}


class Http:
    """Servers that run as long as their row is measured: on core 0, and the load on core 1."""

    def __init__(self, texts, peer, asked, **trained):
        self.texts, self.peer, self.asked, self.trained, self.processes = texts, peer, asked, trained, []

    def bodies(self, bench, more):
        with open(bench.file("clinc150/test.csv"), newline="", encoding="utf-8") as file:
            rows = [row["text"] for row in csv.DictReader(file)]
        path = bench.scratch / f"bodies-{self.texts}-{'-'.join(more) or 'plain'}.jsonl"
        with open(path, "w", encoding="utf-8") as out:
            for start in range(0, len(rows) - self.texts + 1, self.texts):
                chunk = rows[start : start + self.texts]
                body = {"text": chunk[0]} if self.texts == 1 else {"texts": chunk}
                out.write(json.dumps({**body, **more}) + "\n")
        return path

    def sides(self, bench):
        bench.need("fastapi")
        ours, plain = self.bodies(bench, self.asked), self.bodies(bench, {})
        files = clinc_files(bench)
        folder = bench.scratch / f"served-{self.texts}"
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        ours_at = bench.listening([bench.server, "serve", "--listen", "127.0.0.1:PORT", "--data-dir", folder], 0)
        port = ours_at[1]
        self.processes.append(ours_at[0])
        table = splits(bench, "clinc", files, "intent")
        bench.trained(port, table, {**SERVED, **self.trained, "model_name": "intents"})
        path = "/v1/models/intents/score"
        first = json.loads(ours.read_text().splitlines()[0])
        answer = bench.scratch / f"answer-{self.texts}.json"
        answer.write_text(json.dumps(bench.ask(port, path, first), separators=(",", ":")))
        constant = [bench.driver, "constant", "--address", "127.0.0.1:PORT", "--answer", answer]
        model = fasttext_model(bench) if self.peer == "fasttext" else self.sklearn_model(bench)
        here = pathlib.Path(__file__).resolve().parent
        other = bench.listening([bench.python, here / "serve.py", self.peer, model, "PORT"], 0)
        self.processes.append(other[0])
        least = bench.listening(constant, 0)
        self.processes.append(least[0])
        name = {"fasttext": "FastAPI + fastText", "sklearn": "FastAPI + scikit-learn"}[self.peer]
        return {
            "ours": lambda: bench.load(ours_at, path, ours, 1),
            name: lambda: bench.load(other, "/score", plain, 1),
            "axum, a constant": lambda: bench.load(least, "/score", ours, 1),
        }

    def sklearn_model(self, bench):
        path = bench.scratch / "clinc.joblib"
        if not path.exists():
            files = clinc_files(bench)
            options = {"label": "intent", "threads": 2, "save": str(path), "words": 2, "model": "svm", "C": 3}
            bench.peer("text.py", "sklearn", files["train"], files["validation"], files["test"], options)
        return path

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()


def service(what, **options):
    return lambda bench: {"ours": lambda: bench.ours("service", what=what, **options)}


def many(bench):
    return {
        "ours": lambda: bench.ours("service", what="jobs", count=100),
        "the trainings alone": lambda: bench.ours("service", what="trainings", count=100),
    }


def stored(bench):
    """A service with many stored runs: the one with few is the peer."""
    many = lambda count: lambda: bench.ours("stored", what="submit", count=count)
    return {"ours": many(100_000), "10 stored runs": many(10)}


def pages(bench):
    return {"ours": lambda: bench.ours("stored", what="pages", count=10_000, points=1_000_000)}


def made_up(bench, texts, words):
    """Texts of 20 words, each drawn from as many; the label is told by the first."""
    import random

    path = bench.scratch / f"made-up-{texts}-{words}.csv"
    if not path.exists():
        draw = random.Random(1)
        with open(path, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["text", "label"])
            for _ in range(texts):
                drawn = [draw.randrange(words) for _ in range(20)]
                writer.writerow([" ".join(f"w{word}" for word in drawn), drawn[0] % 4])
    return path


def of_texts(bench, texts, words):
    """Three epochs on made-up texts; the whole process."""
    request = {
        "task": {**CLASSIFY, "label": "label"},
        **fitted(0.005, 32, 32, 3, word_ngrams=1),
        "training": {"epochs": 3, "batch_size": 32, "early_stopping": None, "keep_state": False},
    }
    result = bench.ours("train", file=made_up(bench, texts, words), request=request, threads=1)
    cpu = result["process_cpu_seconds"]
    return {"per_record": cpu / texts * 1e6, "cpu": cpu, "kilobytes": result["peak_kilobytes"]}


def scaling_texts(bench):
    return {
        "ours": lambda: of_texts(bench, 100_000, 20_000),
        "a tenth of the texts": lambda: of_texts(bench, 10_000, 20_000),
    }


def vocabulary(bench):
    return {
        "ours": lambda: of_texts(bench, 20_000, 100_000),
        "a tenth of the words": lambda: of_texts(bench, 20_000, 10_000),
    }


def reviews_files(bench):
    """The training file in two parts, by chance; the test file is as it stands."""
    import random

    paths = {part: bench.scratch / f"reviews-{part}.csv" for part in ("train", "validation")}
    with open(bench.file("reviews/general_train.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(1).shuffle(rows)
    cut = len(rows) * 4 // 5
    for part, some in (("train", rows[:cut]), ("validation", rows[cut:])):
        with open(paths[part], "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, ["text", "sentiment", "category"])
            writer.writeheader()
            writer.writerows(some)
    return {**paths, "test": bench.file("reviews/general_test.csv")}


def scaling(bench):
    """Ten times the examples: our own smaller training is the peer."""

    def size(samples):
        generator = {"type": "make_classification", "samples": samples, "features": 20, "informative": 15, "redundant": 0, "seed": 1}
        request = {
            "task": {"type": "tabular_classification", "features": [f"x{i}" for i in range(20)], "label": "label"},
            "network": {"type": "mlp", "hidden": [50, 50]},
            "training": {"epochs": 5, "batch_size": 200, "early_stopping": None},
        }
        result = bench.ours("train", generator=generator, request=request, threads=1)
        cpu = result["process_cpu_seconds"]
        return {"per_record": cpu / samples * 1e6, "kilobytes": result["peak_kilobytes"]}

    return {"ours": lambda: size(100_000), "a tenth of the records": lambda: size(10_000)}


# The answer that the peers give: the label and how sure it is. And the full answer, with every default axis
# and the top label.
LABEL, FULL = {"detail": "prediction"}, {"top_labels": 1}
ONE, ONE_FULL = Http(1, "fasttext", LABEL), Http(1, "fasttext", FULL)
MANY, MANY_FULL = Http(64, "sklearn", LABEL), Http(64, "sklearn", FULL)
MANY_WORDS = Http(64, "sklearn", LABEL, **WORD_PAIRS)
RATE = Compared("requests", "requests_per_second", "requests_per_second", "1/s", True)
RATE_CPU = Compared("requests a CPU second of the server", "requests_per_cpu_second", "requests_per_cpu_second", "1/s", True)
P99 = Compared("p99", "p99_milliseconds", "p99_milliseconds", "ms")
TEXT = Compared("a text, wall", "microseconds", "microseconds", "µs")
TEXT_CPU = Compared("a text, CPU", "cpu_microseconds", "cpu_microseconds", "µs")
SCALED = [Compared("CPU a record", "per_record", "per_record", "µs"),
          Compared("peak memory", "kilobytes", "kilobytes", "kB")]
# Time within 11 times, memory within the data's own growth.
SCALED_TO = {"CPU a record": 10 / 11, "peak memory": 0.1}
REACHED = ["validation_accuracy", "test_accuracy", "epochs"]

ROWS = [
    Row("example-sentences", "Six sentences, embedding 8, 100 epochs", sentences,
        [TRAINING, TRAINING_CPU, PROCESS, PROCESS_CPU],
        {TRAINING.name: 20, TRAINING_CPU.name: 20, PROCESS.name: 50, PROCESS_CPU.name: 50},
        settings="Adam 0.001; all six are one batch."),
    Row("example-sine-linear", "Sine, linear 1-1, 1,000 epochs", sine([]),
        [TRAINING, TRAINING_CPU, PROCESS, PROCESS_CPU],
        {TRAINING.name: 10, TRAINING_CPU.name: 10, PROCESS.name: 20, PROCESS_CPU.name: 20},
        quality=["mse", "last_loss"], settings="100 points, batches of 10, Adam 0.01."),
    Row("example-sine-mlp", "Sine, 1-10-10-1, 1,000 epochs", sine([10, 10]),
        [TRAINING, TRAINING_CPU, PROCESS, PROCESS_CPU],
        {TRAINING.name: 10, TRAINING_CPU.name: 10, PROCESS.name: 20, PROCESS_CPU.name: 20},
        quality=["mse", "last_loss"], settings="100 points, batches of 10, Adam 0.01, ReLU."),
    Row("example-classification", "Classification, 10 units, 100 epochs", classification([10], 100),
        [TRAINING, TRAINING_CPU, PROCESS, PROCESS_CPU],
        {TRAINING.name: 3, TRAINING_CPU.name: 3, PROCESS.name: 10, PROCESS_CPU.name: 10},
        quality=["accuracy", "test_accuracy", "epochs"],
        settings="1,000 records of 20 features, 800 train; batches of 200, Adam 0.001, L2 0.0001."),
    Row("clinc-fasttext", "CLINC150 to fastText's best validation accuracy, 0.904, 2 threads",
        texts(clinc_files, "clinc", "intent", {"fastText": ("fasttext", FASTTEXT)},
              fitted(0.02, 64, 32, 8, word_ngrams=2), 2, 0.904),
        [TRAINING, TRAINING_CPU], {TRAINING.name: 2, TRAINING_CPU.name: 2}, quality=REACHED,
        settings="fastText: words, dimension 50, 5 epochs, rate 1.0, the best on validation of seven settings "
        "(dimension 50 or 100, with and without bigrams, 3 to 10 epochs). Ours: words 1-2, dimension 64, "
        "Adam 0.02, batches of 32. Ours ends with the first epoch that reaches the accuracy; its time holds "
        "tokenising, vocabulary and the measurement of validation after each epoch."),
    Row("clinc-sklearn", "CLINC150 to the accuracy of TF-IDF + linear SVM on words, 0.909",
        texts(clinc_files, "clinc", "intent",
              {"scikit-learn": ("sklearn", {"words": 2, "model": "svm", "C": 3})},
              fitted(0.02, 64, 32, 8, word_ngrams=2), 2, 0.909),
        [TRAINING, TRAINING_CPU], {TRAINING.name: 5, TRAINING_CPU.name: 5}, quality=REACHED,
        settings="scikit-learn: words 1-2, linear SVM, C = 3. Ours: words 1-2, Adam 0.02, batches of 32."),
    Row("clinc-torch", "CLINC150 to the accuracy of a PyTorch embedding bag, 0.913, 1 thread",
        texts(clinc_files, "clinc", "intent",
              {"PyTorch": ("torch", {"dim": 100, "epochs": 8, "lr": 0.003, "batch": 32, "words": 1, "sparse": True})},
              fitted(0.02, 64, 32, 8, word_ngrams=2), 1, 0.913),
        [TRAINING, TRAINING_CPU], {TRAINING.name: 10, TRAINING_CPU.name: 10}, quality=REACHED,
        settings="PyTorch: words, dimension 100, SparseAdam 0.003, batches of 32, 8 epochs, its fastest way to "
        "this accuracy. Ours: words 1-2, Adam 0.02, batches of 32."),
    Row("reviews-fasttext", "Reviews to fastText's best validation accuracy, 0.845, 2 threads",
        texts(reviews_files, "reviews", "sentiment",
              {"fastText": ("fasttext", {"dim": 50, "epoch": 10, "lr": 0.5, "wordNgrams": 2})},
              fitted(0.005, 32, 32, 4, word_ngrams=2), 2, 0.845),
        [TRAINING, TRAINING_CPU], {TRAINING.name: 1.5, TRAINING_CPU.name: 1.5}, quality=REACHED,
        settings="Reviews of 140 words; a fifth of general_train.csv, drawn by chance, validates. fastText: dimension "
        "50, the best on validation of eleven settings (words or words 1-2, 5 to 25 epochs, rate 0.2 to 1.0); words "
        "alone reach 0.837. Ours: words 1-2, dimension 32, Adam 0.005, batches of 32."),
    Row("score-words", "Scoring in process, one thread, label only, words as fastText's", scoring("label", words_artifact),
        [TEXT, TEXT_CPU], {TEXT.name: 2, TEXT_CPU.name: 2},
        settings="4,500 test texts of CLINC150. fastText is given words that are split already, lower-cased; ours "
        "splits them itself."),
    Row("score-label", "Scoring in process, one thread, label only, every default", scoring("label", our_artifact),
        [TEXT, TEXT_CPU], {TEXT.name: 2, TEXT_CPU.name: 2},
        settings="The same with words, pairs of words and characters, which is what makes ours more accurate."),
    Row("score-answer", "Scoring in process, every default axis", scoring("answer", our_artifact), [TEXT, TEXT_CPU],
        {TEXT.name: 0.5, TEXT_CPU.name: 0.5}, settings="As above; fastText gives the label only."),
    Row("http-one", "HTTP, one text a request, 16 connections, server on one core", ONE.sides, [RATE, RATE_CPU, P99],
        {("FastAPI + fastText", RATE.name): 10, ("FastAPI + fastText", RATE_CPU.name): 10,
         ("FastAPI + fastText", P99.name): 5, ("axum, a constant", RATE.name): 0.6,
         ("axum, a constant", RATE_CPU.name): 0.6},
        settings="Keep-alive; server on core 0, load on core 1. Both sides answer with the label and how sure it is "
        '(ours with `"detail": "prediction"`: calibrated and raw confidence); ours has every default feature.',
        close=ONE.close),
    Row("http-full-one", "HTTP, one text a request, full answer", ONE_FULL.sides, [RATE, RATE_CPU, P99],
        settings="The same, but ours answers with every default axis, acceptance and reasons, and the top label "
        "(`top_labels` 1), of which the peer gives nothing.", close=ONE_FULL.close),
    Row("http-many", "HTTP, 64 texts a request, 16 connections, server on one core", MANY.sides, [RATE, RATE_CPU, P99],
        {("FastAPI + scikit-learn", RATE.name): 20, ("FastAPI + scikit-learn", RATE_CPU.name): 20},
        settings='As above, with `"detail": "prediction"`; scikit-learn: TF-IDF of words 1-2, linear SVM.',
        close=MANY.close),
    Row("http-words-many", "HTTP, 64 texts a request, words 1-2 as the peer", MANY_WORDS.sides, [RATE, RATE_CPU, P99],
        {("FastAPI + scikit-learn", RATE.name): 20, ("FastAPI + scikit-learn", RATE_CPU.name): 20},
        settings="The same with a model of the features that the peer has, words and pairs of words.",
        close=MANY_WORDS.close),
    Row("http-full-many", "HTTP, 64 texts a request, full answer", MANY_FULL.sides, [RATE, RATE_CPU, P99],
        settings="As above with the full answer for each text.", close=MANY_FULL.close),
    Row("mlp-small", "MLP 20-50-50-2, an epoch of 10,000", mlp(20, [50, 50], 2, 10_000, 200, 10), [EPOCH, EPOCH_CPU],
        {("scikit-learn", EPOCH.name): 3, ("scikit-learn", EPOCH_CPU.name): 3,
         ("PyTorch", EPOCH.name): 3, ("PyTorch", EPOCH_CPU.name): 3}, settings="Batches of 200, Adam, one thread."),
    Row("mlp-large", "MLP 784-512-512-4, an epoch of 2,000",
        images({"type": "mlp", "hidden": [512, 512]}, "mlp", 2_000, 3, 200), [EPOCH, EPOCH_CPU],
        {("scikit-learn", EPOCH.name): 1, ("scikit-learn", EPOCH_CPU.name): 1,
         ("PyTorch", EPOCH.name): 1, ("PyTorch", EPOCH_CPU.name): 1}, settings="Batches of 200, Adam, one thread."),
    Row("cnn", "Image CNN 28×28, filters 16 and 32, an epoch of 1,024",
        images({"type": "image_cnn", "filters": [16, 32], "kernel": 3, "pooling": "max", "global_pooling": "none"},
               "cnn", 1_024, 2, 64), [EPOCH, EPOCH_CPU],
        {EPOCH.name: 1, EPOCH_CPU.name: 1}, settings="Batches of 64, Adam, one thread, max pooling."),
    Row("start", "Server start to first answer; idle memory", service("start"),
        alone=[("start", "seconds", "s", 0.1), ("idle memory", "idle_megabytes", "MB", 60)],
        settings="An empty data folder; memory a second after the first answer."),
    Row("job", "Job overhead", service("job", count=20),
        alone=[("POST to first step", "to_first_step_milliseconds", "ms", 20),
               ("last step to succeeded", "from_last_step_milliseconds", "ms", 50)],
        settings="200 records, 5 epochs; the medians of 20 jobs a round. What is fitted and measured after "
        "training (calibration, detectors, report) is within the second number."),
    Row("jobs", "100 tiny jobs on 2 workers", many, [Compared("all, wall", "seconds", "seconds"), PROCESS_CPU],
        {"all, wall": 0.8}, settings="The same 100 trainings in one process, two at a time."),
    Row("scaling", "Ten times the examples", scaling, SCALED, SCALED_TO,
        settings="20-50-50-2, 5 epochs, 10,000 and 100,000 records, whole process."),
    Row("scaling-texts", "Ten times the texts", scaling_texts, SCALED, SCALED_TO,
        settings="10,000 and 100,000 texts of 20 words, each drawn from 20,000; words, dimension 32, Adam, 3 epochs, "
        "one thread, whole process."),
    Row("gpu", "MLP, CNN and embedding bag on a GPU", unmeasured="no GPU was at hand"),
    Row("stored-runs", "Job submission and polling at 100,000 stored runs", stored,
        [Compared("a submission", "submit_milliseconds", "submit_milliseconds", "ms"),
         Compared("a look at a job", "poll_milliseconds", "poll_milliseconds", "ms")],
        {"a submission": 1 / 1.2, "a look at a job": 1 / 1.2},
        settings="A service with as many stored runs, each with its job, model and history; medians of 100 "
        "submissions, each job awaited before the next."),
    Row("pages", "Calls of the dashboard's pages, 10,000 runs, a history of 1,000,000 points", pages,
        alone=[(name, f"{key}_milliseconds", "ms", 1_000) for name, key in (
            ("GET /v1/jobs", "jobs"), ("GET /v1/jobs?status=running", "jobs_running"),
            ("GET /v1/jobs?kind=sweep", "jobs_sweeps"), ("GET /v1/jobs/{id}", "job"),
            ("GET /v1/runs", "runs"), ("GET /v1/runs?status=failed", "runs_failed"),
            ("GET /v1/runs?status=running", "runs_running"), ("GET /v1/runs?limit=1000", "runs_1000"),
            ("GET /v1/runs/{id}", "run"), ("GET /v1/runs/{id}/metrics?max_points=1000", "metrics"),
            ("GET /v1/runs/{id}/figures/loss", "figure_loss"),
            ("GET /v1/runs/{id}/figures/gradient_norm", "figure_gradient_norm"),
            ("GET /v1/runs/compare, three runs", "compare"), ("GET /v1/models", "models"),
            ("GET /v1/models/{id}", "model"), ("GET /v1/models/{id}/card", "card"),
            ("GET /v1/models/{id}/figures/reliability", "figure_reliability"),
            ("GET /v1/datasets", "datasets"), ("GET /v1/datasets/{id}/records", "records"))],
        settings="The points are 250,000 of each of four metrics of one run. Medians of five calls, one at a time."),
    Row("vocabulary", "Ten times the vocabulary, the same number of words", vocabulary,
        [Compared("whole process, CPU", "cpu", "cpu"), Compared("peak memory", "kilobytes", "kilobytes", "kB")],
        {"whole process, CPU": 0.1, "peak memory": 0.1},
        settings="20,000 texts of 20 words, each drawn from 10,000 or 100,000 alike; words, dimension 32, Adam, "
        "3 epochs, one thread."),
]
