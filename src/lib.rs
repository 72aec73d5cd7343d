//! SQL over REST APIs: every API is a table you can trust.
//!
//! A statement names tables as `provider.service.resource`. SkyQL finds the operation in the provider's document, pages
//! through the API over HTTP, and streams the answer through `DataFusion` as Arrow record batches, with a report that
//! says whether the answer is whole.
//!
//! # A first query
//!
//! The sandbox imitates the shipped providers on loopback, so this needs no account and no network:
//!
//! ```
//! use futures::StreamExt;
//! use skyql::{Engine, SandboxOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
//! let mut session = engine.session();
//! let mut result = session.sql("SELECT id, label FROM linode.images.images ORDER BY size DESC LIMIT 5").await?;
//! let mut rows = 0;
//! while let Some(batch) = result.next().await {
//!     rows += batch?.num_rows();
//! }
//! assert_eq!(rows, 5);
//! assert_eq!(result.report().calls, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! * [`engine`]: [`Engine`], [`Session`] and [`QueryResult`], all that most programs need.
//! * [`config`]: settings, the configuration file, the environment.
//! * [`report`]: what happened, and whether the answer is whole.
//! * [`error`]: one error type with a kind, a place and a hint.
//! * [`http::Transport`]: answer requests yourself, in tests or behind your own gateway.
//! * [`import`]: any OpenAPI document as provider documents, and checks of provider documents.
//! * [`provider`]: the documents' model, and where documents are looked for.
//!
//! The other modules are the rooms of the program; `docs/architecture.md` has the map.

pub mod bind;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod files;
pub mod functions;
pub mod http;
pub mod import;
pub mod output;
pub mod provider;
pub mod report;
pub mod rows;
pub mod sandbox;
pub mod scan;
pub mod sql;
pub mod store;
pub mod write;

pub use config::{ConfigFile, Env, Settings};
pub use engine::{Engine, EngineBuilder, QueryResult, SandboxOptions, Session};
pub use error::{Error, ErrorKind, Result};
pub use report::{QueryReport, Verdict};
