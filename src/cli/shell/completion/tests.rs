use std::sync::{Arc, LazyLock};

use super::*;
use crate::engine::{Engine, OwnRelation};
use crate::provider::Service;

/// The names of the shipped documents, read at once.
struct Shipped {
    engine: Engine,
    used: Vec<String>,
}

/// Read once for all tests.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::builder().build().unwrap());

impl Names for Shipped {
    fn providers(&self) -> Vec<String> {
        self.engine.registry().provider_names()
    }

    fn services(&self, provider: &str) -> Vec<String> {
        let found = self.engine.registry().provider(provider);
        found.map(|provider| provider.services.keys().cloned().collect()).unwrap_or_default()
    }

    fn service(&self, provider: &str, service: &str) -> Option<Arc<Service>> {
        self.engine.registry().service(provider, service).ok()
    }

    fn own_tables(&self) -> Vec<OwnRelation> {
        let columns = vec!["first".to_owned(), "second".to_owned()];
        ["mine", "My Own"].map(|name| OwnRelation { name: name.to_owned(), columns: columns.clone() }).to_vec()
    }

    fn used(&self) -> Vec<String> {
        self.used.clone()
    }

    fn functions(&self) -> Vec<String> {
        ["count", "json_get", "lower"].map(str::to_owned).to_vec()
    }

    fn files(&self, written: &str) -> Vec<String> {
        ["data.csv", "dir/", "it's.sql"]
            .iter()
            .filter(|file| file.starts_with(written))
            .map(|f| (*f).to_owned())
            .collect()
    }
}

fn shipped() -> Shipped {
    after_use("")
}

/// The names after a `USE`.
fn after_use(name: &str) -> Shipped {
    let used = name.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Shipped { engine: ENGINE.clone(), used }
}

/// What is offered where `|` stands, by its display.
fn offered(text: &str) -> Vec<String> {
    completed(text).candidates.into_iter().map(|candidate| candidate.display).collect()
}

fn completed(text: &str) -> Completion {
    completed_after(text, &shipped())
}

fn completed_after(text: &str, names: &Shipped) -> Completion {
    let cursor = text.find('|').unwrap();
    complete(&text.replacen('|', "", 1), cursor, names)
}

/// The text with the only candidate in it.
fn filled(text: &str) -> String {
    filled_with(text, &completed(text))
}

fn filled_with(text: &str, completion: &Completion) -> String {
    let cursor = text.find('|').unwrap();
    let [only] = completion.candidates.as_slice() else { panic!("{text}: {:?}", completion.candidates) };
    format!("{}{}{}", &text[..completion.start], only.replacement, &text[cursor + 1..])
}

#[track_caller]
fn has(text: &str, wanted: &[&str], unwanted: &[&str]) {
    let offered = offered(text);
    for name in wanted {
        assert!(offered.iter().any(|known| known == name), "{text}: no `{name}` in {offered:?}");
    }
    for name in unwanted {
        assert!(!offered.iter().any(|known| known == name), "{text}: `{name}` in {offered:?}");
    }
}

#[test]
fn names_are_completed_part_by_part() {
    for (text, wanted) in [
        ("SELECT * FROM lino|", "SELECT * FROM linode."),
        ("SELECT * FROM LINO|", "SELECT * FROM linode."),
        ("SELECT * FROM linode.ima|", "SELECT * FROM linode.images."),
        ("SELECT * FROM linode.images.im| WHERE id = 1", "SELECT * FROM linode.images.images WHERE id = 1"),
        ("SELECT * FROM digitalocean.compute.volume_ac|", "SELECT * FROM digitalocean.compute.volume_actions"),
        ("select 1; select * from lino|", "select 1; select * from linode."),
        ("SELECT * FROM a JOIN luna|", "SELECT * FROM a JOIN lunanode."),
        ("SELECT * FROM a, luna|", "SELECT * FROM a, lunanode."),
        ("SELECT * FROM (SELECT * FROM luna|)", "SELECT * FROM (SELECT * FROM lunanode.)"),
        ("INSERT INTO linode.volumes.vol|", "INSERT INTO linode.volumes.volumes"),
        ("DELETE FROM linode.vol|", "DELETE FROM linode.volumes."),
        ("SHOW RESOURCES IN linode.vol|", "SHOW RESOURCES IN linode.volumes"),
        ("SHOW EXTENDED SERVICES IN lino|", "SHOW EXTENDED SERVICES IN linode"),
        ("DESCRIBE EXTENDED linode.ima|", "DESCRIBE EXTENDED linode.images."),
        ("SELECT * FROM My|", "SELECT * FROM \"My Own\""),
        ("SELECT * FROM \"My|", "SELECT * FROM \"My Own\""),
        ("\\d linode.ima|", "\\d linode.images."),
    ] {
        assert_eq!(filled(text), wanted);
    }
    has("SELECT * FROM |", &["linode", "digitalocean", "lunanode", "mine"], &["SELECT"]);
    has("WITH recent AS (SELECT 1) SELECT * FROM |", &["recent", "linode"], &[]);
    has("SELECT * FROM linode.|", &["images", "volumes", "domains"], &["digitalocean", "WHERE"]);
    has("UPDATE |", &["linode"], &["mine"]);
}

#[test]
fn names_may_begin_where_use_ends() {
    for (used, text, wanted) in [
        ("linode", "SELECT * FROM volum|", "SELECT * FROM volumes."),
        ("linode", "SELECT * FROM volumes.vol|", "SELECT * FROM volumes.volumes"),
        ("linode", "SELECT soa_e| FROM domains.domains", "SELECT soa_email FROM domains.domains"),
        ("linode.volumes", "DELETE FROM volumes WHERE volumeI|", "DELETE FROM volumes WHERE volumeId"),
        ("linode.images", "EXEC images.post_im|", "EXEC images.post_image"),
        ("linode.images", "EXEC images.get_image @im|", "EXEC images.get_image @imageId = "),
        (
            "linode",
            "SELECT * FROM digitalocean.compute.volume_ac|",
            "SELECT * FROM digitalocean.compute.volume_actions",
        ),
        ("linode", "SHOW RESOURCES IN volum|", "SHOW RESOURCES IN volumes"),
    ] {
        assert_eq!(filled_with(text, &completed_after(text, &after_use(used))), wanted);
    }
}

#[test]
fn tables_of_ones_own_and_of_metadata_are_completed() {
    has("SELECT | FROM mine", &["first", "second"], &[]);
    assert_eq!(filled("SELECT * FROM mine m WHERE m.sec|"), "SELECT * FROM mine m WHERE m.second");
    assert_eq!(filled("SELECT * FROM sky|"), "SELECT * FROM skyql.");
    assert_eq!(filled("SELECT * FROM skyql.resou|"), "SELECT * FROM skyql.resources");
    has("SELECT | FROM skyql.resources", &["provider", "service", "name"], &[]);
    assert_eq!(filled("DROP VIEW mi|"), "DROP VIEW mine");
    has("REFRESH MATERIALIZED VIEW |", &["mine", "My Own"], &["linode"]);
    assert_eq!(filled("DESCRIBE information_schema.tabl|"), "DESCRIBE information_schema.tables");
}

#[test]
fn methods_and_their_arguments_are_completed() {
    has("EXEC linode.images.images.|", &["get_image"], &["SELECT"]);
    let offered = offered("EXEC linode.images.images.get_image |");
    assert_eq!(offered[0], "@imageId (required)", "{offered:?}");
    assert_eq!(filled("EXEC linode.images.images.get_image @im|"), "EXEC linode.images.images.get_image @imageId = ");
    has("EXEC linode.images.images.get_image @imageId = 'x', |", &[], &["@imageId (required)"]);
    has("EXEC linode.images.images.get_image @imageId = |", &[], &["@imageId (required)"]);
    has("DESCRIBE METHOD linode.images.images.|", &["get_image"], &[]);
    has("\\d linode.images.images.|", &["get_image"], &[]);
}

#[test]
fn columns_are_those_of_the_statements_tables() {
    has("SELECT | FROM linode.images.images", &["id", "label", "size", "CASE"], &["FROM", "linode", "count()"]);
    has("SELECT id, la| FROM linode.images.images", &["label"], &["id", "lower()"]);
    has("SELECT * FROM linode.images.images WHERE ven|", &["vendor"], &[]);
    has(
        "SELECT * FROM linode.images.images i JOIN linode.domains.domains d ON i.|",
        &["vendor"],
        &["domain", "count()"],
    );
    has("SELECT * FROM linode.images.images AS i, linode.domains.domains d WHERE d.|", &["domain"], &["vendor"]);
    has("SELECT images.| FROM linode.images.images", &["vendor"], &[]);
    let columns = offered("SELECT | FROM linode.domains.records");
    assert_eq!(columns[0], "domainId (required)", "{columns:?}");
    has("SELECT * FROM linode.domains.records(|", &["domainId (required)"], &["target", "SELECT"]);
    assert_eq!(
        filled("SELECT * FROM linode.domains.records(domainI|"),
        "SELECT * FROM linode.domains.records(domainId => "
    );
    has("SELECT cou| FROM linode.images.images", &["count()"], &[]);
    has("SELECT lower(| FROM linode.images.images", &["label"], &[]);
}

#[test]
fn writes_name_what_can_be_written() {
    let columns = offered("INSERT INTO linode.domains.domains (|");
    assert!(columns.iter().any(|column| column == "domain (required)"), "{columns:?}");
    has("INSERT INTO linode.domains.domains (domain, |", &["soa_email (optional)"], &["domain (required)", "id"]);
    has("INSERT INTO linode.domains.domains (data__do|", &["data__domain (required)"], &[]);
    has("UPDATE linode.domains.domains SET |", &["soa_email (optional)"], &["domainId (required)"]);
    assert_eq!(filled("UPDATE linode.domains.domains SET soa|"), "UPDATE linode.domains.domains SET soa_email = ");
    has("UPDATE linode.domains.domains SET soa_email = 'x' |", &["WHERE", "RETURNING"], &[]);
    has("DELETE FROM linode.domains.domains WHERE |", &["domainId (required)"], &[]);
}

#[test]
fn keywords_follow_the_place_and_the_letters() {
    has("|", &["SELECT", "SHOW", "EXEC", "INSERT INTO"], &["FROM"]);
    has("sel|", &["select"], &["SELECT"]);
    has("SELECT 1; d|", &["delete from", "describe"], &["DESCRIBE"]);
    has("SELECT id |", &["FROM", "AS"], &["id"]);
    has("SELECT * fr|", &["from"], &[]);
    has("SELECT * FROM linode.images.images |", &["WHERE", "JOIN", "ORDER BY"], &["linode", "SELECT"]);
    has("select * from linode.images.images wh|", &["where"], &[]);
    has("SELECT * FROM t WHERE id = 5 |", &["AND", "OR", "ORDER BY", "LIMIT"], &["linode"]);
    has("SELECT * FROM t ORDER |", &["BY"], &["FROM"]);
    has("SHOW |", &["PROVIDERS", "SERVICES IN", "max_calls"], &["SELECT"]);
    has("INSERT INTO linode.domains.domains |", &["VALUES", "SELECT"], &[]);
    has("SELECT * FROM t LEFT |", &["JOIN"], &["FROM"]);
}

#[test]
fn settings_and_their_words_are_completed() {
    assert_eq!(filled("SET max_c|"), "SET max_calls");
    has("SET confirm = |", &["auto", "always", "never"], &["confirm"]);
    assert_eq!(filled("SET confirm = n|"), "SET confirm = 'never'");
    has("RESET |", &["max_calls", "ALL"], &[]);
    assert_eq!(filled("\\set max_c|"), "\\set max_calls");
    assert_eq!(filled("\\set confirm nev|"), "\\set confirm never");
    has("\\pset format |", &["csv", "expanded"], &[]);
    assert_eq!(filled("\\pset pager of|"), "\\pset pager off");
    assert_eq!(filled("\\tim|"), "\\timing");
}

#[test]
fn strings_hold_files_and_known_values() {
    assert_eq!(filled("EXEC a.b.c.d @x = 1 INTO 'da|"), "EXEC a.b.c.d @x = 1 INTO 'data.csv'");
    assert_eq!(filled("SELECT * FROM 'da|'"), "SELECT * FROM 'data.csv'");
    assert_eq!(filled("COPY (SELECT 1) TO 'di|"), "COPY (SELECT 1) TO 'dir/");
    assert_eq!(filled("SELECT * FROM 'it''|"), "SELECT * FROM 'it''s.sql'");
    assert_eq!(filled("\\i da|"), "\\i data.csv");
    let values = offered("SELECT * FROM linode.domains.records WHERE type = '|");
    assert!(values.contains(&"CNAME".to_owned()), "{values:?}");
    assert_eq!(
        filled("SELECT * FROM linode.domains.records WHERE type IN ('A', 'CN|"),
        "SELECT * FROM linode.domains.records WHERE type IN ('A', 'CNAME'"
    );
    has("SELECT 'FROM |'", &[], &["linode"]);
}

#[test]
fn nothing_is_offered_inside_comments_and_numbers() {
    for text in ["SELECT 1 -- FROM |", "/* SELECT * FROM |", "SELECT 12|", "SELECT $$ FROM |"] {
        assert_eq!(offered(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn no_text_and_no_cursor_is_too_odd() {
    let names = shipped();
    let texts = [
        "SELECT * FROM \"linode\".\"ima",
        "....",
        ")))(((",
        "FROM FROM FROM",
        "INSERT INTO (",
        "EXEC .",
        "\\",
        "\\ d",
        "\\\\d x",
        "SELECT 'ä日🦀' FROM ü.ö.ß WHERE 日 = ",
        "WITH a AS (",
        "x IN (((",
        ", = , =",
        "SET = =",
        "\\set  x  y",
        "SELECT \u{0}\u{1b}[2J FROM ",
        "\"",
        "'",
        "`",
        "$",
        "$a$",
        "@",
        "@@",
        "1.",
        "UPDATE a.b.c SET",
        "SHOW IN IN",
        "/*",
        "--",
    ];
    for text in texts {
        for cursor in 0..=text.len() + 2 {
            let completion = complete(text, cursor, &names);
            assert!(completion.start <= text.len() && text.is_char_boundary(completion.start), "{text} at {cursor}");
        }
    }
}

#[test]
fn many_names_are_offered_in_good_time() {
    use crate::clock::{Clock, SystemClock};

    let names = shipped();
    let mut slowest = std::time::Duration::ZERO;
    let mut timed = |text: &str, cursor: usize| {
        let started = SystemClock.now();
        let found = complete(text, cursor, &names).candidates.len();
        slowest = slowest.max(SystemClock.now().saturating_duration_since(started));
        assert!(found > 0, "{text}");
    };
    for provider in names.providers() {
        for service in names.services(&provider) {
            let Some(read) = names.service(&provider, &service) else { continue };
            let in_service = format!("DESCRIBE {provider}.{service}.");
            timed(&in_service, in_service.len());
            let readable = read.resources.values().filter(|resource| !resource.verbs.select.is_empty());
            if let Some(widest) = readable.max_by_key(|resource| resource.methods.len()) {
                timed(&format!("SELECT  FROM {provider}.{service}.{}", widest.name), 7);
            }
        }
    }
    // Fifty milliseconds as released; without optimisation, on a machine that has other things to do, ten times that.
    assert!(slowest < std::time::Duration::from_millis(500), "{slowest:?}");
}
