//! A run recorded and played again.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use serde_json::{Value, json};
use skyql::{Engine, EngineBuilder, Env, ErrorKind, Session};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, list_api, provider_dir, widgets, widgets_service};
use crate::support::program::Home;
use crate::support::query::texts;
use crate::support::server::{Reply, Server};

async fn rows(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, skyql::Error> {
    let batches = session.sql(sql).await?.read_all().await?;
    Ok(batches.iter().flat_map(texts).collect())
}

async fn run(builder: EngineBuilder, statements: &[&str]) -> Vec<Result<Vec<Vec<String>>, String>> {
    let mut session = builder.build().unwrap().session();
    let mut answers = Vec::new();
    for statement in statements {
        answers.push(rows(&mut session, statement).await.map_err(|error| format!("{error:?}")));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_gives_the_same_rows_and_errors_without_a_call() {
    for paging in [Paging::Page, Paging::NextUrl, Paging::LinkHeader, Paging::Cursor] {
        let pages = list_api(paging, widgets(25), 10, 10, true);
        let server = Server::start(move |seen| match seen.query_value("color").as_deref() {
            Some("broken") => Reply::json(500, json!({"message": "no such colour"})),
            _ => pages(seen),
        })
        .await;
        let dir = acme_dir(&server.url(), &(paging.document() + STATED_TOTAL));
        let file = dir.path().join("run.jsonl");
        let settings = skyql::Settings { retries: 0, ..skyql::Settings::default() };
        let builder = || Engine::builder().providers_dir(dir.path()).settings(settings.clone());
        let statements = [
            "SELECT id, name FROM acme.shop.widgets",
            "SELECT id FROM acme.shop.widgets WHERE id = 3",
            "SELECT id FROM acme.shop.widgets WHERE id = 777",
            "SELECT id FROM acme.shop.widgets WHERE color = 'broken'",
            "SELECT w.id, p.* FROM acme.shop.widgets w JOIN acme.shop.parts p ON p.widget_id = w.id WHERE w.id IN (1, 2)",
            "SELECT id FROM acme.shop.widgets LIMIT 3",
        ];
        let recorded = run(builder().record(&file), &statements).await;
        let asked = server.requests().len();
        let replayed = run(builder().replay(&file), &statements).await;
        assert_eq!(replayed, recorded);
        assert!(recorded[3].is_err() && recorded[0].as_ref().is_ok_and(|rows| rows.len() == 25), "{recorded:?}");
        assert_eq!(server.requests().len(), asked, "a replay sends nothing");

        // In another order, but not once more, and nothing else.
        let mut session = builder().replay(&file).build().unwrap().session();
        rows(&mut session, statements[1]).await.unwrap();
        let error = rows(&mut session, "SELECT id FROM acme.shop.widgets WHERE id = 4").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameNotFound);
        assert!(error.message().contains("holds no answer to acme.shop.widgets by `get`"), "{error}");
        let error = rows(&mut session, statements[1]).await.unwrap_err();
        assert!(error.message().contains("and it is given"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_record() {
    let server = Server::start(|_| {
        Reply::json(200, json!({"items": [{"id": 1, "name": "you sent tell-no-one", "password": "p4ss"}], "total": 1}))
            .header("set-cookie", "session=c00kie")
    })
    .await;
    let service = widgets_service(&server.url(), &(Paging::Page.document() + STATED_TOTAL), "$.items");
    let auth = "type: bearer\ncredentialsenvvar: ACME_TOKEN";
    let dir = provider_dir("acme", "v1", &[("shop", &service)], auth);
    let file = dir.path().join("run.jsonl");
    let builder = || Engine::builder().providers_dir(dir.path());
    let env = Env::empty().with("ACME_TOKEN", "tell-no-one");
    let first = run(builder().env(env).record(&file), &["SELECT id FROM acme.shop.widgets"]).await;
    assert_eq!(first, [Ok(vec![vec!["1".to_owned()]])]);
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in ["tell-no-one", "p4ss", "c00kie", "authorization"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["call"]["method"], "list");
    // Without the variable.
    assert_eq!(run(builder().replay(&file), &["SELECT id FROM acme.shop.widgets"]).await, first);
}

#[test]
fn the_program_records_a_run_with_writes_and_plays_it_again() {
    let home = Home::new();
    home.write(
        "s.sql",
        "INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('played', 'us-east', 12) RETURNING id, label;\n\
         SELECT label, size FROM linode.volumes.volumes WHERE label = 'played';\n\
         DELETE FROM linode.volumes.volumes WHERE label = 'played';\n\
         SELECT label FROM linode.volumes.volumes WHERE label = 'played';\n\
         SELECT label FROM linode.images.images WHERE id = 'linode/none';\n",
    );
    let arguments = ["-o", "jsonl", "--yes", "s.sql"];
    let first = home.run(&[&["--sandbox", "--record", "run.jsonl"], &arguments[..]].concat());
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(first.out.lines().count(), 2, "{first:?}");
    let again = home.run(&[&["--replay", "run.jsonl"], &arguments[..]].concat());
    assert_eq!((again.code, &again.out), (Some(0), &first.out), "{again:?}");
    let other = home.run(&["--replay", "run.jsonl", "-c", "SELECT id FROM linode.domains.domains"]);
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("`run.jsonl` holds no answer to linode.domains.domains by"), "{}", other.err);
    assert!(other.err.contains("call: GET https://api.linode.com/v4/domains"), "{}", other.err);
    for arguments in [&["--replay", "none.jsonl", "-c", "SELECT 1"][..], &["--replay", "s.sql", "-c", "SELECT 1"]] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    assert_eq!(home.run(&["--sandbox", "--replay", "run.jsonl", "-c", "SELECT 1"]).code, Some(2));
}
