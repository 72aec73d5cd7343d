//! What the integration tests stand on.
//!
//! *Owns*: the recording HTTP server, the program in a terminal, small provider documents with the API that they
//! describe, running SQL, and running the program.
//! *Does not own*: any assertion about the program itself.
//! *Invariants*: no sleep, no fixed port, no other host than the loopback; everything stops or is removed on drop.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

pub(crate) mod browser;
pub(crate) mod closing;
pub(crate) mod documents;
pub(crate) mod program;
pub(crate) mod query;
pub(crate) mod server;
pub(crate) mod shipped;
#[cfg(unix)]
pub(crate) mod svg;
#[cfg(unix)]
pub(crate) mod terminal;
