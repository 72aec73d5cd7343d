//! A file on its way, for whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The file's name.
    pub file: String,
    /// Which way it goes.
    pub direction: Direction,
    /// Bytes that have travelled.
    pub bytes: u64,
    /// All bytes, where that is known.
    pub total: Option<u64>,
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the API.
    Download,
    /// To the API, or to where the API says.
    Upload,
}

/// Counts a file's bytes as they travel. Clones count together.
#[derive(Debug, Clone)]
pub struct TransferCount(Arc<AtomicU64>);

impl TransferCount {
    /// Counts bytes that have travelled.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins at nought, as what was sent is sent again.
    pub fn restart(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The transfer that a report knows of.
#[derive(Debug)]
pub(super) struct Watched {
    transfer: Transfer,
    count: TransferCount,
}

impl Watched {
    pub(super) fn new(file: &str, direction: Direction, total: Option<u64>) -> Self {
        let count = TransferCount(Arc::new(AtomicU64::new(0)));
        Self { transfer: Transfer { file: file.to_owned(), direction, bytes: 0, total }, count }
    }

    pub(super) fn count(&self) -> TransferCount {
        self.count.clone()
    }

    pub(super) fn now(&self) -> Transfer {
        Transfer { bytes: self.count.0.load(Ordering::Relaxed), ..self.transfer.clone() }
    }
}
