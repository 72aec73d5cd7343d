//! Files of statements: templates, order, places of errors, going on after one.

use std::process::Command;

use crate::support::program::{Home, Ran, skyql};

#[test]
fn templates_take_names_from_arguments_files_the_environment_and_blocks() {
    let home = Home::new();
    home.write("data.yaml", "limit: 2\nregion: {id: from-file}\nnames: [id, label]\n");
    home.write("more.toml", "limit = 3\n[region]\nkind = \"core\"\n");
    home.write(
        "s.sql",
        "<<<json {\"region\": {\"id\": \"from-block\", \"note\": \"it's\"}} >>>\n\
         SELECT {{ region.id | sql }} AS a, {{ .region.kind | sql }} AS b, {{ region.note | sql }} AS c, '{{ env.WHO }}' AS d;\n\
         SELECT {{ names | ident }} FROM linode.images.images LIMIT {{ limit }};\n\
         SELECT '{{ given }}' AS e",
    );
    let mut command = home.command(&[
        "--sandbox",
        "-o",
        "csv",
        "-q",
        "--data",
        "data.yaml",
        "--data",
        "more.toml",
        "--var",
        "given=a=b",
        "-f",
        "s.sql",
    ]);
    let lines = Ran::of(command.env("WHO", "me")).rows();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..4], ["a,b,c,d", "from-file,core,it's,me", "", "id,label"], "{lines:?}");
    assert_eq!(lines[7..], ["", "e", "a=b"], "{lines:?}");
}

#[test]
fn a_name_without_a_value_stops_the_run_before_its_first_statement() {
    let home = Home::new();
    home.write("one.sql", "SELECT 1 AS n");
    home.write("two.sql", "SELECT 2;\nSELECT '{{ regoin }}' AS r;");
    let ran = home.run(&["-o", "csv", "--var", "region=x", "one.sql", "two.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert_eq!(
        ran.err,
        "error: `regoin` has no value\n  --> two.sql:2:12\n   |\n 2 | SELECT '{{ regoin }}' AS r;\n   |            ^\n\nhint: did you mean `region`?\n"
    );
}

#[test]
fn errors_of_a_rendered_statement_point_into_the_template() {
    let home = Home::new();
    home.write(
        "t.sql",
        "{% for n in [1, 2] -%}\nSELECT {{ n }};\n{% endfor %}\nSELECT {{ 'a long text that moves what follows' | sql }}, nosuch FROM linode.images.images;",
    );
    let ran = home.run(&["--sandbox", "-o", "jsonl", "-q", "t.sql"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert!(ran.err.contains("--> t.sql:4:59\n"), "{}", ran.err);
}

#[test]
fn braces_in_strings_stay_where_no_template_is_meant() {
    let home = Home::new();
    home.write("s.sql", "SELECT '{{ name }}' AS a, '{% raw %}' AS b");
    let ran = home.run(&["-o", "csv", "s.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "a,b\n{{ name }},{% raw %}\n"), "{ran:?}");
    assert!(ran.err.contains("--template"), "{}", ran.err);
    let ran = home.run(&["-o", "csv", "--template", "s.sql"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    home.write("s.sql.j2", "SELECT '{{ name | default('none') }}' AS a");
    assert_eq!(home.run(&["-o", "csv", "s.sql.j2"]).rows(), "a\nnone\n");
    let ran = skyql(&["-o", "csv", "-c", "SELECT {{ 1 + 1 }} AS n"]);
    assert_eq!(ran.rows(), "n\n2\n");
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let home = Home::new();
    home.write("t.sql", "SELECT 1;\n{% for a in range(90000) %}{% for b in range(90000) %} {% endfor %}{% endfor %}");
    let ran = home.run(&["t.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: the template was stopped after 10 million steps"), "{}", ran.err);
}

#[test]
fn jsonnet_is_refused_by_name() {
    let ran = skyql(&["-c", "<<<jsonnet {a: 1} >>> SELECT 1"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("`<<<jsonnet` block is not evaluated") && ran.err.contains("-c:1:1"), "{}", ran.err);
}

#[test]
fn the_first_failure_ends_a_run_unless_on_error_says_otherwise() {
    let home = Home::new();
    let body = "SELECT 1 AS n;\nSELECT nosuch;\nSELECT 2 AS n;\nSELECT * FROM nosuch;\n";
    home.write("a.sql", body);
    home.write("b.sql", "SELECT 3 AS n");
    let ran = home.run(&["-o", "jsonl", "-q", "a.sql", "b.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "{\"n\":1}\n"), "{ran:?}");
    assert_eq!(ran.err.matches("error:").count(), 1, "{}", ran.err);
    let continued = format!("SET on_error = 'continue';\n{body}");
    home.write("a.sql", &continued);
    for arguments in [&["a.sql", "b.sql"][..], &["-c", "SET on_error = 'continue'", "-f", "a.sql", "b.sql"]] {
        let ran = home.run(&[&["-o", "jsonl", "-q"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"), "{ran:?}");
        assert!(ran.err.contains("--> a.sql:3:8\n") && ran.err.contains("--> a.sql:5:15\n"), "{}", ran.err);
    }
    let ran = home.run(&["-o", "csv", "-c", "SET on_error = 'continue'; SHOW on_error; RESET on_error; SHOW on_error"]);
    assert_eq!(ran.rows(), "on_error\ncontinue\n\non_error\nstop\n");
}

#[test]
fn what_fails_between_begin_and_commit_keeps_the_rest_from_being_sent() {
    let home = Home::new();
    let insert = "INSERT INTO linode.volumes.volumes (label, region, size) VALUES ('half', 'us-east', 12)";
    for wrong in ["SELEC 1", "SELECT nosuch", "EXECUTE nosuch", "APPLY 'abc'", "SELECT 'a' FROM a.b.c.d.e"] {
        let script = format!(
            "SET on_error = 'continue'; BEGIN; {insert}; {wrong}; COMMIT; ROLLBACK;\n\
             SELECT count(*) AS n FROM linode.volumes.volumes WHERE label = 'half'"
        );
        home.write("s.sql", &script);
        let ran = home.run(&["--sandbox", "--yes", "-q", "-o", "csv", "s.sql"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), "n\n0\n"), "{wrong}: {ran:?}");
        assert!(ran.err.contains("a statement of this transaction failed"), "{wrong}: {}", ran.err);
    }
}

#[test]
fn every_setting_is_listed_set_and_reset() {
    let listed = skyql(&["-o", "jsonl", "-q", "-c", "SHOW ALL"]).rows();
    assert!(listed.lines().count() >= 11);
    for line in listed.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let (name, value) = (row["name"].as_str().unwrap_or_default(), row["value"].as_str().unwrap_or_default());
        assert!(!name.is_empty() && row["description"].as_str().is_some_and(|text| !text.is_empty()), "{line}");
        let script = format!("SET {name} = '{value}'; SHOW {name}; RESET {name}; RESET ALL; SHOW {name}");
        let shown = skyql(&["-o", "csv", "-q", "-c", &script]).rows();
        assert_eq!(shown, format!("{name}\n{value}\n\n{name}\n{value}\n"), "{line}");
    }
}

#[test]
fn results_are_told_apart_in_every_format() {
    let script = "SELECT 1 AS a; SELECT 2 AS b WHERE false; SET retries = 1; SELECT 3 AS c";
    for (format, wanted) in [
        ("csv", "a\n1\n\nb\n\nc\n3\n"),
        ("json", "[\n{\"a\":1}\n]\n[]\n[\n{\"c\":3}\n]\n"),
        ("jsonl", "{\"a\":1}\n{\"c\":3}\n"),
    ] {
        assert_eq!(skyql(&["-q", "-o", format, "-c", script]).rows(), wanted, "{format}");
    }
}

#[test]
fn a_dry_run_plans_all_of_a_script_and_sends_nothing_that_changes() {
    let home = Home::new();
    home.write(
        "s.sql",
        "CREATE TABLE big AS SELECT id, label FROM linode.images.images WHERE is_public = {{ public }};\n\
         SELECT count(*) AS n FROM big;\n\
         SELECT id FROM linode.images.images WHERE id = 'linode/debian12';\n\
         EXPLAIN ANALYZE SELECT id FROM linode.images.images;\n\
         DELETE FROM linode.volumes.volumes WHERE id = 1;\n",
    );
    let ran = home.run(&["--sandbox", "--dry-run", "-o", "csv", "--var", "public=true", "-v", "s.sql"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("request: GET http://127.0.0.1:"), "{}", ran.out);
    assert!(ran.out.contains("DELETE http://127.0.0.1:"), "{}", ran.out);
    assert!(!ran.out.contains("what happened"), "{}", ran.out);
    assert!(!ran.err.contains(" 200 "), "{}", ran.err);
    home.write("bad.sql", "SELECT 1;\nSELECT id FROM linode.images.imags;\n");
    let ran = home.run(&["--sandbox", "--dry-run", "bad.sql"]);
    assert!(ran.code == Some(1) && ran.err.contains("bad.sql:2:16"), "{ran:?}");
}

#[test]
fn bad_files_are_refused_before_anything_runs() {
    let home = Home::new();
    for (name, bytes, said) in [
        ("nul.sql", &b"SELECT 1;\nSELECT '\0'"[..], "`nul.sql` is not text: it holds a NUL"),
        ("binary.sql", &b"\x7fELF\x02\xff\xfe"[..], "`binary.sql` is not UTF-8 text"),
        ("wide.sql", &b"\xff\xfeS\0E\0"[..], "UTF-16"),
    ] {
        std::fs::write(home.path(name), bytes).unwrap_or_else(|error| panic!("{error}"));
        let ran = home.run(&["-c", "SELECT 1", name]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{name}");
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    home.write("open.sql", "SELECT 1;\nSELECT 'open;\n");
    let ran = home.run(&["open.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("--> open.sql:2:8\n"), "{}", ran.err);
    home.write("mark.sql", "\u{feff}-- note\r\nSELECT\r\n  1 AS n;\r\nSELECT 'a\r\nb' AS t;\r\nSELECT\r\n nosuch");
    let ran = home.run(&["-q", "-o", "jsonl", "mark.sql"]);
    assert_eq!(ran.out, "{\"n\":1}\n{\"t\":\"a\\r\\nb\"}\n");
    assert!(ran.err.contains("--> mark.sql:7:2\n"), "{}", ran.err);
    for arguments in [&["--data", "none.json", "-c", "SELECT 1"][..], &["--var", "x", "-c", "SELECT 1"]] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_file_of_fifty_megabytes_is_read_in_a_bounded_time() {
    let home = Home::new();
    let mut script = "SELECT 1 AS n;\n".to_owned();
    // A statement that fails ends the run: what follows was split all the same.
    script.push_str("SELECT nosuch;\n");
    let comment = format!("-- {}\n", "x".repeat(97));
    script.push_str(&comment.repeat(250_000));
    script.push_str(&"SELECT 'some text that is not short', 2;\n".repeat(600_000));
    assert!(script.len() > 49_000_000);
    home.write("big.sql", &script);
    let ran = home.run(&["-q", "-o", "csv", "big.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "n\n1\n"), "{}", ran.err);
}

#[test]
fn stdin_is_a_script_like_any_other() {
    let home = Home::new();
    let mut command: Command = home.command(&["-o", "csv", "-q", "--var", "n=5"]);
    assert_eq!(Ran::with_input(&mut command, "SELECT {{ n }} AS n;").rows(), "n\n5\n");
    let mut command = home.command(&["-o", "csv", "-q", "-f", "-"]);
    let ran = Ran::with_input(&mut command, "SELECT 1 AS n;\nSELEC");
    assert!(ran.code == Some(1) && ran.err.contains("--> stdin:2:1\n"), "{ran:?}");
}

#[test]
fn an_error_without_a_place_of_its_own_says_which_statement_of_a_file_it_was() {
    let home = Home::new();
    home.write("s.sql", "SELECT 1;\n\n  SELECT 1/0;\nUSE nowhere;\n");
    let ran = home.run(&["-o", "csv", "-q", "--set", "on_error=continue", "s.sql"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for place in ["--> s.sql:3:3", "--> s.sql:4:1"] {
        assert!(ran.err.contains(place), "{}", ran.err);
    }
    // One statement that was just typed needs no place.
    let ran = home.run(&["-q", "-c", "SELECT 1/0"]);
    assert!(!ran.err.contains("-->"), "{}", ran.err);
}

#[test]
fn a_long_chain_of_operators_ends_no_program() {
    let home = Home::new();
    home.write("long.sql", &format!("SELECT 1{} AS n", "+1".repeat(1_500)));
    home.write("longer.sql", &format!("SELECT 1{} AS n", "+1".repeat(10_001)));
    let ran = home.run(&["-o", "csv", "-q", "long.sql"]);
    assert_eq!(ran.out, "n\n1501\n", "{}", ran.err);
    let ran = home.run(&["-o", "csv", "-q", "longer.sql"]);
    assert!(ran.code == Some(1) && ran.err.contains("more than 10000 operators stand side by side"), "{}", ran.err);
    let rows = vec!["(-1, -2, 3 - 4)"; 6_000].join(", ");
    home.write("rows.sql", &format!("SELECT count(*) AS n FROM (VALUES {rows})"));
    assert_eq!(home.run(&["-o", "csv", "-q", "rows.sql"]).out, "n\n6000\n");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn statements_after_the_reader_left_are_not_run_and_that_is_said() {
    use crate::support::server::{Reply, Server};
    const READ: &str = "SELECT id FROM linode.images.images WHERE label = 'a'";
    const WRITE: &str = "INSERT INTO linode.images.images (disk_id, label) VALUES (1, 'hush')";
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => Reply::json(
            200,
            serde_json::json!({"data": [{"id": "private/1", "label": "a"}], "page": 1, "pages": 1, "results": 1}),
        ),
        _ => Reply::json(200, serde_json::json!({"id": "private/2"})),
    })
    .await;
    let url = format!("linode={}", server.url());
    let run = async |more: &[&str]| {
        let arguments: Vec<String> =
            ["-q", "-o", "csv", "--yes", "--base-url", &url].iter().chain(more).map(ToString::to_string).collect();
        tokio::task::spawn_blocking(move || {
            let home = Home::new();
            home.write("s.sql", &format!("{READ};\n{WRITE};\nSELECT 1;\n{WRITE};\n"));
            let mut command = home.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            Ran::unread(command.env("LINODE_TOKEN", "linode-token"))
        })
        .await
        .unwrap()
    };
    // What only shows something would have shown it to nobody.
    for more in [&["-c", READ][..], &["-c", READ, "-c", "SELECT 1; SET retries = 1; SHOW ALL"]] {
        let ran = run(more).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{more:?}");
    }
    for (more, place, said) in [
        (&["-c", READ, "-c", WRITE][..], "-c", "so this statement was not run"),
        (
            &["-c", READ, "-c", "SELECT 1", "-c", WRITE, "-c", "SELECT 2", "-c", WRITE],
            "-c",
            "this statement and 1 more were not run",
        ),
        (&["s.sql"], "s.sql:2:1", "this statement and 1 more were not run"),
        (&["-c", READ, "-c", "COPY (SELECT 1) TO 'x.csv'"], "-c", "so this statement was not run"),
        (&["-c", &format!("BEGIN; {WRITE}"), "-c", &format!("{READ}; COMMIT")], "-c", "so this statement was not run"),
        (&["-c", &format!("BEGIN; {WRITE}; {READ}")], "", "1 write was queued, and nothing was sent"),
        (&["--set", "on_error=continue", "-c", &format!("SELECT nosuch; {READ}")], "", "nosuch"),
    ] {
        let ran = run(more).await;
        assert_eq!(ran.code, Some(1), "{more:?}: {ran:?}");
        assert!(ran.err.contains(said) && ran.err.contains(place), "{more:?}: {}", ran.err);
    }
    assert!(server.requests().iter().all(|seen| seen.method == "GET"));
    // What was under way when the reader left is done.
    let ran = run(&["-c", &format!("{WRITE} RETURNING id")]).await;
    assert_eq!((ran.code, server.requests().last().unwrap().method.as_str()), (Some(0), "POST"), "{ran:?}");
}
