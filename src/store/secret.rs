//! Secrets of a plan: out before it is stored, back in before it is sent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::digest::{DigestKey, is_digest};
use super::journal::Outcome;
use super::plan::{Look, PlannedCall, WritePlan};
use crate::error::{Error, ErrorKind, Result, is_telling};
use crate::provider::{Call, MASK, WHOLE_BODY, keeps_secret, masked, secret_texts};

/// A secret that a stored plan needs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretField {
    /// What to ask for, and the key under which [`reveal`] takes the answer: the field's name, with `#1`, `#2`… behind
    /// it where calls of the plan differ in it.
    pub label: String,
    /// The argument's or body field's name.
    pub field: String,
    /// The calls that need it, counted from 0.
    pub calls: Vec<usize>,
}

/// The plan with a digest in the place of every secret; what is hidden already stays as it is.
///
/// `NULL` is no secret. The rows of the look and the old values hide the same fields and what else is a secret among them,
/// and texts for people are masked.
#[must_use]
pub fn conceal(mut plan: WritePlan, key: &DigestKey) -> WritePlan {
    let mut all_names: Vec<String> = Vec::new();
    let mut quoted: Vec<String> = Vec::new();
    for call in &mut plan.calls {
        let texts = texts_of(call);
        // Shorter ones would be found in any URL; who wrote the text has hidden them.
        let long: Vec<String> = texts.iter().filter(|text| is_telling(text)).cloned().collect();
        call.request = masked(&call.request, &long);
        quoted.extend(texts.iter().map(|text| format!("'{}'", text.replace('\'', "''"))));
        for name in call.secrets.clone() {
            for value in stored_mut(call, &name) {
                conceal_value(value, &name, key);
            }
            all_names.push(name);
        }
        for (name, value) in call.before.iter_mut().flatten().filter(|(name, value)| keeps_secret(name, value)) {
            conceal_value(value, name, key);
        }
    }
    plan.targets = plan.targets.into_iter().map(|target| target.sealed(key)).collect();
    let mask = format!("'{MASK}'");
    for part in &mut plan.parts {
        for literal in &quoted {
            for text in part.look.iter_mut().map(|look| &mut look.select).chain(&mut part.returning) {
                *text = text.replace(literal, &mask);
            }
        }
        if let Some(Look { keys, rows, .. }) = &mut part.look {
            for (name, value) in rows.iter_mut().flatten() {
                if all_names.contains(name) || is_secret_column(keys, name, value) {
                    conceal_value(value, name, key);
                }
            }
        }
    }
    plan
}

/// The plan with the supplied values back in the place of their digests, in what is sent: arguments, body, identity.
///
/// `supplied` goes by [`SecretField::label`]; a field's plain name is tried for all its calls. Old values and the rows
/// of the look stay hidden: compare those through [`DigestKey::digest`].
///
/// # Errors
/// `MissingParameter` when a value is not supplied and `InvalidArgument` when one is not the planned one; both name
/// all such fields and no value.
pub fn reveal(mut plan: WritePlan, supplied: &BTreeMap<String, Value>, key: &DigestKey) -> Result<WritePlan> {
    let (mut missing, mut different): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for call in &mut plan.calls {
        for name in call.secrets.clone() {
            let candidates: Vec<&Value> =
                supplied.iter().filter(|(label, _)| field_of_label(label, &name)).map(|(_, value)| value).collect();
            for stored in sent_mut(call, &name).filter(|value| is_digest(value)) {
                match candidates.iter().find(|value| key.digest(&name, value) == *stored) {
                    Some(value) => *stored = (*value).clone(),
                    None if candidates.is_empty() => missing.push(format!("`{name}`")),
                    None => different.push(format!("`{name}`")),
                }
            }
        }
    }
    for names in [&mut missing, &mut different] {
        names.sort();
        names.dedup();
    }
    let kind = match (missing.is_empty(), different.is_empty()) {
        (true, true) => return Ok(plan),
        (false, _) => ErrorKind::MissingParameter,
        (true, false) => ErrorKind::InvalidArgument,
    };
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("secret values are missing: {}", missing.join(", ")));
    }
    if !different.is_empty() {
        parts.push(format!("secret values are not the planned ones: {}", different.join(", ")));
    }
    Err(Error::new(kind, parts.join("; ")).hint("a plan holds no secret: give the same values as when it was made"))
}

/// The secrets to supply before a stored plan can be sent, in the order of its calls.
pub fn secret_fields(plan: &WritePlan) -> Vec<SecretField> {
    let mut found: Vec<(SecretField, &Value)> = Vec::new();
    for (index, call) in plan.calls.iter().enumerate() {
        for name in &call.secrets {
            for digest in sent(call, name).filter(|value| is_digest(value)) {
                match found.iter_mut().find(|(known, value)| known.field == *name && *value == digest) {
                    Some((known, _)) if known.calls.last() == Some(&index) => {}
                    Some((known, _)) => known.calls.push(index),
                    None => {
                        let field = SecretField { label: name.clone(), field: name.clone(), calls: Vec::from([index]) };
                        found.push((field, digest));
                    }
                }
            }
        }
    }
    let mut fields: Vec<SecretField> = found.into_iter().map(|(field, _)| field).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for field in &fields {
        *counts.entry(field.field.clone()).or_default() += 1;
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for field in &mut fields {
        if counts.get(&field.field).is_some_and(|count| *count > 1) {
            let number = numbers.entry(field.field.clone()).or_default();
            *number += 1;
            field.label = format!("{}#{number}", field.field);
        }
    }
    fields
}

/// Whether a value of a look is a secret by itself. What names an object stands in URLs, whatever it is called.
fn is_secret_column(keys: &[String], name: &String, value: &Value) -> bool {
    !keys.contains(name) && keeps_secret(name, value)
}

/// Whether a plan may be written into a file.
///
/// # Errors
/// `Internal`, naming the fields whose plain value is still there.
pub(super) fn check_concealed(plan: &WritePlan) -> Result<()> {
    let hidden = |value: &Value| value.is_null() || is_digest(value);
    let mut names: Vec<String> = Vec::new();
    for call in &plan.calls {
        for name in &call.secrets {
            let looked = plan.looks().flat_map(|look| &look.rows).filter_map(|row| row.get(name));
            if stored(call, name).chain(looked).any(|value| !hidden(value)) {
                names.push(format!("`{name}`"));
            }
        }
    }
    let old = plan.calls.iter().flat_map(|call| call.before.iter().flatten());
    let old = old.filter(|(name, value)| keeps_secret(name, value));
    let looked =
        plan.looks().flat_map(|look| look.rows.iter().flatten().map(|(name, value)| (&look.keys, name, value)));
    let looked = looked.filter(|(keys, name, value)| is_secret_column(keys, name, value));
    let read = old.chain(looked.map(|(_, name, value)| (name, value))).filter(|(_, value)| !hidden(value));
    names.extend(read.map(|(name, _)| format!("`{name}`")));
    if names.is_empty() {
        return Ok(());
    }
    names.sort();
    names.dedup();
    let names = names.join(", ");
    Err(Error::new(ErrorKind::Internal, format!("a plan with plain secrets was about to be stored: {names}")))
}

/// An error without what its texts repeat of the secrets of `call`, the call as it was sent: APIs say what was wrong with a
/// value by repeating it.
#[must_use]
pub fn without_secrets(error: Error, call: &PlannedCall) -> Error {
    let texts = texts_of(call);
    if texts.is_empty() { error } else { error.reworded(|text| masked(text, &texts)) }
}

impl Outcome {
    /// The outcome without what its answer repeats of the secrets of `call`, the call as it was sent.
    #[must_use]
    pub fn without_secrets_of(mut self, call: &PlannedCall) -> Self {
        let texts = texts_of(call);
        self.message = self.message.map(|message| masked(&message, &texts));
        self.request_id = self.request_id.map(|id| masked(&id, &texts));
        self.ids.retain(|name, _| !call.secrets.contains(name));
        for value in self.ids.values_mut() {
            mask_strings(value, &texts);
        }
        self
    }
}

/// The values of a secret that are sent.
fn sent<'a>(call: &'a PlannedCall, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let fields = [&call.call.arguments, &call.call.body, &call.identity];
    let whole = call.call.content.as_ref().filter(|_| name == WHOLE_BODY);
    fields.into_iter().filter_map(move |fields| fields.get(name)).chain(whole)
}

fn sent_mut<'a>(call: &'a mut PlannedCall, name: &'a str) -> impl Iterator<Item = &'a mut Value> {
    let fields = [&mut call.call.arguments, &mut call.call.body, &mut call.identity];
    let whole = call.call.content.as_mut().filter(|_| name == WHOLE_BODY);
    fields.into_iter().filter_map(move |fields| fields.get_mut(name)).chain(whole)
}

/// Those, and what is stored beside them.
fn stored<'a>(call: &'a PlannedCall, name: &'a str) -> impl Iterator<Item = &'a Value> {
    sent(call, name).chain(call.before.as_ref().and_then(|before| before.get(name)))
}

fn stored_mut<'a>(call: &'a mut PlannedCall, name: &'a str) -> impl Iterator<Item = &'a mut Value> {
    let PlannedCall { call: Call { arguments, body, content, .. }, identity, before, .. } = call;
    let fields = [Some(arguments), Some(body), Some(identity), before.as_mut()];
    let whole = content.as_mut().filter(|_| name == WHOLE_BODY);
    fields.into_iter().flatten().filter_map(move |fields| fields.get_mut(name)).chain(whole)
}

fn conceal_value(value: &mut Value, name: &str, key: &DigestKey) {
    if !value.is_null() && !is_digest(value) {
        *value = key.digest(name, value);
    }
}

fn field_of_label(label: &str, name: &str) -> bool {
    label.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// The texts that would give a call's secrets away, longest first.
fn texts_of(call: &PlannedCall) -> Vec<String> {
    let values = call.secrets.iter().flat_map(|name| stored(call, name));
    secret_texts(values.filter(|value| !is_digest(value)))
}

fn mask_strings(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => *text = masked(text, secrets),
        Value::Number(number) if secrets.contains(&number.to_string()) => *value = Value::String(MASK.to_owned()),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_strings(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mask_strings(field, secrets)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::store::Target;
    use crate::store::journal::{Journal, OutcomeState};
    use crate::store::testing::{all_bytes, any_plan, at, secret_plan, state};

    fn supplied(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_stored_credential_is_known_by_its_key_alone() {
        let (key, other) = (DigestKey::generate(), DigestKey::generate());
        let plan = secret_plan("x");
        let stored = conceal(plan.clone(), &key);
        let (now, known) = (&plan.targets[0], &stored.targets[0]);
        assert!(known.is(now, &key) && !known.is(now, &other) && !known.is_of_old_version());
        assert!(!serde_json::to_string(&stored).unwrap().contains(now.credential.as_deref().unwrap()));
        assert!(!known.is(&Target { credential: Some("f1f3".to_owned()), ..now.clone() }, &key));
        assert!(now.is_of_old_version() && !now.is(now, &key));
    }

    #[test]
    fn what_is_sent_is_hidden_and_comes_back() {
        let key = DigestKey::generate();
        let plan = secret_plan("s3cret 'value'");
        let hidden = conceal(plan.clone(), &key);
        let text = serde_json::to_string(&hidden).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        assert_eq!(conceal(hidden.clone(), &key), hidden);
        let back = reveal(hidden.clone(), &supplied(&[("root_pass", json!("s3cret 'value'"))]), &key).unwrap();
        for (back, plan) in back.calls.iter().zip(&plan.calls) {
            assert_eq!(back.call, plan.call);
            assert_eq!(back.identity, plan.identity);
        }
        // What is not sent stays hidden, and texts for people stay masked.
        assert_eq!(back.calls[0].before, hidden.calls[0].before);
        assert_eq!(back.parts, hidden.parts);
        assert_eq!(hidden.calls[0].request, "POST https://api.example.com/servers?root_pass=***");
        assert_eq!(hidden.looks().next().unwrap().select, "SELECT id FROM a.b.c WHERE root_pass = '***'");
    }

    #[test]
    fn null_is_no_secret() {
        let key = DigestKey::generate();
        let mut plan = secret_plan("x");
        plan.calls.truncate(1);
        plan.calls[0].call.body.insert("root_pass".into(), Value::Null);
        plan.calls[0].call.arguments.remove("root_pass");
        let hidden = conceal(plan, &key);
        assert_eq!(hidden.calls[0].call.body["root_pass"], Value::Null);
        assert!(check_concealed(&hidden).is_ok());
        assert!(reveal(hidden, &BTreeMap::new(), &key).is_ok());
    }

    #[test]
    fn wrong_and_missing_values_are_named_but_not_shown() {
        let key = DigestKey::generate();
        let mut plan = secret_plan("right-value");
        plan.calls[1].secrets.push("token".into());
        plan.calls[1].call.body.insert("token".into(), json!({"a": 1}));
        let hidden = conceal(plan, &key);
        let error = reveal(hidden.clone(), &supplied(&[("root_pass", json!("wrong-value"))]), &key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingParameter);
        let text = format!("{error:?}");
        assert!(text.contains("missing: `token`") && text.contains("not the planned ones: `root_pass`"), "{text}");
        assert!(!text.contains("wrong-value") && !text.contains("right-value"), "{text}");
        let wrong = supplied(&[("root_pass", json!("right-value")), ("token", json!({"a": 1.0}))]);
        assert_eq!(reveal(hidden.clone(), &wrong, &key).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let other = DigestKey::generate();
        let right = supplied(&[("root_pass", json!("right-value")), ("token", json!({"a": 1}))]);
        assert!(reveal(hidden.clone(), &right, &other).is_err());
        assert!(reveal(hidden, &right, &key).is_ok());
    }

    #[test]
    fn calls_may_differ_in_a_secret() {
        let key = DigestKey::generate();
        let mut plan = secret_plan("one");
        let mut third = plan.calls[1].clone();
        plan.calls[1].call.body.insert("root_pass".into(), json!("two"));
        third.call.body.insert("root_pass".into(), json!("one"));
        plan.calls.push(third);
        let hidden = conceal(plan.clone(), &key);
        let fields = secret_fields(&hidden);
        let labels: Vec<(&str, &[usize])> =
            fields.iter().map(|field| (field.label.as_str(), field.calls.as_slice())).collect();
        assert_eq!(labels, [("root_pass#1", [0, 2].as_slice()), ("root_pass#2", &[1])]);
        let values = supplied(&[("root_pass#1", json!("one")), ("root_pass#2", json!("two"))]);
        let back = reveal(hidden.clone(), &values, &key).unwrap();
        assert!(back.calls.iter().zip(&plan.calls).all(|(back, plan)| back.call == plan.call));
        assert!(secret_fields(&back).is_empty());
        assert!(reveal(hidden, &supplied(&[("root_pass", json!("one"))]), &key).is_err());
        let same = secret_fields(&conceal(secret_plan("one"), &key));
        assert_eq!(same.len(), 1);
        assert_eq!((same[0].label.as_str(), same[0].calls.as_slice()), ("root_pass", [0, 1].as_slice()));
    }

    #[test]
    fn plain_secrets_are_found_wherever_they_are() {
        type Place = fn(&mut WritePlan) -> &mut BTreeMap<String, Value>;

        let key = DigestKey::generate();
        let hidden = conceal(secret_plan("s3cret"), &key);
        assert!(check_concealed(&hidden).is_ok());
        let leaks: [Place; 5] = [
            |plan| &mut plan.calls[0].call.arguments,
            |plan| &mut plan.calls[1].call.body,
            |plan| &mut plan.calls[0].identity,
            |plan| plan.calls[0].before.as_mut().unwrap(),
            |plan| &mut plan.parts[0].look.as_mut().unwrap().rows[0],
        ];
        for leak in leaks {
            let mut plan = hidden.clone();
            leak(&mut plan).insert("root_pass".into(), json!("s3cret"));
            let error = check_concealed(&plan).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_outcome_does_not_repeat_a_secret() {
        let mut plan = secret_plan("p\"w é");
        plan.calls[0].call.body.insert("root_pass".into(), json!({"pin": 123_456, "word": "p\"w é"}));
        let outcome = Outcome {
            state: OutcomeState::Failed,
            status: Some(422),
            request_id: Some("req-p%22w%20%C3%A9".into()),
            ids: BTreeMap::from([
                ("id".into(), json!(7)),
                ("echo".into(), json!(["x p\"w é", 123_456])),
                ("root_pass".into(), json!("anything")),
            ]),
            message: Some(r#"bad: "p\"w é" or p"w é, pin 123456"#.into()),
        };
        let clean = outcome.without_secrets_of(&plan.calls[0]);
        assert_eq!(clean.message.as_deref(), Some(r#"bad: "***" or ***, pin ***"#));
        assert_eq!(clean.request_id.as_deref(), Some("req-***"));
        assert_eq!(serde_json::to_value(&clean.ids).unwrap(), json!({"id": 7, "echo": ["x ***", "***"]}));
    }

    #[test]
    fn a_body_that_is_one_value_is_hidden_and_comes_back() {
        let key = DigestKey::generate();
        let mut plan = secret_plan("x");
        plan.calls.truncate(1);
        let step = &mut plan.calls[0];
        *step = PlannedCall { secrets: vec![WHOLE_BODY.to_owned()], before: None, ..step.clone() };
        (step.call.body, step.call.arguments) = (BTreeMap::new(), BTreeMap::new());
        step.call.content = Some(json!([{"root_pass": "s3cret-value"}]));
        plan.parts[0].look = None;
        let hidden = conceal(plan.clone(), &key);
        assert!(check_concealed(&plan).is_err() && check_concealed(&hidden).is_ok());
        assert!(!serde_json::to_string(&hidden).unwrap().contains("s3cret-value"));
        let fields = secret_fields(&hidden);
        assert_eq!((fields.len(), fields[0].label.as_str()), (1, "@@json"));
        let given = supplied(&[("@@json", json!([{"root_pass": "s3cret-value"}]))]);
        assert_eq!(reveal(hidden, &given, &key).unwrap().calls[0].call, plan.calls[0].call);
    }

    #[test]
    fn an_error_does_not_repeat_a_secret() {
        let mut plan = secret_plan("s3cret value");
        plan.calls[0].secrets.push("pin".into());
        plan.calls[0].call.body.insert("pin".into(), json!("42"));
        let error = Error::new(ErrorKind::Api, "`s3cret value` is weak, 42 is short, status 422")
            .with("request", "PUT https://a/?p=s3cret%20value")
            .hint("not 's3cret value'")
            .caused_by(std::io::Error::other("s3cret value"));
        let error = without_secrets(error, &plan.calls[0]);
        assert_eq!(error.message(), "`***` is weak, *** is short, status 422");
        assert!(!format!("{error:?} {:?}", error.hint_text()).contains("s3cret"), "{error:?}");
    }

    #[test]
    fn short_words_of_a_secret_do_not_spoil_texts() {
        let mut plan = secret_plan("h");
        plan.calls[0].call.body.insert("root_pass".into(), json!({"type": "ssh", "on": true, "n": 12}));
        plan.calls[0].request = "POST https://h/12?type=ssh&on=true".into();
        let hidden = conceal(plan.clone(), &DigestKey::generate());
        assert_eq!(hidden.calls[0].request, plan.calls[0].request);
        assert_eq!(hidden.looks().next().unwrap().select, "SELECT id FROM a.b.c WHERE root_pass = '***'");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn a_plan_comes_back_and_no_file_holds_its_secrets((plan, secrets) in any_plan()) {
            let (_temporary, state) = state();
            let key = state.digest_key().unwrap();
            let hidden = conceal(plan.clone(), &key);
            let id = state.save_plan(&hidden, at(1)).unwrap();
            let journal = Journal::begin(&state, &hidden, at(2)).unwrap();
            for (index, call) in plan.calls.iter().enumerate() {
                journal.intent(index, at(3)).unwrap();
                let echo = call.call.body.get("s0").map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
                let outcome = Outcome {
                    state: OutcomeState::Failed,
                    status: Some(400),
                    request_id: None,
                    ids: BTreeMap::new(),
                    message: echo.map(|echo| format!("the value {echo} is too short")),
                };
                journal.outcome(index, outcome.without_secrets_of(call), at(4)).unwrap();
            }
            let stored = state.load_plan(&id).unwrap();
            prop_assert_eq!(&stored.plan, &hidden);
            let planned = WritePlan { targets: hidden.targets.clone(), ..plan };
            prop_assert_eq!(reveal(stored.plan, &secrets, &key).unwrap(), planned);
            let bytes = all_bytes(state.path());
            let texts = secrets.iter().filter(|(label, _)| field_of_label(label, "s0"));
            for text in texts.filter_map(|(_, value)| value.as_str()) {
                prop_assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
                let quoted = Value::from(text).to_string();
                let escaped = &quoted[1..quoted.len() - 1];
                prop_assert!(!bytes.windows(escaped.len()).any(|window| window == escaped.as_bytes()));
            }
        }
    }
}
