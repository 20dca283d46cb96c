"""fastText's answers: python3 predict.py MODEL TEXTS.csv HOW ROUNDS

HOW is `one`, a call for each text (of the extension itself: the wrapper around it fails with NumPy 2), or
`all`, one call for a list of all. Texts are split into words
before the clock starts. Prints one line of JSON: seconds of a text, texts a second.
"""

import csv
import json
import sys
import time

import fasttext
from sklearn.feature_extraction.text import CountVectorizer

model = fasttext.load_model(sys.argv[1])
words = CountVectorizer(token_pattern=r"(?u)\b\w+(?:'\w+)?\b|[^\w\s]").build_analyzer()
with open(sys.argv[2], newline="", encoding="utf-8") as file:
    texts = [" ".join(words(row["text"])) for row in csv.DictReader(file)]
rounds = int(sys.argv[4])


def one():
    for text in texts:
        model.f.predict(text + "\n", 1, 0.0, "strict")


work = one if sys.argv[3] == "one" else lambda: model.predict(texts)
work()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(rounds):
    work()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
count = len(texts) * rounds
print(json.dumps({"seconds": wall / count, "cpu_seconds": cpu / count, "texts_per_second": count / wall}))
