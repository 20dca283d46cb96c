//! From another model to the first parameters of a network: by name, never by position.

use super::encoder::Encoder;
use super::init_from::{InitFrom, LayerTransfer, TransferReport, VocabularyTransfer};
use super::spec::TrainSpec;
use super::{FitError, Model};
use crate::learn::network::{EMBEDDING, Frozen, Network, Slot, layer_of};
use crate::learn::start::Start;
use crate::task::Output;

/// The encoder and the output of a training, as they go on from those of another model.
pub(super) fn adapt(
    spec: &InitFrom,
    source: &Model,
    encoder: Encoder,
    output: Output,
) -> (Encoder, Output) {
    let encoder = match (encoder, &source.reader.encoder) {
        (Encoder::Text(own), Encoder::Text(source)) => Encoder::Text(own.grown_from(source)),
        (Encoder::Table(own), Encoder::Table(source)) => Encoder::Table(own.with_scale_of(source)),
        (own, _) => own,
    };
    let output = match (output, &source.reader.output) {
        (Output::Values { names, .. }, Output::Values { names: same, scaler })
            if names == *same && !spec.new_head =>
        {
            Output::Values { names, scaler: scaler.clone() }
        }
        (own, _) => own,
    };
    (encoder, output)
}

/// For each place of what is new, the place of the same thing in the source.
type Places = Vec<Option<usize>>;

/// Outputs that come along: by the names of labels, where both have an output for each or the labels
/// are the same two; by the names of targets, where they are the same.
fn outputs(spec: &InitFrom, source: &Output, own: &Output) -> Places {
    let none = vec![None; own.outputs()];
    if spec.new_head {
        return none;
    }
    match (source, own) {
        (Output::Labels { labels, head }, Output::Labels { labels: own, head: own_head })
            if head == own_head =>
        {
            if none.len() == own.len() {
                let place = |name: &String| labels.position(name).map(|place| place as usize);
                own.names().iter().map(place).collect()
            } else if labels == own {
                vec![Some(0)]
            } else {
                none
            }
        }
        (Output::Values { names, .. }, Output::Values { names: own, .. }) if names == own => {
            (0..own.len()).map(Some).collect()
        }
        _ => none,
    }
}

/// Features of a table that come along, by name.
fn features(source: &Encoder, own: &Encoder) -> Option<(Places, Vec<String>)> {
    let (Encoder::Table(source), Encoder::Table(own)) = (source, own) else { return None };
    let (source, own) = (source.feature_names(), own.feature_names());
    let place = |name: &String| source.iter().position(|other| other == name);
    Some((own.iter().map(place).collect(), own))
}

/// Writes what comes along over fresh values, outputs × inputs; returns how many numbers did.
fn carry(
    (own, source): (&mut [f32], &[f32]),
    rows: &[Option<usize>],
    columns: Option<&[Option<usize>]>,
    source_rows: usize,
) -> usize {
    let width = own.len() / rows.len().max(1);
    let source_width = source.len() / source_rows.max(1);
    let mut carried = 0;
    for (row, from) in own.chunks_exact_mut(width.max(1)).zip(rows) {
        let Some(from) = from.and_then(|from| source.chunks_exact(source_width.max(1)).nth(from))
        else {
            continue;
        };
        match columns {
            None if from.len() == row.len() => {
                row.copy_from_slice(from);
                carried += row.len();
            }
            None => {}
            Some(columns) => {
                for (value, column) in row.iter_mut().zip(columns) {
                    if let Some(known) = column.and_then(|column| from.get(column)) {
                        *value = *known;
                        carried += 1;
                    }
                }
            }
        }
    }
    carried
}

/// The first parameters of a training, and what came along.
pub(super) fn start(
    (spec, init): (&TrainSpec, &InitFrom),
    source: &Model,
    (encoder, output): (&Encoder, &Output),
) -> Result<(Start, TransferReport), FitError> {
    let shape = encoder.shape(spec.network.text_form());
    let fresh = Network::new(&spec.network, shape, output.outputs(), spec.training.seed)?;
    let fresh = fresh.freeze()?;
    let other = &source.reader.network;
    check_layout(&fresh, other)?;

    let of_outputs = outputs(init, &source.reader.output, output);
    let of_features = features(&source.reader.encoder, encoder);
    let mut layers = Layers { freeze: &init.freeze, of: Vec::new() };
    let table = carry_table(&fresh, other, (&source.reader.encoder, encoder), &mut layers);
    let last = format!("layers.{}", spec.network.dense().hidden.len());
    let (_, other_values) = other.parts();
    let mut values = fresh.parts().1.to_vec();
    let mut carried = Vec::new();
    for (i, slot) in fresh.layout().slots.iter().enumerate() {
        let layer = layer_of(&slot.name);
        let all: Places = (0..slot.shape[0]).map(Some).collect();
        let rows = if layer == last { &of_outputs } else { &all };
        let columns = of_features.as_ref().filter(|_| slot.name == "layers.0.weight");
        let columns = columns.map(|(places, _)| places.as_slice());
        let source_rows = other.layout().slots[i].shape[0];
        let count = carry((&mut values[i], &other_values[i]), rows, columns, source_rows);
        layers.note(layer, count, slot.size());
        carried.push(count == slot.size());
    }
    let layers = layers.checked()?;

    let frozen = |name: &str| init.freeze.iter().any(|frozen| frozen == name);
    let of_slot = |slot: &Slot| frozen(layer_of(&slot.name));
    let held: Vec<bool> = fresh.layout().slots.iter().map(of_slot).collect();
    let held_table = frozen(EMBEDDING);
    let learns = |came: &bool| !(held_table && *came);
    if held.iter().all(|held| *held) && !table.carried.iter().any(learns) {
        return Err(FitError::Transfer {
            field: "init_from.freeze".to_owned(),
            message: "every layer is frozen: nothing would learn".to_owned(),
            hint: "leave a layer out".to_owned(),
        });
    }
    let names = match output {
        Output::Labels { labels, .. } => labels.names(),
        Output::Values { names, .. } => names,
    };
    // A binary head has one output for two labels.
    let came = |i: usize| of_outputs[i.min(of_outputs.len() - 1)].is_some();
    let (carried_outputs, new_outputs) = split_names(names, came);
    let (carried_features, new_features) = match &of_features {
        Some((places, names)) => split_names(names, |i| places[i].is_some()),
        None => Default::default(),
    };
    let report = TransferReport {
        model: init.model.clone(),
        layers,
        vocabulary: table.vocabulary,
        carried_features,
        new_features,
        carried_outputs,
        new_outputs,
    };
    let start = Start {
        network: fresh.with(table.values, values),
        carried,
        carried_rows: table.carried,
        held,
        held_table,
        learning_rate_factor: init.learning_rate_factor,
    };
    Ok((start, report))
}

/// What came along, layer by layer.
struct Layers<'a> {
    freeze: &'a [String],
    of: Vec<LayerTransfer>,
}

impl Layers<'_> {
    /// Counts `carried` of `size` numbers for a layer.
    fn note(&mut self, name: &str, carried: usize, size: usize) {
        let frozen = self.freeze.iter().any(|frozen| frozen == name);
        let new = size - carried;
        match self.of.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => (layer.carried, layer.new) = (layer.carried + carried, layer.new + new),
            None => self.of.push(LayerTransfer { name: name.to_owned(), carried, new, frozen }),
        }
    }

    /// The layers, unless a frozen one holds what would never learn. Of the table only the rows that
    /// came along stay as they are.
    fn checked(self) -> Result<Vec<LayerTransfer>, FitError> {
        for (i, name) in self.freeze.iter().enumerate().filter(|(_, name)| *name != EMBEDDING) {
            let layer = self.of.iter().find(|layer| layer.name == *name && layer.new > 0);
            if let Some(LayerTransfer { new, .. }) = layer {
                return Err(FitError::Transfer {
                    field: format!("init_from.freeze[{i}]"),
                    message: format!("{new} numbers of {name:?} are new, and would never learn"),
                    hint: "leave the layer out: what is new in it has to learn".to_owned(),
                });
            }
        }
        Ok(self.of)
    }
}

/// An embedding table with the rows that came along.
struct CarriedTable {
    values: Vec<f32>,
    /// Whether each row came along; empty without a table.
    carried: Vec<bool>,
    vocabulary: Option<VocabularyTransfer>,
}

/// The embedding table: the vectors of the words and n-grams that both vocabularies hold.
fn carry_table(
    fresh: &Frozen,
    other: &Frozen,
    (before, own): (&Encoder, &Encoder),
    layers: &mut Layers<'_>,
) -> CarriedTable {
    let mut values = fresh.parts().0.to_vec();
    let (Some((rows, _)), Encoder::Text(own), Encoder::Text(before)) =
        (fresh.layout().table, own, before)
    else {
        return CarriedTable { values, carried: Vec::new(), vocabulary: None };
    };
    let mut ids = own.vocabulary().ids_in(before.vocabulary());
    ids.truncate(rows);
    let source_rows = other.layout().table.map_or(0, |(rows, _)| rows);
    let places: Places =
        ids.iter().map(|id| id.map(|id| id as usize).filter(|id| *id < source_rows)).collect();
    let count = carry((&mut values, other.parts().0), &places, None, source_rows);
    layers.note(EMBEDDING, count, values.len());
    let carried: Vec<bool> = places.iter().map(Option::is_some).collect();
    let words = own.vocabulary().words().min(rows);
    let count = |rows: &[bool]| rows.iter().filter(|came| **came).count();
    let (of_words, of_ngrams) = carried.split_at(words);
    let (carried_words, carried_ngrams) = (count(of_words), count(of_ngrams));
    let vocabulary = Some(VocabularyTransfer {
        carried_words,
        new_words: words - carried_words,
        carried_ngrams,
        new_ngrams: of_ngrams.len() - carried_ngrams,
    });
    CarriedTable { values, carried, vocabulary }
}

/// The names of what came along, and of what is new.
fn split_names(names: &[String], came: impl Fn(usize) -> bool) -> (Vec<String>, Vec<String>) {
    let mut split = (Vec::new(), Vec::new());
    for (i, name) in names.iter().enumerate() {
        let list = if came(i) { &mut split.0 } else { &mut split.1 };
        list.push(name.clone());
    }
    split
}

/// What was checked at submission, checked again: the artifact is what is started from.
fn check_layout(own: &Frozen, source: &Frozen) -> Result<(), FitError> {
    let names = |network: &Frozen| -> Vec<String> {
        network.layout().slots.iter().map(|slot| slot.name.clone()).collect()
    };
    let tables = |network: &Frozen| network.layout().table.map(|(_, columns)| columns);
    if names(own) == names(source) && tables(own) == tables(source) {
        return Ok(());
    }
    Err(FitError::Transfer {
        field: "init_from.model".to_owned(),
        message: "its network has other layers than this training's".to_owned(),
        hint: "leave network out: it is then that of the model".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_go_by_name() {
        let source = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut own = [0.0; 6];
        let carried = carry((&mut own, &source), &[Some(2), None, Some(0)], None, 3);
        assert_eq!((carried, own), (4, [5.0, 6.0, 0.0, 0.0, 1.0, 2.0]));
        // The second column of the source is the first here; the second is new.
        let mut own = [0.0; 4];
        let columns = [Some(1), None];
        let carried = carry((&mut own, &source), &[Some(1), Some(0)], Some(&columns), 3);
        assert_eq!((carried, own), (2, [4.0, 0.0, 2.0, 0.0]));
        let mut bias = [0.0; 2];
        assert_eq!(carry((&mut bias, &[7.0, 8.0]), &[None, Some(1)], None, 2), 1);
        assert_eq!(bias, [0.0, 8.0]);
    }

    #[test]
    fn heads_go_by_label() {
        use crate::task::{Head, LabelSet};
        let of = |names: &[&str]| {
            let labels = LabelSet::new(names.iter().map(|n| (*n).to_owned()).collect());
            let head = Head::for_labels(names.len(), false);
            Output::Labels { labels, head }
        };
        let init = InitFrom {
            model: String::new(),
            sha256: String::new(),
            freeze: Vec::new(),
            learning_rate_factor: 1.0,
            new_head: false,
        };
        let places = |source: &[&str], own: &[&str]| outputs(&init, &of(source), &of(own));
        assert_eq!(places(&["a", "c", "d"], &["a", "b", "c"]), [Some(0), None, Some(1)]);
        assert_eq!(places(&["a", "b"], &["a", "b"]), [Some(0)]);
        assert_eq!(places(&["a", "b"], &["a", "c"]), [None]);
        assert_eq!(places(&["a", "b"], &["a", "b", "c"]), [None; 3]);
        let new = InitFrom { new_head: true, ..init.clone() };
        assert_eq!(outputs(&new, &of(&["a", "b"]), &of(&["a", "b"])), [None]);
    }
}
