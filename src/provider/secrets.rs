//! Which values of a call are secrets: what documents say, and names that APIs give to them.

use serde_json::Value;

use super::call::Call;
use super::model::{Location, Method};
use crate::error::{is_telling, without};

/// What stands in a text in the place of a secret.
pub const MASK: &str = "***";

/// Under this name a body that is one value stands among the names of a call's secrets: no field is called so.
pub const WHOLE_BODY: &str = "@@json";

/// Names of the arguments and body fields of `call` whose values must never be shown or stored, [`WHOLE_BODY`] among them
/// where the body is one value that holds a secret. A field is hidden as a whole when something inside it is a secret.
pub fn secrets_of(method: &Method, call: &Call) -> Vec<String> {
    let is_secret = |name: &str, value: &Value, in_body: bool| {
        let declared = method.parameters.iter().find(|p| p.name == name && (p.location == Location::Body) == in_body);
        declared.map_or_else(|| is_told(value) && tells_secret_field(name), |parameter| parameter.secret)
            || holds_secret(value)
    };
    let arguments = call.arguments.iter().filter(|(name, value)| is_secret(name, value, false));
    let fields = call.body.iter().filter(|(name, value)| is_secret(name, value, true));
    let mut names: Vec<String> = arguments.chain(fields).map(|(name, _)| name.clone()).collect();
    let is_declared = method.request.as_ref().is_some_and(|request| request.secret);
    if call.content.as_ref().is_some_and(|content| is_declared || holds_secret(content)) {
        names.push(WHOLE_BODY.to_owned());
    }
    names.sort();
    names.dedup();
    names
}

/// The texts that would give secret values away, longest first.
pub fn secret_texts<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
    let mut texts = Vec::new();
    for value in values {
        match value {
            Value::String(text) if !text.is_empty() => texts.push(text.clone()),
            other => leaves(other, &mut texts),
        }
    }
    texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    texts.dedup();
    texts
}

/// Strings and numbers inside a secret that are long enough to be one; `"type": "ssh"` gives nothing away.
fn leaves(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if is_telling(text) => texts.push(text.clone()),
        Value::Number(number) if is_telling(&number.to_string()) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| leaves(field, texts)),
        _ => {}
    }
}

/// A text without these secrets, however they are spelled in it.
pub fn masked(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| without(&text, secret, MASK))
}

/// Whether a value that was read under a name must never be shown or stored: the name tells it, or something in the value.
pub fn keeps_secret(name: &str, value: &Value) -> bool {
    (is_told(value) && tells_secret_field(name)) || holds_secret(value)
}

/// Whether a field somewhere inside a value, or inside JSON that is text, is named like a secret, or a URL has a password in it.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            has_password(text) || serde_json::from_str(text).is_ok_and(|inside| holds_secret(&inside))
        }
        Value::String(text) => has_password(text),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| is_told(value) && tells_secret_field(name) || holds_secret(value))
        }
        _ => false,
    }
}

/// Whether `scheme://user:password@host` stands in a text (RFC 3986 §3.2.1).
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\\') || c.is_whitespace();
        let authority = rest.split(ends).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _host)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_name, password)| !password.is_empty())
    })
}

/// `"password": true` says that there is one.
fn is_told(value: &Value) -> bool {
    !value.is_null() && !value.is_boolean()
}

/// Names that APIs give to secrets, of parameters and fields.
pub(super) fn tells_secret(name: &str) -> bool {
    const ENDS: [&str; 17] = [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "private_key",
        "privatekey",
        "secret",
        "secret_key",
        "secretkey",
        "ssl_key",
        "api_key",
        "apikey",
        "cvv",
        "cvc",
        "card_number",
        "cardnumber",
        "pass",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    ENDS.iter().any(|end| name.ends_with(end)) && !name.ends_with("bypass")
}

/// Names that APIs give to secrets in bodies, where a token is one; a parameter called so may say where a page begins.
pub fn tells_secret_field(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_page = ["page", "next", "continu"].iter().any(|word| lower.contains(word));
    let is_kept = |name: &str| ["credentials", "access_key", "accesskey"].iter().any(|end| name.ends_with(end));
    tells_secret(name) || (lower.ends_with("token") && !is_page) || is_kept(&lower)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::provider::{EmbeddedSource, Registry, ValueType};

    #[test]
    fn names_tell_secrets_at_any_depth_and_null_is_none() {
        for held in [
            json!({"db_password": "x"}),
            json!([{"a": [{"Private_Key": {"n": 1}}]}]),
            json!({"config": " {\"db\": {\"password\": \"x\"}}"}),
            json!("see postgres://admin:p%40ss@db.example.com:5432/main"),
        ] {
            assert!(holds_secret(&held), "{held}");
        }
        for open in [
            json!("password"),
            json!({"password": null, "use_token": true}),
            json!({"keys": [1], "passwords_kept": 2, "page_token": "x", "bypass": "x", "max_tokens": 3}),
            json!([
                "https://example.com:8080/a:b@c",
                "https://user@example.com",
                "ssh://git:@example.com",
                "{not: password"
            ]),
        ] {
            assert!(!holds_secret(&open), "{open}");
        }
    }

    /// Every request body of the shipped providers: what is given under a telling name is hidden, however it is given.
    #[test]
    fn no_shipped_body_shows_what_its_names_call_a_secret() {
        let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
        let mut bodies = 0;
        for provider in ["linode", "digitalocean", "lunanode"] {
            for service in registry.provider(provider).unwrap().services.keys() {
                for resource in registry.service(provider, service).unwrap().resources.values() {
                    for method in resource.methods.values().filter(|method| method.request.is_some()) {
                        bodies += 1;
                        let mut call = Call::default();
                        for field in method.parameters.iter().filter(|p| p.location == Location::Body) {
                            call.body.insert(field.name.clone(), json!("value"));
                            let telling = tells_secret_field(&field.wire) && field.ty != ValueType::Boolean;
                            assert!(!telling || field.secret, "{}.{}: {}", resource.id, method.name, field.name);
                        }
                        call.body.insert("undeclared_password".to_owned(), json!("value"));
                        call.content = Some(json!([{"root_pass": "value"}]));
                        let hidden = secrets_of(method, &call);
                        assert!(hidden.contains(&"undeclared_password".to_owned()), "{}", resource.id);
                        assert!(hidden.contains(&WHOLE_BODY.to_owned()), "{}", resource.id);
                    }
                }
            }
        }
        assert!(bodies > 300, "{bodies}");
    }

    /// Fields of shipped bodies that sound like secrets and are none, looked at one by one: what is new here must be looked at.
    #[test]
    fn shipped_fields_that_only_sound_like_secrets_are_known() {
        let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
        let mut open = std::collections::BTreeSet::new();
        for provider in ["linode", "digitalocean", "lunanode"] {
            for service in registry.provider(provider).unwrap().services.keys() {
                for resource in registry.service(provider, service).unwrap().resources.values() {
                    let fields = resource.methods.values().flat_map(|method| &method.parameters);
                    for field in fields.filter(|p| p.location == Location::Body && !p.secret) {
                        let name = field.wire.to_ascii_lowercase();
                        let sounds = ["key", "token", "secret", "pass", "cred", "card", "cvv", "auth", "cert", "pin"];
                        if sounds.iter().any(|word| name.contains(word)) {
                            open.insert(format!("{}: {}", resource.id, field.name));
                        }
                    }
                }
            }
        }
        let known = [
            "digitalocean.apps.rollbacks: skip_pin",
            "digitalocean.compute.cdn_endpoints: certificate_id",
            "digitalocean.compute.certificates: certificate_chain",
            "digitalocean.compute.certificates: leaf_certificate",
            "digitalocean.compute.droplets: ssh_keys",
            "digitalocean.compute.ssh_keys: public_key",
            "digitalocean.genai.agent_api_keys: api_key_uuid",
            "digitalocean.genai.agents: anthropic_key_uuid",
            "digitalocean.genai.agents: max_tokens",
            "digitalocean.genai.agents: model_provider_key_uuid",
            "digitalocean.genai.agents: open_ai_key_uuid",
            "digitalocean.genai.agents: thinking_token_budget",
            "digitalocean.genai.anthropic_api_keys: api_key_uuid",
            "digitalocean.genai.custom_models: accept_hf_token_storage",
            "digitalocean.genai.model_api_keys: api_key_uuid",
            "digitalocean.genai.openai_api_keys: api_key_uuid",
            "digitalocean.inference.agent_chat_completions: max_completion_tokens",
            "digitalocean.inference.agent_chat_completions: max_tokens",
            "digitalocean.inference.chat_completions: max_completion_tokens",
            "digitalocean.inference.chat_completions: max_tokens",
            "digitalocean.inference.messages: max_tokens",
            "digitalocean.inference.responses: max_output_tokens",
            "linode.linode.disks: authorized_keys",
            "linode.linode.disks: authorized_users",
            "linode.linode.instances: authorized_keys",
            "linode.linode.instances: authorized_users",
            "linode.lke.clusters: servicetoken",
            "linode.nodebalancers.configurations: check_passive",
            "linode.nodebalancers.configurations: ssl_cert",
            "linode.object_storage.ssl_certificates: certificate",
            "linode.profile.profile: authorized_keys",
            "linode.profile.profile: lish_auth_method",
            "linode.profile.profile: two_factor_auth",
            "linode.profile.ssh_keys: ssh_key",
            "lunanode.ssh_keys.ssh_keys: key_id",
            "lunanode.ssh_keys.ssh_keys: sshkey",
            "lunanode.vms.vms: key_id",
        ];
        assert_eq!(open.into_iter().collect::<Vec<_>>(), known);
    }
}
