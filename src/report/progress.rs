//! News of what takes its time, for those who want to show it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// News of something that takes its time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A write is done, and what it started is not.
    Waiting {
        /// What is waited for: `image private/15`.
        object: String,
        /// What the API said of it last; nothing before it was asked.
        state: Option<String>,
        /// How long it has been waited for.
        waited: Duration,
        /// How many objects are still waited for.
        left: usize,
        /// Of how many.
        all: usize,
    },
    /// Nothing is waited for any more: all is ready, or something failed, or somebody cancelled it.
    Waited,
}

/// Who is told of [`Progress`]. Cheap to clone.
#[derive(Clone)]
pub struct ProgressListener(Arc<dyn Fn(&Progress) + Send + Sync>);

impl ProgressListener {
    /// `listener` is called from within the statement: it should be quick.
    pub fn new(listener: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(super) fn tell(&self, progress: &Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for ProgressListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressListener")
    }
}
