//! Prepared statements wherever a statement may go: checks, dry runs, plans, values of programs.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use skyql::{Engine, ErrorKind, SandboxOptions, Session, params};

use crate::support::query::texts;

fn sandbox() -> Session {
    let builder = Engine::builder().sandbox(SandboxOptions::default());
    builder.no_journal().build().unwrap().session()
}

async fn rows(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let mut result = session.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    result.read_all().await.unwrap().iter().flat_map(texts).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_looks_at_what_is_executed() {
    let engine = Engine::builder().build().unwrap();
    let found = engine
        .check(
            "PREPARE good AS SELECT id FROM linode.images.images WHERE id = $1;
PREPARE bad AS SELECT idd FROM linode.images.images WHERE id = $1;
EXECUTE good ('linode/debian12'); DEALLOCATE good;
 EXECUTE bad ('linode/debian12');
EXECUTE good ('linode/debian12');
EXECUTE bad;
PREPARE worse AS SELEC $1",
        )
        .await;
    assert_eq!(found.statements, 8);
    let said: Vec<(u64, u64, &str)> = found
        .problems
        .iter()
        .map(|error| error.position().map(|at| (at.line, at.column, error.message())).unwrap())
        .collect();
    assert_eq!(
        said[..3],
        [
            (4, 2, "there is no column `idd`"),
            (5, 1, "there is no prepared statement `good`"),
            (6, 1, "the statement takes 1 value, not 0"),
        ]
    );
    assert_eq!((said.len(), said[3].0, said[3].1), (4, 7, 18), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_write_is_a_write() {
    let mut session = sandbox();
    rows(
        &mut session,
        "PREPARE make AS INSERT INTO linode.volumes.volumes (label, region, size) VALUES ($1, 'us-east', $2)",
    )
    .await;
    let shown = session.dry_run("EXECUTE make ('dry', 20)").await.unwrap().read_all().await.unwrap();
    assert!(shown.iter().flat_map(texts).any(|row| row[1].starts_with("POST ")), "{shown:?}");
    assert!(rows(&mut session, "SELECT id FROM linode.volumes.volumes WHERE label = 'dry'").await.is_empty());
    let pending = session.plan_write("EXECUTE make ('it''s; --', 20)").await.unwrap().unwrap();
    assert_eq!(pending.summary(), "INSERT of 1 object of linode.volumes.volumes");
    session.apply(pending).await.unwrap();
    let made = "SELECT size FROM linode.volumes.volumes WHERE label = $1";
    let batches = session.sql_with(made, &params!["it's; --"]).await.unwrap().read_all().await.unwrap();
    assert_eq!(batches.iter().flat_map(texts).collect::<Vec<_>>(), [["20"]]);

    rows(&mut session, "PREPARE Sized AS SELECT label FROM linode.volumes.volumes WHERE size = $1 AND label = $2")
        .await;
    let mut result = session.sql_with("EXECUTE sized ($1, $2)", &params![20, "it's; --"]).await.unwrap();
    assert_eq!(result.read_all().await.unwrap().iter().flat_map(texts).collect::<Vec<_>>(), [["it's; --"]]);
    let plan = session.dry_run("EXECUTE sized (20, 'x')").await.unwrap().read_all().await.unwrap();
    assert!(plan.iter().flat_map(texts).any(|row| row[0].contains("linode.volumes.volumes")), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_what_is_executed_has_no_place_in_another_text() {
    let mut session = sandbox();
    let error = session.sql("PREPARE q AS\n SELECT (").await.map(|_| ()).unwrap_err();
    assert_eq!(error.position().map(|at| at.line), Some(2), "{error:?}");
    rows(&mut session, "PREPARE q AS\n\n SELECT nosuch FROM linode.images.images WHERE id = $1").await;
    for text in ["EXECUTE q ('x')", "EXECUTE q", "EXECUTE r ('x')"] {
        let error = session.sql(text).await.map(|_| ()).unwrap_err();
        assert_eq!(error.position(), None, "{text}: {error:?}");
    }
    let error = session.sql("EXECUTE q (now())").await.map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.position().map(|at| at.column)), (ErrorKind::Syntax, Some(12)), "{error:?}");
}
