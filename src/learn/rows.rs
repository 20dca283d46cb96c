//! What a network learns from: weighted bags of feature ids or vectors of numbers, and targets.

use std::borrow::Cow;

/// Stands for a word without a row in the table.
pub const NO_ROW: u32 = u32::MAX;

/// Records as compressed sparse rows: weighted bags of features, or words in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRows {
    ends: Vec<usize>,
    ids: Vec<u32>,
    weights: Vec<f32>,
    sizes: Vec<u32>,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseRow<'a> {
    /// Feature ids: ascending and each once in a bag; in order, [`NO_ROW`] for unknown words, where
    /// texts go in word by word.
    pub ids: &'a [u32],
    /// Weight of each.
    pub weights: &'a [f32],
    /// Features counted before unknown ones were left out, for pooling by √n.
    pub size: u32,
}

impl SparseRows {
    /// Adds a record.
    pub fn push(&mut self, ids: &[u32], weights: &[f32], size: u32) {
        assert_eq!(ids.len(), weights.len(), "a weight for each id");
        self.ids.extend_from_slice(ids);
        self.weights.extend_from_slice(weights);
        self.ends.push(self.ids.len());
        self.sizes.push(size);
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The record at `index`.
    pub fn row(&self, index: usize) -> SparseRow<'_> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let range = start..self.ends[index];
        SparseRow {
            ids: &self.ids[range.clone()],
            weights: &self.weights[range],
            size: self.sizes[index],
        }
    }
}

/// Records as vectors of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DenseRows {
    width: usize,
    values: Vec<f32>,
    records: usize,
    numbers: Vec<usize>,
}

impl DenseRows {
    /// No record, each to be of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), records: 0, numbers: Vec::new() }
    }

    /// Names the places that hold numbers, not flags.
    pub fn with_numbers(self, numbers: Vec<usize>) -> Self {
        Self { numbers, ..self }
    }

    /// The places that hold numbers, not flags.
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    /// Adds a record.
    pub fn push(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.width, "every record has the same length");
        self.values.extend_from_slice(values);
        self.records += 1;
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The record at `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// Several records in one array.
    pub fn batch(&self, records: &[usize]) -> Vec<f32> {
        let mut batch = Vec::with_capacity(records.len() * self.width);
        records.iter().for_each(|&record| batch.extend_from_slice(self.row(record)));
        batch
    }
}

/// Records as a network takes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Weighted bags of n-grams.
    Sparse(SparseRows),
    /// Vectors: rows of a table, or pixels.
    Dense(DenseRows),
}

/// Where a training takes its records from: the same in every epoch, or read anew for each where
/// records are changed before they become features.
pub trait Source {
    /// Records.
    fn records(&self) -> usize;
    /// The records in an epoch, counted from 0: as many and in the same order every time, and a
    /// function of the epoch alone, so that a training can be resumed within it.
    fn epoch(&self, epoch: usize) -> Cow<'_, Features>;
}

impl Source for Features {
    fn records(&self) -> usize {
        self.len()
    }

    fn epoch(&self, _: usize) -> Cow<'_, Features> {
        Cow::Borrowed(self)
    }
}

/// A bag whose features come in groups, in any order, repeats included. What is summed over a group that
/// comes again need not be summed again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupedRow<'a> {
    /// Features in no group.
    pub ids: &'a [u32],
    /// Weight of each.
    pub weights: &'a [f32],
    /// What these weights are multiplied by.
    pub scale: f32,
    /// Groups of features.
    pub groups: &'a [Group<'a>],
    /// What the weights in groups are multiplied by.
    pub groups_scale: f32,
    /// As in [`SparseRow`].
    pub size: u32,
}

/// Features that belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group<'a> {
    /// A number that stands for just these features and weights; [`NO_ROW`] where none does.
    pub key: u32,
    /// Feature ids.
    pub ids: &'a [u32],
    /// Weight of each.
    pub weights: &'a [f32],
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Row<'a> {
    /// A weighted bag of n-grams.
    Sparse(SparseRow<'a>),
    /// The same in groups.
    Grouped(GroupedRow<'a>),
    /// A vector.
    Dense(&'a [f32]),
}

impl Features {
    /// Records.
    pub fn len(&self) -> usize {
        match self {
            Self::Sparse(rows) => rows.len(),
            Self::Dense(rows) => rows.len(),
        }
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record at `index`.
    pub fn row(&self, index: usize) -> Row<'_> {
        match self {
            Self::Sparse(rows) => Row::Sparse(rows.row(index)),
            Self::Dense(rows) => Row::Dense(rows.row(index)),
        }
    }
}

/// What each record should yield.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class of two, for a network with one output: 0 or 1.
    Binary(Vec<u32>),
    /// One class of `classes`, for a network with as many outputs.
    MultiClass {
        /// The class of each record.
        labels: Vec<u32>,
        /// Classes.
        classes: usize,
    },
    /// Any number of labels, for a network with as many outputs: 0 or 1 for each record and label,
    /// record by record.
    MultiLabel {
        /// Records × labels.
        indicators: Vec<f32>,
        /// Labels.
        labels: usize,
    },
    /// Numbers, for a network with as many outputs.
    Values {
        /// Records × outputs, record by record.
        values: Vec<f32>,
        /// Numbers of a record.
        outputs: usize,
    },
}

impl Targets {
    /// Outputs that a network for these targets has.
    pub fn outputs(&self) -> usize {
        match self {
            Targets::Binary(_) => 1,
            Targets::MultiClass { classes, .. } => *classes,
            Targets::MultiLabel { labels, .. } => *labels,
            Targets::Values { outputs, .. } => *outputs,
        }
    }

    /// Records.
    pub fn len(&self) -> usize {
        match self {
            Targets::Binary(labels) | Targets::MultiClass { labels, .. } => labels.len(),
            Targets::MultiLabel { indicators, labels } => indicators.len() / (*labels).max(1),
            Targets::Values { values, outputs } => values.len() / (*outputs).max(1),
        }
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
