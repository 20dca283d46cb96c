"""A client of Whereof for notebooks: what is awkward with plain HTTP, and nothing else.

It waits for jobs with a progress bar, makes data sets of data frames and data frames of answers, and shows
jobs, runs and reports as HTML. Everything else is one call of ``Whereof.call`` away. Needs ``requests``;
``tqdm`` for progress bars and ``pandas`` for data frames where they are there.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Literal, Mapping, Sequence

import requests

if TYPE_CHECKING:
    import pandas

__all__ = ["Dataset", "Job", "JobFailed", "Model", "Problem", "Report", "Run", "Whereof"]

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}
ENDED = ("succeeded", "stopped", "cancelled", "failed")

Json = dict[str, Any]


class Problem(Exception):
    """What the server refused, and what to do about it (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        #: Stable short name of the kind of problem, such as ``invalid-spec``.
        self.code: str = self.problem.get("code", "")
        #: HTTP status.
        self.status: int = self.problem.get("status", 0)
        #: Every field at fault, each with ``field``, ``message`` and often ``hint``, ``row``, ``column``.
        self.errors: list[Json] = self.problem.get("errors", [])
        lines = [f"{self.problem.get('title', '')}: {self.problem.get('detail', '')}"]
        for error in self.errors:
            hint = f" ({error['hint']})" if error.get("hint") else ""
            lines.append(f"  {error['field']}: {error['message']}{hint}")
        if self.problem.get("hint"):
            lines.append(f"  hint: {self.problem['hint']}")
        super().__init__("\n".join(lines))


class JobFailed(Exception):
    """A job that ended without a result. ``job`` is the job; its ``error`` says why."""

    def __init__(self, job: Job) -> None:
        self.job = job
        problem = job.data.get("error")
        super().__init__(str(Problem(problem)) if problem else f"the job {job.id} was {job.status}")


class Whereof:
    """A server. Without arguments the one that ``WHEREOF_SERVER`` and ``WHEREOF_API_KEY`` name, or the one on
    this machine's port 8080."""

    def __init__(self, server: str | None = None, api_key: str | None = None) -> None:
        self.server = (server or os.environ.get("WHEREOF_SERVER") or "http://127.0.0.1:8080").rstrip("/")
        self._session = requests.Session()
        if key := api_key or os.environ.get("WHEREOF_API_KEY"):
            self._session.headers["Authorization"] = f"Bearer {key}"

    def send(self, method: str, path: str, **request: Any) -> requests.Response:
        """Any call of the API; arguments as ``requests`` takes them. Raises `Problem`."""
        answer = self._session.request(method, self.server + path, **request)
        if not answer.ok:
            try:
                problem = answer.json()
            except requests.JSONDecodeError:
                problem = {"title": answer.reason, "detail": answer.text, "status": answer.status_code}
            raise Problem(problem)
        return answer

    def call(self, method: str, path: str, **request: Any) -> Any:
        """The same, and the JSON of the answer."""
        return self.send(method, path, **request).json()

    def dataset(
        self,
        data: pandas.DataFrame | str | Path | Iterable[Mapping[str, Any]] | Mapping[str, Any],
        name: str | None = None,
    ) -> Dataset:
        """Uploads a data frame, a file, records, or ``{"type": "sine", …}``, a generator. The same records are
        the same data set."""
        parameters = {"name": name} if name else {}
        if hasattr(data, "to_json"):
            # Dates as ISO 8601, and missing values as null.
            body = data.to_json(orient="records", lines=True, date_format="iso").encode()
            kind = MEDIA_TYPES[".jsonl"]
        elif isinstance(data, (str, Path)):
            path = Path(data)
            if path.suffix.lower() not in MEDIA_TYPES:
                raise ValueError(f"{path} is of no format that can be told: one of {', '.join(MEDIA_TYPES)}")
            parameters.setdefault("name", path.stem)
            with path.open("rb") as file:
                headers = {"content-type": MEDIA_TYPES[path.suffix.lower()]}
                return Dataset(self, self.call("POST", "/v1/datasets", params=parameters, data=file, headers=headers))
        elif isinstance(data, Mapping):
            return Dataset(self, self.call("POST", "/v1/datasets", params=parameters, json={"generator": dict(data)}))
        else:
            records = [dict(record) for record in data]
            return Dataset(self, self.call("POST", "/v1/datasets", params=parameters, json=records))
        headers = {"content-type": kind}
        return Dataset(self, self.call("POST", "/v1/datasets", params=parameters, data=body, headers=headers))

    def submit(self, request: Mapping[str, Any]) -> Job:
        """Submits any job."""
        return Job(self, self.call("POST", "/v1/jobs", json=request))

    def train(self, dataset: Dataset | str, task: Mapping[str, Any], name: str | None = None, **fields: Any) -> Job:
        """Submits a training. ``fields`` are the rest of the request, such as ``training={"epochs": 20}``."""
        request: Json = {"kind": "train", "dataset": getattr(dataset, "id", dataset), "task": dict(task), **fields}
        if name:
            request["model_name"] = name
        return self.submit(request)

    def job(self, id: str) -> Job:
        """A job by its id."""
        return Job(self, self.call("GET", f"/v1/jobs/{id}"))

    def run(self, id: str) -> Run:
        """A run by its id."""
        return Run(self, self.call("GET", f"/v1/runs/{id}"))

    def model(self, reference: str) -> Model:
        """A model by its id, name, or name@alias."""
        return Model(self, self.call("GET", f"/v1/models/{reference}"))


@dataclass
class _Thing:
    client: Whereof = field(repr=False)
    #: What the API answered.
    data: Json = field(repr=False)

    @property
    def id(self) -> str:
        return self.data["id"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class Dataset(_Thing):
    """A stored data set."""

    def _repr_html_(self) -> str:
        columns = [[c["name"], c["kind"], c.get("missing", 0), c.get("distinct", "")] for c in self.data["columns"]]
        title = f"{self.data['name']}: {self.data['rows']} rows"
        return _table(title, ["column", "kind", "missing", "distinct"], columns)


class Job(_Thing):
    """A job, as it was when it was last looked at."""

    @property
    def status(self) -> str:
        return self.data["status"]

    def refresh(self, wait: int = 0) -> Job:
        """Looks again; with ``wait``, holds for so many seconds or until something changes."""
        self.data = self.client.call("GET", f"/v1/jobs/{self.id}", params={"wait": wait})
        return self

    def wait(self, progress: bool = True) -> Job:
        """Waits until it has ended, with a progress bar. Raises `JobFailed` where it ended without a result."""
        bar = _bar(self.data["kind"]) if progress else None
        try:
            while self.status not in ENDED:
                self.refresh(wait=5)
                if bar is not None:
                    bar.set_postfix_str(self.data.get("phase") or self.status)
                    bar.update(round(100 * self.data["progress"]) - bar.n)
        finally:
            if bar is not None:
                bar.close()
        if self.status in ("failed", "cancelled"):
            raise JobFailed(self)
        return self

    def stop(self) -> Job:
        """Stops it and keeps the best that it has."""
        self.data = self.client.call("POST", f"/v1/jobs/{self.id}/stop")
        return self

    def cancel(self) -> Job:
        """Cancels it and keeps nothing."""
        self.data = self.client.call("POST", f"/v1/jobs/{self.id}/cancel")
        return self

    @property
    def run(self) -> Run:
        """Its run."""
        return self.client.run(self.data["run"])

    @property
    def model(self) -> Model:
        """The model that it made, or evaluated."""
        return self.client.model(self.data["model"])

    def _repr_html_(self) -> str:
        rows = [["status", self.status], ["progress", f"{self.data['progress']:.0%}"]]
        rows += [["warning", warning["message"]] for warning in self.data.get("warnings", [])]
        if self.data.get("error"):
            rows.append(["error", self.data["error"]["detail"]])
        return _table(f"{self.data['kind']} {self.id}", ["", ""], rows)


class Run(_Thing):
    """A training: spec, environment, metrics."""

    def history(self, *names: str) -> pandas.DataFrame:
        """Metrics by step, a column for each; all of them where none is named."""
        import pandas

        parameters = [("name", name) for name in names]
        answer = self.client.call("GET", f"/v1/runs/{self.id}/metrics", params=parameters)
        columns = {
            metric["name"]: pandas.Series({p["step"]: p["value"] for p in metric["points"]}, dtype=float)
            for metric in answer["metrics"]
        }
        return pandas.DataFrame(columns).rename_axis("step")

    def _repr_html_(self) -> str:
        metrics = self.data.get("metrics") or {}
        parts = [part for part in ("train", "validation", "calibration", "test") if metrics.get(part)]
        single = {
            name: [metrics[part].get(name) for part in parts]
            for part in parts
            for name, value in metrics[part].items()
            if isinstance(value, (int, float))
        }
        rows = [[name, *map(_number, values)] for name, values in single.items()]
        return _table(f"run {self.id}", ["metric", *parts], rows)


class Model(_Thing):
    """A stored model."""

    def score(self, records: Sequence[str] | Sequence[Mapping[str, Any]] | pandas.DataFrame, **options: Any) -> pandas.DataFrame:
        """Scores texts, rows, or a data frame of rows, a row of the answer for each. ``options`` are fields of the
        request, such as ``max_false_alarm=0.01``. A record that cannot be scored has only ``error``."""
        import pandas

        if hasattr(records, "to_dict"):
            frame = records.astype(object).where(records.notna(), None)
            request: Json = {"records": frame.to_dict("records")}
        elif all(isinstance(record, str) for record in records):
            request = {"texts": list(records)}
        else:
            request = {"records": [dict(record) for record in records]}
        answer = self.client.call("POST", f"/v1/models/{self.id}/score", json={**request, **options})
        return pandas.DataFrame([_row(result) for result in answer["results"]])

    def evaluate(self, dataset: Dataset | str, **options: Any) -> Json:
        """The report on a data set: with labels accuracy beside coverage, without them drift."""
        request = {"dataset": getattr(dataset, "id", dataset), **options}
        return self.client.call("POST", f"/v1/models/{self.id}/evaluate", json=request)

    def diagnose(self, **fields: Any) -> Job:
        """Looks for its limitations; ``fields`` of the request such as ``budget={"runs": 10}``."""
        return self.client.submit({"kind": "diagnose", "model": self.id, **fields})

    def limitations(self) -> Report:
        """The newest report on its limitations."""
        path = f"/v1/models/{self.id}/limitations"
        page = self.client.send("GET", path, headers={"accept": "text/html"}).text
        return Report(self, self.client.call("GET", path), page)

    def card(self) -> Json:
        """Its card."""
        return self.client.call("GET", f"/v1/models/{self.id}/card")


@dataclass(repr=False)
class Report:
    """The limitations of a model; a notebook shows it as the page that a browser shows."""

    model: Model
    data: Json
    page: str

    def found(self) -> list[Json]:
        """The limitations that were found, the most severe first."""
        return [finding for finding in self.data["findings"] if finding["status"] == "found"]

    def table(self) -> pandas.DataFrame:
        """All findings, a row for each."""
        import pandas

        def row(finding: Json) -> Json:
            tried: Mapping[str, Any] = finding.get("verification") or {}
            return {
                "limitation": finding["kind"],
                "status": finding["status"],
                "severity": finding["severity"],
                "statement": finding["statement"],
                "remedy": (finding.get("remedy") or {}).get("advice"),
                "verdict": tried.get("verdict"),
            }

        return pandas.DataFrame([row(finding) for finding in self.data["findings"]])

    def apply(self, finding: str, name: str | None = None) -> Job:
        """Trains the remedy of a finding."""
        request = {"finding": finding} | ({"model_name": name} if name else {})
        return Job(self.model.client, self.model.client.call("POST", f"/v1/models/{self.model.id}/apply-remedy", json=request))

    def __repr__(self) -> str:
        return self.data["summary"]

    def _repr_html_(self) -> str:
        page = html.escape(self.page, quote=True)
        return f'<iframe sandbox srcdoc="{page}" title="Limitations" style="width:100%;height:40em;border:0"></iframe>'


def _row(result: Mapping[str, Any]) -> Json:
    if "error" in result:
        return {"error": str(Problem(result["error"]))}
    row = {name: result[name] for name in ("label", "labels", "value", "confidence") if result.get(name) is not None}
    if "coverage" not in result:  # Of ``detail="prediction"``.
        return row
    coverage = result["coverage"]
    row |= {f"{name} coverage": share for name, share in coverage.items() if isinstance(share, float)}
    return row | {"ood p-value": result["ood"].get("p_value"), "accepted": result["accepted"], "reason": result["reason"]}


def _bar(title: Literal["train"] | str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=100, unit="%", desc=title)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cells(tag: str, row: Sequence[Any]) -> str:
        return "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', header)}</tr></thead>" if any(header) else ""
    return f"<table><caption>{html.escape(title)}</caption>{head}<tbody>{body}</tbody></table>"
