//! The plan of a write: what was shown, and what will be sent.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::{DigestKey, SEALED, is_digest, sha256_hex};
use super::json;
use crate::provider::{Call, Effect, keeps_secret};

const ID_LENGTH: usize = 12;

/// Everything a write will do: its calls, where they go, and what was looked at to make them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WritePlan {
    /// `INSERT`, `UPDATE`, `REPLACE`, `DELETE` or `EXEC`; `COMMIT` for the statements of a transaction.
    pub verb: String,
    /// `provider.service.resource`; several of them with commas.
    pub table: String,
    /// The statements, in order. A statement's calls are sent when those before it are through.
    pub parts: Vec<PlanPart>,
    /// The calls of all statements, in the order of the statements and their rows.
    pub calls: Vec<PlannedCall>,
    /// Where the calls go.
    pub targets: Vec<Target>,
}

/// One statement of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanPart {
    /// `INSERT`, `UPDATE`, `REPLACE`, `DELETE` or `EXEC`.
    pub verb: String,
    /// How many of the plan's calls are its own.
    pub calls: usize,
    /// The rows that were read to make its calls.
    pub look: Option<Look>,
    /// What stands after its RETURNING.
    pub returning: Option<String>,
    /// Whether what its calls start is waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits: bool,
}

/// One call of a plan.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The call as it will be sent.
    pub call: Call,
    /// What it does to the world.
    pub effect: Effect,
    /// Its method and URL, for people: `PUT https://api.example.com/images/7`.
    pub request: String,
    /// SHA-256 of the whole request as it is shown, with secrets hidden: what is sent must be the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The identity of the object it writes, by parameter.
    pub identity: BTreeMap<String, Value>,
    /// The object as it was, where that was read.
    pub before: Option<BTreeMap<String, Value>>,
    /// Names of arguments and body fields that must never be stored; files hold their digests.
    pub secrets: Vec<String>,
    /// The key that makes repeating it safe.
    pub idempotency_key: Option<String>,
}

/// An origin that calls go to, and the credential they carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The provider's name.
    pub provider: String,
    /// Scheme, host and port.
    pub origin: String,
    /// A fingerprint of the credential, never the credential; files hold a keyed digest of it.
    pub credential: Option<String>,
}

impl Target {
    /// The same with its fingerprint as files hold it.
    #[must_use]
    pub(super) fn sealed(self, key: &DigestKey) -> Self {
        let seal = |known: String| if known.starts_with(SEALED) { known } else { key.seal(&known) };
        Self { credential: self.credential.map(seal), ..self }
    }

    /// Whether this one of a stored plan is where a call goes now, with the credential that it carries now.
    pub fn is(&self, now: &Self, key: &DigestKey) -> bool {
        *self == now.clone().sealed(key)
    }

    /// Whether it was stored by a version that noted credentials in another way.
    pub fn is_of_old_version(&self) -> bool {
        self.credential.as_ref().is_some_and(|known| !known.starts_with(SEALED))
    }
}

/// The rows that a write was planned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The SELECT that read them.
    pub select: String,
    /// The columns of `rows` that say which object it is.
    pub keys: Vec<String>,
    /// Identity, and the columns that the predicate or the SET read.
    pub rows: Vec<BTreeMap<String, Value>>,
}

impl WritePlan {
    /// The rows that were read for its statements.
    pub fn looks(&self) -> impl Iterator<Item = &Look> {
        self.parts.iter().filter_map(|part| part.look.as_ref())
    }

    /// The first twelve hex digits of SHA-256 over the plan's JSON, whatever the order of keys.
    ///
    /// It is the name of the plan as given: [`super::conceal`] changes it, and files go by the concealed plan's.
    pub fn id(&self) -> String {
        // A plan that is no JSON cannot be made; `save_plan` and `Journal::begin` would refuse it.
        id_of_text(&json::to_text(self).unwrap_or_default())
    }
}

/// The id of a plan's canonical JSON text.
pub(super) fn id_of_text(text: &str) -> String {
    let mut id = sha256_hex(text.as_bytes());
    id.truncate(ID_LENGTH);
    id
}

/// The id of a plan as it stands in a file, which newer versions may read with more fields than it has.
pub(super) fn id_of_value(plan: &Value) -> serde_json::Result<String> {
    json::to_text(plan).map(|text| id_of_text(&text))
}

impl fmt::Debug for WritePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritePlan")
            .field("verb", &self.verb)
            .field("table", &self.table)
            .field("calls", &self.calls)
            .field("targets", &self.targets)
            .field("parts", &self.parts.iter().map(|part| (&part.verb, part.calls)).collect::<Vec<_>>())
            .finish()
    }
}

impl fmt::Debug for PlannedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |fields: &BTreeMap<String, Value>| -> BTreeMap<String, String> {
            let is_hidden = |name: &String, value: &Value| self.secrets.contains(name) || keeps_secret(name, value);
            let shown = |name: &String, value: &Value| {
                if is_hidden(name, value) && !is_digest(value) { "***".to_owned() } else { value.to_string() }
            };
            fields.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
        };
        let Call { provider, service, resource, method, arguments, body, content, files, into } = &self.call;
        f.debug_struct("PlannedCall")
            .field("method", &format_args!("{provider}.{service}.{resource}.{method}"))
            .field("effect", &self.effect)
            .field("arguments", &hidden(arguments))
            .field("body", &hidden(body))
            .field("content", &content.as_ref().map(|_| "…"))
            .field("files", files)
            .field("into", into)
            .field("identity", &hidden(&self.identity))
            .field("before", &self.before.as_ref().map(hidden))
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::testing::{plan_with, secret_plan};

    #[test]
    fn the_id_does_not_depend_on_the_order_of_keys() {
        let text = r#"{"verb":"INSERT","table":"a.b.c","calls":[],"targets":[],"parts":[{"verb":"INSERT","calls":0,"returning":null,
            "look":{"select":"SELECT 1","keys":[],"rows":[{"z":{"y":1,"x":0.30000000000000004},"a":2}]}}]}"#;
        let turned = r#"{"parts":[{"look":{"rows":[{"a":2,"z":{"x":0.30000000000000004,"y":1}}],"keys":[],
            "select":"SELECT 1"},"returning":null,"calls":0,"verb":"INSERT"}],"targets":[],"calls":[],"table":"a.b.c","verb":"INSERT"}"#;
        let (plan, turned): (WritePlan, WritePlan) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(turned).unwrap());
        assert_eq!(plan.id(), turned.id());
        assert_eq!(plan.id().len(), 12);
        assert!(plan.id().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    }

    /// Ids are names of files that newer versions must still find.
    #[test]
    fn the_id_of_a_known_plan_stays() {
        assert_eq!(plan_with(2).id(), "6c6f431f4223");
    }

    #[test]
    fn every_part_of_a_plan_changes_the_id() {
        let plan = secret_plan("s3cret-value");
        let changes: [fn(&mut WritePlan); 14] = [
            |plan| plan.verb.push('x'),
            |plan| plan.table.push('x'),
            |plan| plan.calls[0].call.method.push('x'),
            |plan| plan.calls[0].call.arguments.insert("n".into(), json!(1)).map_or((), drop),
            |plan| plan.calls[0].call.body.insert("n".into(), Value::Null).map_or((), drop),
            |plan| plan.calls[0].effect = Effect::Delete,
            |plan| plan.calls[0].idempotency_key = Some("k".into()),
            |plan| plan.calls[0].before = None,
            |plan| plan.targets[0].origin.push('x'),
            |plan| plan.targets[0].credential = None,
            |plan| plan.parts[0].look = None,
            |plan| plan.parts[0].returning = Some("id".into()),
            |plan| plan.parts[0].calls = 1,
            |plan| plan.calls.truncate(1),
        ];
        let mut ids: Vec<String> = changes
            .iter()
            .map(|change| {
                let mut other = plan.clone();
                change(&mut other);
                other.id()
            })
            .collect();
        ids.push(plan.id());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 15);
    }

    #[test]
    fn debug_output_hides_secrets() {
        let shown = format!("{:?}", secret_plan("s3cret-value"));
        assert!(!shown.contains("s3cret-value"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
}
