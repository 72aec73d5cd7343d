//! Real servers, whose documents are imported as they are, and which SQL then creates, lists, filters, changes and deletes
//! on. They come from the Python package index and take minutes to install, so that they run only where
//! `SKYQL_REAL_SERVERS` names a directory for them.

#![expect(clippy::print_stderr, reason = "says why nothing was tested")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use skyql::config::Env;
use tempfile::TempDir;

use super::{rows, skyql};
use crate::support::server::http_client;

/// A server, until it is dropped.
struct Real {
    child: Child,
    /// Where its document is.
    document: String,
    home: TempDir,
}

impl Real {
    /// Starts it; `None` where nobody wants that.
    fn start(name: &str) -> Option<Self> {
        let Some(dir) = Env::process().get("SKYQL_REAL_SERVERS") else {
            eprintln!("skipped: SKYQL_REAL_SERVERS names no directory for {name}");
            return None;
        };
        let serve: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "servers", "serve"].iter().collect();
        let mut child =
            Command::new(serve).args([name, &dir]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The line comes when the server answers; none comes when it cannot.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://127.0.0.1:"), "{name} did not start: {line}");
        let real = Self { child, document: line.trim().to_owned(), home: TempDir::new().unwrap() };
        Some(real)
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// Imports the document; a line per method.
    fn import(&self) -> Vec<Value> {
        let done = skyql(self.home())
            .args(["provider", "import", &self.document, "--name", "real", "--force", "-o", "json"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        rows(&done.stdout).as_array().unwrap().clone()
    }

    /// What a person decides.
    fn overlay(&self, name: &str, text: &str) {
        let dir = self.home().join("data/skyql/providers/real/v1.0.0/overlay");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
    }

    /// The rows of a statement that went well, and what was said.
    fn ask(&self, sql: &str) -> (Value, String) {
        let done = skyql(self.home()).args(["--yes", "-v", "-o", "json", "-c", sql]).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{sql}: {said}");
        (if done.stdout.is_empty() { Value::Null } else { rows(&done.stdout) }, said)
    }

    /// What the server answers to a request that is not ours; 404 is null.
    async fn read(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let client = http_client();
        let base = self.document.trim_end_matches("/openapi.json");
        let mut request = client.request(method.parse().unwrap(), format!("{base}{path}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        if answer.status() == 404 {
            return Value::Null;
        }
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The script ends the server when its stdin is closed.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

fn line<'l>(lines: &'l [Value], operation: &str) -> &'l Value {
    lines.iter().find(|line| line["operation"] == operation).unwrap()
}

fn texts<'r>(rows: &'r Value, column: &str) -> Vec<&'r str> {
    rows.as_array().unwrap().iter().map(|row| row[column].as_str().unwrap()).collect()
}

/// OpenAPI 3.1 of `FastAPI`: lists by POST with the paging in the body, some of which state no total.
#[tokio::test(flavor = "multi_thread")]
async fn prefect() {
    let Some(real) = Real::start("prefect") else { return };
    // Its SQLite refuses writes side by side.
    real.overlay("provider", "config: {rateLimit: {concurrency: 1}}\n");
    let lines = real.import();
    let list = line(&lines, "POST /variables/filter");
    assert_eq!(
        (&list["resource"], &list["verb"], &list["keys"], &list["method"]),
        (&json!("variables"), &json!("SELECT"), &json!("id=id"), &json!("read_variables"))
    );
    assert_eq!(list["pages"], "offset offset (body), size limit (body), no total");
    for (operation, verb) in [
        ("POST /variables/", "INSERT"),
        ("GET /variables/{id}", "SELECT"),
        ("PATCH /variables/{id}", "UPDATE"),
        ("DELETE /variables/{id}", "DELETE"),
        ("POST /variables/count", "EXEC"),
    ] {
        let line = line(&lines, operation);
        assert_eq!((&line["resource"], &line["verb"]), (&json!("variables"), &json!(verb)), "{line}");
    }

    let made = "INSERT INTO real.variables.variables (name, value, tags) VALUES \
        ('v0', 'zero', '[\"a\"]'), ('v1', 'one', '[\"a\",\"b\"]'), ('v2', 'two', '[]'), ('v3', 'three', '[]'), ('v4', 'four', '[]') \
        RETURNING id, name";
    let (made, _) = real.ask(made);
    assert_eq!(texts(&made, "name"), ["v0", "v1", "v2", "v3", "v4"]);
    let there = real.read("POST", "/variables/filter", Some(json!({}))).await;
    assert_eq!(
        (texts(&there, "value"), &there[1]["tags"]),
        (vec!["zero", "one", "two", "three", "four"], &json!(["a", "b"]))
    );

    let (all, said) = real.ask("SELECT name FROM real.variables.variables WHERE \"limit\" = 2");
    assert_eq!(texts(&all, "name"), ["v0", "v1", "v2", "v3", "v4"]);
    assert_eq!(said.matches("/variables/filter 200").count(), 4, "three pages and an empty one: {said}");
    assert!(said.contains("states no total"), "{said}");
    let by_api =
        "SELECT value FROM real.variables.variables WHERE variables = '{\"name\": {\"any_\": [\"v1\", \"v3\"]}}'";
    assert_eq!(texts(&real.ask(by_api).0, "value"), ["one", "three"]);
    assert_eq!(texts(&real.ask("SELECT value FROM real.variables.variables WHERE name LIKE '%2'").0, "value"), ["two"]);

    let id = made[1]["id"].as_str().unwrap();
    let path = format!("/variables/{id}");
    real.ask(&format!("UPDATE real.variables.variables SET value = 'uno' WHERE id = '{id}'"));
    let there = real.read("GET", &path, None).await;
    assert_eq!((&there["value"], &there["name"], &there["tags"]), (&json!("uno"), &json!("v1"), &json!(["a", "b"])));
    let (one, said) = real.ask(&format!("SELECT value FROM real.variables.variables WHERE id = '{id}'"));
    assert_eq!((texts(&one, "value"), said.contains(&format!("{path} 200"))), (vec!["uno"], true), "{said}");
    real.ask(&format!("DELETE FROM real.variables.variables WHERE id = '{id}'"));
    assert_eq!(real.read("GET", &path, None).await, Value::Null);

    // Told that the pages are what they seem, a condition that only rows answer may say what goes.
    real.overlay(
        "variables",
        "x-stackQL-config: {pagination: {kind: offset, offset: {key: offset, location: body}}}\n",
    );
    real.import();
    real.ask("DELETE FROM real.variables.variables WHERE value LIKE 't%'");
    let there = real.read("POST", "/variables/filter", Some(json!({}))).await;
    assert_eq!(texts(&there, "name"), ["v0", "v4"]);

    // Pages by number, with their number in the answer: proved.
    real.ask("INSERT INTO real.flows.flows (name) VALUES ('a'), ('b'), ('c')");
    let (all, said) = real.ask("SELECT name FROM real.flows.flows WHERE \"limit\" = 2 ORDER BY name");
    assert_eq!(texts(&all, "name"), ["a", "b", "c"]);
    assert!(said.contains("/flows/paginate 200") && !said.to_lowercase().contains("unproved"), "{said}");
}

/// OpenAPI 3.1 with a cursor: rows and objects in an envelope, identifiers that are ids or names.
#[tokio::test(flavor = "multi_thread")]
async fn phoenix() {
    let Some(real) = Real::start("phoenix") else { return };
    let lines = real.import();
    let list = line(&lines, "GET /v1/projects");
    assert_eq!(
        (&list["verb"], &list["rows"], &list["keys"]),
        (&json!("SELECT"), &json!("$.data"), &json!("project_identifier=id"))
    );
    assert_eq!(list["pages"], "cursor $.next_cursor to ?cursor, size ?limit");
    assert_eq!(list["certainty"], "sure");

    real.ask(
        "INSERT INTO real.projects.projects (name, description) VALUES ('p1', 'one'), ('p2', 'two'), ('p3', 'three')",
    );
    let (all, said) = real.ask("SELECT name FROM real.projects.projects WHERE \"limit\" = 2 ORDER BY name");
    assert_eq!(texts(&all, "name"), ["default", "p1", "p2", "p3"]);
    assert!(said.matches("/v1/projects?").count() >= 2 && !said.to_lowercase().contains("unproved"), "{said}");
    let (found, said) = real.ask("SELECT name FROM real.projects.projects WHERE name_contains = 'p'  ORDER BY name");
    assert_eq!(texts(&found, "name"), ["p1", "p2", "p3"]);
    assert!(said.contains("name_contains=p"), "{said}");

    real.ask("REPLACE real.projects.projects SET description = 'changed' WHERE name = 'p2'");
    let there = real.read("GET", "/v1/projects/p2", None).await;
    assert_eq!(there["data"]["description"], "changed");
    real.ask("DELETE FROM real.projects.projects WHERE description = 'three'");
    assert_eq!(real.read("GET", "/v1/projects/p3", None).await, Value::Null);
    let there = real.read("GET", "/v1/projects", None).await;
    assert_eq!(there["data"].as_array().unwrap().len(), 3);

    // The same for one statement, without an import.
    let done = skyql(real.home())
        .args(["--openapi", &real.document, "-q", "-o", "json"])
        .args(["-c", "SELECT count(*) AS n FROM api.projects.projects"])
        .output()
        .unwrap();
    assert_eq!(rows(&done.stdout), json!([{"n": 3}]), "{}", String::from_utf8_lossy(&done.stderr));
}
