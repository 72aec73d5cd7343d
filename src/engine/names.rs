//! Names that are shorter than they could be: what `USE` puts before them, and what is no provider's.

use std::collections::BTreeSet;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, TableAlias};

use super::files;
use super::metadata::{Definition, definition, definitions};
use super::own;
use crate::error::{Error, ErrorKind, Result, did_you_mean, fold_name};
use crate::provider::Registry;
use crate::sql::Write;

/// What names may mean that no document says.
#[derive(Debug)]
pub(super) struct NameScope {
    /// Catalogues that are no providers.
    pub(super) catalogs: Vec<String>,
    /// The user's own views and tables.
    pub(super) own: BTreeSet<String>,
    /// What `USE` puts before names.
    pub(super) current: Vec<String>,
}

/// What a name means that no document gives.
#[derive(Debug)]
pub(super) enum Local<'a> {
    /// A view or table of the user's own, as it was spelt when it was made.
    Own(&'a str),
    /// A table of metadata.
    Facts(&'static Definition),
    /// It is in one of the catalogues that are no providers; what it is there, if anything, the planner knows.
    Unknown,
}

impl NameScope {
    /// What a name means that no document gives; nothing for a name that a provider may have.
    pub(super) fn local(&self, parts: &[&str]) -> Option<Local<'_>> {
        let is_catalog = |part: &str| self.catalogs.iter().any(|known| known.eq_ignore_ascii_case(part));
        let (schema, name, elsewhere) = match parts {
            [one] => (own::SCHEMA, *one, None),
            [schema, name] => {
                let own_schema = schema.eq_ignore_ascii_case(own::SCHEMA);
                (*schema, *name, own_schema.then_some(Local::Unknown))
            }
            [catalog, schema, name] if catalog.eq_ignore_ascii_case(own::CATALOG) => {
                (*schema, *name, Some(Local::Unknown))
            }
            [catalog, ..] => return is_catalog(catalog).then_some(Local::Unknown),
            [] => return None,
        };
        if let Some(found) = definition(schema, name) {
            return Some(Local::Facts(found));
        }
        let own = own::spelled(&self.own, name).filter(|_| schema.eq_ignore_ascii_case(own::SCHEMA));
        own.map(Local::Own).or(elsewhere)
    }

    /// A table's name with what `USE` says before it, where it is shorter than a table's.
    pub(super) fn whole_name(&self, registry: &Registry, parts: &[&str]) -> Option<Vec<String>> {
        match (parts, self.current.as_slice()) {
            ([_], [_, _]) => with_beginning(&self.current, parts, 3),
            // `images.images` under `USE linode`; where there is no such service, the first part is a provider's.
            ([first, _], [provider, ..]) if !is_metadata(first) => {
                let provider = registry.provider(provider).ok()?;
                let folded = fold_name(first);
                provider.services.keys().any(|service| fold_name(service) == folded).then_some(())?;
                with_beginning(&self.current, parts, 3)
            }
            _ => None,
        }
    }
}

/// Whether a schema is one of metadata.
pub(super) fn is_metadata(schema: &str) -> bool {
    definitions().iter().any(|known| known.schema.eq_ignore_ascii_case(schema))
}

fn with_beginning(current: &[String], parts: &[impl AsRef<str>], wanted: usize) -> Option<Vec<String>> {
    let missing = wanted.checked_sub(parts.len())?;
    let beginning = current.get(..missing)?;
    Some(beginning.iter().cloned().chain(parts.iter().map(|part| part.as_ref().to_owned())).collect())
}

/// A name of so many parts: as it stands, or with what `USE` says before it.
///
/// # Errors
/// `Syntax`, with the usage, when parts are missing.
pub(super) fn full_name(current: &[String], name: &[String], wanted: usize, usage: &str) -> Result<Vec<String>> {
    with_beginning(current, name, wanted).ok_or_else(|| {
        let said = match name {
            [] => format!("IN is missing: {usage}"),
            [_] => format!("`{}` has 1 part, not {wanted}: {usage}", name.join(".")),
            _ => format!("`{}` has {} parts, not {wanted}: {usage}", name.join("."), name.len()),
        };
        Error::new(ErrorKind::Syntax, said).hint("`USE provider.service` lets names leave out their beginning")
    })
}

/// What `USE` says from now on: a provider, one of its services, or a service of the provider that is in use.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub(super) fn used_name(registry: &Registry, current: &[String], name: &[String]) -> Result<Vec<String>> {
    let service_of = |provider: &str, wanted: &str| {
        let provider = registry.provider(provider)?;
        // Its document is read when a name needs it.
        let names = || provider.services.keys().map(String::as_str);
        let found =
            names().find(|name| *name == wanted).or_else(|| names().find(|name| fold_name(name) == fold_name(wanted)));
        let Some(found) = found else {
            let error = Error::new(ErrorKind::NameNotFound, format!("`{}` has no service `{wanted}`", provider.name));
            let hint = did_you_mean(wanted, names());
            return Err(error.hint(hint.unwrap_or_else(|| format!("`SHOW SERVICES IN {}` lists them", provider.name))));
        };
        Ok(vec![provider.name.clone(), found.to_owned()])
    };
    match name {
        [] => Ok(Vec::new()),
        [one] => registry.provider(one).map(|provider| vec![provider.name.clone()]).or_else(|error| {
            let of_current = current.first().and_then(|provider| service_of(provider, one).ok());
            of_current.ok_or(error)
        }),
        [provider, service, ..] => service_of(provider, service),
    }
}

/// Puts what `USE` says before the name of a write's table or method.
///
/// # Errors
/// `NameNotFound` when parts are missing all the same.
pub(super) fn complete_write(current: &[String], write: &mut Write) -> Result<()> {
    let (idents, wanted, usage) = match write {
        Write::Insert(insert) => (&mut insert.table, 3, "a table is `provider.service.resource`"),
        Write::Change(change) => (&mut change.table, 3, "a table is `provider.service.resource`"),
        Write::Exec(exec) => (&mut exec.method, 4, "a method is `provider.service.resource.method`"),
    };
    let missing = wanted - idents.len().min(wanted);
    let Some(beginning) = current.get(..missing) else {
        let said = idents.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
        let what = if wanted == 3 { "table" } else { "method" };
        let error = Error::new(ErrorKind::NameNotFound, format!("`{said}` is not a {what}")).hint(usage);
        return Err(match idents.first().map(|ident| ident.span.start).filter(|start| start.line > 0) {
            Some(start) => error.at(crate::error::Position { line: start.line, column: start.column }),
            None => error,
        });
    };
    let beginning: Vec<Ident> = beginning.iter().map(|part| Ident::with_quote('"', part)).collect();
    idents.splice(0..0, beginning);
    Ok(())
}

/// Makes a file, which stands in quotes, a table that is called as the file is.
pub(super) fn name_file(name: &mut ObjectName, alias: &mut Option<TableAlias>) {
    let Some(file) = name.0.first().and_then(|part| part.as_ident()).cloned() else { return };
    let stem = std::path::Path::new(&file.value).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let quoted = |text: &str| {
        let mut ident = Ident::with_quote('"', text);
        ident.span = file.span;
        ident
    };
    alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: quoted(&stem.unwrap_or_default()),
        columns: Vec::new(),
        at: None,
    });
    name.0 =
        [own::CATALOG, files::SCHEMA, file.value.as_str()].map(|part| ObjectNamePart::Identifier(quoted(part))).into();
}

/// Gives a name the spelling of `parts`, which end as it ends; a table's short name becomes whole where it must be. The
/// place of the first part is kept.
pub(super) fn respell(name: &mut ObjectName, parts: &[&str]) {
    let at = name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span);
    // A name of ours stays as short as it was, so that it can stand before a column as it did.
    let is_own = parts.first() == Some(&own::CATALOG);
    let skipped = if is_own { parts.len().saturating_sub(name.0.len()) } else { 0 };
    name.0 = parts
        .iter()
        .skip(skipped)
        .map(|part| {
            let mut ident = Ident::with_quote('"', *part);
            if let Some(at) = at {
                ident.span = at;
            }
            ObjectNamePart::Identifier(ident)
        })
        .collect();
}

/// The error for a table that the planner could not find, with what may have been meant.
pub(super) fn unknown_table(registry: &Registry, own: &BTreeSet<String>, name: &str) -> Error {
    let keyword = sqlparser::keywords::ALL_KEYWORDS.iter().position(|known| known.eq_ignore_ascii_case(name));
    let keyword = keyword.and_then(|at| sqlparser::keywords::ALL_KEYWORDS_INDEX.get(at));
    if keyword.is_some_and(|keyword| sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS.contains(keyword)) {
        return Error::new(ErrorKind::Syntax, format!("a table is missing before `{name}`"));
    }
    let error = Error::new(ErrorKind::NameNotFound, format!("there is no table `{name}`"));
    if let Some(hint) = did_you_mean(name, own.iter().map(String::as_str)) {
        return error.hint(hint);
    }
    let providers = registry.provider_names();
    let services: Vec<String> = providers
        .iter()
        .filter_map(|provider| registry.provider(provider).ok())
        .flat_map(|provider| {
            provider.services.keys().map(|service| format!("{}.{service}", provider.name)).collect::<Vec<_>>()
        })
        .collect();
    let last = |full: &str| full.rsplit('.').next().map(str::to_owned);
    let near: Vec<String> =
        services.iter().filter(|full| last(full).is_some_and(|s| s.eq_ignore_ascii_case(name))).cloned().collect();
    match near.first() {
        Some(service) => {
            error.hint(format!("a table is `provider.service.resource`; `SHOW RESOURCES IN {service}` lists some"))
        }
        None => match did_you_mean(name, providers.iter().map(String::as_str)) {
            Some(hint) => error.hint(format!("a table is `provider.service.resource`; {hint}")),
            None => error.hint("a table is `provider.service.resource`; `SHOW PROVIDERS` lists the providers"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn use_gives_the_beginning_only() {
        let both = names(&["linode", "images"]);
        for (current, name, wanted, whole) in [
            (&both[..], &["images"][..], 3, &["linode", "images", "images"][..]),
            (&both[..], &["domains", "records"], 3, &["linode", "domains", "records"]),
            (&both[..1], &["domains", "records"], 3, &["linode", "domains", "records"]),
            (&both[..], &[], 1, &["linode"]),
            (&both[..], &[], 2, &["linode", "images"]),
            (&[], &["a", "b", "c"], 3, &["a", "b", "c"]),
        ] {
            assert_eq!(full_name(current, &names(name), wanted, "").unwrap(), names(whole));
        }
        let error = full_name(&both[..1], &names(&["images"]), 3, "DESCRIBE p.s.r").unwrap_err();
        assert_eq!(error.message(), "`images` has 1 part, not 3: DESCRIBE p.s.r");
        assert_eq!(full_name(&[], &[], 1, "SHOW x").unwrap_err().message(), "IN is missing: SHOW x");
    }

    #[test]
    fn what_is_ours_is_found_whatever_its_case() {
        let scope =
            NameScope { catalogs: names(&["local", "scratch"]), own: ["Mine".to_owned()].into(), current: Vec::new() };
        assert!(matches!(scope.local(&["mine"]), Some(Local::Own("Mine"))));
        assert!(matches!(scope.local(&["local", "MAIN", "mine"]), Some(Local::Own("Mine"))));
        assert!(matches!(scope.local(&["SkyQL", "Resources"]), Some(Local::Facts(found)) if found.name == "resources"));
        assert!(matches!(scope.local(&["scratch", "main", "x"]), Some(Local::Unknown)));
        assert!(scope.local(&["resources"]).is_none() && scope.local(&["linode", "images", "images"]).is_none());
    }
}
