//! What the shipped providers say of themselves.

use serde_json::Value;

use super::{rows, skyql};

/// The rows of one of `skyql`'s tables that are about the shipped providers: places, and the text of each.
fn texts(table: &str, place: &str, which: &str) -> Vec<(String, String)> {
    let home = tempfile::tempdir().unwrap();
    let query = format!(
        "SELECT {place} AS place, description FROM skyql.{table} WHERE provider IN ('linode', 'digitalocean', 'lunanode') AND {which}"
    );
    let done = skyql(home.path()).args(["-o", "json", "-c", &query]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found = rows(&done.stdout);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    found.as_array().unwrap().iter().map(|row| (text(row, "place"), text(row, "description"))).collect()
}

#[test]
fn shipped_providers_say_what_everything_is() {
    let column = "concat_ws('.', provider, service, resource, name)";
    let parameter = "concat_ws('.', provider, service, resource, method, name)";
    for (table, place, which, least) in [
        ("services", "concat_ws('.', provider, name)", "true", 50),
        ("resources", "concat_ws('.', provider, service, name)", "true", 420),
        ("columns", column, "true", 2900),
        ("parameters", parameter, "true", 3600),
        ("methods", column, "true", 1200),
    ] {
        let found = texts(table, place, which);
        assert!(found.len() > least, "{table}: {}", found.len());
        for (place, text) in found {
            assert!(!text.is_empty(), "{place} has no description");
            assert!(text.chars().count() <= 80 && !text.ends_with('.'), "{place}: one short line, and not `{text}`");
        }
    }
}
