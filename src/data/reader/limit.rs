//! A reader that refuses to go on when one record grows without end, so that a gigabyte without a
//! line break costs a buffer and not a gigabyte of memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes read since the last record ended, shared between the reader and whoever counts records.
#[derive(Clone)]
pub struct RecordBudget {
    used: Rc<Cell<usize>>,
    limit: usize,
    spent: Rc<Cell<bool>>,
}

impl RecordBudget {
    pub fn new(limit: usize) -> Self {
        Self { used: Rc::default(), limit, spent: Rc::default() }
    }

    /// A record ended: the next one starts with the whole budget.
    pub fn reset(&self) {
        self.used.set(0);
    }

    /// Whether a read was refused because the budget was spent.
    pub fn is_spent(&self) -> bool {
        self.spent.get()
    }
}

/// Reads from `inner` within a [`RecordBudget`].
pub struct LimitedReader<R> {
    inner: R,
    budget: RecordBudget,
}

impl<R: Read> LimitedReader<R> {
    pub fn new(inner: R, budget: RecordBudget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget.used.get() > self.budget.limit {
            self.budget.spent.set(true);
            return Err(io::Error::other("record too long"));
        }
        let count = self.inner.read(buffer)?;
        self.budget.used.set(self.budget.used.get() + count);
        Ok(count)
    }
}
