use super::*;
use crate::tabular::{ColumnFindingKind, InputKind, OutsideReason};
use proptest::prelude::*;

use InputKind::{Categorical, Date, Numeric};

fn value(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Missing } else { Value::Text(text) }
}

fn column<'a>(name: &'a str, kind: InputKind, values: &[&'a str]) -> Column<'a> {
    Column { name, kind, values: values.iter().map(|text| value(text)).collect() }
}

fn fit(columns: &[Column<'_>]) -> (TabularEncoder, Vec<ColumnFinding>) {
    TabularEncoder::fit(&TabularSpec::default(), columns).unwrap()
}

fn people() -> TabularEncoder {
    let columns = [
        column("age", Numeric, &["20", "30", "", "40", "30"]),
        column("work", Categorical, &["private", "state", "private", " state", "none"]),
        column(
            "since",
            Date,
            &["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-24", "2026-11-24"],
        ),
    ];
    fit(&columns).0
}

#[test]
fn features_have_names_and_known_values() {
    let encoder = people();
    let names = [
        "age",
        "age is missing",
        "work = private",
        "work = state",
        "work = (other or unknown)",
        "since in days",
        "since, sine of the day of week",
        "since, cosine of the day of week",
    ];
    assert_eq!(encoder.feature_names(), names);
    assert_eq!(encoder.width(), names.len());
    // The ages 20, 30, 40, 30 have the standard deviation √50.
    let row = encoder.encode(&[value("40"), value("state"), value("2026-11-23")]).unwrap();
    let age = 10.0 / 50.0f32.sqrt();
    let days = -1.0 / 0.4f32.sqrt();
    assert_eq!(row.features, [age, 0.0, 0.0, 1.0, 0.0, days, 0.0, 1.0]);
    assert_eq!(row.coverage, RowCoverage { columns: 1.0, outside: vec![] });
    let row = encoder.encode(&[Value::Missing, value("none"), value("2026-11-24")]).unwrap();
    assert_eq!(row.features[..6], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn ranges_tell_what_training_saw() {
    let [age, work, since]: [ColumnRange; 3] = people().ranges().try_into().unwrap();
    assert_eq!((age.column.as_str(), age.min, age.max), ("age", Some(20.0), Some(40.0)));
    assert_eq!((age.categories, age.earliest, age.may_be_missing), (None, None, true));
    assert_eq!(work.categories, Some(vec!["private".to_owned(), "state".to_owned()]));
    assert_eq!((work.min, work.may_be_missing), (None, false));
    assert_eq!(since.earliest.as_deref(), Some("2026-11-23 00:00:00"));
    assert_eq!(since.latest.as_deref(), Some("2026-11-25 00:00:00"));
    let unused =
        fit(&[column("same", Numeric, &["7", "7", "7"]), column("a", Numeric, &["1", "2", "3"])]);
    let seen: Vec<String> = unused.0.ranges().into_iter().map(|range| range.column).collect();
    assert_eq!(seen.len(), unused.0.used_columns().count());
}

#[test]
fn coverage_names_what_training_did_not_see() {
    let encoder = people();
    let row = [Value::Number(41.5), value("astronaut"), Value::Missing];
    let encoded = encoder.encode(&row).unwrap();
    assert_eq!(encoded.features[4], 1.0, "an unknown category has its feature");
    let RowCoverage { columns, outside } = encoded.coverage;
    assert_eq!(columns, 0.0);
    let reasons: Vec<_> = outside.iter().map(|o| (o.column.as_str(), o.reason)).collect();
    let expected = [
        ("age", OutsideReason::Above),
        ("work", OutsideReason::UnknownCategory),
        ("since", OutsideReason::Missing),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(outside[0].message, "age: \"41.5\" lies above 40, the most in training");
    assert_eq!(outside[2].message, "since is missing; no training record misses it");
    let early = encoder.encode(&[value("20"), value("state"), value("2020-01-01")]).unwrap();
    let text = "since: \"2020-01-01\" lies below 2026-11-23 00:00:00, the least in training";
    assert_eq!(early.coverage.outside[0].message, text);
    assert_eq!(early.coverage.columns, 2.0 / 3.0);
    assert_eq!(early.features[5], -10.0, "clipped");
}

/// Where training pooled nothing and missed nothing, there is no feature that learnt what either
/// means; both count as the average of the training records.
#[test]
fn what_training_never_saw_counts_as_the_average() {
    let sex = ["f", "m", "m", "m", "f"];
    let day = ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-30"];
    let (encoder, _) = fit(&[column("sex", Categorical, &sex), column("day", Date, &day)]);
    let width = encoder.width();
    let mut mean = vec![0.0; width];
    for (sex, day) in sex.iter().zip(day) {
        let row = encoder.encode(&[value(sex), value(day)]).unwrap().features;
        mean.iter_mut().zip(row).for_each(|(mean, feature)| *mean += feature / 5.0);
    }
    for sex in [value("x"), Value::Missing] {
        let row = encoder.encode(&[sex, Value::Missing]).unwrap().features;
        for (feature, mean) in row.iter().zip(&mean) {
            assert!((feature - mean).abs() < 1e-6, "{row:?} {mean:?}");
        }
    }
}

#[test]
fn columns_that_tell_nothing_are_found() {
    let ids: Vec<String> = (0..30).map(|id| format!("id {id}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let towns: Vec<String> = (0..30).map(|town| format!("town {}", town / 2)).collect();
    let towns: Vec<&str> = towns.iter().map(String::as_str).collect();
    let same = ["7"; 30];
    let mut sometimes = same;
    sometimes[3] = "";
    let spec = TabularSpec { max_categories: 5, ..TabularSpec::default() };
    let columns = [
        column("id", Categorical, &ids),
        column("same", Numeric, &same),
        column("none", Numeric, &[""; 30]),
        column("sometimes", Categorical, &sometimes),
        column("town", Categorical, &towns),
        column("day", Date, &["2026-11-23"; 30]),
    ];
    let (encoder, findings) = TabularEncoder::fit(&spec, &columns).unwrap();
    let found: Vec<_> = findings.iter().map(|f| (f.column.as_str(), f.kind)).collect();
    let expected = [
        ("id", ColumnFindingKind::Identifier),
        ("same", ColumnFindingKind::Constant),
        ("none", ColumnFindingKind::Empty),
        ("town", ColumnFindingKind::Pooled),
        ("day", ColumnFindingKind::Constant),
    ];
    assert_eq!(found, expected);
    assert!(findings[3].message.contains("15 categories are frequent, and 5 have"), "{findings:?}");
    assert!(findings[3].message.contains("66.7 %"), "{findings:?}");
    assert_eq!(encoder.width(), 2 + 6);
    let used: Vec<&str> = encoder.used_columns().collect();
    assert_eq!(used, ["same", "sometimes", "town", "day"]);
    // A constant is no feature, but another value lies outside; an identifier is not looked at.
    let row =
        [value("?"), value("8"), value("x"), value("7"), value("town 1"), value("2026-11-23")];
    let coverage = encoder.encode(&row).unwrap().coverage;
    assert_eq!((coverage.columns, coverage.outside.len()), (0.75, 1));
    assert_eq!(coverage.outside[0].column, "same");
}

#[test]
fn unreadable_values_are_all_named() {
    let encoder = people();
    let row = [value("old"), Value::Number(3.0), value("tomorrow")];
    let errors = encoder.encode(&row).unwrap_err();
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "column \"age\": \"old\" is not a finite number",
        "column \"work\": \"3\" is not one of the column's categories, as text",
        "column \"since\": \"tomorrow\" is not a date (2026-11-23, 2026-11-23 10:00:00 or RFC 3339)",
    ];
    assert_eq!(messages, expected);
    for number in [f64::NAN, f64::INFINITY] {
        assert!(encoder.encode(&[Value::Number(number), value("x"), Value::Missing]).is_err());
    }
    let training = [column("age", Numeric, &["1", "2", "two"])];
    let error = TabularEncoder::fit(&TabularSpec::default(), &training).unwrap_err();
    assert_eq!((error.row, error.error.value.as_str()), (2, "two"));
    let long = "x".repeat(1_000);
    let error = encoder.encode(&[value(&long), value("x"), Value::Missing]).unwrap_err();
    assert!(error[0].to_string().len() < 150);
}

/// Numbers may be categories where training's categories are numbers.
#[test]
fn codes_are_categories_as_text_or_as_numbers() {
    let (encoder, _) = fit(&[column("code", Categorical, &["1", "2", "1", "2", "x"])]);
    let of = |value| encoder.encode(&[value]).unwrap().features;
    assert_eq!(of(Value::Number(2.0)), of(value("2")));
    assert_eq!(of(Value::Number(9.0)), of(value("y")));
}

#[test]
fn without_standardising_numbers_stay_as_they_are() {
    let spec = TabularSpec { standardize: false, numeric_clip: 3.0, ..TabularSpec::default() };
    let columns = [column("x", Numeric, &["0", "2"]), column("y", Numeric, &["1e300", "-1e300"])];
    let (encoder, _) = TabularEncoder::fit(&spec, &columns).unwrap();
    let of = |x, y| encoder.encode(&[Value::Number(x), Value::Number(y)]).unwrap().features;
    assert_eq!(of(0.5, 0.0), [0.5, 0.0]);
    assert_eq!(of(-100.0, 1e300), [-2.0, f32::MAX]);
}

#[test]
fn damaged_forms_are_refused() {
    let stored = serde_json::to_string(&people()).unwrap();
    let refuses = |from: &str, to: &str| {
        assert!(stored.contains(from), "{from} is not in {stored}");
        let error = serde_json::from_str::<TabularEncoder>(&stored.replacen(from, to, 1));
        error.unwrap_err().to_string()
    };
    assert!(refuses("\"std\":", "\"std\":-").contains("\"age\" contradicts itself: its range"));
    assert!(refuses("\"min\":20.0", "\"min\":90.0").contains("its range"));
    assert!(refuses("\"counts\":[2,2]", "\"counts\":[2]").contains("do not fit"));
    assert!(
        refuses("\"counts\":[2,2]", "\"counts\":[18446744073709551615,2]").contains("do not fit")
    );
    assert!(refuses("[\"private\",\"state\"]", "[\"state\",\"state\"]").contains("do not fit"));
    assert!(refuses("\"kind\":\"numeric\"", "\"kind\":\"date\"").contains("not of its kind"));
    assert!(refuses("\"numeric_clip\":10.0", "\"numeric_clip\":-1.0").contains("clips"));
    for end in 0..stored.len() {
        assert!(serde_json::from_str::<TabularEncoder>(&stored[..end]).is_err());
    }
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![-5.0..5.0, any::<f64>().prop_filter("finite", |n| n.is_finite()), Just(1.0)]
}

/// A record: a number, a category, a date, each of which may be missing.
fn any_row() -> impl Strategy<Value = (Option<f64>, Option<u8>, Option<u32>)> {
    let number = proptest::option::weighted(0.9, any_number());
    (number, proptest::option::weighted(0.9, 0u8..6), proptest::option::weighted(0.9, 0u32..40_000))
}

type Texts = (Option<f64>, Option<String>, Option<String>);

fn texts((number, category, hour): &(Option<f64>, Option<u8>, Option<u32>)) -> Texts {
    let category = category.map(|category| format!("c{category}"));
    let date = hour.map(|hour| {
        let time = chrono::DateTime::from_timestamp(i64::from(hour) * 3_600, 0).unwrap();
        time.to_rfc3339()
    });
    (*number, category, date)
}

fn row(texts: &Texts) -> [Value<'_>; 3] {
    [
        texts.0.map_or(Value::Missing, Value::Number),
        value(texts.1.as_deref().unwrap_or("")),
        value(texts.2.as_deref().unwrap_or("")),
    ]
}

fn fit_rows(spec: &TabularSpec, rows: &[Texts]) -> TabularEncoder {
    let kinds = [("n", Numeric), ("c", Categorical), ("d", Date)];
    let columns: Vec<Column<'_>> = kinds
        .iter()
        .enumerate()
        .map(|(place, (name, kind))| {
            let values = rows.iter().map(|texts| row(texts)[place]).collect();
            Column { name, kind: *kind, values }
        })
        .collect();
    TabularEncoder::fit(spec, &columns).unwrap().0
}

proptest! {
    /// Whatever it was fitted on and whatever it is shown: as many finite features as promised,
    /// shares in [0, 1], training records fully covered but for rare categories, the same bits
    /// after storing, and the same encoder from the same records in another order.
    #[test]
    fn it_holds_for_all_tables(
        training in proptest::collection::vec(any_row(), 1..40),
        others in proptest::collection::vec(any_row(), 1..20),
        standardize: bool,
    ) {
        let spec = TabularSpec { standardize, max_categories: 4, ..TabularSpec::default() };
        let training: Vec<Texts> = training.iter().map(texts).collect();
        let others: Vec<Texts> = others.iter().map(texts).collect();
        let encoder = fit_rows(&spec, &training);
        let stored = serde_json::to_string(&encoder).unwrap();
        let back: TabularEncoder = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), stored.clone());
        let mut reversed = training.clone();
        reversed.reverse();
        prop_assert_eq!(serde_json::to_string(&fit_rows(&spec, &reversed)).unwrap(), stored);
        prop_assert_eq!(encoder.feature_names().len(), encoder.width());
        for texts in training.iter().chain(&others) {
            let encoded = encoder.encode(&row(texts)).unwrap();
            prop_assert_eq!(encoded.features.len(), encoder.width());
            prop_assert!(encoded.features.iter().all(|feature| feature.is_finite()));
            prop_assert!((0.0..=1.0).contains(&encoded.coverage.columns));
            prop_assert_eq!(&back.encode(&row(texts)).unwrap(), &encoded);
            let mut alone = vec![f32::NAN; encoder.width()];
            encoder.encode_into(&row(texts), &mut alone).unwrap();
            prop_assert_eq!(alone, encoded.features);
        }
        for texts in &training {
            let outside = encoder.encode(&row(texts)).unwrap().coverage.outside;
            prop_assert!(outside.iter().all(|o| o.reason == OutsideReason::UnknownCategory));
        }
    }
}

/// The columns of a CSV file of /shared, or `None` with a message where it is not there.
fn shared_csv(name: &str) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/tabular");
    let Ok(mut reader) = csv::Reader::from_path(path.join(name)) else {
        eprintln!("skipped: {name} is not here");
        return None;
    };
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records() {
        for (column, cell) in columns.iter_mut().zip(record.unwrap().iter()) {
            column.push(cell.to_owned());
        }
    }
    Some((names, columns))
}

fn shared_columns<'a>(names: &'a [String], cells: &'a [Vec<String>]) -> Vec<Column<'a>> {
    let columns = names.iter().zip(cells).take(names.len() - 1).map(|(name, cells)| {
        let is_number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
        let kind = if cells.iter().all(is_number) { Numeric } else { Categorical };
        Column { name, kind, values: cells.iter().map(|cell| value(cell)).collect() }
    });
    columns.collect()
}

#[test]
fn real_tables_are_encoded() {
    let (Some(train), Some(test)) = (shared_csv("adult_train.csv"), shared_csv("adult_test.csv"))
    else {
        return;
    };
    let columns = shared_columns(&train.0, &train.1);
    let (encoder, findings) = fit(&columns);
    assert_eq!(findings, []);
    // 6 numbers; 8 + 16 + 7 + 14 + 6 + 5 + 2 + 40 frequent categories; one country is single; three
    // columns miss values.
    assert_eq!(encoder.width(), 6 + 98 + 1 + 3);
    let classes: Vec<u32> = train.1[14].iter().map(|cell| u32::from(cell == ">50K")).collect();
    for column in &columns {
        let target = crate::tabular::Target::Classes(&classes);
        let share = crate::tabular::leakage(column.kind, &column.values, target).unwrap().share;
        assert!(share < 0.5, "{} {share}", column.name);
    }
    let test = shared_columns(&test.0, &test.1);
    let mut covered = 0.0;
    let mut features = vec![0.0; encoder.width()];
    for record in 0..test[0].values.len() {
        let row: Vec<Value<'_>> = test.iter().map(|column| column.values[record]).collect();
        covered += encoder.encode(&row).unwrap().coverage.columns;
        encoder.encode_into(&row, &mut features).unwrap();
        assert!(features.iter().all(|feature| feature.abs() <= 10.0));
    }
    let covered = covered / test[0].values.len() as f64;
    assert!((0.999..1.0).contains(&covered), "{covered}");

    let Some(wine) = shared_csv("wine_white.csv") else { return };
    let (encoder, findings) = fit(&shared_columns(&wine.0, &wine.1));
    assert_eq!((encoder.width(), findings.len()), (11, 0));
}

/// Without a column its features are the mean over the training records, and nothing of it lies
/// outside.
#[test]
fn a_column_is_left_out_as_the_mean_of_training() {
    let encoder = people();
    let rows = [
        ["20", "private", "2026-11-23"],
        ["30", "state", "2026-11-24"],
        ["", "private", "2026-11-25"],
        ["40", " state", "2026-11-24"],
        ["30", "none", "2026-11-24"],
    ];
    let encode = |row: &[&str; 3]| encoder.encode(&row.map(value)).unwrap();
    let all: Vec<Vec<f32>> = rows.iter().map(|row| encode(row).features).collect();
    let strange = encode(&["99", "astronaut", ""]);
    assert_eq!((strange.coverage.outside.len(), strange.coverage.columns), (3, 0.0));
    let parts = [0..2, 2..5, 5..8];
    for (column, features) in parts.iter().enumerate() {
        let without = encoder.without(&strange, column);
        assert_eq!(without.coverage.outside.len(), 2);
        assert!((without.coverage.columns - 1.0 / 3.0).abs() < 1e-12);
        for feature in 0..encoder.width() {
            let mean = all.iter().map(|row| row[feature]).sum::<f32>() / 5.0;
            let wanted = if features.contains(&feature) { mean } else { strange.features[feature] };
            let found = without.features[feature];
            assert!((found - wanted).abs() < 1e-6, "feature {feature}: {found} for {wanted}");
        }
    }
    assert_eq!(encoder.used_positions().collect::<Vec<_>>(), [0, 1, 2]);
}
