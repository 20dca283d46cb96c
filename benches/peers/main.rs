//! Our side of the comparison with peers: `run.py` beside this file calls it, times it together with
//! the peers, and writes `RESULTS.md`. Each command prints one line of JSON.
//!
//! `train` trains without the API, `score` scores without it, `load` asks a server over HTTP,
//! `constant` answers as a server that does nothing, `service` measures what the API adds, `stored` what it
//! costs beside many stored runs.

mod constant;
mod load;
mod score;
mod service;
mod stored;
#[path = "../support/mod.rs"]
mod support;
mod train;

use std::collections::BTreeMap;

use serde_json::Value;
use support::Failure;

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `--name value` arguments.
pub struct Options(BTreeMap<String, String>);

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = BTreeMap::new();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} lacks a value", pair[0]).into());
            };
            let name = name.strip_prefix("--").ok_or_else(|| format!("{name}: not an option"))?;
            options.insert(name.to_owned(), value.clone());
        }
        Ok(Self(options))
    }

    /// From names and values.
    pub fn of(given: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(given.iter().map(own).collect())
    }

    /// An option that must be there.
    pub fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| format!("--{name} is missing").into())
    }

    /// An option that may be there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number, with a default.
    pub fn number(&self, name: &str, default: usize) -> Result<usize, Failure> {
        self.get(name).map_or(Ok(default), |value| Ok(value.parse()?))
    }
}

/// CPU seconds of this process so far: what the scheduler counted for each of its threads.
pub fn cpu_seconds() -> Result<f64, Failure> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path().join("schedstat");
        // A thread may end while they are listed.
        let Ok(stat) = std::fs::read_to_string(path) else { continue };
        nanoseconds += stat.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

/// A column of a CSV file.
pub fn column(path: &str, name: &str) -> Result<Vec<String>, Failure> {
    let mut reader = csv::Reader::from_path(path)?;
    let place = reader.headers()?.iter().position(|header| header == name).ok_or("no column")?;
    reader.records().map(|record| Ok(record?[place].to_owned())).collect()
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first().filter(|(first, _)| *first != "--bench")
    else {
        println!("run it with `python3 benches/peers/run.py`");
        return Ok(());
    };
    let options = Options::parse(rest)?;
    let result: Value = match command.as_str() {
        "train" => train::run(&options)?,
        "score" => score::run(&options)?,
        "load" => load::run(&options)?,
        "constant" => constant::run(&options)?,
        "service" => service::run(&options)?,
        "stored" => stored::run(&options)?,
        other => {
            let known = "train, score, load, constant, service or stored";
            return Err(format!("{other}: {known}").into());
        }
    };
    println!("{result}");
    Ok(())
}
