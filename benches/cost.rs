//! What a text costs on one core, stage by stage, with a model that is trained already:
//! `cargo bench --bench cost -- ARTIFACT TEXTS`, with what `GET /v1/models/{model}/artifact` gives and a
//! CSV file with a column `text`.

#[path = "support/cost.rs"]
mod cost;

use whereof::model::Model;

type Failure = Box<dyn std::error::Error + Send + Sync>;

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [artifact, texts] = given.as_slice() else {
        println!("run it with `cargo bench --bench cost -- ARTIFACT TEXTS`");
        return Ok(());
    };
    let model = Model::from_bytes(&std::fs::read(artifact)?)?;
    let mut reader = csv::Reader::from_path(texts)?;
    let place = reader.headers()?.iter().position(|header| header == "text").ok_or("no texts")?;
    let texts: Result<Vec<String>, Failure> =
        reader.records().map(|record| Ok(record?[place].to_owned())).collect();
    cost::print(&model, &texts?);
    Ok(())
}
