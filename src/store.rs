//! Our own files in the user's state directory: plans, journals, and the key that hides secrets in both; in the data
//! directory: views and tables; in the cache directory: digests of documents.
//!
//! *Owns*: how plans and journals are written, found, locked and read back; digests; the text of times.
//! *Does not own*: making a plan (`write`), sending its calls, asking for secrets, the directory's place (`cli`).
//! *Invariants*: a secret never reaches a file, only its keyed digest; what a function says is written is on the
//! disk before it returns; a plan is applied once, by one process; a name from outside is looked up among the files
//! that exist and never becomes a path; what is read back is what was written, to the last bit, or an error.
//!
//! ```text
//! <state directory>/
//!   digest-key                                   the key of the digests, mode 0600
//!   lock                                         held while files are made, taken over or listed
//!   plans/<id>.json                              one plan
//!   plans/<id>.applied                           made once: when the plan was applied
//!   journal/<yyyymmddthhmmssmmm>-<id>-<4>.jsonl  one statement, locked for as long as it runs
//! ```
//!
//! Everything here waits for the disk: call it where blocking is allowed.

mod append;
mod digest;
mod digests;
mod directory;
mod file;
mod journal;
mod json;
mod kept;
mod lock;
mod name;
mod plan;
mod record;
mod saved;
mod secret;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;

pub use digest::DigestKey;
pub(crate) use digest::sha256_hex;
pub use digests::DigestDirectory;
pub use directory::{JournalEntry, Listing, StateDirectory};
pub use journal::{CallState, Journal, Outcome, OutcomeState};
pub use kept::{DataDirectory, Kept};
pub use plan::{Look, PlanPart, PlannedCall, Target, WritePlan};
pub use record::{CallRecord, StatementRecord, read_journal, resume, unfinished};
pub use saved::StoredPlan;
pub use secret::{SecretField, conceal, reveal, secret_fields, without_secrets};
pub use time::{parse_time, time_text};
