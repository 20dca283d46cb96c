"""scikit-learn's MLPClassifier on a table: python3 mlp_classifier.py FILE.csv

The file has features and, last, a column `label`; the last fifth of its records is the test. Prints a
line of Markdown for each setting: test accuracies over ten seeds, iterations, seconds.
"""

import csv
import statistics
import sys
import time
import warnings

import numpy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore", ConvergenceWarning)
with open(sys.argv[1], newline="") as file:
    rows = list(csv.reader(file))[1:]
x = numpy.array([row[:-1] for row in rows], dtype=float)
y = numpy.array([row[-1] for row in rows])
cut = len(rows) * 4 // 5
scaler = StandardScaler().fit(x[:cut])
x = scaler.transform(x)
settings = {
    "(10), 100 iterations": {"hidden_layer_sizes": (10,), "max_iter": 100},
    "(50, 50), 300 iterations, early stopping": {
        "hidden_layer_sizes": (50, 50),
        "max_iter": 300,
        "early_stopping": True,
    },
}
for name, setting in settings.items():
    began = time.perf_counter()
    models = [MLPClassifier(random_state=seed, **setting).fit(x[:cut], y[:cut]) for seed in range(10)]
    seconds = (time.perf_counter() - began) / len(models)
    accuracies = [model.score(x[cut:], y[cut:]) for model in models]
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    iterations = statistics.mean(model.n_iter_ for model in models)
    print(
        f"| scikit-learn {sklearn.__version__} {name} | {mean:.3f} ± {deviation:.3f} | "
        f"{min(accuracies):.3f} to {max(accuracies):.3f} | {iterations:.0f} | {seconds:.2f} |"
    )
