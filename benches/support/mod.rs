//! A server in a process of its own, as in the field.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use whereof::client::Client;

pub type Failure = Box<dyn Error + Send + Sync>;

pub struct Server {
    child: Child,
    pub client: Client,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts it on an empty folder, with more arguments of `serve`.
    pub fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_whereof"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().ok_or("no log")?;
        let address = BufReader::new(log).lines().map_while(Result::ok).find_map(|line| {
            line.split_once("address=").map(|(_, address)| address.trim().to_owned())
        });
        let base = format!("http://{}", address.ok_or("the server does not listen")?);
        Ok(Self { child, client: Client::new(base), folder })
    }

    /// Its data folder.
    #[allow(dead_code, reason = "not every benchmark looks into it")]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub async fn submit(&self, request: &Value) -> Result<Value, Failure> {
        Ok(self.client.post("/v1/jobs", request).await?)
    }

    /// The job, once its status is another than these.
    pub async fn past(&self, job: &Value, statuses: &[&str]) -> Result<Value, Failure> {
        let id = job["id"].as_str().ok_or("no id")?;
        loop {
            let job: Value = self.client.get(&format!("/v1/jobs/{id}?wait=30")).await?;
            if !statuses.iter().any(|status| job["status"] == **status) {
                return Ok(job);
            }
        }
    }

    /// Runs a job to its end, which must be a good one.
    pub async fn succeeded(&self, request: &Value) -> Result<Value, Failure> {
        let job = self.submit(request).await?;
        let job = self.past(&job, &["queued", "running"]).await?;
        match job["status"] == "succeeded" {
            true => Ok(job),
            false => Err(format!("the job has not succeeded: {job}").into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The folder goes too, so nothing needs to be drained.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
