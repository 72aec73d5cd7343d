//! The sandbox does what the documents say that the API does: an independent reading of the same words.

use skyql::{Engine, SandboxOptions};

use super::api::Manner;
use crate::support::query::Db;

fn options() -> SandboxOptions {
    SandboxOptions { seed: 3, ..SandboxOptions::default() }
}

fn db(manner: Manner, pushdown: &str) -> Db {
    let documents = manner.documents("https://api.acme.example", pushdown);
    Db::with(documents, |builder| builder.sandbox(options()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_manner_gives_the_same_rows_with_and_without() {
    for manner in Manner::ALL {
        let (mut pushing, mut plain) = (db(manner, manner.pushdown()), db(manner, ""));
        for (sql, fewest) in [
            ("SELECT id, size FROM acme.shop.widgets WHERE id IS NOT NULL ORDER BY id LIMIT 5", true),
            ("SELECT id, name FROM acme.shop.widgets WHERE id IS NOT NULL ORDER BY id DESC LIMIT 30", false),
            ("SELECT name FROM acme.shop.widgets WHERE id > 20 AND (ok OR name LIKE '%a%') ORDER BY id", false),
            ("SELECT id FROM acme.shop.widgets LIMIT 3 OFFSET 110", false),
            ("SELECT id FROM acme.shop.widgets OFFSET 97", false),
            ("SELECT count(*) FROM acme.shop.widgets", false),
        ] {
            let (told, untold) = (pushing.rows(sql).await, plain.rows(sql).await);
            assert_eq!(told.rows, untold.rows, "{manner:?} {sql}");
            assert!(!told.rows.is_empty() && told.warned().is_empty(), "{manner:?} {sql}: {:?}", told.warnings());
            assert!(!fewest || told.report.calls == 1, "{manner:?} {sql}: {}", told.report.calls);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_that_linodes_documents_declare_is_the_sandboxs() {
    let engine = Engine::builder().sandbox(options()).build().unwrap();
    let registry = engine.registry();
    let mut db = Db::of(Engine::builder().sandbox(options()));
    let mut told = 0;
    for service in registry.provider("linode").unwrap().services.keys() {
        for resource in registry.service("linode", service).unwrap().resources.values() {
            let lists = resource.verbs.select.iter().map(|name| &resource.methods[name]);
            let lists: Vec<_> = lists.filter(|method| method.pushdown.order.is_some()).collect();
            let needs_nothing = |method: &&std::sync::Arc<skyql::provider::Method>| method.needs().count() == 0;
            let Some(list) = lists.into_iter().find(needs_nothing) else { continue };
            for column in list.pushdown.order.as_ref().unwrap().columns.as_ref().unwrap() {
                assert!(list.response.columns.iter().any(|known| &known.name == column), "{}.{column}", resource.id);
                let of = |order: &str| format!("SELECT \"{column}\" FROM {} ORDER BY {order} LIMIT 4", resource.id);
                let plain = db.rows(&of(&format!("coalesce(\"{column}\", \"{column}\") DESC"))).await;
                let pushed = db.rows(&of(&format!("\"{column}\" DESC"))).await;
                assert_eq!(pushed.rows, plain.rows, "{}.{column}", resource.id);
                assert!(pushed.warned().is_empty(), "{}.{column}: {:?}", resource.id, pushed.warnings());
                let explained = db.rows(&format!("EXPLAIN {}", of(&format!("\"{column}\" DESC")))).await;
                told += usize::from(explained.column(0).into_iter().any(|line| line.contains("+order_by")));
            }
        }
    }
    assert!(told >= 20, "{told}");
}
