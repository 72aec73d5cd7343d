//! SQL over REST APIs: every API is a table you can trust.
//!
//! A statement names tables as `provider.service.resource`. SkyQL finds the operation in the provider's document, pages
//! through the API over HTTP, and streams the answer through `DataFusion` as Arrow record batches, with a report that
//! says whether the answer is whole.
//!
//! # A guided tour
//!
//! All examples run against the sandbox, which imitates the shipped providers on loopback: no account, no network. Without
//! it, an [`Env`] with credentials is all that changes.
//!
//! ## A first query
//!
//! An [`Engine`] is made once and shared; a [`Session`] is one user's conversation with it; a [`QueryResult`] is a stream
//! of record batches and a report.
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
//! ## As much as is wanted
//!
//! Rows come while later pages are still on their way. Dropping the result, or the future that reads it, cancels the
//! statement: calls under way are dropped, and no further one is made.
//!
//! ```
//! # use futures::StreamExt;
//! # use skyql::{Engine, SandboxOptions};
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! # let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
//! # let mut session = engine.session();
//! let mut result = session.sql("SELECT * FROM linode.linode.types").await?;
//! let first = result.next().await.transpose()?;
//! assert!(first.is_some_and(|batch| batch.num_rows() > 0));
//! drop(result); // what was still to come is not asked for
//! # Ok(())
//! # }
//! ```
//!
//! ## Values
//!
//! `$1`, `$2` … stand wherever a value may, in queries and writes; a value never becomes anything else.
//!
//! ```
//! # use skyql::{Engine, SandboxOptions};
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! # let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
//! # let mut session = engine.session();
//! let sql = "SELECT id FROM linode.images.images WHERE is_public = $1 AND label <> $2 LIMIT 3";
//! let batches = session.sql_with(sql, &skyql::params![true, "it's none of these"]).await?.read_all().await?;
//! assert_eq!(batches[0].num_rows(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! ## Is that all of it?
//!
//! The [`QueryReport`] says what the answer is worth: [`Verdict::Complete`] where the API proved it, and what is missing
//! or unsure otherwise.
//!
//! ```
//! # use skyql::{Engine, SandboxOptions, Verdict};
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! # let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
//! # let mut session = engine.session();
//! let mut result = session.sql("SELECT id FROM linode.images.images").await?;
//! result.read_all().await?;
//! let report = result.report();
//! assert_eq!(report.verdict(), Verdict::Complete);
//! for warning in &report.warnings {
//!     eprintln!("{}: {}", warning.subject, warning.message);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Writes
//!
//! A write is planned, may be looked at, and is then sent. [`EngineBuilder::state_dir`] says where it is noted.
//!
//! ```
//! # use skyql::{Engine, SandboxOptions};
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! let engine = Engine::builder().sandbox(SandboxOptions::default()).no_journal().build()?;
//! let mut session = engine.session();
//! let sql = "INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('logs', 'us-east', 20)";
//! if let Some(pending) = session.plan_write(sql).await? {
//!     assert_eq!(pending.summary(), "INSERT of 1 object of linode.volumes.volumes");
//!     session.apply(pending).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Scripts
//!
//! [`sql::template::render`] fills a script in, [`sql::split`] takes it apart, and [`Error::moved`] turns the place of an
//! error in a statement into one of the script.
//!
//! ```
//! # use skyql::{Engine, Env, SandboxOptions};
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! # let engine = Engine::builder().sandbox(SandboxOptions::default()).build()?;
//! # let mut session = engine.session();
//! use skyql::sql::template::{TemplateData, render};
//!
//! let mut data = TemplateData::new(Env::empty());
//! data.set("label", "it's mine; really");
//! let script = render("SET max_calls = 5; SELECT {{ label | sql }} AS label", &data)?;
//! let mut messages = Vec::new();
//! for piece in skyql::sql::split(&script.text)? {
//!     let mut result = session.sql(&piece.text).await.map_err(|error| error.moved(piece.start))?;
//!     messages.push(result.message().map(str::to_owned));
//!     result.read_all().await?;
//! }
//! assert_eq!(messages, [Some("SET".to_owned()), None]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Engine::check`] finds all that is wrong with a script without a call; [`Session::dry_run`] says of one statement what
//! it would send.
//!
//! ```
//! # use skyql::Engine;
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! let engine = Engine::builder().build()?;
//! let found = engine.check("SELECT id FROM linode.images.images;\nSELECT idd FROM linode.images.images").await;
//! assert_eq!(found.problems.len(), 1);
//! assert_eq!(found.problems[0].position().map(|place| place.line), Some(2));
//!
//! let mut session = engine.session();
//! let plan = session.dry_run("SELECT id FROM linode.images.images WHERE id = 'linode/debian12'").await?.read_all().await?;
//! assert!(arrow::util::pretty::pretty_format_batches(&plan).is_ok_and(|text| text.to_string().contains("calls: 1")));
//! # Ok(())
//! # }
//! ```
//!
//! ## Records
//!
//! [`EngineBuilder::record`] writes every call and its answer into a file, without secrets; [`EngineBuilder::replay`]
//! answers from it, without a network.
//!
//! ```
//! # use skyql::{Engine, SandboxOptions};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let file = dir.path().join("run.jsonl");
//! let sql = "SELECT count(*) FROM linode.images.images";
//! let engine = Engine::builder().sandbox(SandboxOptions::default()).record(&file).build()?;
//! let first = engine.session().sql(sql).await?.read_all().await?;
//! let again = Engine::builder().replay(&file).build()?.session().sql(sql).await?.read_all().await?;
//! assert_eq!(first, again);
//! # Ok(())
//! # }
//! ```
//!
//! ## Answering calls yourself
//!
//! A [`http::Transport`] takes the place of the network: in tests, or behind a gateway.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use bytes::Bytes;
//! use futures::{StreamExt, stream};
//! use skyql::http::{HeaderMap, Request, Response, StatusCode, Transport};
//! use skyql::{Engine, Env};
//!
//! #[derive(Debug)]
//! struct OneImage;
//!
//! #[async_trait]
//! impl Transport for OneImage {
//!     async fn send(&self, request: Request) -> skyql::Result<Response> {
//!         assert_eq!(request.url.path(), "/v4/images");
//!         let body = r#"{"data": [{"id": "a/1", "label": "one"}], "page": 1, "pages": 1, "results": 1}"#;
//!         let body = stream::iter([Ok(Bytes::from(body))]).boxed();
//!         Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! let env = Env::empty().with("LINODE_TOKEN", "a token");
//! let engine = Engine::builder().transport(Arc::new(OneImage)).env(env).build()?;
//! let batches = engine.session().sql("SELECT label FROM linode.images.images").await?.read_all().await?;
//! assert_eq!(batches[0].num_rows(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! ## Any OpenAPI document
//!
//! [`import::import`] makes a provider of one, and [`EngineBuilder::documents`] takes it as it is.
//!
//! ```
//! use std::sync::Arc;
//!
//! use skyql::Engine;
//! use skyql::import::{Bundle, Options, import};
//!
//! # #[tokio::main]
//! # async fn main() -> skyql::Result<()> {
//! let document = r#"{"openapi": "3.0.3", "info": {"title": "Pets", "version": "1"},
//!   "servers": [{"url": "https://pets.example"}],
//!   "paths": {"/pets": {"get": {"operationId": "listPets", "responses": {"200": {"description": "pets", "content":
//!     {"application/json": {"schema": {"type": "array", "items": {"type": "object", "properties":
//!       {"id": {"type": "integer"}, "name": {"type": "string"}}}}}}}}}}}}"#;
//! let options = Options { name: "pets".to_owned(), ..Options::default() };
//! let imported = import(Bundle::new("pets.json", document.as_bytes())?, &options)?;
//! let engine = Engine::builder().documents(Arc::new(imported.source())).build()?;
//! let found = engine.check("SELECT id, name FROM pets.pets.pets").await;
//! assert!(found.problems.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! ## Inside another `DataFusion`
//!
//! [`install`] puts the tables into a session of your own, beside your tables.
//!
//! ## What is heard outside
//!
//! Nothing is printed and nothing global is kept. With `tracing`, every statement is a span (`skyql::statement`), and every
//! call a span inside it (`skyql::http`) with its method, URL, status, bytes and milliseconds.
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
//! * [`sql::template`]: scripts as templates.
//! * [`scan::report_of`]: the report of a plan in somebody else's session.
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
pub mod reference;
pub mod report;
pub mod rows;
pub mod sandbox;
pub mod scan;
pub mod site;
pub mod sql;
pub mod store;
mod threads;
pub mod write;

/// The guide's examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
pub struct LibraryGuide;

pub use config::{ConfigFile, Env, Settings};
pub use engine::{Checked, Engine, EngineBuilder, QueryResult, SandboxOptions, Session, install};
pub use error::{Error, ErrorKind, Result};
pub use report::{QueryReport, Verdict};
pub use sql::Param;
