"""A peer behind FastAPI, on one worker: python3 serve.py PEER MODEL PORT

PEER is fasttext or sklearn. `POST /score` takes {"text": "..."} or {"texts": ["...", ...]} and answers
with the label and the probability of each.
"""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

peer, path, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = FastAPI()


class Asked(BaseModel):
    text: str | None = None
    texts: list[str] | None = None


if peer == "fasttext":
    import fasttext

    model = fasttext.load_model(path)

    def scored(texts):
        labels, probabilities = model.predict([text.replace("\n", " ") for text in texts])
        return [
            {"label": label[0], "probability": float(p[0])} for label, p in zip(labels, probabilities)
        ]

else:
    import joblib

    model = joblib.load(path)

    def scored(texts):
        margins = model.decision_function(texts)
        best = margins.argmax(1)
        return [
            {"label": str(model.classes_[i]), "margin": float(row[i])} for i, row in zip(best, margins)
        ]


@app.post("/score")
async def score(asked: Asked):
    return {"results": scored(asked.texts if asked.text is None else [asked.text])}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
