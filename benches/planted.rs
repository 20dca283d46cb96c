//! Planted limitations: trainings that are sound, and the same ones with a fault or two. How often does a
//! diagnosis find what was planted, how often does it name it first, what does it find where there is
//! nothing, and what are its verified remedies worth, on records and seeds that it never saw? Beside it
//! stand AutoTrainer's symptom rules, and as many random changes as the diagnosis took trainings.
//!
//! `cargo bench --bench planted -- [--half development|further|former|final] [--only FAULT] [--cases N] [--runs R]
//! [--alone] [--told]`.
//! `FAULT` is a part of a fault's name, or `nothing` for the sound trainings; `R` is the budget of a
//! diagnosis in trainings. A run of a whole half writes its tables into `PLANTED.md`. What needs
//! `../shared/data` is left out where that is not there.

#[path = "planted/cases.rs"]
mod cases;
#[path = "planted/data.rs"]
mod data;
#[path = "planted/faults.rs"]
mod faults;
#[path = "planted/files.rs"]
mod files;
#[path = "planted/records.rs"]
mod records;
#[path = "planted/rules.rs"]
mod rules;
#[path = "planted/score.rs"]
mod score;
#[path = "planted/table.rs"]
mod table;
#[path = "planted/texts.rs"]
mod texts;

use std::error::Error;

use clap::Parser;
use rayon::prelude::*;
use whereof::clock::SystemClock;
use whereof::compute::cores;

use cases::{Case, Half, cases};
use score::{Scored, score};

pub type Failure = Box<dyn Error + Send + Sync>;

/// Threads that cases share.
const THREADS: usize = 2;
/// Where the tables stand.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/PLANTED.md");

/// Plants limitations and counts how often they are found.
#[derive(Parser)]
struct Arguments {
    /// Which half of the cases.
    #[arg(long, default_value = "development", value_parser = half)]
    half: Half,
    /// Only cases whose fault's name holds this; `nothing` for the sound ones.
    #[arg(long)]
    only: Option<String>,
    /// So many cases at most, spread over all.
    #[arg(long)]
    cases: Option<usize>,
    /// Budget of a diagnosis, in trainings.
    #[arg(long, default_value_t = 20.0)]
    runs: f64,
    /// Only the diagnosis: neither rules nor random changes beside it.
    #[arg(long)]
    alone: bool,
    /// Tell what each report says.
    #[arg(long)]
    told: bool,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn half(name: &str) -> Result<Half, String> {
    let halves = [Half::Development, Half::Further, Half::Former, Half::Final];
    let half = halves.into_iter().find(|half| half.name() == name);
    half.ok_or_else(|| "is development, further, former or final".to_owned())
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench planted`");
        return Ok(());
    }
    let arguments = Arguments::parse();
    let mut chosen = cases(arguments.half)?;
    if let Some(only) = &arguments.only {
        chosen.retain(|case| case.group.contains(only.as_str()));
    }
    if let Some(most) = arguments.cases.filter(|most| *most < chosen.len()) {
        let step = chosen.len() as f64 / most.max(1) as f64;
        chosen = (0..most).map(|at| chosen[(at as f64 * step) as usize].clone()).collect();
    }
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build()?;
    let scored: Vec<Result<Option<Scored>, Failure>> = pool.install(|| {
        // One by one, so that none waits for the cases of another thread's share.
        chosen.par_iter().with_max_len(1).map(|case| one(case, &arguments)).collect()
    });
    let failed = scored.iter().filter(|scored| scored.is_err()).count();
    let absent = scored.iter().filter(|scored| matches!(scored, Ok(None))).count();
    let scored: Vec<Scored> = scored.into_iter().filter_map(Result::ok).flatten().collect();
    let figures = table::figures(&scored);
    let seconds = (clock.monotonic() - began).as_secs();
    let [sound, fault, two] = arguments.half.seeds();
    let text = format!(
        "Half: {}. Version {} on {}, {} of {} cores, {}; {seconds} s. First seeds of records and networks: {sound} \
         (sound), {fault} (a fault), {two} (two); of fresh trainings: 9001 to 9005. Budget of a diagnosis: {} trainings. {absent} cases were left out because their data is not \
         there.\n\n{figures}",
        arguments.half.name(),
        env!("CARGO_PKG_VERSION"),
        processor(),
        THREADS.min(cores()),
        cores(),
        clock.now().to_string().get(..10).unwrap_or_default(),
        arguments.runs,
    );
    println!("\n{text}");
    if failed > 0 {
        return Err(format!("{failed} cases could not be scored; see above").into());
    }
    if arguments.only.is_none() && arguments.cases.is_none() && !arguments.alone {
        write(arguments.half, &text)?;
    }
    Ok(())
}

/// Scores a case and tells of it.
fn one(case: &Case, arguments: &Arguments) -> Result<Option<Scored>, Failure> {
    let scored = score(case, arguments.runs, arguments.alone);
    match &scored {
        Ok(Some(scored)) => {
            let told = scored.told.iter().filter(|_| arguments.told);
            let told: String = told.map(|line| format!("\n    {line}")).collect();
            println!("{}{told}", table::line(scored));
        }
        Ok(None) => println!("absent   {}", case.name()),
        Err(error) => println!("FAILED   {}: {error}", case.name()),
    }
    scored
}

/// Puts a text between the half's marks in the document.
fn write(half: Half, text: &str) -> Result<(), Failure> {
    let document = std::fs::read_to_string(DOCUMENT)?;
    let (begin, end) = (format!("<!-- {} -->", half.name()), format!("<!-- /{} -->", half.name()));
    let (before, rest) = document.split_once(&begin).ok_or("no mark begins the half's tables")?;
    let (_, after) = rest.split_once(&end).ok_or("no mark ends the half's tables")?;
    std::fs::write(DOCUMENT, format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim_end()))?;
    Ok(())
}

/// What the machine calls its processor.
fn processor() -> String {
    let all = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = all.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.and_then(|rest| rest.split_once(": ")).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}
