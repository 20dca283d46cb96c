//! What is done wrong: one fault each, in the spec or in the records.
//!
//! "No shuffling" is not among them: training always shuffles, and no spec can turn it off.

use serde_json::{Value, json};
use whereof::diagnose::probe::{Change, changed};
use whereof::eval::symptoms::Symptom;
use whereof::eval::symptoms::Symptom::{
    DyingRelu, ExplodingGradient, NotConverging, OscillatingLoss, VanishingGradient,
};

use super::Failure;
use super::data::{Base, Setup};
use super::records;

/// Something that is done wrong.
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// Findings that name it: any of them will do.
    pub kinds: &'static [&'static str],
    /// Symptoms that name it, by the published rules; none where they cannot see it.
    pub symptoms: &'static [Symptom],
    /// What it is planted in.
    pub bases: &'static [Base],
    /// Records of its problems.
    pub records: usize,
    /// What it must cost to be a limitation: a setting that does no harm is none, while flipped labels or a
    /// leak are there even where a network gets over them.
    pub harm: Harm,
    /// Plants it, at a strength in (0, 1], by a seed.
    pub plant: fn(&mut Setup, f64, u64) -> Result<(), Failure>,
}

/// What a fault must cost to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing.
    Nothing,
    /// Accuracy or R².
    Quality,
    /// Confidence that is what it says.
    Confidence,
}

/// Records, unless a fault says otherwise.
pub const RECORDS: usize = 1_400;

const TABLES: &[Base] = &[Base::Clusters, Base::FourClasses, Base::Moons, Base::Friedman];
const CURVED: &[Base] = &[Base::Circles, Base::Moons, Base::Sine, Base::FourClasses];
const LABELS: &[Base] = &[Base::Clusters, Base::FourClasses, Base::Blobs, Base::Texts];

const SETTING: Fault = Fault {
    name: "",
    kinds: &[],
    symptoms: &[],
    bases: TABLES,
    records: RECORDS,
    harm: Harm::Quality,
    plant: |_, _, _| Ok(()),
};

const DATA: Fault = Fault { harm: Harm::Nothing, ..SETTING };

/// Every fault.
pub static FAULTS: &[Fault] = &[
    Fault {
        name: "learning rate × 100",
        kinds: &["learning_rate_too_high", "diverged"],
        symptoms: &[ExplodingGradient, OscillatingLoss, NotConverging, DyingRelu],
        plant: |setup, strength, _| {
            let rate = setup.spec.optimizer.learning_rate() * 100f64.powf(strength);
            set(setup, "optimizer.learning_rate", rate)
        },
        ..SETTING
    },
    Fault {
        name: "learning rate ÷ 100",
        kinds: &["learning_rate_too_low"],
        symptoms: &[NotConverging],
        bases: &[Base::Clusters, Base::FourClasses, Base::Friedman, Base::Texts],
        plant: |setup, _, _| {
            let rate = setup.spec.optimizer.learning_rate() / 100.0;
            set(setup, "optimizer.learning_rate", rate)
        },
        ..SETTING
    },
    Fault {
        name: "2 epochs",
        kinds: &["too_few_epochs"],
        symptoms: &[NotConverging],
        bases: &[Base::Circles, Base::FourClasses, Base::Friedman, Base::Sine],
        plant: |setup, _, _| set(setup, "training.epochs", 2),
        ..SETTING
    },
    Fault {
        name: "a linear network or one of 2 units",
        kinds: &["capacity_too_small"],
        symptoms: &[NotConverging],
        bases: CURVED,
        plant: |setup, _, seed| {
            let hidden = if seed % 2 == 0 { json!([]) } else { json!([2]) };
            set(setup, "network.hidden", hidden)
        },
        ..SETTING
    },
    Fault {
        name: "128-128 units without early stopping",
        kinds: &["capacity_too_large", "memorizes"],
        bases: &[Base::Overlap, Base::Wine],
        records: 300,
        plant: |setup, _, _| {
            set(setup, "network.hidden", json!([128, 128]))?;
            set(setup, "training.early_stopping", Value::Null)?;
            set(setup, "training.epochs", 60)
        },
        ..SETTING
    },
    Fault {
        name: "7 sigmoid layers",
        kinds: &["vanishing_gradients"],
        symptoms: &[VanishingGradient, NotConverging],
        plant: |setup, _, _| {
            set(setup, "network.hidden", json!([12, 12, 12, 12, 12, 12, 12]))?;
            set(setup, "network.activation", "sigmoid")
        },
        ..SETTING
    },
    Fault {
        name: "weights start at 0",
        kinds: &["poor_initialization", "vanishing_gradients", "dead_units"],
        symptoms: &[VanishingGradient, DyingRelu, NotConverging],
        plant: |setup, _, _| {
            set(setup, "network.initialization", json!({"weights": {"type": "zeros"}}))
        },
        ..SETTING
    },
    Fault {
        name: "weights start at deviation 3",
        kinds: &["poor_initialization", "exploding_gradients", "saturated_units"],
        symptoms: &[ExplodingGradient, OscillatingLoss, NotConverging],
        plant: |setup, strength, _| {
            let weights = json!({"type": "normal", "std": 3.0 * strength});
            set(setup, "network.initialization", json!({ "weights": weights }))
        },
        ..SETTING
    },
    Fault {
        name: "rectifiers that start dead",
        kinds: &["dead_units", "poor_initialization"],
        symptoms: &[DyingRelu, NotConverging],
        plant: |setup, _, _| {
            // Columns within [0, 1] times weights below 0.
            records::squeeze(setup);
            set(setup, "tabular.standardize", false)?;
            let weights = json!({"type": "constant", "value": -0.05});
            set(setup, "network.initialization", json!({ "weights": weights }))
        },
        ..SETTING
    },
    Fault {
        name: "columns not scaled",
        kinds: &["features_not_scaled"],
        symptoms: &[ExplodingGradient, OscillatingLoss, NotConverging],
        bases: &[Base::Clusters, Base::FourClasses, Base::Friedman, Base::Adult],
        plant: |setup, strength, _| {
            records::unscale(setup, strength);
            set(setup, "tabular.standardize", false)
        },
        ..SETTING
    },
    Fault {
        name: "5 % of the labels flipped",
        kinds: &["label_noise"],
        bases: LABELS,
        plant: |setup, _, seed| records::flip(setup, 0.05, seed),
        ..DATA
    },
    Fault {
        name: "10 % of the labels flipped",
        kinds: &["label_noise"],
        bases: LABELS,
        plant: |setup, _, seed| records::flip(setup, 0.1, seed),
        ..DATA
    },
    Fault {
        name: "20 % of the labels flipped",
        kinds: &["label_noise"],
        bases: LABELS,
        plant: |setup, _, seed| records::flip(setup, 0.2, seed),
        ..DATA
    },
    Fault {
        name: "classes 1 : 50",
        kinds: &["class_imbalance"],
        bases: &[Base::Clusters, Base::Overlap, Base::Texts, Base::Moons],
        records: 3_000,
        plant: |setup, _, _| records::unbalance(setup),
        ..DATA
    },
    Fault {
        name: "a column that gives the target away",
        kinds: &["target_leak"],
        bases: &[Base::Overlap, Base::FourClasses, Base::Friedman, Base::Wine],
        plant: |setup, _, seed| records::leak(setup, seed),
        ..DATA
    },
    Fault {
        name: "training records among the test records",
        kinds: &["duplicates_across_splits"],
        bases: &[Base::Overlap, Base::Texts, Base::Clusters, Base::Wine],
        plant: |setup, _, _| records::duplicate(setup),
        ..DATA
    },
    Fault {
        name: "5 % of the training records",
        kinds: &["too_little_data"],
        bases: &[Base::FourClasses, Base::Texts, Base::Friedman, Base::Clusters],
        plant: |setup, _, _| records::thin(setup),
        ..SETTING
    },
    Fault {
        name: "a topic missing from training",
        kinds: &["unlike_training", "fails_on_unseen_topics", "errors_outside_coverage"],
        bases: &[Base::TopicTexts, Base::Friedman, Base::Sine, Base::TopicTexts],
        plant: |setup, _, seed| records::leave_out(setup, seed),
        ..SETTING
    },
    Fault {
        name: "calibration skipped",
        kinds: &["miscalibrated", "too_little_calibration_data"],
        bases: &[Base::Overlap, Base::Wine, Base::Adult, Base::Overlap],
        plant: |setup, _, _| {
            set(setup, "calibrator", "identity")?;
            set(setup, "training.early_stopping", Value::Null)?;
            set(setup, "network.hidden", json!([64, 64]))?;
            set(setup, "training.epochs", 60)
        },
        harm: Harm::Confidence,
        ..DATA
    },
    Fault {
        name: "12 calibration records",
        kinds: &["too_little_calibration_data", "miscalibrated"],
        bases: &[Base::Overlap, Base::Clusters, Base::Texts, Base::Adult],
        plant: |setup, _, _| records::calibrate_with(setup, 12),
        ..DATA
    },
    Fault {
        name: "a loss that counts one class 50 times",
        kinds: &["loss_unsuited"],
        bases: &[Base::Overlap, Base::Clusters, Base::Wine, Base::Overlap],
        plant: |setup, _, _| {
            let first = setup.table.wanted[0][0].to_text().unwrap_or_default();
            let weights = json!({ first: 50.0 });
            set(setup, "loss", json!({"type": "cross_entropy", "class_weights": weights}))
        },
        ..SETTING
    },
    Fault {
        name: "batches of 1",
        kinds: &["batch_too_small"],
        symptoms: &[OscillatingLoss],
        records: 700,
        bases: &[Base::Clusters, Base::Overlap, Base::Friedman, Base::FourClasses],
        plant: |setup, _, _| {
            set(setup, "training.batch_size", 1)?;
            set(setup, "training.epochs", 12)
        },
        ..SETTING
    },
    Fault {
        name: "batches of everything",
        kinds: &["batch_too_large"],
        symptoms: &[NotConverging],
        bases: &[Base::Circles, Base::FourClasses, Base::Friedman, Base::Sine],
        plant: |setup, _, _| set(setup, "training.batch_size", 4_096),
        ..SETTING
    },
    Fault {
        name: "momentum 0.999",
        kinds: &["momentum_too_high"],
        symptoms: &[OscillatingLoss, ExplodingGradient, NotConverging],
        plant: |setup, strength, _| {
            let momentum = 0.9 + 0.099 * strength;
            let sgd = json!({"type": "sgd", "learning_rate": 0.05, "momentum": momentum});
            set(setup, "optimizer", sgd)
        },
        ..SETTING
    },
    Fault {
        name: "weight decay × 1000",
        kinds: &["weight_decay_too_high"],
        symptoms: &[NotConverging],
        plant: |setup, _, _| {
            let l2 = f64::from(setup.spec.regularization.l2) * 1_000.0;
            set(setup, "regularization.l2", l2)
        },
        ..SETTING
    },
    Fault {
        name: "dropout 0.95",
        kinds: &["dropout_too_high"],
        symptoms: &[OscillatingLoss, NotConverging],
        plant: |setup, strength, _| set(setup, "network.dropout", 0.5 + 0.45 * strength),
        ..SETTING
    },
];

/// Pairs that are planted together, by name, each with what it is planted in.
pub static PAIRS: &[([&str; 2], Base)] = &[
    (["learning rate ÷ 100", "10 % of the labels flipped"], Base::Clusters),
    (["2 epochs", "10 % of the labels flipped"], Base::FourClasses),
    (["a linear network or one of 2 units", "20 % of the labels flipped"], Base::Circles),
    (["a column that gives the target away", "2 epochs"], Base::Friedman),
    (["classes 1 : 50", "learning rate × 100"], Base::Clusters),
    (["learning rate × 100", "10 % of the labels flipped"], Base::FourClasses),
    (["7 sigmoid layers", "12 calibration records"], Base::Clusters),
    (["batches of everything", "training records among the test records"], Base::FourClasses),
    (["weight decay × 1000", "20 % of the labels flipped"], Base::Clusters),
    (["columns not scaled", "10 % of the labels flipped"], Base::FourClasses),
];

/// The fault of a name.
pub fn fault(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

/// Sets a field of the spec.
fn set(setup: &mut Setup, path: &str, value: impl Into<Value>) -> Result<(), Failure> {
    let change = Change::from([(path.to_owned(), value.into())]);
    setup.spec = changed(&setup.spec, &change).ok_or_else(|| format!("{path} cannot be set"))?;
    Ok(())
}
