//! An imported provider beside one that people made: where the two agree.
//!
//! *Owns*: which operations are the same, what counts as agreement and why.
//! *Does not own*: reading either (`provider`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::api::operation_key;
use super::summary::may_have_pages;
use super::words::singular_name;
use crate::error::Result;
use crate::provider::{DocumentSource, Method, PageKind, Registry, Resource, path_steps as steps};

/// How far two providers agree on one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// What is compared.
    pub what: &'static str,
    /// Operations where both say the same, or where ours is right for a reason that the documents show.
    pub agree: usize,
    /// Operations that were compared.
    pub of: usize,
    /// Those of `agree` that differ for such a reason.
    pub explained: usize,
}

impl Agreement {
    /// Hundredths.
    #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
    pub fn percent(&self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * self.agree as f64 / self.of as f64 }
    }
}

/// One operation on which the two do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is compared.
    pub what: &'static str,
    /// `GET /parcels/{}`.
    pub operation: String,
    /// What the import says.
    pub ours: String,
    /// What the other says.
    pub theirs: String,
    /// Why ours is right, where the documents show it.
    pub reason: Option<&'static str>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// The figures.
    pub agreements: Vec<Agreement>,
    /// Each difference.
    pub differences: Vec<Difference>,
    /// Operations that only the import has.
    pub only_ours: Vec<String>,
    /// Operations that only the other has.
    pub only_theirs: Vec<String>,
    /// What could not be loaded.
    pub unreadable: Vec<String>,
}

/// One operation as a provider has it; a registry may have several methods for one.
struct Entry {
    service: String,
    resource: Arc<Resource>,
    method: Arc<Method>,
}

impl Entry {
    fn verb(&self) -> &'static str {
        self.resource.verb_of(&self.method.name)
    }

    fn selects(&self) -> bool {
        self.verb() == "SELECT"
    }
}

/// Compares provider `name` of two sources, operation by operation.
///
/// # Errors
/// `NameNotFound` when a source has no such provider, `Provider` when its `provider.yaml` cannot be read.
pub fn compare(
    name: &str,
    ours: Arc<dyn DocumentSource>,
    theirs_name: &str,
    theirs: Arc<dyn DocumentSource>,
) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let ours = entries(name, ours, &mut comparison)?;
    let theirs = entries(theirs_name, theirs, &mut comparison)?;
    comparison.only_ours = ours.keys().filter(|key| !theirs.contains_key(*key)).cloned().collect();
    comparison.only_theirs = theirs.keys().filter(|key| !ours.contains_key(*key)).cloned().collect();
    let questions: [(&'static str, Question); 5] = [
        ("verbs", verbs),
        ("row paths", row_paths),
        ("pagination", pagination),
        ("resource names", resources),
        ("services", services),
    ];
    for (what, question) in questions {
        let mut agreement = Agreement { what, agree: 0, of: 0, explained: 0 };
        for (operation, theirs) in &theirs {
            let Some(mine) = ours.get(operation).and_then(|mine| mine.first()) else { continue };
            match question(mine, theirs) {
                Outcome::NotAsked => {}
                Outcome::Same => {
                    agreement.of += 1;
                    agreement.agree += 1;
                }
                Outcome::Differs { ours, theirs, reason } => {
                    agreement.of += 1;
                    if reason.is_some() {
                        agreement.agree += 1;
                        agreement.explained += 1;
                    }
                    comparison.differences.push(Difference {
                        what,
                        operation: operation.clone(),
                        ours,
                        theirs,
                        reason,
                    });
                }
            }
        }
        comparison.agreements.push(agreement);
    }
    Ok(comparison)
}

fn entries(
    name: &str,
    source: Arc<dyn DocumentSource>,
    comparison: &mut Comparison,
) -> Result<BTreeMap<String, Vec<Entry>>> {
    let registry = Registry::new(vec![source], None);
    let provider = registry.provider(name)?;
    let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for service in provider.services.keys() {
        let loaded = match registry.service(name, service) {
            Ok(loaded) => loaded,
            Err(error) => {
                comparison.unreadable.push(format!("{name}.{service}: {error}"));
                continue;
            }
        };
        for resource in loaded.resources.values() {
            for method in resource.methods.values() {
                let key = operation_key(&method.http_method, &method.path);
                entries.entry(key).or_default().push(Entry {
                    service: service.clone(),
                    resource: Arc::clone(resource),
                    method: Arc::clone(method),
                });
            }
        }
    }
    Ok(entries)
}

type Question = fn(&Entry, &[Entry]) -> Outcome;

enum Outcome {
    NotAsked,
    Same,
    Differs { ours: String, theirs: String, reason: Option<&'static str> },
}

fn same_or(ours: String, theirs: &[String], reason: Option<&'static str>) -> Outcome {
    if theirs.contains(&ours) {
        return Outcome::Same;
    }
    Outcome::Differs { ours, theirs: theirs.join(" or "), reason }
}

fn verbs(ours: &Entry, theirs: &[Entry]) -> Outcome {
    let theirs: Vec<String> = theirs.iter().map(|entry| entry.verb().to_owned()).collect();
    same_or(ours.verb().to_owned(), &theirs, None)
}

fn row_paths(ours: &Entry, theirs: &[Entry]) -> Outcome {
    let Some(other) = theirs.iter().find(|entry| entry.selects()).filter(|_| ours.selects()) else {
        return Outcome::NotAsked;
    };
    let (mine, theirs) = (&ours.method.response, &other.method.response);
    if steps(&mine.item_path) == steps(&theirs.item_path) {
        return Outcome::Same;
    }
    let first_key = mine.item_path.strip_prefix("$.").unwrap_or(&mine.item_path);
    let first_key = first_key.split(['.', '[']).next().unwrap_or_default();
    let is_envelope = theirs.item_path == "$" && theirs.columns.iter().any(|column| column.name == first_key);
    // Their key is none of the answer's: what the engine reads then is the whole answer.
    let is_absent = mine.item_path == "$" && !mine.columns.is_empty() && {
        let key = theirs.item_path.trim_start_matches("$.");
        !mine.columns.iter().any(|column| column.name == key)
    };
    let is_scalar = mine.item_path == "$" && {
        let key = theirs.item_path.trim_start_matches("$.");
        mine.columns.len() > 1 && mine.columns.iter().any(|column| column.name == key && !column.ty.is_json())
    };
    let reason = if is_envelope {
        Some("theirs returns the envelope as the row")
    } else if is_absent {
        Some("theirs names a key that the answer does not have")
    } else if is_scalar {
        Some("theirs names one field of the object as the row")
    } else {
        None
    };
    Outcome::Differs { ours: mine.item_path.clone(), theirs: theirs.item_path.clone(), reason }
}

fn pagination(ours: &Entry, theirs: &[Entry]) -> Outcome {
    let Some(other) = theirs.iter().find(|entry| entry.selects()).filter(|_| ours.selects()) else {
        return Outcome::NotAsked;
    };
    if !may_have_pages(&ours.method) {
        return Outcome::NotAsked;
    }
    let (mine, theirs) = (&ours.method.pagination.kind, &other.method.pagination.kind);
    if mine == theirs {
        return Outcome::Same;
    }
    let reason = match (mine, theirs) {
        (PageKind::Unknown, _) => Some("marked unknown"),
        (PageKind::Page { .. }, PageKind::NextUrl { .. }) if ours.method.pagination.total.is_some() => {
            Some("the same pages by their numbers, with a total")
        }
        (_, PageKind::Unknown | PageKind::Single) => Some("theirs says nothing of the pages that the answer has"),
        _ => None,
    };
    Outcome::Differs { ours: mine.name().to_owned(), theirs: theirs.name().to_owned(), reason }
}

fn resources(ours: &Entry, theirs: &[Entry]) -> Outcome {
    let names: Vec<String> = theirs.iter().map(|entry| entry.resource.name.clone()).collect();
    // `droplets.backups` is what they call `compute.droplet_backups`: the service's name stands in front.
    let with_service = format!("{}_{}", singular_name(&ours.service), ours.resource.name);
    let reason = names.contains(&with_service).then_some("the same with the service's name in front");
    same_or(ours.resource.name.clone(), &names, reason)
}

fn services(ours: &Entry, theirs: &[Entry]) -> Outcome {
    let theirs: Vec<String> = theirs.iter().map(|entry| entry.service.clone()).collect();
    same_or(ours.service.clone(), &theirs, None)
}
