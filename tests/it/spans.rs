//! What a program that listens with `tracing` hears of statements and calls.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use skyql::Engine;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::server::Server;

/// A span: its name, its parent's name, what it said.
#[derive(Debug, Clone, Default)]
struct Heard {
    name: &'static str,
    target: &'static str,
    parent: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
    closed: bool,
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<BTreeMap<u64, Heard>>>);

impl Ears {
    fn all(&self, name: &str) -> Vec<Heard> {
        self.0.lock().unwrap().values().filter(|heard| heard.name == name).cloned().collect()
    }

    fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ears {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| parent.name());
        let metadata = attributes.metadata();
        let mut heard = Heard { name: metadata.name(), target: metadata.target(), parent, ..Heard::default() };
        attributes.record(&mut Fields(&mut heard.fields));
        self.0.lock().unwrap().insert(id.into_u64(), heard);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(heard) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Fields(&mut heard.fields));
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(heard) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            heard.closed = true;
        }
    }
}

// One thread, so that its subscriber hears every task.
#[tokio::test]
async fn a_statement_is_a_span_and_its_calls_are_spans_inside_it() {
    let ears = Ears::default();
    let server = Server::start(paged(widgets(25), 10, 10, true)).await;
    let dir = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap();
    let mut session = engine.session();
    // While there is one subscriber only, a span that another test's thread meets first is off for all threads. With
    // a second, all are asked; and what was met before that is asked again.
    let _second = Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ears.clone()));
    let sql = "SELECT w.id FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id WHERE w.id IN (1, 2)";
    session.sql(sql).await.unwrap().read_all().await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    ears.forget();
    let before = server.requests().len();
    session.sql(sql).await.unwrap().read_all().await.unwrap();
    let statements = ears.all("statement");
    let [statement] = statements.as_slice() else { panic!("{statements:?}") };
    assert_eq!((statement.target, statement.parent, statement.closed), ("skyql::statement", None, true));
    let said = |heard: &Heard, name: &str| heard.fields.get(name).cloned().unwrap_or_default();
    assert_eq!((said(statement, "kind"), said(statement, "verdict")), ("query".into(), "complete".into()));
    let calls = ears.all("call");
    assert_eq!(calls.len(), server.requests().len() - before);
    assert_eq!(said(statement, "calls"), calls.len().to_string());
    assert!(!said(statement, "milliseconds").is_empty() && said(statement, "bytes") != "0");
    for call in &calls {
        assert_eq!((call.target, call.parent, call.closed), ("skyql::http", Some("statement"), true), "{call:?}");
        assert_eq!((said(call, "method"), said(call, "status")), ("GET".into(), "200".into()), "{call:?}");
        assert!(said(call, "url").starts_with(&server.url()), "{call:?}");
        assert!(said(call, "bytes").parse::<u64>().unwrap() > 0, "{call:?}");
        assert!(!said(call, "milliseconds").is_empty() && said(call, "attempts") == "1", "{call:?}");
    }

    // One that fails says so, and one that is let go ends.
    session.sql("SELECT nosuch FROM acme.shop.widgets").await.unwrap_err();
    drop(session.sql("SELECT id FROM acme.shop.widgets").await.unwrap());
    let statements = ears.all("statement");
    assert_eq!(statements.len(), 3);
    assert!(statements.iter().all(|heard| heard.closed), "{statements:?}");
    assert_eq!(said(&statements[1], "error"), "name_not_found");
}
