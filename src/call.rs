//! A Call → request → pages → batches.
//!
//! *Owns*: building requests (OpenAPI styles, bodies), where a provider is and which credential it gets, telling a good
//! answer from a bad one, paging and its verdict, reading calls side by side, making the same call once, answers that are kept.
//! *Does not own*: which calls to make (`bind`), how a request travels (`http`), how bytes become columns (`rows`).
//! *Invariants*: knows nothing of `DataFusion`; a path value never changes the shape of a URL; no request goes to an
//! origin that the document or the user did not name; the end of a scan is proved or reported as unproved; dropping a
//! stream drops its requests.

mod answer;
mod arrive;
mod body;
mod endpoint;
mod found;
mod hidden;
mod kept;
mod lengths;
mod link_header;
mod multipart;
mod page;
mod pages;
mod read;
mod request;
mod send;
mod shape;
mod shared;
mod tape;
mod token;
mod told;
mod transfer;

pub use endpoint::{EndpointOptions, Endpoints};
pub(crate) use found::{is_known_by, is_same};
pub use kept::KeptAnswers;
pub use lengths::{Length, Lengths, known_length};
pub use read::{BoundCall, CallBatch, Pace, ReadContext, read_calls, stated_total};
pub use request::{check_path, describe_request, first_request};
pub use send::{Answered, Destination, ShownRequest, destination, send_call, show_request, token_needed};
pub use shape::{PlanOptions, ReadPlan, Stopping, Wants, column_kind};
pub use shared::{AnswerKey, SharedAnswers};
