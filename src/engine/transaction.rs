//! BEGIN … COMMIT: writes are queued, and sent when COMMIT says so. An API cannot take back what was sent.

use std::sync::Arc;

use super::Session;
use super::pending::{Origin, PendingWrite};
use super::result::QueryResult;
use super::session::{is_part, parse_one};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::sql::Write;
use crate::write::{Planned, check_budget};

/// The writes between BEGIN and COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Which transaction it is.
    token: Arc<()>,
    queued: Vec<Planned>,
    /// Whether a write could not be queued: what is there is then not all that was meant.
    failed: bool,
}

/// What a COMMIT was planned of: it is sent only while that is still what is queued.
#[derive(Debug)]
pub(super) struct Committed {
    token: Arc<()>,
    writes: usize,
}

impl Session {
    /// Whether BEGIN was said, and neither COMMIT nor ROLLBACK since.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// How many writes wait for COMMIT.
    pub fn queued_writes(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.queued.len())
    }

    pub(super) fn begin_transaction(&mut self, report: Report) -> Result<QueryResult> {
        self.check_no_transaction("BEGIN")?;
        self.transaction = Some(Transaction::default());
        let result = QueryResult::command("BEGIN: writes are queued until COMMIT", report, self.clock());
        Ok(result)
    }

    pub(super) fn rollback(&mut self, report: Report) -> Result<QueryResult> {
        let dropped = self.queued_writes();
        if self.transaction.take().is_none() {
            return Err(no_transaction("ROLLBACK"));
        }
        let writes = if dropped == 1 { "1 write".to_owned() } else { format!("{dropped} writes") };
        let message = format!("ROLLBACK: {writes} dropped, nothing was sent");
        Ok(QueryResult::command(&message, report, self.clock()))
    }

    /// Whether what is committed is still what is queued.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction has ended, or has got more writes since the COMMIT was planned.
    pub(super) fn check_committed(&self, committed: &Committed) -> Result<()> {
        let now = self.transaction.as_ref().filter(|now| Arc::ptr_eq(&now.token, &committed.token));
        let why = match now {
            None => "the transaction has ended since its COMMIT was planned",
            Some(now) if now.queued.len() != committed.writes || now.failed => {
                "the transaction has changed since its COMMIT was planned"
            }
            Some(_) => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidArgument, why).hint("nothing was sent; plan COMMIT again"))
    }

    /// Says that the statement of this text failed or was cancelled. Between BEGIN and COMMIT that spoils the whole; what
    /// ends a transaction may be said again.
    pub(crate) fn failed(&mut self, text: &str) {
        if parse_one(text).is_ok_and(|statement| !is_part(&statement)) {
            return;
        }
        self.spoil();
    }

    /// Between BEGIN and COMMIT, what failed spoils the whole: what is queued is not all that was meant.
    pub(super) fn or_spoiled<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.spoil();
        }
        result
    }

    fn spoil(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.failed = true;
        }
    }

    /// # Errors
    /// `Unsupported` between BEGIN and COMMIT.
    pub(super) fn check_no_transaction(&self, statement: &str) -> Result<()> {
        if self.transaction.is_none() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, format!("{statement} cannot stand between BEGIN and COMMIT"))
            .hint("end the transaction with COMMIT or ROLLBACK first"))
    }

    /// Plans a write and queues it. What only reads is answered at once.
    pub(super) async fn queue(&mut self, write: Write, report: Report) -> Result<QueryResult> {
        let prepared = match write.returning() {
            Some(_) if !matches!(write, Write::Exec(_)) => Err(nothing_to_return()),
            _ => self.prepare(write, report).await,
        };
        let pending = match prepared {
            Ok(pending) if !pending.planned.changes() => return self.send(pending).await,
            Ok(pending) if pending.planned.parts.iter().any(|part| part.returning.is_some()) => {
                Err(nothing_to_return())
            }
            prepared => prepared,
        };
        let clock = self.clock();
        let Some(transaction) = &mut self.transaction else { return Err(no_transaction("a queued write")) };
        match pending {
            Ok(PendingWrite { planned, report, .. }) => {
                let calls = planned.plan.calls.len();
                let noun = if calls == 1 { "call" } else { "calls" };
                let message = format!("{}: {calls} {noun} queued", planned.plan.verb);
                if calls > 0 {
                    transaction.queued.push(planned);
                }
                Ok(QueryResult::command(&message, report, clock))
            }
            Err(error) => Err(error),
        }
    }

    /// All that was queued as one write, whose rows are looked at once more.
    pub(super) async fn prepare_commit(&mut self, report: Report) -> Result<PendingWrite> {
        self.remember(&report);
        let Some(transaction) = &self.transaction else { return Err(no_transaction("COMMIT")) };
        if transaction.failed {
            return Err(Error::new(ErrorKind::Unsupported, "a statement of this transaction failed")
                .hint("nothing was sent; ROLLBACK drops the writes that are queued"));
        }
        let planned = Planned::transaction(transaction.queued.clone());
        let committed = Committed { token: Arc::clone(&transaction.token), writes: transaction.queued.len() };
        self.check_rows(&planned, &report).await?;
        check_budget(self.settings(), &report, &planned, |_| true)?;
        Ok(self.pending(planned, report, Origin::Transaction(committed)))
    }
}

fn no_transaction(statement: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{statement} without BEGIN")).hint("`BEGIN` starts a transaction")
}

fn nothing_to_return() -> Error {
    Error::new(ErrorKind::Unsupported, "RETURNING has nothing to return before COMMIT")
        .hint("leave RETURNING out between BEGIN and COMMIT")
}
