//! `DataFusion`'s view of provider tables: catalogue, table, scan and bind-join operators.
//!
//! *Owns*: translating expressions to [`crate::bind::Predicate`], the one operator that makes calls (from constants or from
//! the rows of another table), the plan rewrite that finds bind joins and scans of which not all rows are wanted, the border
//! of error types.
//! *Does not own*: which method is called (`bind`), how (`call`).
//! *Invariants*: row predicates are evaluated in the operator itself, page by page; an order that an API was told is looked
//! at as rows come; one output partition, so the API's order survives; of writes, only the predicates pass here.

mod border;
mod catalog;
mod count;
mod exec;
mod exists;
mod explained;
mod first;
mod foreign;
mod foreseen;
mod grouped;
mod join;
mod joining;
mod leaf;
mod listing;
mod literal;
mod not_in;
mod ordered;
mod predicate;
mod push;
mod reads;
mod recursion;
mod spec;
mod table;
mod target;
mod wanted;

pub use border::{all_from_datafusion, from_datafusion, to_datafusion};
pub use catalog::{CatalogList, ServiceSchema, encode_arguments};
pub use exec::CallExec;
pub use explained::{Expected, ExplainedLimit, ExplainedPredicate, ExplainedScan};
pub use foreign::{SkyOptions, report_of};
pub use foreseen::{calls_in_all, check_calls, explained_scans, over_budget};
pub use join::{BindJoinPlanner, SkyQueryPlanner};
pub use literal::LiteralCoercion;
pub use not_in::NotIn;
pub use reads::columns_read;
pub use spec::ScanSpec;
pub use table::{RestTable, ScanCore, StatementContext};
pub use target::{WriteTarget, conjuncts};
