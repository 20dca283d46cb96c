//! Where a command does its work: on a server that runs, or on one in this process for as long as the
//! command takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio::sync::oneshot;

use super::Failure;
use super::exit::Interrupted;
use super::serve::{log, runtime, stop_signal};
use crate::app::App;
use crate::client::Client;
use crate::config::{Config, LogLevel, Settings};

/// Which server a command talks to.
#[derive(Debug, Args)]
pub struct Target {
    /// A server that runs, such as http://127.0.0.1:8080 [default: none; the command does the work
    /// itself, in the data folder]
    #[arg(long, env = "WHEREOF_SERVER", value_name = "URL", value_parser = address)]
    server: Option<String>,
    /// API key of that server
    #[arg(long, env = "WHEREOF_API_KEY", value_name = "KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Folder for the database and all files, where no server is named
    #[arg(long, env = "WHEREOF_DATA_DIR", value_name = "FOLDER", default_value = "./whereof-data")]
    data_dir: PathBuf,
    /// Print JSON, as the API answers it
    #[arg(long)]
    pub json: bool,
}

impl Target {
    /// Does some work with a client of the server.
    pub fn with<F>(self, work: impl FnOnce(Client) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        self.with_workers(None, work)
    }

    /// The same for work that needs no training: jobs that wait in the data folder are left alone.
    pub fn without_workers<F>(self, work: impl FnOnce(Client) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        self.with_workers(Some(0), work)
    }

    fn with_workers<F>(
        self,
        workers: Option<usize>,
        work: impl FnOnce(Client) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        match self.server {
            Some(server) => {
                let client = Client::new(server);
                let client = match self.api_key {
                    Some(key) => client.with_key(key),
                    None => client,
                };
                runtime()?.block_on(work(client))
            }
            None => {
                let settings = Settings {
                    listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                    data_dir: Some(self.data_dir),
                    workers,
                    // Nobody waits for other jobs that were taken up meanwhile; they go back to the queue.
                    drain_seconds: Some(0),
                    log_level: Some(LogLevel::Warn),
                    ..Settings::default()
                };
                with_server(settings.check()?, work)
            }
        }
    }
}

/// Serves in this process for as long as some work with its client takes.
pub fn with_server<F>(config: Config, work: impl FnOnce(Client) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    log(&config);
    runtime()?.block_on(async {
        let app = App::start(config).await?;
        let listener = app.listen().await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (ended, end) = oneshot::channel::<()>();
        let server = tokio::spawn(app.serve(listener, async {
            // The sender is dropped when the work is over, whether or not it went well.
            end.await.ok();
        }));
        let done = tokio::select! {
            // Work that waits for the signal itself ends well by it.
            biased;
            done = work(Client::new(base)) => done,
            () = stop_signal() => Err(Interrupted.into()),
        };
        drop(ended);
        server.await??;
        done
    })
}

/// The address of a server, as a client takes it: without a scheme it is HTTP.
pub fn address(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    if scheme != "http" {
        return Err(format!(
            "this program speaks plain HTTP, not {scheme}; where a proxy adds TLS, name the address behind it"
        ));
    }
    let address = format!("http://{}", rest.trim_end_matches('/'));
    match address.parse::<axum::http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(address),
        _ => Err(format!("{text:?} is no address; write it as http://127.0.0.1:8080")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http() {
        assert_eq!(address("localhost:8080").unwrap(), "http://localhost:8080");
        assert_eq!(address("http://[::1]:80/").unwrap(), "http://[::1]:80");
        assert!(address("https://a.example").unwrap_err().contains("plain HTTP"));
        for wrong in ["", "http://", "a b"] {
            assert!(address(wrong).unwrap_err().contains("8080"), "{wrong:?}");
        }
    }
}
