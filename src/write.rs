//! Statements that change something → plan → calls → answers.
//!
//! *Owns*: choosing the method of a verb, values → parameters and body, which rows a WHERE means, the plan, sending its
//! calls in order, waiting for what they start, rows for RETURNING.
//! *Does not own*: evaluating queries (its rows come through [`RowSource`]), files (`store`), asking, terminals.
//! *Invariants*: nothing is sent that the plan does not hold; the source is read to its end, and is complete, before the
//! first call; a call that was sent and not answered is unknown and never repeated; one call per distinct identity.

mod answers;
mod apply;
mod change;
mod compare;
mod exec;
mod fill;
mod insert;
mod listed;
mod plan;
mod poll;
mod restore;
mod selected;
mod set;
mod wait;

pub use answers::{answers_batch, holds_none, rows_left, unanswered, with_nulls};
pub use apply::{Applied, CallResult, Recorder, Summary, apply, failure, ids_of, unnoted_text};
pub use compare::check_unchanged;
pub use exec::sent_note;
pub use plan::{
    Lasting, Part, PlanContext, Planned, RowSource, SourceRows, check_budget, check_budget_with_tokens, plan,
};
pub use poll::wait_for;
pub use restore::{check_files, restore};
pub use wait::Wait;
