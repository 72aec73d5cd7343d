//! The spelling of names: what stands without quotes is written as the column, alias or relation that it means.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor, VisitorMut,
};

use super::{Known, Names, TargetColumns, all_factors, qualifier, same_relation};
use crate::bind::Table;
use crate::error::fold_name;
use crate::sql::walk_mut;

/// Gives unquoted names the spelling of the column, alias or relation that they mean.
pub(super) struct Spelling<'a> {
    known: &'a [Known],
    exact: HashSet<String>,
    /// Lower case → spelling; `None` where two spellings compete.
    folded: BTreeMap<String, Option<String>>,
    /// The same without separators: `image_id` and `imageId`.
    unseparated: BTreeMap<String, Option<String>>,
    relations: BTreeMap<String, Option<String>>,
}

impl<'a> Spelling<'a> {
    pub(super) fn new(known: &'a [Known], target: Option<&TargetColumns>, further: &[String], names: &Names) -> Self {
        let columns: Vec<&String> = known
            .iter()
            .flat_map(|known| known.table.columns.iter().map(|c| &c.name))
            .chain(target.iter().flat_map(|target| &target.columns))
            .chain(further)
            .collect();
        let exact = columns.iter().copied().chain(&names.aliases).cloned().collect();
        let mut folded = BTreeMap::new();
        let mut unseparated = BTreeMap::new();
        for name in columns {
            add(&mut folded, name.to_lowercase(), name);
            add(&mut unseparated, fold_name(name), name);
        }
        // An alias is nearer than a column.
        for alias in &names.aliases {
            folded.insert(alias.to_lowercase(), Some(alias.clone()));
        }
        let mut relations = BTreeMap::new();
        for relation in &names.relations {
            add(&mut relations, relation.to_lowercase(), relation);
        }
        if let Some(target) = target {
            add(&mut relations, target.relation.to_lowercase(), &target.relation);
        }
        for known in known {
            for name in [&known.table.resource.name, &known.table.service, &known.table.provider] {
                add(&mut relations, name.to_lowercase(), name);
            }
        }
        Self { known, exact, folded, unseparated, relations }
    }

    fn column(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() || self.exact.contains(&ident.value) {
            return;
        }
        let by_case = self.folded.get(&ident.value.to_lowercase());
        let spelling = by_case.or_else(|| self.unseparated.get(&fold_name(&ident.value)));
        if let Some(Some(spelling)) = spelling {
            ident.value.clone_from(spelling);
        }
    }

    fn relation(&self, ident: &mut Ident) {
        if ident.quote_style.is_none()
            && let Some(Some(spelling)) = self.relations.get(&ident.value.to_lowercase())
        {
            ident.value.clone_from(spelling);
        }
    }
}

fn add(into: &mut BTreeMap<String, Option<String>>, key: String, name: &str) {
    into.entry(key)
        .and_modify(|known| {
            if known.as_deref() != Some(name) {
                *known = None;
            }
        })
        .or_insert_with(|| Some(name.to_owned()));
}

/// What the names in one SELECT's own expressions mean where its tables alone decide: an alias that the SELECT itself
/// introduces, and the spelling of another table's column, do not count.
struct Scope<'a> {
    tables: Vec<(ObjectName, &'a Table)>,
    /// Whether there is no other relation.
    only_tables: bool,
    depth: usize,
}

impl<'a> Scope<'a> {
    fn of(known: &'a [Known], select: &Select) -> Self {
        let factors: Vec<&TableFactor> = select.from.iter().flat_map(all_factors).collect();
        let tables: Vec<_> = factors
            .iter()
            .filter_map(|factor| {
                let TableFactor::Table { name, .. } = factor else { return None };
                let known = known.iter().find(|known| &known.name == name)?;
                Some((qualifier(factor)?, known.table.as_ref()))
            })
            .collect();
        let only_tables = tables.len() == factors.len();
        Self { tables, only_tables, depth: 0 }
    }

    fn spell(ident: &mut Ident, tables: &[&Table]) {
        if ident.quote_style.is_some() || tables.iter().any(|table| table.columns.iter().any(|c| c.name == ident.value))
        {
            return;
        }
        let mut found = tables.iter().filter_map(|table| Some(&table.columns[table.column(&ident.value)?].name));
        if let Some(first) = found.next()
            && found.all(|other| other == first)
        {
            ident.value.clone_from(first);
        }
    }
}

impl VisitorMut for Scope<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) if self.depth == 0 && self.only_tables => {
                let tables: Vec<&Table> = self.tables.iter().map(|(_, table)| *table).collect();
                Self::spell(ident, &tables);
            }
            Expr::CompoundIdentifier(parts) if self.depth == 0 => {
                if let Some((last, before)) = parts.split_last_mut() {
                    let relation = ObjectName::from(before.to_vec());
                    let table = self.tables.iter().find(|(qualifier, _)| same_relation(qualifier, &relation));
                    if let Some((_, table)) = table {
                        Self::spell(last, &[table]);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Spelling<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => {
                if let Some((last, before)) = parts.split_last_mut() {
                    self.column(last);
                    for part in before {
                        self.relation(part);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut scope = Scope::of(self.known, select);
        if !scope.tables.is_empty() {
            walk_mut(&mut select.projection, &mut scope);
            walk_mut(&mut select.from, &mut scope);
            walk_mut(&mut select.selection, &mut scope);
            walk_mut(&mut select.group_by, &mut scope);
            walk_mut(&mut select.having, &mut scope);
        }
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                for part in &mut name.0 {
                    if let ObjectNamePart::Identifier(ident) = part {
                        self.relation(ident);
                    }
                }
            }
        }
        for from in &mut select.from {
            for join in &mut from.joins {
                if let JoinOperator::Join(JoinConstraint::Using(names))
                | JoinOperator::Inner(JoinConstraint::Using(names))
                | JoinOperator::Left(JoinConstraint::Using(names))
                | JoinOperator::LeftOuter(JoinConstraint::Using(names)) = &mut join.join_operator
                {
                    for name in names {
                        for part in &mut name.0 {
                            if let ObjectNamePart::Identifier(ident) = part {
                                self.column(ident);
                            }
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
        {
            self.relation(ident);
        }
        ControlFlow::Continue(())
    }
}
