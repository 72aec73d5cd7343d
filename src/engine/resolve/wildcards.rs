//! `*` in a SELECT: without parameters that need not be given, and as USING means it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, VisitorMut, WildcardAdditionalOptions,
};

use super::{Known, all_factors, qualifier, same_relation};

/// Takes optional parameters out of `*`.
pub(super) struct Wildcards<'a> {
    pub(super) known: &'a [Known],
}

impl Wildcards<'_> {
    fn hidden(&self, factor: &TableFactor) -> Vec<String> {
        let TableFactor::Table { name, .. } = factor else { return Vec::new() };
        let Some(known) = self.known.iter().find(|known| &known.name == name) else { return Vec::new() };
        known.table.columns.iter().filter(|column| column.hidden).map(|column| column.name.clone()).collect()
    }

    /// A column's name as one of the relations spells it.
    fn spelled(&self, factors: &[&TableFactor], name: &str) -> String {
        let mut tables = factors.iter().filter_map(|factor| match factor {
            TableFactor::Table { name, .. } => self.known.iter().find(|known| &known.name == name),
            _ => None,
        });
        let found = tables.find_map(|known| known.table.column(name).map(|at| known.table.columns[at].name.clone()));
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// The columns that one `JOIN … USING` makes one of, and which of the two relations gives them. The planner's own choice goes
/// by the relations' names, so that `*` would show NULL for rows that only the other side has.
fn using_columns(from: &[TableWithJoins]) -> Option<(usize, Vec<Ident>)> {
    let [from] = from else { return None };
    let [join] = from.joins.as_slice() else { return None };
    let (kept, constraint) = match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => (0, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (1, constraint),
        _ => return None,
    };
    let JoinConstraint::Using(names) = constraint else { return None };
    // A join inside parentheses is more than one relation.
    if all_factors(from).len() != 2 {
        return None;
    }
    let names = names.iter().map(|name| match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.clone()),
        _ => None,
    });
    Some((kept, names.collect::<Option<_>>()?))
}

impl VisitorMut for Wildcards<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors: Vec<&TableFactor> = select.from.iter().flat_map(all_factors).collect();
        let merged = select.from.iter().any(merges_columns);
        let hidden: Vec<Vec<String>> = factors.iter().map(|factor| self.hidden(factor)).collect();
        let qualifiers: Vec<Option<ObjectName>> = factors.iter().map(|factor| qualifier(factor)).collect();
        for item in &mut select.projection {
            // The planner takes `images.*` only for a relation of that whole name.
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let Some(whole) = qualifiers.iter().flatten().find(|qualifier| same_relation(qualifier, name))
            {
                name.clone_from(whole);
            }
        }
        let using = using_columns(&select.from);
        if hidden.iter().all(Vec::is_empty) && using.is_none() {
            return ControlFlow::Continue(());
        }
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in select.projection.drain(..) {
            match item {
                SelectItem::Wildcard(options)
                    if using.is_some() && is_plain(&options) && qualifiers.iter().all(Option::is_some) =>
                {
                    let Some((kept, merged)) = &using else { continue };
                    let merged: Vec<String> = merged.iter().map(|name| self.spelled(&factors, &name.value)).collect();
                    for name in &merged {
                        let qualifier = qualifiers[*kept].iter().flat_map(|qualifier| &qualifier.0);
                        let parts = qualifier.filter_map(|part| part.as_ident()).cloned();
                        let parts = parts.chain([Ident::with_quote('"', name)]).collect();
                        projection.push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)));
                    }
                    for (at, qualifier) in qualifiers.iter().enumerate() {
                        let Some(qualifier) = qualifier else { continue };
                        let mut options = WildcardAdditionalOptions::default();
                        exclude(&mut options, &merged);
                        exclude(&mut options, &hidden[at]);
                        projection.push(SelectItem::QualifiedWildcard(
                            SelectItemQualifiedWildcardKind::ObjectName(qualifier.clone()),
                            options,
                        ));
                    }
                }
                SelectItem::Wildcard(options)
                    if factors.len() > 1 && !merged && is_plain(&options) && qualifiers.iter().all(Option::is_some) =>
                {
                    for (qualifier, hidden) in qualifiers.iter().zip(&hidden) {
                        let Some(qualifier) = qualifier else { continue };
                        let mut options = WildcardAdditionalOptions::default();
                        exclude(&mut options, hidden);
                        projection.push(SelectItem::QualifiedWildcard(
                            SelectItemQualifiedWildcardKind::ObjectName(qualifier.clone()),
                            options,
                        ));
                    }
                }
                SelectItem::Wildcard(mut options) => {
                    let all: Vec<String> = hidden.iter().flatten().cloned().collect();
                    exclude(&mut options, &all);
                    projection.push(SelectItem::Wildcard(options));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), mut options) => {
                    let matching = qualifiers.iter().zip(&hidden).find(|(qualifier, _)| {
                        qualifier.as_ref().is_some_and(|qualifier| same_relation(qualifier, &name))
                    });
                    if let Some((_, hidden)) = matching {
                        exclude(&mut options, hidden);
                    }
                    projection.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(name),
                        options,
                    ));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        ControlFlow::Continue(())
    }
}

/// Whether USING or NATURAL makes one column of two: then `*` cannot be taken apart by relation.
fn merges_columns(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint)) = &join.join_operator
        else {
            return false;
        };
        matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
    })
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn exclude(options: &mut WildcardAdditionalOptions, hidden: &[String]) {
    let mut names: Vec<ObjectName> = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
        None => Vec::new(),
    };
    let mut taken: HashSet<String> = names.iter().map(|name| name.to_string().trim_matches('"').to_owned()).collect();
    if let Some(except) = &options.opt_except {
        taken.insert(except.first_element.value.clone());
        taken.extend(except.additional_elements.iter().map(|ident| ident.value.clone()));
    }
    for name in hidden {
        if taken.insert(name.clone()) {
            names.push(ObjectName::from(vec![Ident::with_quote('"', name)]));
        }
    }
    if !names.is_empty() {
        options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
    }
}
