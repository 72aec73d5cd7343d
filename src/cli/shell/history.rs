//! What is kept of what was typed, and what is not: secrets.

use std::path::PathBuf;

use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;

use super::editor::Assistant;
use super::lexer::{Kind, Token, tokens};
use crate::cli::message::Messages;
use crate::engine::Session;
use crate::error::fold_name;
use crate::http::Scrubber;
use crate::provider::Registry;

/// Parts of names, folded, that may hold a secret, beside those that records hide.
const TELLING: &[&str] = &["pass", "token", "authorization", "sslkey"];

/// Beginnings of texts that are a secret by themselves.
const TELLTALE: &[&str] = &[
    "Bearer ",
    "Basic ",
    "-----BEGIN",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "dop_v1_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "eyJ",
];

/// What earlier statements say of the names in a line.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What `USE` puts before them.
    used: Vec<String>,
    /// The prepared statements that are run.
    executed: Vec<String>,
}

impl Said {
    pub(super) fn before(line: &str, session: &Session) -> Self {
        Self { used: session.used().to_vec(), executed: session.executed_texts(line) }
    }
}

/// Keeps what was typed, in memory and in the user's history file. A line that begins with a space is not kept.
pub(super) struct Keeper {
    path: Option<PathBuf>,
    complained: bool,
}

impl Keeper {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, complained: false }
    }

    /// Loads what was kept; says whether there was anything to load.
    pub(super) fn load(&self, editor: &mut Editor<Assistant, DefaultHistory>) -> bool {
        self.path.as_ref().is_some_and(|path| editor.load_history(path).is_ok())
    }

    pub(super) fn keep(
        &mut self,
        editor: &mut Editor<Assistant, DefaultHistory>,
        line: &str,
        registry: &Registry,
        said: &Said,
        messages: &mut Messages,
    ) {
        if let Some(name) = secret_in(line, registry, said) {
            messages.note(&format!("not kept in the history: it holds a secret ({name})"));
            return;
        }
        let kept = editor.add_history_entry(line).unwrap_or(false);
        let Some(path) = self.path.as_ref().filter(|_| kept) else { return };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let written = parent.map_or(Ok(()), std::fs::create_dir_all);
        let written = written.map_err(ReadlineError::Io).and_then(|()| editor.append_history(path));
        if let Err(error) = written
            && !std::mem::replace(&mut self.complained, true)
        {
            messages.note(&format!("the history is not kept: `{}` cannot be written ({error})", path.display()));
        }
    }
}

/// What in a text has a secret for its value, if anything has: a column or parameter that a document calls secret or
/// whose name says so, or a text that looks like a credential. Rather too much than too little.
fn secret_in(line: &str, registry: &Registry, said: &Said) -> Option<String> {
    // The names of the values stand in the prepared statement.
    let text = [line, &said.executed.join(" ")].join(" ");
    let all = tokens(&text);
    let counting: Vec<&Token<'_>> =
        all.iter().filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment)).collect();
    let texts = || all.iter().filter(|token| token.kind == Kind::Text);
    let telltale = |token: &Token<'_>| {
        TELLTALE.iter().any(|begin| token.text.trim_start_matches(['\'', '$']).trim_start().starts_with(begin))
    };
    if texts().any(telltale) {
        return Some("a text that looks like a credential".to_owned());
    }
    let documented = documented_secrets(&counting, registry, &said.used);
    let scrubber = Scrubber::default();
    let is_secret = |name: &str| {
        let folded = fold_name(name.trim_start_matches('@').trim_start_matches("data__"));
        scrubber.is_secret(&folded) || TELLING.iter().any(|part| folded.contains(part)) || documented.contains(&folded)
    };
    // Fields of a JSON body.
    for token in texts() {
        for key in token.text.split('"').skip(1).step_by(2) {
            if is_secret(key) && token.text.contains(':') {
                return Some(format!("`{key}`"));
            }
        }
    }
    let is_placeholder = |at: usize| at.checked_sub(1).is_some_and(|before| counting[before].is_symbol("$"));
    let has_value = counting
        .iter()
        .enumerate()
        .any(|(at, token)| token.kind == Kind::Text || token.kind == Kind::Number && !is_placeholder(at));
    let inserts = counting.iter().any(|token| token.is_word("INSERT") || token.is_word("REPLACE"));
    let command = text.trim_start().starts_with('\\');
    counting.iter().enumerate().find_map(|(at, token)| {
        let name = token.name().filter(|name| is_secret(name))?;
        // `= 'x'`, `=> 'x'`, `IN ('x')`, `LIKE 'x'`; a column of an INSERT, whose values stand elsewhere; `\set name x`.
        let compared = counting[at + 1..].iter().take(3).any(|next| {
            ["=", "<", ">", "!"].iter().any(|sign| next.is_symbol(sign))
                || ["IN", "LIKE", "ILIKE", "TO"].iter().any(|word| next.is_word(word))
        });
        let given = has_value && (compared || inserts)
            || command && at + 1 < counting.len()
            || compared && token.text.starts_with('@');
        given.then(|| format!("`{name}`"))
    })
}

/// The columns and parameters that the documents of the named resources call secret, folded.
fn documented_secrets(tokens: &[&Token<'_>], registry: &Registry, used: &[String]) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for at in 0..tokens.len() {
        let part = |offset: usize| tokens.get(at + offset).and_then(|token| token.name());
        let dot = |offset: usize| tokens.get(at + offset).is_some_and(|token| token.is_symbol("."));
        // As many parts as there are of provider, service and resource, behind what USE says.
        let (Some(first), false) = (part(0), at.checked_sub(1).is_some_and(|before| tokens[before].is_symbol(".")))
        else {
            continue;
        };
        let mut parts = vec![first];
        while parts.len() < 3 && dot(2 * parts.len() - 1) {
            let Some(part) = part(2 * parts.len()) else { break };
            parts.push(part);
        }
        let wholes = (0..=used.len()).map(|from_use| [&used[..from_use], &parts].concat());
        let resources = wholes.filter_map(|whole| match whole.as_slice() {
            [provider, service, resource, ..] => registry.resource(provider, service, resource).ok(),
            _ => None,
        });
        // It has run, so that its documents are read.
        for resource in resources {
            for method in resource.methods.values() {
                let parameters = method.parameters.iter().filter(|p| p.secret).map(|p| &p.name);
                let columns = method.response.columns.iter().filter(|c| c.secret).map(|c| &c.name);
                secrets.extend(parameters.chain(columns).map(|name| fold_name(name)));
            }
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::meant::Notes;
    use crate::cli::shell::editor;
    use crate::engine::Engine;

    fn editor() -> Editor<Assistant, DefaultHistory> {
        let engine = Engine::builder().build().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let names = crate::cli::shell::names::EngineNames::new(engine, runtime.handle().clone(), None);
        editor::editor(false, std::sync::Arc::new(names)).unwrap()
    }

    fn silent() -> Messages {
        Messages::new(Box::new(std::io::sink()), false, Notes::Normal)
    }

    #[test]
    fn history_is_kept_unless_a_space_says_no() {
        let engine = Engine::builder().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state").join("history");
        let mut keeper = Keeper::new(Some(path.clone()));
        let (mut messages, mut editor) = (silent(), editor());
        keeper.keep(&mut editor, "SELECT 1;", engine.registry(), &Said::default(), &mut messages);
        keeper.keep(&mut editor, " SELECT 'hush';", engine.registry(), &Said::default(), &mut messages);
        keeper.keep(&mut editor, "SET my_password = 'hush';", engine.registry(), &Said::default(), &mut messages);
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.contains("SELECT 1;") && !kept.contains("hush"), "{kept}");
        assert!(!keeper.complained);
        let mut keeper = Keeper::new(Some(path.join("not-a-directory")));
        keeper.keep(&mut editor, "SELECT 2;", engine.registry(), &Said::default(), &mut messages);
        assert!(keeper.complained);
    }

    #[test]
    fn secrets_are_told_from_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let service = r"
openapi: 3.0.0
info: {title: box, version: '1'}
servers: [{url: https://box.example}]
paths:
  /boxes:
    post:
      operationId: make
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                label: {type: string}
                door: {type: string, x-secret: true, format: password}
      responses: {'200': {description: ok}}
components:
  x-stackQL-resources:
    boxes:
      id: box.main.boxes
      name: boxes
      methods:
        make:
          operation: {$ref: '#/paths/~1boxes/post'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs: {select: [], insert: [{$ref: '#/components/x-stackQL-resources/boxes/methods/make'}], update: [], delete: []}
";
        let provider = "id: box\nname: box\nversion: v1\nproviderServices:\n  main:\n    id: main:v1\n    name: main\n    version: v1\n    service: {$ref: 'box/v1/services/main.yaml'}\n";
        std::fs::create_dir_all(dir.path().join("box/v1/services")).unwrap();
        std::fs::write(dir.path().join("box/v1/provider.yaml"), provider).unwrap();
        std::fs::write(
            dir.path().join("box/v1/services/main.yaml"),
            service.replace("x-secret: true, format: password", "format: password"),
        )
        .unwrap();
        let engine = Engine::builder().providers_dir(dir.path().to_owned()).build().unwrap();
        let is_secret = engine.registry().resource("box", "main", "boxes").unwrap().methods["make"]
            .parameters
            .iter()
            .any(|parameter| parameter.name == "door" && parameter.secret);
        assert!(is_secret, "`format: password` is a secret");
        for (text, secret) in [
            ("SELECT id FROM linode.images.images WHERE label = 'x';", false),
            ("SELECT token FROM a.b.c;", false),
            ("SELECT token, id FROM a.b.c WHERE x = 1;", false),
            ("INSERT INTO box.main.boxes (label) VALUES ('x');", false),
            ("INSERT INTO box.main.boxes (label, door) VALUES ('x', 'hush');", true),
            ("INSERT INTO box.main.boxes (data__door) VALUES ('hush');", true),
            ("EXEC box.main.boxes.make @door = 'hush';", true),
            ("EXEC box.main.boxes.make @@json = '{\"door\": \"hush\"}';", true),
            ("EXEC box.main.boxes.make @label = 'front';", false),
            ("UPDATE a.b.c SET root_pass = 'hush' WHERE id = 1;", true),
            ("SELECT id FROM a.b.c(apiKey => 'hush');", true),
            ("SELECT id FROM a.b.c WHERE access_token IN ('hush');", true),
            ("SELECT 'Bearer hush';", true),
            ("\\set vault_secret hush", true),
            ("\\set max_calls 5", false),
            ("SET max_calls = 5;", false),
            ("SELECT '", false),
        ] {
            assert_eq!(secret_in(text, engine.registry(), &Said::default()).is_some(), secret, "{text}");
        }
        let used = Said { used: vec!["box".to_owned(), "main".to_owned()], ..Said::default() };
        let shortened = "INSERT INTO boxes (door) VALUES ('hush');";
        assert!(secret_in(shortened, engine.registry(), &used).is_some());
        assert!(secret_in(&shortened.replace("boxes", "main.boxes"), engine.registry(), &used).is_some());
        let prepared = "PREPARE make AS INSERT INTO box.main.boxes (label, door) VALUES ($1, $2)";
        assert_eq!(secret_in(prepared, engine.registry(), &Said::default()), None);
        let executed = Said { executed: vec![prepared.to_owned()], ..Said::default() };
        assert!(secret_in("EXECUTE make ('front', 'hush')", engine.registry(), &executed).is_some());
    }
}
