//! Values for columns of which only the name, the type and the format are known.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::date::{self, Form};
use crate::provider::{Column, ValueType};

const ADJECTIVES: [&str; 16] = [
    "amber", "brisk", "calm", "deep", "early", "fleet", "grand", "hidden", "iron", "keen", "lunar", "misty", "north",
    "quiet", "rapid", "silver",
];
const NOUNS: [&str; 16] = [
    "anchor", "beacon", "comet", "delta", "ember", "falcon", "glacier", "harbor", "island", "juniper", "kernel",
    "lantern", "meadow", "nebula", "orchard", "pine",
];
const PURPOSES: [&str; 8] = [
    "kept for the nightly build",
    "used by the web tier",
    "made by the deploy job",
    "for the load tests",
    "shared with the data team",
    "before the last upgrade",
    "golden copy",
    "belongs to the staging set-up",
];
const TAGS: [&str; 8] = ["prod", "staging", "web", "db", "cache", "ci", "edge", "archive"];
const REGIONS: [&str; 8] =
    ["us-east", "us-west", "us-central", "eu-west", "eu-central", "ap-south", "ap-northeast", "ca-central"];
const STATUSES: [&str; 4] = ["available", "active", "pending", "error"];
/// 2021-01-01 and 2025-12-31.
const YEARS: (i64, i64) = (1_609_459_200, 1_767_139_200);

/// A value that fits the column. `made` holds the row's other values as far as they are there; `number` is the row's,
/// from 0.
pub(super) fn natural(column: &Column, number: u64, chance: &mut Chance, made: &Map<String, Value>) -> Value {
    let choices: Vec<&Value> = column.values.iter().filter(|value| !value.is_null()).collect();
    if !choices.is_empty() {
        let chosen = chance.pick(&choices, &Value::Null).clone();
        return if column.ty == ValueType::Array && !chosen.is_array() { json!([chosen]) } else { chosen };
    }
    let name = column.name.to_ascii_lowercase();
    match column.ty {
        ValueType::Boolean => Value::Bool(chance.hit(if name.contains("deprecated") { 0.15 } else { 0.5 })),
        ValueType::Integer => Value::from(integer(&name, number, chance)),
        #[expect(clippy::cast_precision_loss, reason = "hundredths up to a hundred thousand are exact")]
        ValueType::Number => Value::from(chance.below(100_000) as f64 / 100.0),
        ValueType::Array if names(&name, &["tags", "labels"]) => tags(chance),
        ValueType::Array => json!([]),
        ValueType::Object => json!({}),
        ValueType::Text | ValueType::Timestamp | ValueType::Any => {
            Value::String(text(column, &name, number, chance, made))
        }
    }
}

/// Whether a name is one of these, alone or behind another word: `label`, `volume_label`.
fn names(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('_')))
}

/// Whether the column says when the row was changed last.
pub(super) fn is_update_time(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("updated")
        || name.starts_with("modified")
        || names(&name, &["updated", "updated_at", "modified", "modified_at"])
}

/// Whether the column says when the row was made.
pub(super) fn is_creation_time(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "started_at"
        || name.starts_with("created") && !names(&name, &["by"])
        || names(&name, &["created", "created_at", "time_created"])
}

fn integer(name: &str, number: u64, chance: &mut Chance) -> i64 {
    let number = i64::try_from(number).unwrap_or(i64::MAX).min(i64::MAX / 1000);
    if names(name, &["id"]) {
        return 10_000_000 + number * 37 + chance.within(0, 36);
    }
    if names(name, &["memory", "ram"]) {
        return 1024 << chance.within(0, 6);
    }
    let (from, to) = if names(name, &["port"]) {
        (1024, 65_535)
    } else if names(name, &["vcpus", "cpus", "cores"]) {
        (1, 32)
    } else if name.contains("ttl") {
        return 300 << chance.within(0, 8);
    } else if name.contains("size") || name.contains("disk") {
        (10, 5000)
    } else {
        (0, 1000)
    };
    chance.within(from, to)
}

fn tags(chance: &mut Chance) -> Value {
    let count = chance.index(4);
    chance.order(TAGS.len()).into_iter().take(count).filter_map(|index| TAGS.get(index)).copied().collect()
}

fn text(column: &Column, name: &str, number: u64, chance: &mut Chance, made: &Map<String, Value>) -> String {
    match column.format.as_deref() {
        Some("date") => return date::write(chance.within(YEARS.0, YEARS.1), Form::DATE),
        Some("date-time") => return time(name, chance, made),
        Some("uuid") => return uuid(chance),
        Some("ipv4" | "ip") => return ipv4(chance),
        Some("ipv6") => return ipv6(chance),
        Some("email" | "idn-email") => return format!("{}@example.com", word(chance)),
        Some("uri" | "url" | "uri-reference") => return url(chance),
        Some("hostname") => return format!("{}.example.com", word(chance)),
        Some("byte") => return super::base64::encode(&chance.bytes(24)),
        _ => {}
    }
    if column.secret {
        return format!("sandbox-{}", chance.hex(24));
    }
    if column.ty == ValueType::Timestamp || is_creation_time(name) || is_update_time(name) || name.ends_with("_at") {
        return time(name, chance, made);
    }
    if names(name, &["uuid"]) {
        uuid(chance)
    } else if names(name, &["id"]) {
        chance.hex(12)
    } else if names(name, &["label", "name", "title", "slug", "key"]) {
        format!("{}-{}", word(chance), number.saturating_add(1))
    } else if name.contains("description") || names(name, &["notes", "note", "comment"]) {
        chance.pick(&PURPOSES, PURPOSES[0]).to_owned()
    } else if name.contains("region") || names(name, &["location", "zone"]) {
        chance.pick(&REGIONS, REGIONS[0]).to_owned()
    } else if names(name, &["status", "state"]) {
        STATUSES[chance.weighted(STATUSES.len(), &[8.0, 4.0, 1.0, 0.5])].to_owned()
    } else if name.contains("ipv6") {
        ipv6(chance)
    } else if names(name, &["ip", "ipv4", "address", "ip_address"]) {
        ipv4(chance)
    } else if names(name, &["url", "uri", "href", "link"]) {
        url(chance)
    } else if name.contains("email") {
        format!("{}@example.com", word(chance))
    } else if names(name, &["domain", "hostname", "host", "fqdn"]) {
        format!("{}.example.com", word(chance))
    } else if names(name, &["version"]) {
        format!("{}.{}.{}", chance.below(9) + 1, chance.below(20), chance.below(30))
    } else if name.contains("size") || name.contains("count") {
        (chance.below(500) + 10).to_string()
    } else {
        word(chance)
    }
}

/// A time; one of a change lies up to ninety days after the row was made.
fn time(name: &str, chance: &mut Chance, made: &Map<String, Value>) -> String {
    let created =
        made.iter().filter(|(name, _)| is_creation_time(name)).find_map(|(_, value)| date::parse(value.as_str()?));
    match created {
        Some(created) if is_update_time(name) => {
            date::write(created.seconds + chance.within(0, 90 * 86_400), created.form)
        }
        _ => date::write(chance.within(YEARS.0, YEARS.1), Form::INSTANT),
    }
}

fn word(chance: &mut Chance) -> String {
    format!("{}-{}", chance.pick(&ADJECTIVES, ADJECTIVES[0]), chance.pick(&NOUNS, NOUNS[0]))
}

fn url(chance: &mut Chance) -> String {
    format!("https://{}.example.com/{}", chance.pick(&NOUNS, NOUNS[0]), chance.hex(6))
}

/// Of the ranges that are reserved for documentation (RFC 5737, RFC 3849): no address of anybody.
fn ipv4(chance: &mut Chance) -> String {
    format!("{}.{}", chance.pick(&["192.0.2", "198.51.100", "203.0.113"], "192.0.2"), chance.below(254) + 1)
}

fn ipv6(chance: &mut Chance) -> String {
    format!("2001:db8::{:x}:{:x}", chance.below(65_535) + 1, chance.below(65_535) + 1)
}

/// A version 4 UUID (RFC 9562).
fn uuid(chance: &mut Chance) -> String {
    let variant = chance.pick(&["8", "9", "a", "b"], "8");
    format!("{}-{}-4{}-{variant}{}-{}", chance.hex(8), chance.hex(4), chance.hex(3), chance.hex(3), chance.hex(12))
}

#[cfg(test)]
mod tests {
    use super::super::chance::Part;
    use super::super::testing::column;
    use super::*;

    fn value(column: &Column) -> Value {
        natural(column, 4, &mut Chance::new(&[Part::Text(&column.name)]), &Map::new())
    }

    #[test]
    fn a_value_has_the_columns_type() {
        assert!(value(&column("size", ValueType::Integer)).is_i64());
        assert!(value(&column("price", ValueType::Number)).is_f64());
        assert!(value(&column("deprecated", ValueType::Boolean)).is_boolean());
        assert!(value(&column("tags", ValueType::Array)).is_array());
        assert!(value(&column("meta", ValueType::Object)).is_object());
        assert!(value(&column("whatever", ValueType::Text)).is_string());
        let status = Column { values: vec![Value::Null, json!("up")], ..column("status", ValueType::Text) };
        assert_eq!(value(&status), json!("up"));
    }

    #[test]
    fn formats_and_names_are_followed() {
        let formatted = |format: &str| {
            let column = Column { format: Some(format.into()), ..column("x", ValueType::Text) };
            value(&column).as_str().map(str::to_owned).unwrap()
        };
        assert!(formatted("ipv4").parse::<std::net::Ipv4Addr>().is_ok());
        assert!(formatted("ipv6").parse::<std::net::Ipv6Addr>().is_ok());
        assert!(date::parse(&formatted("date-time")).unwrap().form.zone);
        assert_eq!(formatted("uuid").len(), 36);
        assert!(formatted("uri").starts_with("https://"));
        assert!(formatted("email").ends_with("@example.com"));
        assert!(date::parse(value(&column("created_at", ValueType::Text)).as_str().unwrap()).is_some());
        assert!(date::parse(value(&column("created_by", ValueType::Text)).as_str().unwrap()).is_none());
    }

    #[test]
    fn a_change_is_not_before_the_creation() {
        let made = Map::from_iter([("created".to_owned(), json!("2024-01-01T00:00:00"))]);
        let updated = natural(&column("updated", ValueType::Timestamp), 0, &mut Chance::new(&[]), &made);
        let updated = updated.as_str().unwrap();
        assert!(("2024-01-01T00:00:00".."2024-04-02").contains(&updated) && !updated.ends_with('Z'), "{updated}");
    }
}
