//! Faults in the records. Those that judge share what the world is like, and none of the mistakes.

use whereof::data::Cell;
use whereof::data::profile::ColumnKind;
use whereof::model::encoder::InputColumn;
use whereof::model::fit::TrainingTable;
use whereof::random::{self, Rng};
use whereof::task::TaskSpec;

use super::Failure;
use super::data::Setup;

/// Records of the majority for each of the minority.
const IMBALANCE: usize = 50;
/// Share of the training records that are left.
const LEFT: usize = 20;

/// Brings every column of numbers into \[0, 1\].
pub fn squeeze(setup: &mut Setup) {
    for at in 0..setup.table.inputs.len() {
        let numbers = || setup.table.inputs[at].cells.iter().filter_map(Cell::to_number);
        let (low, high) =
            numbers().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        each_number(setup, at, |x| ((x - low) / (high - low).max(1e-12)).clamp(0.0, 1.0));
    }
}

/// Puts columns of numbers into units that differ by up to 10⁶, far from 0.
pub fn unscale(setup: &mut Setup, strength: f64) {
    for at in 0..setup.table.inputs.len() {
        let unit = 10f64.powf(strength * [3.0, -2.0, 1.0, 4.0, 0.0][at % 5]);
        each_number(setup, at, |x| (x + 2.0) * unit);
    }
}

fn each_number(setup: &mut Setup, column: usize, to: impl Fn(f64) -> f64) {
    for table in [&mut setup.table, &mut setup.judge] {
        for cell in &mut table.inputs[column].cells {
            if let (Cell::Number(_) | Cell::Integer(_), Some(x)) = (&*cell, cell.to_number()) {
                *cell = Cell::Number(to(x));
            }
        }
    }
}

/// Gives a share of the records another label, in every part.
pub fn flip(setup: &mut Setup, share: f64, seed: u64) -> Result<(), Failure> {
    let labels = labels(setup);
    let mut rng = random::stream(seed, "planted.flip");
    for cell in &mut setup.table.wanted[0] {
        let (drawn, other) = (rng.random::<f64>(), rng.random_range(1..labels.len() as u64));
        if drawn < share {
            let own = labels.iter().position(|label| label == cell).ok_or("an unknown label")?;
            *cell = labels[(own + other as usize) % labels.len()].clone();
        }
    }
    Ok(())
}

/// Keeps one record of the first of two labels for 50 of the other, in every part and for the judge.
pub fn unbalance(setup: &mut Setup) -> Result<(), Failure> {
    let labels = labels(setup);
    let rare = labels.first().ok_or("no label")?;
    // Parts lie one after another, so that every part gets its share.
    let kept = |table: &TrainingTable| -> Vec<usize> {
        let mut seen = 0;
        let keep = |at: &usize| {
            let rare = table.wanted[0][*at] == *rare;
            seen += usize::from(rare);
            !rare || seen % IMBALANCE == IMBALANCE / 2
        };
        (0..table.wanted[0].len()).filter(keep).collect()
    };
    let (own, judge) = (kept(&setup.table), kept(&setup.judge));
    keep(setup, &own);
    setup.judge = of(&setup.judge, &judge);
    Ok(())
}

/// Adds a column that is the target but for a little noise. For the judge it says nothing: it is not
/// there yet when a prediction is wanted.
pub fn leak(setup: &mut Setup, seed: u64) -> Result<(), Failure> {
    const NAME: &str = "code";
    let labels = labels(setup);
    let mut rng = random::stream(seed, "planted.leak");
    let mut values = |table: &TrainingTable| -> Vec<f64> {
        let value = |cell: &Cell| match labels.iter().position(|label| label == cell) {
            Some(label) => label as f64,
            None => cell.to_number().unwrap_or_default(),
        };
        let value = |cell| value(cell) + 0.02 * random::normal(&mut rng);
        table.wanted[0].iter().map(value).collect()
    };
    let (own, mut judge) = (values(&setup.table), values(&setup.judge));
    random::shuffle(&mut judge, &mut random::stream(seed, "planted.leak.judge"));
    for (table, values) in [(&mut setup.table, own), (&mut setup.judge, judge)] {
        let cells = values.into_iter().map(Cell::Number).collect();
        let kind = ColumnKind::Number;
        table.inputs.push(InputColumn { name: NAME.to_owned(), kind, cells });
    }
    let features = match &mut setup.spec.task {
        TaskSpec::TabularClassification(task) => &mut task.features,
        TaskSpec::TabularRegression(task) => &mut task.features,
        _ => return Err("only a table can have one more column".into()),
    };
    features.get_or_insert_default().push(NAME.to_owned());
    Ok(())
}

/// Puts training records in place of every fifth validation and test record; texts with a capital and
/// an exclamation mark, as a text that is posted twice may have.
pub fn duplicate(setup: &mut Setup) -> Result<(), Failure> {
    let splits = setup.table.splits.clone().ok_or("no split column")?;
    let mut from = (0..splits.len()).filter(|at| is(&splits[*at], "train"));
    let into = (0..splits.len())
        .filter(|at| is(&splits[*at], "validation") || is(&splits[*at], "test"))
        .step_by(5);
    for (to, from) in into.zip(&mut from) {
        for column in &mut setup.table.inputs {
            column.cells[to] = match &column.cells[from] {
                Cell::Text(text) if column.kind == ColumnKind::Text => {
                    let (first, rest) = text.split_at(1);
                    Cell::Text(format!("{}{rest} !", first.to_uppercase()))
                }
                cell => cell.clone(),
            };
        }
        setup.table.wanted[0][to] = setup.table.wanted[0][from].clone();
        setup.groups[to] = setup.groups[from];
    }
    Ok(())
}

/// Leaves one in twenty of the training records.
pub fn thin(setup: &mut Setup) -> Result<(), Failure> {
    let splits = setup.table.splits.clone().ok_or("no split column")?;
    let left = |at: &usize| !is(&splits[*at], "train") || at.is_multiple_of(LEFT);
    let kept: Vec<usize> = (0..splits.len()).filter(left).collect();
    keep(setup, &kept);
    Ok(())
}

/// Leaves a group out of every part but the test.
pub fn leave_out(setup: &mut Setup, seed: u64) -> Result<(), Failure> {
    let splits = setup.table.splits.clone().ok_or("no split column")?;
    let last = setup.groups.iter().copied().max().unwrap_or_default();
    // A topic, or the highest fifth of a column.
    let texts = setup.table.inputs.iter().any(|column| column.kind == ColumnKind::Text);
    let out = if texts { seed as usize % (last + 1) } else { last };
    let left = |at: &usize| setup.groups[*at] != out || is(&splits[*at], "test");
    let kept: Vec<usize> = (0..splits.len()).filter(left).collect();
    keep(setup, &kept);
    Ok(())
}

/// Moves all but so many calibration records to the training records.
pub fn calibrate_with(setup: &mut Setup, records: usize) -> Result<(), Failure> {
    let splits = setup.table.splits.as_mut().ok_or("no split column")?;
    for cell in splits.iter_mut().filter(|cell| is(cell, "calibration")).skip(records) {
        *cell = Cell::Text("train".to_owned());
    }
    Ok(())
}

/// The records that an arm is judged by: those that trained, steered and calibrated, with the judges as
/// test records.
pub fn judged(setup: &Setup) -> TrainingTable {
    let splits = setup.table.splits.clone().unwrap_or_default();
    let kept: Vec<usize> = (0..splits.len()).filter(|at| !is(&splits[*at], "test")).collect();
    let mut table = of(&setup.table, &kept);
    for (column, judge) in table.inputs.iter_mut().zip(&setup.judge.inputs) {
        column.cells.extend(judge.cells.iter().cloned());
    }
    for (column, judge) in table.wanted.iter_mut().zip(&setup.judge.wanted) {
        column.extend(judge.iter().cloned());
    }
    let judges = setup.judge.wanted[0].len();
    if let Some(splits) = &mut table.splits {
        splits.extend((0..judges).map(|_| Cell::Text("test".to_owned())));
    }
    table
}

fn keep(setup: &mut Setup, records: &[usize]) {
    setup.table = of(&setup.table, records);
    setup.groups = records.iter().map(|at| setup.groups[*at]).collect();
}

fn of(table: &TrainingTable, records: &[usize]) -> TrainingTable {
    let pick = |cells: &Vec<Cell>| -> Vec<Cell> {
        records.iter().map(|record| cells[*record].clone()).collect()
    };
    let inputs = table.inputs.iter();
    TrainingTable {
        inputs: inputs.map(|c| InputColumn { cells: pick(&c.cells), ..c.clone() }).collect(),
        wanted: table.wanted.iter().map(pick).collect(),
        weights: table.weights.as_ref().map(pick),
        splits: table.splits.as_ref().map(pick),
    }
}

fn is(cell: &Cell, split: &str) -> bool {
    matches!(cell, Cell::Text(name) if name == split)
}

/// The labels, in the order of their names; none of a regression.
fn labels(setup: &Setup) -> Vec<Cell> {
    if setup.spec.task.is_regression() {
        return Vec::new();
    }
    let mut labels: Vec<Cell> = Vec::new();
    for cell in &setup.table.wanted[0] {
        if !labels.contains(cell) {
            labels.push(cell.clone());
        }
    }
    labels.sort_by_key(Cell::to_text);
    labels
}
