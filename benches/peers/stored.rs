//! What many stored runs cost: submission and polling beside them, and each page's calls. The store is
//! filled by SQL with copies of one run that the service itself made.

use std::path::Path;

use axum::http::Method;
use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};
use whereof::clock::SystemClock;

use crate::Options;
use crate::service::{request, tiny};
use crate::support::{Failure, Server};

/// Points of one metric in a stored row.
const CHUNK: u64 = 5_000;

/// `--what` is `submit` or `pages`; `--count` runs are stored, `--points` of history in one of them.
pub fn run(options: &Options) -> Result<Value, Failure> {
    let count = options.number("count", 10_000)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let filled = Filled::with(count, options.number("points", 0)?).await?;
        match options.need("what")? {
            "submit" => filled.submit().await,
            "pages" => filled.pages().await,
            other => Err(format!("{other}: submit or pages").into()),
        }
    })
}

/// A server on a store with many runs.
struct Filled {
    server: Server,
    /// A job to submit.
    request: Value,
    /// The run that was copied, which has the long history.
    run: String,
    job: String,
    model: String,
    dataset: String,
}

impl Filled {
    async fn with(count: usize, points: usize) -> Result<Self, Failure> {
        let server = Server::start(&["--workers", "1"])?;
        let made =
            server.client.post::<Value>("/v1/datasets", &json!({"generator": tiny()})).await?;
        let mut request = request();
        request["kind"] = json!("train");
        request["dataset"] = made["id"].clone();
        let job = server.succeeded(&request).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no id");
        let (run, model) = (text(&job["run"])?, text(&job["model"])?);
        let (job, dataset) = (text(&job["id"])?, text(&made["id"])?);
        fill(server.folder(), (&job, &run), count, points as u64).await?;
        Ok(Self { server, request, run, job, model, dataset })
    }

    /// Milliseconds of a submission, and of a look at its job; medians. Each job is cancelled, so that the
    /// queue stays short.
    async fn submit(&self) -> Result<Value, Failure> {
        let clock = SystemClock::shared();
        let (mut submitting, mut polling) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let began = clock.monotonic();
            let job = self.server.submit(&self.request).await?;
            submitting.push((clock.monotonic() - began).as_secs_f64());
            let id = job["id"].as_str().ok_or("no id")?;
            self.server.past(&job, &["queued", "running"]).await?;
            let began = clock.monotonic();
            self.server.client.get::<Value>(&format!("/v1/jobs/{id}")).await?;
            polling.push((clock.monotonic() - began).as_secs_f64());
        }
        Ok(json!({"submit_milliseconds": median(&mut submitting),
            "poll_milliseconds": median(&mut polling)}))
    }

    /// Milliseconds of each call that the dashboard's pages make; medians of five.
    async fn pages(&self) -> Result<Value, Failure> {
        let Self { run, job, model, dataset, .. } = self;
        let newest: Value = self.server.client.get("/v1/runs?limit=3").await?;
        let others: Vec<&str> = newest["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r["id"].as_str())
            .collect();
        let calls = [
            ("jobs", "/v1/jobs".to_owned()),
            ("jobs_running", "/v1/jobs?status=running".to_owned()),
            ("jobs_sweeps", "/v1/jobs?kind=sweep".to_owned()),
            ("job", format!("/v1/jobs/{job}")),
            ("runs", "/v1/runs".to_owned()),
            ("runs_failed", "/v1/runs?status=failed".to_owned()),
            ("runs_running", "/v1/runs?status=running".to_owned()),
            ("runs_1000", "/v1/runs?limit=1000".to_owned()),
            ("run", format!("/v1/runs/{run}")),
            ("metrics", format!("/v1/runs/{run}/metrics?max_points=1000")),
            ("figure_loss", format!("/v1/runs/{run}/figures/loss")),
            ("figure_gradient_norm", format!("/v1/runs/{run}/figures/gradient_norm")),
            ("compare", format!("/v1/runs/compare?ids={}", others.join(","))),
            ("models", "/v1/models".to_owned()),
            ("model", format!("/v1/models/{model}")),
            ("card", format!("/v1/models/{model}/card")),
            ("figure_reliability", format!("/v1/models/{model}/figures/reliability")),
            ("datasets", "/v1/datasets".to_owned()),
            ("records", format!("/v1/datasets/{dataset}/records")),
        ];
        let clock = SystemClock::shared();
        let mut found = Map::new();
        for (name, path) in calls {
            let mut seconds = Vec::new();
            for _ in 0..5 {
                let began = clock.monotonic();
                let answer = self.server.client.send(Method::GET, &path, &[], "").await?;
                seconds.push((clock.monotonic() - began).as_secs_f64());
                if !answer.status.is_success() {
                    return Err(format!("{path}: {}", answer.value()).into());
                }
            }
            found.insert(format!("{name}_milliseconds"), json!(median(&mut seconds)));
        }
        Ok(Value::Object(found))
    }
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2] * 1e3
}

/// Columns of a table, those of `replaced` by an expression.
async fn copied(
    connection: &mut SqliteConnection,
    table: &str,
    replaced: &[(&str, &str)],
) -> Result<(String, String), Failure> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"));
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    let names: Vec<String> = names.into_iter().filter(|name| name != "seq").collect();
    let from = |name: &String| {
        let replaced = replaced.iter().find(|(column, _)| column == name);
        replaced.map_or_else(|| format!("t.{name}"), |(_, expression)| (*expression).to_owned())
    };
    let expressions: Vec<String> = names.iter().map(from).collect();
    Ok((names.join(", "), expressions.join(", ")))
}

/// Copies a run with its job, model and history `count` times, each a second older than the one before; one
/// in fifty has failed. Its own history gets `points` points, a quarter for each metric of a step.
async fn fill(
    folder: &Path,
    (job, run): (&str, &str),
    count: usize,
    points: u64,
) -> Result<(), Failure> {
    let options = SqliteConnectOptions::new().filename(folder.join("whereof.db"));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query("PRAGMA synchronous = OFF").execute(&mut connection).await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let failed = "CASE WHEN i % 50 = 0 THEN 'failed' ELSE 'succeeded' END";
    let (job_id, run_id) = ("printf('job_%032x', i)", "printf('run_%032x', i)");
    let older = |column: &str| format!("t.{column} - 1000 * i");
    let (created, finished) = (older("created_at"), older("finished_at"));
    let model_id = "printf('model_%032x', i)";
    let at = |column| format!("t.{column} = $2");
    for (table, replaced, of, key) in [
        (
            "jobs",
            vec![
                ("id", job_id),
                ("run", run_id),
                ("model", model_id),
                ("status", failed),
                ("created_at", &*created),
                ("finished_at", &*finished),
            ],
            at("id"),
            job,
        ),
        ("runs", vec![("id", run_id), ("job", job_id), ("created_at", &*created)], at("id"), run),
        (
            "models",
            vec![("id", model_id), ("job", job_id), ("run", run_id), ("created_at", &*created)],
            at("run"),
            run,
        ),
        ("job_events", vec![("job", job_id)], at("job"), job),
        ("metric_chunks", vec![("run", run_id)], at("run"), run),
        ("test_results", vec![("run", run_id)], at("run"), run),
    ] {
        let (names, expressions) = copied(&mut tx, table, &replaced).await?;
        let sql = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
             INSERT INTO {table} ({names}) SELECT {expressions} FROM n, {table} t WHERE {of}"
        );
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::query(sql).bind(count as i64).bind(key).execute(&mut *tx).await?;
    }
    let names =
        ["train.loss", "train.learning_rate", "train.gradient_norm", "train.records_per_second"];
    for name in names.iter().filter(|_| points > 0) {
        sqlx::query("DELETE FROM metric_chunks WHERE run = $1 AND name = $2")
            .bind(run)
            .bind(name)
            .execute(&mut *tx)
            .await?;
        let each = points / names.len() as u64;
        for first in (1..=each).step_by(CHUNK as usize) {
            let last = (first + CHUNK - 1).min(each);
            sqlx::query(
                "INSERT INTO metric_chunks (run, name, first_step, last_step, points, data)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(run)
            .bind(name)
            .bind(first as i64)
            .bind(last as i64)
            .bind((last - first + 1) as i64)
            .bind((first..=last).flat_map(point).collect::<Vec<u8>>())
            .execute(&mut *tx)
            .await?;
        }
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// A point as it is stored: step, epoch, time, value.
fn point(step: u64) -> impl Iterator<Item = u8> {
    let epoch = (step / 1_000) as u32 + 1;
    let value = 1.0 / (1.0 + step as f64 * 1e-3) + (step as f64).sin() * 0.01;
    let time = 1_790_000_000_000i64 + step as i64;
    let parts =
        [&step.to_le_bytes()[..], &epoch.to_le_bytes(), &time.to_le_bytes(), &value.to_le_bytes()];
    parts.concat().into_iter()
}
