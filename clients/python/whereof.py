"""A client of Whereof for notebooks: what is awkward with plain HTTP, and nothing else.

It waits for jobs with a progress bar, makes data sets of data frames and data frames of answers, and shows
jobs, runs and reports as HTML. Everything else is one call of ``Whereof.call`` away. Needs ``requests``;
``tqdm`` for progress bars and ``pandas`` for data frames where they are there.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Iterable, Literal, Mapping, Sequence, TypedDict, TypeVar, cast

import requests

if TYPE_CHECKING:
    from typing import NotRequired, TypeAlias

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


# What the API answers, from openapi/openapi.json by generate.py; do not edit by hand.


class DatasetInfo(TypedDict):
    """A dataset."""

    bytes: int
    columns: list[Column]
    created_at: Timestamp
    duplicate_rows: int
    format: NotRequired[Format | None]
    generator: NotRequired[Json | None]
    id: str
    name: str
    rows: int
    warnings: list[WarningInfo]


class JobInfo(TypedDict):
    """A job."""

    attempt: int
    created_at: Timestamp
    dataset: str
    end_requested: NotRequired[EndRequest | None]
    error: NotRequired[ProblemDetails | None]
    eta_seconds: NotRequired[float | None]
    finished_at: NotRequired[Timestamp | None]
    id: str
    kind: str
    max_attempts: int
    model: NotRequired[str | None]
    phase: NotRequired[str | None]
    progress: float
    queue_position: NotRequired[int | None]
    run: NotRequired[str]
    started_at: NotRequired[Timestamp | None]
    status: JobStatus
    updated_at: Timestamp
    warnings: list[WarningInfo]


class RunInfo(TypedDict):
    """One training or range test, with its spec and its outcome."""

    best_epoch: NotRequired[int | None]
    checkpoint: NotRequired[Kept | None]
    continues: NotRequired[str | None]
    created_at: Timestamp
    end_reason: NotRequired[EndReason | None]
    environment: NotRequired[Environment | None]
    epochs: NotRequired[int | None]
    id: str
    job: str
    metrics: NotRequired[PartMetrics | None]
    model: NotRequired[str | None]
    range_test: NotRequired[Json | None]
    seconds: NotRequired[Seconds | None]
    spec: Json
    status: JobStatus
    steps: NotRequired[int | None]
    trial: NotRequired[int | None]
    warnings: NotRequired[list[WarningInfo]]


class ModelInfo(TypedDict):
    """A model, without its card."""

    aliases: list[str]
    bytes: int
    created_at: Timestamp
    dataset: str
    id: str
    job: NotRequired[str | None]
    name: NotRequired[str | None]
    remedy_of: NotRequired[RemedyOf | None]
    run: NotRequired[str | None]
    sha256: str
    spec: Json
    task: str


class ScoreResponse(TypedDict):
    """Scores, in the order of the records."""

    model: str
    results: list[ScoreItem]
    unavailable: list[Unavailable]


class LimitationsReport(TypedDict):
    """The limitations of a model."""

    complete: bool
    findings: list[Finding]
    model: str
    scope: Scope
    settings: NotRequired[list[SettingEffect]]
    summary: str


class ProblemDetails(TypedDict):
    """Problem details (RFC 9457), served as `application/problem+json`."""

    code: str
    detail: str
    errors: NotRequired[list[FieldError]]
    hint: NotRequired[str | None]
    request_id: NotRequired[str | None]
    retry_after_seconds: NotRequired[int | None]
    status: int
    title: str
    type: str


class Histories(TypedDict):
    """Histories of a run's metrics."""

    metrics: list[History]
    run: str


class Column(TypedDict):
    """One column."""

    characters: NotRequired[Json | None]
    distinct: int
    distinct_exact: bool
    duplicates: int
    first_missing_row: NotRequired[int | None]
    images: NotRequired[Json | None]
    kind: ColumnKind
    missing: int
    name: str
    range: NotRequired[NumberRange | None]
    values: NotRequired[list[ValueCount] | None]


#: RFC 3339, UTC, to the millisecond.
Timestamp: TypeAlias = "str"


#: A format that datasets are read from.
Format: TypeAlias = "Literal[\"csv\", \"jsonl\", \"json\", \"parquet\", \"zip\"]"


class WarningInfo(TypedDict):
    """Something that the user should know, although the work goes on."""

    code: str
    message: str


#: How a running job was asked to end.
EndRequest: TypeAlias = "Literal[\"stop\", \"cancel\"]"


#: Where a job stands.
JobStatus: TypeAlias = "Literal[\"queued\", \"running\", \"cancelling\", \"succeeded\", \"stopped\", \"cancelled\", \"failed\"]"


class Kept(TypedDict):
    """A state of a training that is kept."""

    epochs: int
    steps: int


#: Why training ended.
EndReason: TypeAlias = "Literal[\"epochs\", \"early_stopping\", \"target\", \"max_steps\", \"max_seconds\", \"stopped\", \"diverged\"]"


class Environment(TypedDict):
    """Where and with what a run was computed."""

    commit: NotRequired[str | None]
    cpu_features: list[str]
    device: str
    platform: str
    seed: int
    threads: int
    whereof_version: str


class PartMetrics(TypedDict):
    """Metrics of each part; a part without records has none."""

    test: NotRequired[MetricsReport | None]
    train: NotRequired[MetricsReport | None]
    validation: NotRequired[MetricsReport | None]


class Seconds(TypedDict):
    """Seconds spent."""

    phases: dict[str, float]
    total: float


class RemedyOf(TypedDict):
    """The finding that a training is the remedy of."""

    diagnosis: str
    finding: str
    model: str


#: The answer for one record: a score, or the problem with this record.
ScoreItem: TypeAlias = "Score | ValueScore | dict[str, Any]"


class Unavailable(TypedDict):
    """A statistic that could not be computed, and what it would take."""

    have: int
    need: NotRequired[int | None]
    reason: str
    statistic: str


class Finding(TypedDict):
    """One limitation that was looked for."""

    area: Area
    evidence: list[Measurement]
    figure: NotRequired[Json | None]
    kind: str
    remedy: NotRequired[Remedy | None]
    severity: float
    smallest_effect: NotRequired[float | None]
    statement: str
    status: FindingStatus
    verification: NotRequired[Verification | None]


class Scope(TypedDict):
    """What a report rests on, and what it did not look at."""

    budget: ResolvedBudget
    metric: str
    not_looked_at: list[str]
    probes: list[ProbeSummary]
    records: PartSizes
    seeds: list[int]
    spent: Spent
    test: NotRequired[float | None]


class SettingEffect(TypedDict):
    """A setting, or several that were set together, and what became of the error."""

    change: dict[str, dict[str, Any]]
    difference: float
    interval: list[float]
    matters: bool
    trainings: int


class FieldError(TypedDict):
    """One thing that is wrong with a request, located as closely as possible."""

    column: NotRequired[str | None]
    field: str
    hint: NotRequired[str | None]
    message: str
    row: NotRequired[int | None]


class History(TypedDict):
    """The history of one metric."""

    name: str
    points: list[Point]
    recorded: int


#: What a column seems to hold, from its values.
ColumnKind: TypeAlias = "Literal[\"empty\", \"boolean\", \"integer\", \"number\", \"datetime\", \"category\", \"image\", \"text\", \"list\"]"


class NumberRange(TypedDict):
    """A column of numbers at a glance."""

    max: float
    mean: float
    min: float


class ValueCount(TypedDict):
    """A value and how many records hold it."""

    count: int
    value: str


#: Metrics of a split or a slice.
MetricsReport: TypeAlias = "ClassificationReport | RegressionReport"


class Score(TypedDict):
    """The score of one record by a classification."""

    accepted: bool
    confidence: NotRequired[float | None]
    coverage: Coverage
    explanation: NotRequired[Json | None]
    label: NotRequired[str | None]
    labels: NotRequired[list[str] | None]
    ood: OutOfDistribution
    prediction_set: NotRequired[list[str] | None]
    probabilities: dict[str, float]
    raw_confidence: float
    reason: str


class ValueScore(TypedDict):
    """The score of one record by a regression."""

    accepted: bool
    coverage: Coverage
    explanation: NotRequired[Json | None]
    interval: NotRequired[list[float] | None]
    ood: OutOfDistribution
    reason: str
    value: float
    values: NotRequired[list[TargetValue]]


#: Which kind of limit a finding is about.
Area: TypeAlias = "Literal[\"generalization\", \"data\", \"capacity\", \"optimization\", \"confidence\"]"


class Measurement(TypedDict):
    """A number that was measured."""

    interval: NotRequired[list[float] | None]
    name: str
    runs: NotRequired[list[str]]
    threshold: NotRequired[float | None]
    value: NotRequired[float | None]


class Remedy(TypedDict):
    """What to do about a limitation."""

    advice: str
    change: NotRequired[dict[str, dict[str, Any]]]
    label: NotRequired[bool]
    rows: NotRequired[list[int]]


#: What came of looking for a limitation.
FindingStatus: TypeAlias = "Literal[\"pending\", \"found\", \"not_found\", \"not_measured\"]"


class Verification(TypedDict):
    """A remedy, tried: trained with several seeds and measured on the same test records as the original training and as random changes of equal cost, with the same seeds."""

    against_original: SeedDifference
    against_random: SeedDifference
    labelled: NotRequired[int | None]
    lacking: NotRequired[list[str]]
    lower_is_better: bool
    metric: str
    original: float
    random_change: float
    random_changes: list[dict[str, dict[str, Any]]]
    records: int
    remedies_tried: int
    remedy: float
    runs: list[str]
    seeds: list[int]
    verdict: Verdict


class ResolvedBudget(TypedDict):
    """What a diagnosis may cost, resolved."""

    epochs: NotRequired[int | None]
    runs: float
    seconds: NotRequired[int | None]


class ProbeSummary(TypedDict):
    """A training that a report rests on."""

    change: dict[str, dict[str, Any]]
    cost: float
    failure: NotRequired[str | None]
    records: str
    run: str
    seed: int
    validation_error: NotRequired[float | None]


class PartSizes(TypedDict):
    """Records of each part."""

    calibration: int
    excluded: int
    lacking: NotRequired[int]
    test: int
    train: int
    validation: int


class Spent(TypedDict):
    """What a diagnosis has cost."""

    epochs: int
    runs: float
    seconds: float


class Point(TypedDict):
    """A value at a step."""

    epoch: int
    step: int
    time: Timestamp
    value: float


class ClassificationReport(TypedDict):
    """Metrics of a split or a slice of a classification."""

    accuracy: float
    accuracy_interval: list[float]
    brier: NotRequired[float | None]
    calibrated: NotRequired[CalibratedScores | None]
    confusion_matrix: NotRequired[ConfusionReport | None]
    ece: float
    log_loss: NotRequired[float | None]
    macro_f1: float
    mean_average_precision: NotRequired[float | None]
    micro_f1: float
    per_class: list[ClassReport]
    records: int


class RegressionReport(TypedDict):
    """Metrics of a split or a slice of a regression."""

    mae: float
    mse: float
    per_target: list[TargetReport]
    r2: NotRequired[float | None]
    records: int
    rmse: float


class Coverage(TypedDict):
    """How much of a record lies within the training data."""

    columns: NotRequired[float | None]
    ngrams: NotRequired[float | None]
    outside: NotRequired[list[OutsideValue] | None]
    representation: float
    tokens: NotRequired[float | None]
    unknown: NotRequired[list[UnknownToken] | None]
    unknown_count: NotRequired[int | None]


class OutOfDistribution(TypedDict):
    """Whether a record comes from where the model was trained."""

    axes: dict[str, Axis]
    p_value: NotRequired[float | None]
    q_value: NotRequired[float | None]
    score: NotRequired[float | None]


class TargetValue(TypedDict):
    """The prediction of one of several targets."""

    interval: NotRequired[list[float] | None]
    target: str
    value: float


class SeedDifference(TypedDict):
    """A difference of means over seeds and test records."""

    difference: float
    interval: list[float]
    p_value: float
    p_value_adjusted: float


#: What came of trying a remedy.
Verdict: TypeAlias = "Literal[\"verified\", \"refuted\", \"inconclusive\"]"


class CalibratedScores(TypedDict):
    """Scores of calibrated probabilities."""

    brier: NotRequired[float | None]
    ece: float
    log_loss: NotRequired[float | None]


class ConfusionReport(TypedDict):
    """Counts by true and predicted label."""

    labels: list[str]
    rows: list[list[int]]


class ClassReport(TypedDict):
    """Scores of one label, each in [0, 1]; higher is better."""

    average_precision: NotRequired[float | None]
    f1: float
    label: str
    precision: float
    recall: float
    recall_interval: NotRequired[list[float] | None]
    support: int


class TargetReport(TypedDict):
    """Metrics of one target."""

    mae: float
    mse: float
    r2: NotRequired[float | None]
    rmse: float
    target: str


class OutsideValue(TypedDict):
    """A value outside the training data."""

    column: str
    message: str
    reason: OutsideReason
    value: NotRequired[str | None]


class UnknownToken(TypedDict):
    """A token that training never saw."""

    end: int
    start: int
    text: str


class Axis(TypedDict):
    """One detector's view of a record."""

    finds: Familiarity
    p_value: NotRequired[float | None]
    score: float


#: Why a value lies outside the training data.
OutsideReason: TypeAlias = "Literal[\"below\", \"above\", \"unknown_category\", \"missing\"]"


#: What a detector finds unfamiliar.
Familiarity: TypeAlias = "Literal[\"unknown_words\", \"unseen_combinations\", \"representation\", \"confidence\", \"values\"]"


# The end of what is generated.


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


_Info = TypeVar("_Info", bound=Mapping[str, Any])


@dataclass(repr=False)
class _Thing(Generic[_Info]):
    client: Whereof
    #: What the API answered.
    data: _Info

    @property
    def id(self) -> str:
        return str(self.data["id"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class Dataset(_Thing[DatasetInfo]):
    """A stored data set."""

    def _repr_html_(self) -> str:
        columns = [[c["name"], c["kind"], c["missing"], c["distinct"]] for c in self.data["columns"]]
        title = f"{self.data['name']}: {self.data['rows']} rows"
        return _table(title, ["column", "kind", "missing", "distinct"], columns)


class Job(_Thing[JobInfo]):
    """A job, as it was when it was last looked at."""

    @property
    def status(self) -> JobStatus:
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
        reference = self.data.get("model")
        if reference is None:
            raise ValueError(f"{self!r} has no model: it is {self.status}")
        return self.client.model(reference)

    def _repr_html_(self) -> str:
        rows: list[list[str]] = [["status", self.status], ["progress", f"{self.data['progress']:.0%}"]]
        rows += [["warning", warning["message"]] for warning in self.data["warnings"]]
        if problem := self.data.get("error"):
            rows.append(["error", problem["detail"]])
        return _table(f"{self.data['kind']} {self.id}", ["", ""], rows)


class Run(_Thing[RunInfo]):
    """A training: spec, environment, metrics."""

    def history(self, *names: str) -> pandas.DataFrame:
        """Metrics by step, a column for each; all of them where none is named. Of more than 100,000 points the
        first, last, smallest and largest of each stretch."""
        import pandas

        parameters = {"max_points": "100000"} | ({"name": ",".join(names)} if names else {})
        answer: Histories = self.client.call("GET", f"/v1/runs/{self.id}/metrics", params=parameters)
        columns = {
            metric["name"]: pandas.Series({p["step"]: p["value"] for p in metric["points"]}, dtype=float)
            for metric in answer["metrics"]
        }
        return pandas.DataFrame(columns).rename_axis("step")

    def _repr_html_(self) -> str:
        metrics = cast(dict[str, Json], self.data.get("metrics") or {})
        parts = [part for part in ("train", "validation", "test") if metrics.get(part)]
        single = {
            name: [metrics[part].get(name) for part in parts]
            for part in parts
            for name, value in metrics[part].items()
            if isinstance(value, (int, float))
        }
        rows = [[name, *map(_number, values)] for name, values in single.items()]
        return _table(f"run {self.id}", ["metric", *parts], rows)


class Model(_Thing[ModelInfo]):
    """A stored model."""

    def score(self, records: Sequence[str] | Sequence[Mapping[str, Any]] | pandas.DataFrame, **options: Any) -> pandas.DataFrame:
        """Scores texts, rows, or a data frame of rows, a row of the answer for each. ``options`` are fields of the
        request, such as ``max_false_alarm=0.01``. A record that cannot be scored has only ``error``."""
        import pandas

        given: Any = records
        if hasattr(given, "to_dict"):
            frame = given.astype(object).where(given.notna(), None)
            request: Json = {"records": frame.to_dict("records")}
        elif all(isinstance(record, str) for record in given):
            request = {"texts": list(given)}
        else:
            request = {"records": [dict(record) for record in given]}
        answer: ScoreResponse = self.client.call("POST", f"/v1/models/{self.id}/score", json={**request, **options})
        return pandas.DataFrame([_row(result) for result in answer["results"]])

    def evaluate(self, dataset: Dataset | str, **options: Any) -> Json:
        """The report on a data set: with labels accuracy beside coverage, without them drift."""
        request = {"dataset": getattr(dataset, "id", dataset), **options}
        return cast(Json, self.client.call("POST", f"/v1/models/{self.id}/evaluate", json=request))

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
        return cast(Json, self.client.call("GET", f"/v1/models/{self.id}/card"))


@dataclass(repr=False)
class Report:
    """The limitations of a model; a notebook shows it as the page that a browser shows."""

    model: Model
    data: LimitationsReport
    page: str

    def found(self) -> list[Finding]:
        """The limitations that were found, the most severe first."""
        return [finding for finding in self.data["findings"] if finding["status"] == "found"]

    def table(self) -> pandas.DataFrame:
        """All findings, a row for each."""
        import pandas

        def row(finding: Finding) -> Json:
            remedy, tried = finding.get("remedy"), finding.get("verification")
            return {
                "limitation": finding["kind"],
                "status": finding["status"],
                "severity": finding["severity"],
                "statement": finding["statement"],
                "remedy": remedy["advice"] if remedy else None,
                "verdict": tried["verdict"] if tried else None,
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


def _row(result: ScoreItem) -> Json:
    if "error" in result:
        return {"error": str(Problem(cast(Json, result)["error"]))}
    score = cast("Score | ValueScore", result)
    told = ("label", "labels", "value", "confidence")
    row = {name: value for name, value in score.items() if name in told and value is not None}
    if "coverage" not in score:  # Of ``detail="prediction"``.
        return row
    row |= {f"{name} coverage": share for name, share in score["coverage"].items() if isinstance(share, float)}
    return row | {"ood p-value": score["ood"].get("p_value"), "accepted": score["accepted"], "reason": score["reason"]}


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
