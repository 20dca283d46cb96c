//! The program itself, as a process that can be killed.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use whereof::client::Client;

/// `whereof serve` on a folder, on a port of its own.
pub struct Process {
    child: Child,
    pub client: Client,
}

impl Process {
    /// Starts the server and waits until it listens.
    pub async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_whereof"));
        Self::launch(program, folder, arguments).await
    }

    /// The same where no file can grow beyond `blocks` of 512 bytes, as on a disk that is full.
    pub async fn start_with_file_limit(folder: &Path, blocks: u32, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        // The signal is ignored, so that writes fail instead of ending the process.
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_whereof")]);
        Self::launch(shell, folder, arguments).await
    }

    /// Lets files grow again, as on a disk that has space again.
    #[cfg(target_os = "linux")]
    pub fn lift_file_limit(&self) {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: maximum, maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    async fn launch(mut command: Command, folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("log");
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut process = Self { child, client: Client::new("") };
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Some((_, rest)) = text.split_once("listening address=")
                && let Some((address, _)) = rest.split_once('\n')
            {
                process.client = Client::new(format!("http://{}", address.trim()));
                return process;
            }
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGKILL: no time for anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as an orderly stop.
    pub async fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.send(Method::GET, path, &[], Bytes::new()).await.unwrap();
        assert!(answer.status.is_success(), "GET {path}: {}", answer.value());
        answer.value()
    }

    /// Waits until a job is this far, or has ended; returns how far it is, in [0, 1].
    pub async fn reached(&self, id: &str, share: f64) -> f64 {
        loop {
            let job = self.get(&format!("/v1/jobs/{id}")).await;
            let progress = job["progress"].as_f64().unwrap();
            if progress >= share || job["finished_at"].is_string() {
                return progress;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until a job has ended.
    pub async fn ended(&self, id: &str) -> Value {
        loop {
            let job = self.get(&format!("/v1/jobs/{id}?wait=30")).await;
            if job["finished_at"].is_string() {
                return job;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
