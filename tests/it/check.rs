//! What is wrong with a script, found without a call.

use skyql::{Engine, ErrorKind};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, widgets};
use crate::support::program::{Home, Ran};
use crate::support::server::Server;

async fn problems(text: &str) -> Vec<(String, String)> {
    let engine = Engine::builder().build().unwrap_or_else(|error| panic!("{error:?}"));
    let found = engine.check(text).await;
    found
        .problems
        .iter()
        .map(|error| {
            let place = error.position().map_or(String::new(), |at| format!("{}:{}", at.line, at.column));
            (place, error.message().to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_script_has_no_problem_and_needs_neither_call_nor_credential() {
    let script = "
        SET max_calls = 50;
        CREATE VIEW mine AS SELECT id, label FROM linode.images.images WHERE is_public = false;
        SELECT count(*) FROM mine;
        CREATE TABLE kept AS SELECT id, size FROM linode.images.images;
        SELECT sum(size) FROM kept;
        SELECT d.domain, r.name FROM linode.domains.domains d JOIN linode.domains.records r ON r.domainId = d.id;
        SHOW METHODS IN linode.images.images; DESCRIBE linode.images.images;
        INSERT INTO linode.volumes.volumes (label, region, size) SELECT label, 'us-east', 10 FROM mine RETURNING id;
        INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('a', 'us-east', 10);
        DELETE FROM linode.images.images WHERE label LIKE 'tmp-%';
        PLAN UPDATE linode.images.images SET label = upper(label) WHERE is_public = false;
        EXEC linode.images.images.delete @imageId = 'private/1';
        EXPLAIN SELECT * FROM linode.images.images;
        BEGIN; DELETE FROM linode.volumes.volumes WHERE id = 5; COMMIT;
        DROP VIEW mine; SHOW WARNINGS; RESET ALL; APPLY 'abc'; SHOW JOURNAL;";
    assert_eq!(problems(script).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_told_each_at_its_place() {
    let script = "SELECT nosuch FROM linode.images.images;
SELECT i.id FROM linode.images.imags i, linode.image.images j;
  SELEC 1;
SELECT id FROM linode.domains.records;
SET max_call = 5;
INSERT INTO linode.volumes.volumes (label, sise) VALUES ('a', 1);
DELETE FROM linode.images.images;
EXEC linode.images.images.delet @imageId = 'x';
SHOW RESOURCES IN linode.image;
CREATE VIEW v AS SELECT nosuch FROM linode.images.images;
SELECT * FROM v;
SELECT * FROM w;
INSERT INTO linode.volumes.volumes (label, region, size) SELECT x, 'us-east', 1 FROM linode.images.images;
SELECT 1";
    let found = problems(script).await;
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    let wanted = ["1:8", "2:18", "2:42", "3:3", "4:1", "5:1", "6:1", "7:1", "8:6", "9:1", "10:25", "12:15", "13:65"];
    let lines = |places: &[&str]| -> Vec<String> {
        places.iter().map(|place| place.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(lines(&places), lines(&wanted), "{found:#?}");
    for (at, part) in
        [(0, "nosuch"), (1, "imags"), (2, "image"), (4, "records"), (5, "max_call"), (6, "sise"), (11, "`w`")]
    {
        assert!(found[at].1.contains(part), "{part}: {:?}", found[at]);
    }
    assert_eq!((places[0], places[1], places[2]), ("1:8", "2:18", "2:41"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_left_as_it_was_and_its_own_definitions_count() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let dir = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let engine = Engine::builder().providers_dir(dir.path()).build().unwrap_or_else(|error| panic!("{error:?}"));
    let mut session = engine.session();
    session
        .sql("CREATE VIEW mine AS SELECT id FROM acme.shop.widgets")
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    let found =
        session.check("SELECT id FROM mine; SET max_calls = 3; CREATE VIEW other AS SELECT 1; DROP VIEW mine").await;
    assert_eq!((found.statements, found.problems.len()), (4, 0), "{:?}", found.problems);
    assert_eq!(session.settings().max_calls, 10_000);
    let error = session.sql("SELECT * FROM other").await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameNotFound);
    session.sql("SELECT * FROM mine").await.map_or_else(|error| panic!("{error:?}"), drop);
    let found = session.check("BEGIN; SELECT 1; COMMIT; COMMIT; BEGIN").await;
    let said: Vec<&str> = found.problems.iter().map(skyql::Error::message).collect();
    assert_eq!(said, ["COMMIT without BEGIN", "the statements end inside a transaction"]);
    let found = session.check("SELECT name FROM acme.shop.widgets WHERE id = 1; SELECT 'open").await;
    assert_eq!(found.problems.len(), 1);
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_counts_and_stays_in_checks_and_dry_runs() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let dir = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let kept = tempfile::TempDir::new().unwrap_or_else(|error| panic!("{error}"));
    let data = kept.path().join("data");
    let builder = Engine::builder().providers_dir(dir.path()).data_dir(&data).local_files();
    let engine = builder.build().unwrap_or_else(|error| panic!("{error:?}"));
    let mut session = engine.session();
    for sql in ["CREATE VIEW mine AS SELECT id FROM acme.shop.widgets", "CREATE TABLE three AS SELECT 1 AS n"] {
        session.sql(sql).await.map_or_else(|error| panic!("{sql}: {error:?}"), drop);
    }
    let files = || -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let mut dirs = vec![data.clone()];
        let mut files = Vec::new();
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    files.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
                }
            }
        }
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 2, "{before:?}");
    let sent = server.requests().len();
    let file = kept.path().join("out.csv");
    let copy = format!("COPY (SELECT id FROM mine) TO '{}'", file.display());
    let statements = [
        "SELECT n FROM three",
        "CREATE OR REPLACE VIEW mine AS SELECT id, name FROM acme.shop.widgets",
        "SELECT name FROM mine",
        "DROP TABLE three",
        "CREATE TABLE three AS SELECT id AS m FROM mine",
        "SELECT m FROM three",
        "CREATE MATERIALIZED VIEW fresh AS SELECT id FROM mine",
        "REFRESH MATERIALIZED VIEW fresh",
        copy.as_str(),
        "DROP VIEW mine",
    ];
    let found = session.check(&statements.join(";\n")).await;
    assert_eq!((found.statements, found.problems.len()), (statements.len(), 0), "{:?}", found.problems);
    for sql in statements {
        let ran = session.dry_run(sql).await;
        ran.map_or_else(|error| panic!("{sql}: {error:?}"), drop);
    }
    let gone = session.dry_run("SELECT * FROM mine").await.map(|_| ()).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NameNotFound);
    assert_eq!(files(), before);
    assert!(!file.exists());
    assert_eq!(server.requests().len(), sent);
    for sql in ["SELECT id FROM mine", "SELECT n FROM three"] {
        session.sql(sql).await.map_or_else(|error| panic!("{sql}: {error:?}"), drop);
    }
    let error = session.check("DROP VIEW fresh; SELECT m FROM three").await;
    assert_eq!(error.problems.len(), 2, "{:?}", error.problems);
}

#[test]
fn the_program_tells_all_and_exits_with_one() {
    let home = Home::new();
    home.write("good.sql", "SELECT id FROM linode.images.images WHERE label = '{{ label }}';");
    let ran = home.run(&["check", "--var", "label=x", "good.sql"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", "0 problems in 1 statement\n"), "{ran:?}");
    home.write("bad.sql", "SELECT idd FROM linode.images.images;\n\nSELECT 1 FROM nowhere;");
    let ran = home.run(&["check", "good.sql", "bad.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("--> bad.sql:1:8\n") && ran.err.contains("--> bad.sql:3:"), "{}", ran.err);
    assert!(ran.err.ends_with("2 problems in 3 statements\n"), "{}", ran.err);
    let ran = Ran::with_input(&mut home.command(&["check"]), "SELECT 1; SELEC 2");
    assert!(ran.code == Some(1) && ran.err.contains("stdin:1:11"), "{ran:?}");
    assert_eq!(home.run(&["-c", "SELECT 1", "check"]).code, Some(2));
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let home = Home::new();
    home.write("a.sql", "SELECT {{ one }}, {{ two | sql }};\nSELECT {{ one }}, {{ three }};");
    home.write("b.sql", "SELECT nope FROM linode.images.images; SELECT uper('a'); SELECT 'open");
    home.write("c.sql", "SELECT 1");
    let ran = home.run(&["check", "a.sql", "b.sql", "c.sql"]);
    for said in [
        "`one` has no value",
        "`two` has no value",
        "`three` has no value",
        "a.sql:2:22",
        "there is no column `nope`",
        "there is no function `uper`",
        "b.sql:1:65",
        "6 problems in 3 statements",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert_eq!(ran.code, Some(1));
    let ran = home.run(&["check", "nosuch.sql", "b.sql", "neither.sql"]);
    for said in ["`nosuch.sql` cannot be read", "`neither.sql` cannot be read", "`uper`", "5 problems in 2 statements"]
    {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert_eq!(ran.code, Some(2));
}
