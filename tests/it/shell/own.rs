//! What is the user's own at the prompt: shortened names, views, secrets, templates.

use super::{CTRL_C, TAB, sandbox};
use crate::support::documents::provider_dir;
use crate::support::server::{Reply, Server};
use crate::support::terminal::{Start, Terminal};

/// Tab until it shows: documents are read while it is typed, and the first key may come too early.
#[track_caller]
fn tabbed(terminal: &Terminal, wanted: &str) {
    terminal.keys(TAB).until(wanted, |screen| {
        let found = screen.contents().contains(wanted);
        if !found {
            terminal.keys(TAB);
        }
        found
    });
}

#[test]
fn use_shortens_names_for_tab_too() {
    let terminal = sandbox().size(140, 140).run();
    terminal.line("USE linode;");
    terminal.typed("SELECT * FROM volum");
    tabbed(&terminal, "FROM volumes.");
    terminal.keys(CTRL_C).prompt();
    terminal.line("USE images;");
    terminal.typed("SELECT id FROM images WHERE ven");
    tabbed(&terminal, "WHERE vendor");
    terminal.keys(CTRL_C).prompt();
    terminal.line("\\pset pager off");
    let shown = terminal.line("\\d images.get_image");
    assert!(shown.contains("imageId") && shown.contains("input_required"), "{shown}");
}

#[test]
fn views_are_listed_described_and_completed() {
    let terminal = sandbox().size(40, 100).run();
    terminal.line("CREATE VIEW small AS SELECT 1 AS size_of_it, 'a' AS kind;");
    let shown = terminal.line("\\d");
    assert!(shown.contains("linode") && shown.contains("small"), "{shown}");
    let shown = terminal.line("\\d small");
    assert!(shown.contains("size_of_it"), "{shown}");
    terminal.typed("SELECT * FROM sma");
    tabbed(&terminal, "FROM small");
    terminal.keys(" WHERE size").keys(TAB).shows("WHERE size_of_it");
    terminal.keys(CTRL_C).prompt();
    assert!(terminal.line("\\d skyql.settings").contains("description"));
}

#[test]
fn a_file_is_rendered_where_it_is_a_template() {
    let terminal = Start::skyql(&["--sandbox", "--var", "word=it's"])
        .not_first()
        .file("greet.sql", "SELECT {{ word | sql }} AS greeting;\n")
        .file("wrong.sql", "SELECT {{ nobody }};\n")
        .run();
    let shown = terminal.line("\\i greet.sql");
    assert!(shown.contains("│ it's "), "{shown}");
    let shown = terminal.line("\\i wrong.sql");
    assert!(shown.contains("nobody") && shown.contains("wrong.sql:1:"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_asked_for_and_kept_nowhere() {
    let server = Server::start(|_| Reply::json(201, serde_json::json!({"id": 1}))).await;
    let service = format!(
        r"
openapi: 3.0.3
servers: [{{url: '{}/v1'}}]
paths:
  /servers:
    post:
      requestBody: {{content: {{application/json: {{schema: {{type: object, properties: {{label: {{type: string}}, root_pass: {{type: string}}}}}}}}}}}}
      responses: {{'201': {{description: '', content: {{application/json: {{schema: {{type: object, properties: {{id: {{type: integer}}}}}}}}}}}}}}
components:
  x-stackQL-resources:
    servers:
      id: acme.shop.servers
      name: servers
      methods:
        make: {{operation: {{$ref: '#/paths/~1servers/post'}}, response: {{openAPIDocKey: '201'}}}}
      sqlVerbs:
        insert: [{{$ref: '#/components/x-stackQL-resources/servers/methods/make'}}]
",
        server.url()
    );
    let documents = provider_dir("acme", "v1", &[("shop", &service)], "type: null_auth");
    let terminal = Start::skyql(&["--providers", documents.path().to_str().unwrap()]).not_first().size(40, 100).run();
    let shown = terminal.line("PLAN INSERT INTO acme.shop.servers (label, root_pass) VALUES ('a', 'hush-0451');");
    assert!(shown.contains("not kept in the history: it holds a secret (`root_pass`)"), "{shown}");
    let id = shown.split("APPLY '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let apply = format!("APPLY '{id}';");
    // Ctrl-C is an answer, and nobody is left who would read on.
    terminal.typed(&apply).keys("\r").shows("root_pass (").keys(CTRL_C).shows("nothing was sent").prompt();
    assert!(terminal.line("SELECT 42 AS answer;").contains("42"));
    terminal
        .typed(&apply)
        .keys("\r")
        .until("the question again", |screen| screen.contents().matches("root_pass (").count() == 2);
    terminal.keys("hush-0451").shows("*********").keys("\r").shows("1 call done").prompt();
    assert_eq!(terminal.text().matches("hush-0451").count(), 1, "{}", terminal.text());
    assert_eq!(server.requests()[0].body, br#"{"label":"a","root_pass":"hush-0451"}"#);
    let kept = std::fs::read_to_string(terminal.home().join("history")).unwrap();
    assert!(kept.contains("APPLY") && !kept.contains("hush"), "{kept}");
}
