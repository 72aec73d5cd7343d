//! Files of the user's that statements name: what is sent from them, and what an answer becomes.
//!
//! *Owns*: looking at a file before it is sent, reading it as it goes out, writing one whole, and the errors that say
//! which file and why.
//! *Does not own*: our own files (`store`), what the bytes mean, who sends them.
//! *Invariants*: a file that is sent is the one that was looked at, to the last byte, or its last byte is not sent; under
//! its own name a file is whole or not there; memory does not grow with the file; nothing here blocks an async thread.

mod arriving;
mod leaving;
mod trouble;

pub use arriving::{ArrivingFile, check_target};
pub use leaving::{check_unchanged, look_at, read};
