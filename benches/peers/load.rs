//! Load over HTTP: keep-alive connections, each waiting for its answer before it asks again.

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use whereof::clock::SystemClock;

use crate::Options;
use crate::support::Failure;

/// What one connection saw: microseconds of each answer, and the length of the last body.
#[derive(Default)]
struct Seen {
    /// Answers before the clock started.
    warm_up: usize,
    latencies: Vec<u64>,
    bytes: usize,
}

/// Asks `--address` at `--path` over `--connections` for `--milliseconds`, after a quarter as long
/// that is not counted. `--bodies` is a file with a JSON body a line; each is asked in turn.
pub fn run(options: &Options) -> Result<Value, Failure> {
    let bodies = std::fs::read_to_string(options.need("bodies")?)?;
    let bodies: Vec<Bytes> = bodies.lines().map(|line| Bytes::from(line.to_owned())).collect();
    let address = options.need("address")?.to_owned();
    let path = options.need("path")?.to_owned();
    let connections = options.number("connections", 16)?;
    let milliseconds = options.number("milliseconds", 4_000)? as u64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen: Vec<Seen> = runtime.block_on(async {
        let mut askers = Vec::new();
        for connection in 0..connections {
            let (address, path) = (address.clone(), path.clone());
            let skip = connection * bodies.len() / connections;
            let bodies = bodies.clone();
            askers.push(tokio::spawn(async move {
                let warm_up = (&bodies[..], skip, milliseconds / 4);
                let mut sender = connect(&address).await?;
                let before = ask(&mut sender, (&address, &path), warm_up).await?;
                let counted = (&bodies[..], skip, milliseconds);
                let seen = ask(&mut sender, (&address, &path), counted).await?;
                Ok::<_, Failure>(Seen { warm_up: before.latencies.len(), ..seen })
            }));
        }
        let mut seen = Vec::new();
        for asker in askers {
            seen.push(asker.await??);
        }
        Ok::<_, Failure>(seen)
    })?;
    let mut latencies: Vec<u64> = seen.iter().flat_map(|seen| seen.latencies.clone()).collect();
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100] as f64 / 1e3;
    let warm_up: usize = seen.iter().map(|seen| seen.warm_up).sum();
    Ok(json!({
        "requests": warm_up + latencies.len(),
        "requests_per_second": latencies.len() as f64 / (milliseconds as f64 / 1e3),
        "p50_milliseconds": at(50),
        "p99_milliseconds": at(99),
        "body_bytes": seen.iter().map(|seen| seen.bytes).max(),
    }))
}

type Sender = http1::SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> Result<Sender, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(
    sender: &mut Sender,
    (address, path): (&str, &str),
    (bodies, skip, milliseconds): (&[Bytes], usize, u64),
) -> Result<Seen, Failure> {
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let mut seen = Seen::default();
    for body in bodies.iter().cycle().skip(skip) {
        let start = clock.monotonic();
        if (start - began).as_millis() as u64 >= milliseconds {
            break;
        }
        let request = Request::post(path)
            .header(header::HOST, address)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        seen.latencies.push((clock.monotonic() - start).as_micros() as u64);
        seen.bytes = body.len();
    }
    Ok(seen)
}
