//! The program as a user meets it: arguments, streams, exit codes.
//!
//! *Invariants*: the environment holds nothing but what a test puts there; home is a directory of the test's own.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::documents::{Paging, STATED_TOTAL, acme_dir, paged, provider_dir, widgets, widgets_service};
use crate::support::program::{Home, Ran, skyql};
use crate::support::server::{Reply, Server, http_client};

const FIRST_QUERY: &str =
    "SELECT id, label, vendor, size FROM linode.images.images WHERE is_public = true ORDER BY size DESC LIMIT 5";

/// Stderr, with times as `N ms`.
fn without_times(text: &str) -> String {
    let words: Vec<String> = text
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line.split(' ').collect();
            for at in 1..words.len() {
                if words[at].trim_end_matches(')') == "ms"
                    || (words[at].trim_end_matches(')') == "s" && words[at - 1].contains('.'))
                {
                    words[at - 1] = "N";
                }
            }
            words.join(" ")
        })
        .collect();
    words.join("\n")
}

#[test]
fn the_readmes_first_query_prints_a_table_and_nothing_else() {
    let ran = skyql(&["--sandbox", "-c", FIRST_QUERY]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 9, "{}", ran.out);
    assert!(lines[0].starts_with('┌') && lines[8].starts_with('└'), "{}", ran.out);
    let headings: Vec<&str> = lines[1].split('│').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(headings, ["id", "label", "vendor", "size"]);
    let sizes: Vec<i64> =
        lines[3..8].iter().map(|line| line.split('│').nth(4).unwrap().trim().parse().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    // Numbers stand at the right.
    assert!(lines[3..8].iter().all(|line| line.ends_with(" │")));
    assert_eq!(without_times(&ran.err), "(5 rows · 1 call · N ms)");
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "no colour where there is no terminal");
    // The same again is the same again.
    assert_eq!(skyql(&["--sandbox", "-c", FIRST_QUERY]).out, ran.out);
}

#[test]
fn statements_run_in_the_order_given() {
    fn quiet<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["-q", "--no-header", "-o", "csv"], more].concat()
    }
    let home = Home::new();
    home.write("two.sql", "-- a file\nSELECT 2 AS n;\nSELECT 3 AS n;\n");
    assert_eq!(
        home.run(&quiet(&["-c", "SELECT 1", "two.sql", "-c", "SELECT 4; SELECT 5"])).rows(),
        "1\n\n2\n\n3\n\n4\n\n5\n"
    );
    assert_eq!(Ran::with_input(&mut home.command(&quiet(&[])), "SELECT 6;\nSELECT 7").rows(), "6\n\n7\n");
    assert_eq!(Ran::with_input(&mut home.command(&quiet(&["-c", "SELECT 8", "-"])), "SELECT 9;").rows(), "8\n\n9\n");
    assert_eq!(home.run(&quiet(&[])).rows(), "", "no statements are no failure");
}

#[test]
fn every_format_writes_the_same_rows() {
    let sql = "SELECT 1 AS id, 'a\"b,c' AS name, NULL AS nothing, '' AS empty, 1.5 AS x, true AS ok, '{\"k\": [1]}' -> 'k' AS nested";
    let run = |format: &str| skyql(&["-q", "-o", format, "-c", sql]).rows();
    assert_eq!(run("csv"), "id,name,nothing,empty,x,ok,nested\n1,\"a\"\"b,c\",,\"\",1.5,true,[1]\n");
    let lines = run("jsonl");
    let row: Value = serde_json::from_str(lines.trim_end()).unwrap();
    let wanted = json!({"id": 1, "name": "a\"b,c", "nothing": null, "empty": "", "x": 1.5, "ok": true});
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(row[key], *value, "{key}");
    }
    assert_eq!(lines.lines().count(), 1);
    let whole: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(whole, json!([row]));
    let table = run("table");
    assert!(table.contains("│ NULL "), "{table}");
    assert!(!skyql(&["-q", "--no-header", "-c", sql]).rows().contains("nothing"));
    let none = "SELECT 1 AS n WHERE false";
    assert_eq!(skyql(&["-q", "-o", "json", "-c", none]).rows().trim(), "[]".trim());
    assert_eq!(skyql(&["-q", "-o", "csv", "-c", none]).rows(), "n\n");
    assert_eq!(skyql(&["-q", "-o", "jsonl", "-c", none]).rows(), "");
}

#[test]
fn nested_values_stay_json() {
    let sql = "SELECT tags, image_sharing, regions FROM linode.images.images WHERE id = 'linode/debian12'";
    let out = skyql(&["--sandbox", "-q", "-o", "json", "-c", sql]).rows();
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert!(rows[0]["tags"].is_array(), "{out}");
}

#[test]
fn rows_go_to_the_outfile_and_the_rest_to_stderr() {
    let home = Home::new();
    let ran =
        home.run(&["--sandbox", "-o", "csv", "--outfile", "rows.csv", "-c", "SELECT id FROM linode.images.images"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    let file = fs::read_to_string(home.path("rows.csv")).unwrap();
    assert_eq!(file.lines().count(), 321);
    assert_eq!(without_times(&ran.err), "(320 rows · 1 call · N ms)");
    let ran = home.run(&["-q", "--sandbox", "-c", "SELECT id FROM linode.images.images LIMIT 1"]);
    assert_eq!(ran.err, "");
    let ran = home.run(&["--outfile", "no/such/dir/rows.csv", "-c", "SELECT 1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("error: the output file `no/such/dir/rows.csv` cannot be created"), "{}", ran.err);
}

#[test]
fn verbose_shows_requests_and_no_secret() {
    let ran = skyql(&["-v", "--sandbox", "-q", "-c", "SELECT 1"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = skyql(&[
        "-v",
        "--sandbox",
        "-o",
        "csv",
        "-c",
        "SELECT label FROM linode.images.images WHERE id = 'linode/debian12'",
    ]);
    assert_eq!(ran.out, "label\nDebian 12\n");
    let request = ran.err.lines().find(|line| line.starts_with("GET ")).unwrap();
    assert!(request.contains("/v4/images/linode%2Fdebian12 200 "), "{request}");
    assert!(!ran.err.contains("sandbox-linode-token"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_shows_a_refusal_that_is_not_waited_for() {
    let server = Server::start(|_| Reply::json(429, json!({"error": "later"})).header("Retry-After", "3600")).await;
    let base = format!("linode={}", server.url());
    let home = Home::new();
    let mut command = home.command(&["-v", "--base-url", &base, "-c", "SELECT id FROM linode.domains.domains"]);
    let ran = tokio::task::spawn_blocking(move || Ran::of(command.env("LINODE_TOKEN", "hush-token"))).await.unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let request = ran.err.lines().find(|line| line.starts_with("GET ")).unwrap();
    assert!(request.contains("/v4/domains?page_size=500 429 "), "{request}");
    assert!(!ran.err.contains("hush"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_hides_a_key_that_goes_into_the_url() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let service = widgets_service(&server.url(), &(Paging::Page.document() + STATED_TOTAL), "$.items");
    for auth in [
        "type: api_key\ncredentialsenvvar: ACME_TOKEN\nlocation: query\nname: key",
        "type: bearer\ncredentialsenvvar: ACME_TOKEN",
        "type: basic\ncredentialsenvvar: ACME_TOKEN",
    ] {
        let dir = provider_dir("acme", "v1", &[("shop", &service)], auth);
        let home = Home::new();
        let mut command = home.command(&["-v", "-c", "SELECT id FROM acme.shop.widgets"]);
        command.arg("--providers").arg(dir.path()).env("ACME_TOKEN", "hush-token");
        let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!format!("{ran:?}").contains("hush"), "{ran:?}");
        assert!(ran.err.contains("GET http://127.0.0.1:"), "{ran:?}");
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn settings_come_from_set_and_the_seed_gives_other_rows() {
    let ran = skyql(&[
        "-q",
        "-o",
        "csv",
        "--set",
        "max_calls=7",
        "--set",
        "schema=strict",
        "-c",
        "SHOW max_calls; SHOW schema",
    ]);
    assert_eq!(ran.rows(), "max_calls\n7\n\nschema\nstrict\n");
    let ran = skyql(&["--set", "max_call=7", "-c", "SELECT 1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(ran.err, "error: there is no setting `max_call`\n\nhint: did you mean `max_calls`, `max_wait`?\n");
    let volumes = |seed: &str| {
        skyql(&["-q", "--sandbox", "--seed", seed, "-o", "csv", "-c", "SELECT * FROM linode.volumes.volumes"]).rows()
    };
    assert_eq!(volumes("1"), volumes("1"));
    assert_ne!(volumes("1"), volumes("2"));
    assert_eq!(volumes("2").lines().count(), volumes("1").lines().count());
}

#[test]
fn help_has_examples_and_goes_to_stdout() {
    for flag in ["--help", "-h"] {
        let ran = skyql(&[flag]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.contains("Examples:") && ran.out.contains("skyql --sandbox -c"), "{}", ran.out);
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    }
    let ran = skyql(&["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("skyql {}\n", env!("CARGO_PKG_VERSION"))));
    // The example is true.
    assert_eq!(skyql(&["--sandbox", "-c", "SELECT id, label, size FROM linode.images.images LIMIT 5"]).code, Some(0));
    assert_eq!(skyql(&["-c", "SHOW PROVIDERS; SHOW SERVICES IN linode; DESCRIBE linode.images.images"]).code, Some(0));
}

#[test]
fn exit_codes_tell_a_failed_statement_from_wrong_usage() {
    for (arguments, code) in [
        (&["-c", "SELECT 1"][..], 0),
        (&["-c", "SELECT nosuch"], 1),
        (&["-c", "SELECT 1 FROM no.such.table"], 1),
        (&["-c", "SELECT 1; SELEC 2"], 1),
        (&["--nonsense"], 2),
        (&["-o", "xml", "-c", "SELECT 1"], 2),
        (&["no-such-file.sql"], 2),
        (&["--config", "no-such-config.toml", "-c", "SELECT 1"], 2),
        (&["--providers", "no-such-dir", "-c", "SELECT 1"], 2),
        (&["--base-url", "linode=http://example.com", "-c", "SELECT 1"], 2),
        (&["--seed", "3", "-c", "SELECT 1"], 2),
    ] {
        let ran = skyql(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?} {ran:?}");
        if code != 0 {
            assert!(ran.err.lines().any(|line| line.starts_with("error: ")), "{arguments:?} {ran:?}");
        }
        if code == 2 {
            assert_eq!(ran.out, "", "{arguments:?}");
        }
    }
}

#[test]
fn a_script_stops_at_the_first_failure_and_shows_where() {
    let home = Home::new();
    home.write(
        "broken.sql",
        "SELECT 1 AS n;\n\n-- the second\n  SELECT id\n  FROM linode.images.imags;\nSELECT 3 AS n;\n",
    );
    let ran = home.run(&["--sandbox", "-o", "csv", "broken.sql", "-c", "SELECT 4"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "n\n1\n"));
    assert_eq!(
        without_times(&ran.err),
        "(1 row · N ms)\nerror: `linode.images` has no resource `imags`\n  --> broken.sql:5:8\n   |\n 5 |   FROM linode.images.imags;\n   |        ^\n\nhint: did you mean `images`?"
    );
    let ran = home.run(&["-c", "SELECT 1 WHERE = 2"]);
    assert!(ran.err.contains("  --> -c:1:16\n   |\n 1 | SELECT 1 WHERE = 2\n   |                ^\n"), "{}", ran.err);
    let ran = Ran::with_input(&mut home.command(&[]), "SELECT 1;\nSELECT 'open");
    assert!(ran.err.contains("--> stdin:2:8"), "{}", ran.err);
    assert_eq!(ran.code, Some(1));
    // The end of the text is a place too.
    let ran = home.run(&["-c", "SELECT 1 WHERE"]);
    assert!(ran.err.contains("  --> -c:1:15\n   |\n 1 | SELECT 1 WHERE\n   |               ^\n"), "{}", ran.err);
}

#[test]
fn colour_is_for_those_who_want_it() {
    let home = Home::new();
    let coloured = home.run(&["--color", "always", "-c", "SELECT nosuch"]);
    assert!(coloured.err.contains('\u{1b}'), "{coloured:?}");
    for arguments in [&["-c", "SELECT nosuch"][..], &["--color", "never", "-c", "SELECT nosuch"]] {
        let ran = Ran::of(home.command(arguments).env("NO_COLOR", "1").env("TERM", "xterm-256color"));
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let home = Home::new();
    for format in ["csv", "jsonl", "json", "table"] {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, repeat('x', 100) FROM n";
        let mut child = home
            .command(&["-o", format, "-c", sql, "-c", "SELECT 'never reached'"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        drop(reader);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{format}");
        assert!(!first.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_file_is_obeyed() {
    let server = Server::start(|_| {
        Reply::json(200, json!({"data": [{"id": "private/1", "label": "mine"}], "page": 1, "pages": 1, "results": 1}))
    })
    .await;
    let home = Home::new();
    let text = format!(
        "[settings]\nmax_calls = 3\n\n[provider.linode]\nbase_url = \"{}\"\nenv = {{ LINODE_TOKEN = \"WORK_TOKEN\" }}\n",
        server.url()
    );
    home.write("config.toml", &text);
    let usual = home.path("XDG_CONFIG_HOME/skyql");
    fs::create_dir_all(&usual).unwrap();
    fs::write(usual.join("config.toml"), &text).unwrap();
    let sql = "SELECT label FROM linode.images.images; SHOW max_calls";
    let named = ["-q", "-o", "csv", "--config", "config.toml", "-c", sql];
    for arguments in [&named[..], &named[..3]] {
        let arguments: Vec<&str> =
            if arguments.len() == 3 { [arguments, &["-c", sql]].concat() } else { arguments.to_vec() };
        let mut command = home.command(&arguments);
        command.env("WORK_TOKEN", "hush-work").env("LINODE_TOKEN", "hush-home");
        let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
        assert_eq!(ran.rows(), "label\nmine\n\nmax_calls\n3\n");
    }
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.header("authorization") == Some("Bearer hush-work")));

    // The sandbox goes before the file, which may name the real API.
    let ran = home.run(&[
        "-q",
        "-o",
        "csv",
        "--sandbox",
        "--config",
        "config.toml",
        "-c",
        "SELECT label FROM linode.images.images WHERE id = 'linode/debian12'",
    ]);
    assert_eq!(ran.rows(), "label\nDebian 12\n");
    assert_eq!(server.requests().len(), 2);

    home.write("wrong.toml", "[provider.linode]\nbase_ulr = \"x\"\n");
    let ran = home.run(&["--config", "wrong.toml", "-c", "SELECT 1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("wrong.toml") && ran.err.contains("base_ulr"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_directories_come_from_the_flag_the_environment_and_home() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let dir = acme_dir(&server.url(), &(Paging::Page.document() + STATED_TOTAL));
    let home = Home::new();
    let sql = "SELECT count(*) AS n FROM acme.shop.widgets";
    let mut by_env = home.command(&["-q", "-o", "csv", "-c", sql]);
    by_env.env("SKYQL_PROVIDERS", dir.path());
    let mut by_flag = home.command(&["-q", "-o", "csv", "-c", sql, "--providers"]);
    by_flag.arg(dir.path());
    let nowhere = home.command(&["-q", "-c", sql]);
    let ran = tokio::task::spawn_blocking(move || [by_env, by_flag, nowhere].map(|mut command| Ran::of(&mut command)))
        .await
        .unwrap();
    let [by_env, by_flag, nowhere] = ran;
    assert_eq!((by_env.rows().as_str(), by_flag.rows().as_str()), ("n\n3\n", "n\n3\n"));
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.err.starts_with("error: no provider `acme`\n"), "{}", nowhere.err);
    assert_eq!(server.requests().len(), 2);

    let usual = home.path("XDG_DATA_HOME/skyql");
    fs::create_dir_all(&usual).unwrap();
    fs::rename(dir.path(), usual.join("providers")).unwrap();
    fs::create_dir(dir.path()).unwrap();
    let mut command = home.command(&["-q", "-o", "csv", "-c", sql]);
    let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
    assert_eq!(ran.rows(), "n\n3\n");
}

/// `skyql sandbox`, until dropped.
struct Serving {
    child: Child,
    lines: Vec<(String, String)>,
}

impl Serving {
    fn start(home: &Home, arguments: &[&str], lines: usize) -> Self {
        let mut child = home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = out.lines().take(lines).map(|line| {
            let line = line.unwrap();
            let (name, url) = line.split_once(' ').unwrap();
            (name.to_owned(), url.to_owned())
        });
        let lines = lines.collect();
        Self { child, lines }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_sandbox_has_as_many_rows_for_sql_as_for_others() {
    let home = Home::new();
    let serving = Serving::start(&home, &["sandbox", "--provider", "linode", "--port", "0"], 1);
    let (name, url) = serving.lines[0].clone();
    assert_eq!(name, "linode");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let http = http_client();
    let anonymous = http.get(format!("{url}/v4/images?page_size=25")).send().await.unwrap().text().await.unwrap();
    let known = http.get(format!("{url}/v4/images")).bearer_auth("sandbox-linode-token").send().await.unwrap();
    let known = known.text().await.unwrap();
    let total = |text: &str| serde_json::from_str::<Value>(text).unwrap()["results"].as_u64().unwrap();
    assert!(total(&known) > total(&anonymous));

    let base = format!("linode={url}");
    let sql = "SELECT count(*) AS n FROM linode.images.images";
    for (token, total) in [(None, total(&anonymous)), (Some("sandbox-linode-token"), total(&known))] {
        let mut command = home.command(&["-q", "-o", "csv", "--base-url", &base, "-c", sql]);
        if let Some(token) = token {
            command.env("LINODE_TOKEN", token);
        }
        let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
        assert_eq!(ran.rows(), format!("n\n{total}\n"));
    }
    let mut command = home.command(&["--base-url", &base, "-c", sql]);
    command.env("LINODE_TOKEN", "hush-wrong");
    let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("hint: check `LINODE_TOKEN`") && !ran.err.contains("hush"), "{}", ran.err);

    let all = Serving::start(&home, &["sandbox"], 3);
    let names: Vec<&str> = all.lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["digitalocean", "linode", "lunanode"]);
}

#[test]
fn show_lists_what_there_is() {
    let show = |sql: &str| skyql(&["-q", "-o", "csv", "-c", sql]).rows();
    assert_eq!(show("SHOW PROVIDERS"), "name,version\ndigitalocean,v1.0.0\nlinode,v1.0.0\nlunanode,v1.0.0\n");
    assert_eq!(show("SHOW PROVIDERS LIKE '%NODE'"), "name,version\nlinode,v1.0.0\nlunanode,v1.0.0\n");
    assert_eq!(
        show("SHOW SERVICES IN linode LIKE 'v%'"),
        "id,name,title\nvolumes:v1.0.0,volumes,Volumes\nvpcs:v1.0.0,vpcs,VPCs\n"
    );
    assert!(show("SHOW EXTENDED SERVICES IN linode").starts_with("id,name,title,description,version\n"));
    assert_eq!(
        show("SHOW RESOURCES IN linode.domains"),
        "name,id\ndomains,linode.domains.domains\nrecords,linode.domains.records\nzone_file,linode.domains.zone_file\n"
    );
    assert_eq!(
        show("show methods in Linode.Images.Images"),
        "MethodName,RequiredParams,SQLVerb\nget_image,imageId,SELECT\nget_images,\"\",SELECT\npost_image,data__disk_id,INSERT\n\
         put_image,imageId,UPDATE\ndelete_image,imageId,DELETE\npost_replicate_image,\"imageId, data__regions\",EXEC\n\
         post_upload_image,\"data__label, data__region\",EXEC\n"
    );
    let columns = show("DESCRIBE linode.domains.records");
    assert!(columns.starts_with("name,type\nid,integer\nname,string\n"), "{columns}");
    let extended = show("DESCRIBE EXTENDED digitalocean.compute.images");
    assert!(
        extended.starts_with("name,type,description,kind,values,default,location,required,limits,read_only,methods\n"),
        "{extended}"
    );
    assert!(extended.lines().any(|line| line.starts_with("type,") && line.contains(",query,false,")), "{extended}");
    let method = show("DESCRIBE METHOD linode.images.images.getImage");
    assert!(method.starts_with("name,type,param_type,shape\nimageId,string,input_required,path\n"), "{method}");
    assert!(method.contains("\nlabel,string,output,"), "{method}");
}

#[test]
fn explain_says_what_reaches_the_api_and_sends_nothing() {
    // Nobody listens at this address: a call would fail.
    let run = |sql: &str| {
        skyql(&[
            "-q",
            "-o",
            "csv",
            "--no-header",
            "--base-url",
            "linode=http://127.0.0.1:9",
            "--base-url",
            "digitalocean=http://127.0.0.1:9",
            "-c",
            sql,
        ])
        .rows()
        .replace('"', "")
    };
    let plan = run("EXPLAIN SELECT id FROM linode.images.images WHERE is_public AND label LIKE 'a%'");
    let head: Vec<&str> = plan.lines().take_while(|line| *line != "plan").collect();
    assert_eq!(head[0], "linode.images.images");
    assert!(head[1].starts_with("  method: get_images (GET ") && head[1].ends_with("/{apiVersion}/images)"), "{plan}");
    assert!(
        plan.contains("  reaches the API and is checked on the rows: is_public")
            && plan.contains("  filter: X-Filter: {+and:[{is_public:true},{label:{+contains:a}}]}"),
        "{plan}"
    );
    let plan = run("EXPLAIN SELECT label FROM linode.images.images WHERE id IN ('a', 'b')");
    assert!(plan.contains("method: get_image (GET ") && plan.contains("/{apiVersion}/images/{imageId}"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn show_warnings_tells_of_the_statement_before() {
    let server = Server::start(|_| {
        Reply::json(200, json!({"items": [{"id": "not a number", "name": "one"}, {"id": 2, "name": "two"}]}))
    })
    .await;
    let dir = acme_dir(&server.url(), "");
    let home = Home::new();
    let mut command = home.command(&[
        "-o",
        "csv",
        "-c",
        "SELECT id, name FROM acme.shop.widgets",
        "-c",
        "SHOW WARNINGS",
        "--providers",
    ]);
    command.arg(dir.path());
    let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("id,name\n,one\n2,two\n\nlevel,code,subject,count,message\n"), "{}", ran.out);
    assert!(ran.out.contains("\nwarning,misfit,acme.shop.widgets.id,1,"), "{}", ran.out);
    assert!(ran.out.contains("\nwarning,unproved,acme.shop.widgets,1,"), "{}", ran.out);
    assert!(ran.err.contains("warning: acme.shop.widgets.id: "), "{}", ran.err);
    assert!(ran.err.contains("1 value did not fit") && ran.err.contains("UNPROVED"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_something_is_refused_without_a_call() {
    let server = Server::start(|_| Reply::json(200, json!({}))).await;
    let home = Home::new();
    let base = format!("linode={}", server.url());
    for sql in [
        "INSERT INTO linode.images.images (data__disk_id) SELECT 1",
        "INSERT INTO linode.images.images (data__disk_id) VALUES (1)",
        "UPDATE linode.images.images SET label = 'x' WHERE imageId = 'private/1'",
        "DELETE FROM linode.images.images WHERE imageId = 'private/1'",
        "REPLACE linode.images.images SET label = 'x' WHERE imageId = 'private/1'",
        "EXEC linode.images.images.delete_image @imageId = 'private/1'",
        "/* a note */ delete from linode.images.images",
        "DROP TABLE linode.images.images",
        "CREATE TABLE linode.images.mine AS SELECT 1",
        "CREATE VIEW linode.images.mine AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "TRUNCATE linode.images.images",
        "MERGE INTO linode.images.images i USING (SELECT 1 AS n) s ON true WHEN MATCHED THEN DELETE",
        "WITH d AS (SELECT 1) DELETE FROM linode.images.images",
        "EXPLAIN DELETE FROM linode.images.images",
        "EXPLAIN ANALYZE DELETE FROM linode.images.images",
    ] {
        let mut command = home.command(&["--read-only", "--base-url", &base, "-c", sql]);
        let ran = tokio::task::spawn_blocking(move || Ran::of(&mut command)).await.unwrap();
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{sql}: {ran:?}");
        assert!(ran.err.starts_with("error: ") && !ran.err.to_lowercase().contains("internal"), "{sql}: {}", ran.err);
    }
    assert_eq!(server.connections(), 0);
    assert!(!home.path("x.csv").exists());
    let ran =
        skyql(&["--sandbox", "--read-only", "-c", "DELETE FROM linode.images.images WHERE imageId = 'private/1'"]);
    assert_eq!(
        ran.err,
        "error: DELETE changes something, and this session only reads\n\nhint: nothing was sent; leave out `--read-only`\n"
    );
}

#[test]
fn a_statement_to_fill_in_comes_ready_to_be_pasted() {
    let home = Home::new();
    let text = "INSERT INTO linode.images.images (data__disk_id)\nVALUES (";
    for format in ["table", "expanded"] {
        let ran = home.run(&["-q", "-o", format, "-c", "SHOW INSERT /*+ REQUIRED */ INTO linode.images.images"]);
        assert!(ran.out.starts_with(text) && ran.out.ends_with(";\n"), "{format}: {}{}", ran.out, ran.err);
    }
    let ran = home.run(&["-q", "-o", "csv", "-c", "SHOW INSERT /*+ REQUIRED */ INTO linode.images.images"]);
    assert!(ran.out.starts_with("insert_statement\n\"INSERT INTO"), "{}", ran.out);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_told_to_stop_leaves_no_half_written_file() {
    let server = Server::start(|_| Reply::hang()).await;
    let home = Home::new();
    let url = format!("linode={}", server.url());
    let text = "SELECT id FROM linode.images.images";
    let mut command = home.command(&["--base-url", &url, "-o", "csv", "--outfile", "rows.csv", "-c", text]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    server.received(1).await;
    assert!(std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let ran = tokio::task::spawn_blocking(move || Ran::from(child.wait_with_output().unwrap())).await.unwrap();
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert!(ran.err.contains("cancelled by SIGTERM"), "{}", ran.err);
    let names = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("rows.csv")));
}
