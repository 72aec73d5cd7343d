//! The shipped providers whole: every method is called, every table that can be written is written, and the documents say
//! what the engine needs. Each provider's own sandbox answers, over HTTP on loopback.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod cloud;
mod crud;
mod documents;
mod identity;
mod methods;
mod values;
