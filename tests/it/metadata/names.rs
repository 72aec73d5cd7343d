//! `USE`, and the names that it makes shorter.

use crate::support::documents::{paged, widgets};
use crate::support::query::Db;
use crate::support::server::{Reply, Server};

use super::shop;

#[tokio::test(flavor = "multi_thread")]
async fn use_shortens_every_name() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let mut db = Db::new(shop(&server.url()));
    db.rows("USE acme.shop").await;
    assert_eq!(db.rows("SELECT id FROM widgets ORDER BY widgets.id").await.ids(), [1, 2, 3]);
    assert_eq!(db.rows("SELECT w.id FROM shop.widgets AS w WHERE w.ID = 2").await.ids(), [2]);
    let joined = "SELECT p.label FROM widgets w JOIN parts p ON p.widget_id = w.id ORDER BY p.id";
    assert_eq!(db.rows(joined).await.rows.len(), 3);
    assert_eq!(db.rows("SHOW RESOURCES").await.column(0), ["widgets", "parts"]);
    assert_eq!(db.rows("SHOW SERVICES").await.column(1), ["shop"]);
    assert_eq!(db.rows("SHOW METHODS IN parts").await.column(0), ["list"]);
    assert_eq!(db.rows("DESCRIBE parts").await.column(0), ["id", "label"]);
    assert_eq!(db.rows("DESCRIBE METHOD widgets.get").await.rows[0][..3], ["widget_id", "integer", "input_required"]);
    // Whole names mean what they always mean, and so do the names of others.
    assert_eq!(db.rows("SELECT id FROM acme.shop.widgets LIMIT 1").await.ids(), [1]);
    assert!(!db.rows("SHOW RESOURCES IN linode.domains").await.rows.is_empty());

    db.rows("USE acme").await;
    assert_eq!(db.rows("SELECT id FROM shop.widgets LIMIT 1").await.ids(), [1]);
    assert_eq!(db.error("SELECT id FROM widgets").await.message(), "there is no table `widgets`");
    db.rows("USE shop").await;
    assert_eq!(db.rows("SELECT id FROM widgets LIMIT 1").await.ids(), [1]);
    db.rows("USE DEFAULT").await;
    assert_eq!(db.error("SELECT id FROM widgets").await.message(), "there is no table `widgets`");
    assert!(db.error("DESCRIBE parts").await.message().contains("DESCRIBE provider.service.resource"));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_prepared_statements_reach_the_api() {
    let server = Server::start(paged(widgets(9), 20, 100, true)).await;
    let mut db = Db::new(shop(&server.url()));
    db.rows("PREPARE Parts AS SELECT id FROM acme.shop.parts WHERE widget_id IN ($1, $2) ORDER BY id LIMIT $3").await;
    assert_eq!(db.rows("EXECUTE parts (2, 5, 3)").await.ids(), [21, 22, 51]);
    let mut paths: Vec<String> = server.requests().iter().map(|seen| seen.path.clone()).collect();
    paths.sort();
    assert_eq!(paths, ["/widgets/2/parts", "/widgets/5/parts"]);
    db.rows("PREPARE colored AS SELECT id FROM acme.shop.widgets(color => $1) WHERE name <> $2").await;
    assert_eq!(db.rows("EXECUTE colored ('red', 'x'' OR 1=1 --')").await.ids(), [3, 6, 9]);
    assert_eq!(db.rows("EXECUTE colored ('none', NULL)").await.rows.len(), 0);
    let error = db.error("EXECUTE parts (1)").await;
    assert_eq!(error.message(), "the statement takes 3 values, not 1");
    assert_eq!(db.error("EXECUTE part (1)").await.hint_text(), Some("did you mean `parts`?"));
    db.rows("PREPARE lister AS SHOW RESOURCES IN acme.shop LIKE $1").await;
    assert_eq!(db.rows("EXECUTE lister ('p%')").await.column(0), ["parts"]);
    db.rows("DEALLOCATE parts").await;
    assert_eq!(db.error("EXECUTE parts (1, 2, 3)").await.kind(), skyql::ErrorKind::NameNotFound);
    db.rows("DEALLOCATE ALL").await;
    assert_eq!(db.error("EXECUTE lister ('p%')").await.kind(), skyql::ErrorKind::NameNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn use_of_what_is_not_there_changes_nothing() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let mut db = Db::new(shop(&server.url()));
    db.rows("USE acme.shop").await;
    let error = db.error("USE acm").await;
    assert_eq!(error.hint_text(), Some("did you mean `acme`?"));
    let error = db.error("USE acme.shpo").await;
    assert_eq!(error.hint_text(), Some("did you mean `shop`?"));
    let error = db.error("SELECT 1 FROM widgts").await;
    assert_eq!(
        (error.message(), error.hint_text()),
        ("`acme.shop` has no resource `widgts`", Some("did you mean `widgets`?"))
    );
    assert_eq!(error.position().map(|at| at.column), Some(15));
    assert_eq!(db.rows("SELECT id FROM widgets LIMIT 1").await.ids(), [1]);
    // A CTE and a table of one's own are nearer than the service's.
    db.rows("CREATE TABLE parts AS SELECT 7 AS n").await;
    assert_eq!(db.rows("SELECT n FROM parts").await.ids(), [7]);
    assert_eq!(db.rows("WITH widgets AS (SELECT 9 AS n) SELECT n FROM widgets").await.ids(), [9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_take_short_names_too() {
    let server = Server::start(|_| Reply::json(200, serde_json::json!({"id": "private/1", "label": "x"}))).await;
    let env = skyql::Env::empty().with("LINODE_TOKEN", "token");
    let builder = skyql::Engine::builder().no_journal().env(env).base_url("linode", &server.url());
    let mut db = Db::of(builder).set("confirm", "never");
    db.rows("USE linode.images").await;
    db.rows("INSERT INTO images (disk_id) VALUES (1)").await;
    db.rows("UPDATE images.images SET label = 'x' WHERE images.id = 'private/1'").await;
    db.rows("DELETE FROM images WHERE id = 'private/1'").await;
    db.rows("EXEC images.post_replicate_image @imageId = 'private/1', @@json = '{\"regions\": []}'").await;
    let sent: Vec<String> = server.requests().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(
        sent,
        [
            "POST /v4/images",
            "PUT /v4/images/private%2F1",
            "DELETE /v4/images/private%2F1",
            "POST /v4/images/private%2F1/regions"
        ]
    );
    db.rows("USE DEFAULT").await;
    let error = db.error("DELETE FROM images WHERE id = 'private/1'").await;
    assert_eq!(
        (error.message(), error.hint_text()),
        ("`images` is not a table", Some("a table is `provider.service.resource`"))
    );
    assert_eq!(error.position().map(|at| at.column), Some(13));
    assert_eq!(server.requests().len(), 4);
}
