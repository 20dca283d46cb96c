//! What the tests of detectors share.

use super::{RecordKind, Training};
use crate::eval::{Link, Matrix};

static NO_ROWS: Matrix = Matrix::new(0);

/// Training data without anything, to be filled in.
pub fn blank() -> Training<'static> {
    Training {
        link: Link::Softmax,
        kind: RecordKind::Text,
        labels: 0,
        words: 0,
        records: &[],
        truth: &[],
        vectors: &NO_ROWS,
        logits: &NO_ROWS,
        seed: 1,
    }
}
