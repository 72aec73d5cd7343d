//! What there is, as SHOW, DESCRIBE and tables; short names; the user's own views and tables.
//!
//! *Invariants*: asking what there is sends nothing.

mod copies;
mod kept;
mod names;

use std::fs;

use tempfile::TempDir;

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::query::{Db, NULL};
use crate::support::server::Server;

/// The shipped providers, which nobody asks anything.
fn shipped() -> Db {
    Db::of(skyql::Engine::builder())
}

/// The widgets' shop at `url`, with numbered pages and a total.
fn shop(url: &str) -> TempDir {
    acme_dir(url, &(Paging::Page.document() + STATED_TOTAL))
}

/// A second shop, `wreck`, whose service `broken` is no YAML and whose service `shop` is in order.
fn wreck() -> TempDir {
    let good = widgets_service("http://127.0.0.1:1", "", "$.items");
    provider_dir("wreck", "v1", &[("shop", &good), ("broken", "components: {a: [}")], "type: null_auth")
}

#[tokio::test(flavor = "multi_thread")]
async fn show_takes_like_and_where_over_what_it_shows() {
    let mut db = shipped();
    assert_eq!(db.rows("SHOW PROVIDERS LIKE 'lin%'").await.rows, [["linode", "v1.0.0"]]);
    assert_eq!(
        db.rows("SHOW SERVICES IN linode WHERE NAME = 'images' OR title = 'Domains'").await.column(1),
        ["domains", "images"]
    );
    let methods =
        db.rows("SHOW METHODS IN linode.images.images WHERE sqlverb <> 'SELECT' AND MethodName LIKE 'p%'").await;
    assert_eq!(methods.columns, ["MethodName", "RequiredParams", "SQLVerb"]);
    assert_eq!(methods.column(0), ["post_image", "put_image", "post_replicate_image", "post_upload_image"]);
    assert_eq!(methods.rows[2], ["post_replicate_image", "imageId, data__regions", "EXEC"]);
    assert_eq!(
        db.rows("SHOW EXTENDED RESOURCES IN linode.domains LIKE 'rec%'").await.columns,
        ["name", "id", "description"]
    );
    let settings = db.rows("SHOW SETTINGS WHERE value = '10000'").await;
    assert_eq!(settings.column(0), ["max_calls"]);
    assert_eq!(db.rows("SHOW FUNCTIONS LIKE 'json_extract'").await.column(1), ["scalar"]);
    let json = db.rows("SHOW EXTENDED FUNCTIONS LIKE 'json%'").await;
    assert!(json.rows.iter().any(|row| row[0] == "json_each" && row[1] == "table"), "{:?}", json.rows);
    for row in &json.rows {
        assert!(row[2].starts_with(&format!("{}(", row[0])) && row[3].len() > 5, "{row:?}");
    }
    let without = db.rows("SELECT name FROM skyql.functions WHERE syntax IS NULL OR description IS NULL").await;
    assert_eq!(without.rows, Vec::<Vec<String>>::new());
    assert!(db.rows("SHOW FUNCTIONS WHERE kind = 'aggregate'").await.rows.iter().any(|row| row[0] == "count"));

    let error = db.error("SHOW RESOURCES IN linode.images WHERE nam = 'x'").await;
    assert_eq!((error.message(), error.hint_text()), ("SHOW has no column `nam` here", Some("did you mean `name`?")));
    assert_eq!(error.position().map(|at| at.column), Some(39));
    let error = db.error("SHOW METHODS IN linode.images.imgaes").await;
    assert_eq!(error.hint_text(), Some("did you mean `images`?"));
    // A pattern is text, whatever is in it.
    assert!(db.rows("SHOW PROVIDERS LIKE '''; DROP'").await.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_hold_what_show_shows() {
    let mut db = shipped();
    let rows =
        db.rows("SELECT provider, service, name FROM skyql.resources WHERE NAME LIKE '%image%' ORDER BY 1, 2, 3").await;
    assert_eq!(
        rows.rows,
        [
            ["digitalocean", "compute", "image_account_transfers"],
            ["digitalocean", "compute", "image_actions"],
            ["digitalocean", "compute", "images"],
            ["digitalocean", "inference", "image_generations"],
            ["linode", "images", "images"],
            ["linode", "images", "sharegroup_images"],
            ["lunanode", "images", "images"],
        ]
    );
    for (show, table) in [
        ("SHOW PROVIDERS", "SELECT name, version FROM skyql.providers"),
        ("SHOW SERVICES IN linode", "SELECT id, name, title FROM skyql.services WHERE provider = 'linode'"),
        (
            "SHOW RESOURCES IN digitalocean.compute",
            "SELECT name, id FROM skyql.resources WHERE provider = 'digitalocean' AND service = 'compute'",
        ),
        (
            "SHOW METHODS IN linode.images.images",
            "SELECT name, required, verb FROM skyql.methods WHERE provider || '.' || service || '.' || resource = 'linode.images.images'",
        ),
        ("SHOW SETTINGS", "SELECT * FROM skyql.settings"),
        (
            "DESCRIBE linode.domains.records",
            "SELECT name, type FROM skyql.columns WHERE provider = 'linode' AND resource = 'records'",
        ),
    ] {
        let (shown, listed) = (db.rows(show).await.rows, db.rows(table).await.rows);
        assert!(!shown.is_empty(), "{show}");
        assert_eq!(shown, listed, "{show}");
    }
    let required = "SELECT method, name, location FROM skyql.parameters \
                    WHERE provider = 'linode' AND resource = 'images' AND required AND verb = 'SELECT'";
    assert_eq!(db.rows(required).await.rows, [["get_image", "imageId", "path"]]);
    // Metadata joins with metadata.
    let joined =
        "SELECT count(*) FROM skyql.services s JOIN skyql.providers p ON s.provider = p.name WHERE p.name = 'linode'";
    assert_eq!(db.rows(joined).await.rows, [["21"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standards_tables_are_there() {
    let mut db = shipped();
    db.rows("CREATE VIEW mine AS SELECT 1 AS n, 'x' AS t").await;
    let schemas = db.rows("SELECT schema_name FROM information_schema.schemata WHERE catalog_name = 'local'").await;
    assert_eq!(schemas.column(0), ["main", "skyql", "information_schema"]);
    let tables = "SELECT table_schema, table_name, table_type FROM INFORMATION_SCHEMA.TABLES \
                  WHERE table_catalog IN ('linode', 'local') AND table_schema IN ('domains', 'main') ORDER BY 1, 2";
    assert_eq!(
        db.rows(tables).await.rows,
        [
            ["domains", "domains", "BASE TABLE"],
            ["domains", "records", "BASE TABLE"],
            ["domains", "zone_file", "BASE TABLE"],
            ["main", "mine", "VIEW"],
        ]
    );
    let columns =
        "SELECT column_name, ordinal_position, data_type FROM information_schema.columns WHERE table_name = 'mine'";
    assert_eq!(db.rows(columns).await.rows, [["n", "1", "bigint"], ["t", "2", "text"]]);
    let records =
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'records' AND table_catalog = 'linode'";
    let wanted = db.rows("SELECT * FROM linode.domains.records WHERE false AND domainId = 1").await.columns;
    assert_eq!(db.rows(records).await.column(0), wanted, "the columns of `*`");
    let views = db.rows("SELECT table_name, view_definition FROM information_schema.views").await;
    assert_eq!(views.rows, [["mine", "SELECT 1 AS n, 'x' AS t"]]);
    // They tell of themselves.
    let own =
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'skyql' AND table_name = 'settings'";
    assert_eq!(db.rows(own).await.rows, [["3"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_says_what_goes_where() {
    let mut db = shipped();
    let answer = db.rows("DESCRIBE EXTENDED digitalocean.compute.images").await;
    let find =
        |name: &str, kind: &str| answer.rows.iter().find(|row| row[0] == name && row[3] == kind).cloned().unwrap();
    let at = |heading: &str| answer.columns.iter().position(|column| column == heading).unwrap();
    let per_page = find("per_page", "parameter");
    assert_eq!(per_page[at("limits")], "1..200");
    assert_eq!((per_page[at("location")].as_str(), per_page[at("required")].as_str()), ("query", "false"));
    assert_eq!(per_page[at("default")], "20");
    let kind = find("type", "parameter");
    assert_eq!(kind[at("values")], "application, distribution");
    let id = find("id", "key column");
    assert_eq!((id[at("read_only")].as_str(), id[at("type")].as_str()), ("true", "integer"));
    assert_eq!(find("name", "column")[at("read_only")], "false");
    assert_eq!(answer.rows[0][0], "id");

    let method = db.rows("DESCRIBE EXTENDED METHOD linode.images.images.postImage").await;
    assert_eq!(method.columns, ["name", "type", "param_type", "shape", "description", "values", "default", "limits"]);
    assert_eq!(method.rows[0][..4], ["data__disk_id", "integer", "input_required", "body"]);
    assert_eq!(
        db.rows("DESCRIBE skyql.settings").await.rows,
        [["name", "text"], ["value", "text"], ["description", "text"]]
    );
    let error = db.error("DESCRIBE linode.images.imagse").await;
    assert_eq!(error.hint_text(), Some("did you mean `images`?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_breaks_only_itself() {
    let dir = wreck();
    let mut db = Db::of(skyql::Engine::builder().providers_dir(dir.path()));
    let all = db.rows("SELECT provider, name FROM skyql.resources WHERE name = 'widgets' OR name = 'volumes'").await;
    assert!(all.rows.contains(&vec!["wreck".to_owned(), "widgets".to_owned()]), "{:?}", all.rows);
    assert!(all.rows.len() >= 3, "{:?}", all.rows);
    assert_eq!(all.warned(), ["broken"]);
    assert_eq!(all.report.warnings[0].subject, "wreck.broken");
    assert_eq!(db.rows("SHOW SERVICES IN wreck").await.column(1), ["shop", "broken"]);
    assert_eq!(db.error("SHOW RESOURCES IN wreck.broken").await.kind(), skyql::ErrorKind::Provider);

    // A condition on the names keeps it from being read at all.
    for sql in [
        "SELECT name FROM skyql.resources WHERE service = 'shop'",
        "SELECT name FROM skyql.resources WHERE provider LIKE 'lin%'",
        "SELECT name FROM skyql.columns WHERE provider = 'wreck' AND service IN ('shop', 'x')",
        "SELECT table_name FROM information_schema.tables WHERE upper(table_schema) <> 'BROKEN'",
        "SELECT name FROM skyql.services",
    ] {
        let answer = db.rows(sql).await;
        assert!(!answer.rows.is_empty() && answer.warned().is_empty(), "{sql}: {answer:?}");
    }

    fs::write(dir.path().join("wreck/v1/provider.yaml"), "name: wreck\nproviderServices: {a: [}\n").unwrap();
    let mut db = Db::of(skyql::Engine::builder().providers_dir(dir.path()));
    let answer = db.rows("SELECT name, services, error FROM skyql.providers WHERE error IS NOT NULL").await;
    assert_eq!(answer.rows[0][..2], ["wreck", NULL]);
    assert!(answer.rows[0][2].contains("provider.yaml"), "{:?}", answer.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_report_is_a_row() {
    let server = Server::start(paged(widgets(30), 20, 100, true)).await;
    let mut db = Db::new(shop(&server.url()));
    db.rows("SELECT id FROM acme.shop.widgets LIMIT 2").await;
    let report = db.rows("SELECT verdict, calls, rows FROM skyql.last_report").await;
    assert_eq!(report.rows, [["truncated", "1", "2"]]);
    db.rows("SELECT id FROM acme.shop.widgets WHERE id = 77").await;
    assert_eq!(db.rows("SHOW WARNINGS").await.column(1), ["not_found"]);
    assert_eq!(db.rows("SELECT code, count FROM skyql.warnings").await.rows, [["not_found", "1"]]);
    assert!(db.rows("SELECT * FROM skyql.journal").await.rows.is_empty());
    let error = db.error("SELECT * FROM skyql.resorces").await;
    assert_eq!(error.hint_text(), Some("did you mean `resources`?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_run_when_they_are_filled_in() {
    let builder = skyql::Engine::builder().sandbox(skyql::SandboxOptions::default()).no_journal();
    let mut db = Db::of(builder).set("confirm", "never");
    let fill = |text: &str, values: &[(&str, &str)]| {
        values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{ {name} | sql }}}}"), value))
    };
    let answer = db.rows("SHOW INSERT /*+ REQUIRED */ INTO linode.images.images").await;
    assert_eq!(answer.columns, ["insert_statement"]);
    let text = &answer.rows[0][0];
    assert!(text.starts_with("INSERT INTO linode.images.images (data__disk_id)\nVALUES ("), "{text}");
    // Unfilled it is no SQL.
    assert_eq!(db.error(text).await.kind(), skyql::ErrorKind::Syntax);
    db.rows(&fill(text, &[("data__disk_id", "123")])).await;
    let text = db.rows("SHOW INSERT INTO linode.images.images (disk_id, label)").await.rows[0][0].clone();
    let returned =
        fill(&text, &[("data__disk_id", "124"), ("data__label", "'gold'")]).replace(';', " RETURNING id, label;");
    let made = db.rows(&returned).await;
    assert_eq!(made.rows[0][1], "gold");
    let id = format!("'{}'", made.rows[0][0]);

    let text = db.rows("SHOW UPDATE linode.images.images").await.rows[0][0].clone();
    let values =
        [("data__label", "'new'"), ("data__description", "'d'"), ("data__tags", "'[]'"), ("imageId", id.as_str())];
    db.rows(&fill(&text, &values)).await;
    let label = db.rows(&format!("SELECT label FROM linode.images.images WHERE id = {id}")).await;
    assert_eq!(label.rows, [["new"]]);
    let text = db.rows("SHOW EXEC linode.images.images.post_replicate_image").await.rows[0][0].clone();
    db.rows(&fill(&text, &[("data__regions", "'[\"us-mia\"]'"), ("imageId", &id)])).await;
    let text = db.rows("SHOW DELETE FROM linode.images.images").await.rows[0][0].clone();
    db.rows(&fill(&text, &[("imageId", &id)])).await;
    assert!(db.rows(&format!("SELECT label FROM linode.images.images WHERE id = {id}")).await.rows.is_empty());

    let error = db.error("SHOW INSERT INTO linode.images.images (lable)").await;
    assert_eq!(error.hint_text(), Some("did you mean `label`?"));
    let error = db.error("SHOW REPLACE digitalocean.compute.volumes").await;
    assert_eq!(error.kind(), skyql::ErrorKind::Unsupported);
}
