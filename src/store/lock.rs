//! Locks: one process at a time.
//!
//! A journal is locked for as long as its statement runs; whoever wants to know whether it runs tries that lock. So
//! that trying is never mistaken for running, journals are made, taken over and tried under one gate, which is held for
//! moments only.

use std::fs::{File, TryLockError};
use std::io::ErrorKind as Io;
use std::path::Path;
use std::time::Duration;

use super::file::{private, write_error};
use crate::error::Result;

/// Held until dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Gate {
    _file: File,
}

/// Waits for the gate.
///
/// # Errors
/// As [`write_error`].
pub(super) fn enter_gate(path: &Path) -> Result<Gate> {
    let opened = private().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| write_error(path, &error))?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(Gate { _file: file }),
            Err(error) if error.kind() == Io::Interrupted => {}
            Err(error) => return Err(write_error(path, &error)),
        }
    }
}

/// How often a lock is tried that a child process may hold for a moment, and how long is waited in between.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// As [`try_hold`], but patient: a process that starts another shares its locks with it until the other has begun.
///
/// # Errors
/// As [`write_error`].
pub(super) fn hold_soon(file: &File, path: &Path) -> Result<bool> {
    for _ in 1..TRIES {
        if try_hold(file, path)? {
            return Ok(true);
        }
        std::thread::park_timeout(BETWEEN_TRIES);
    }
    try_hold(file, path)
}

/// Locks a file until it is closed; false when another holds it.
///
/// # Errors
/// As [`write_error`].
pub(super) fn try_hold(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(write_error(path, &error)),
    }
}
