//! The way through syntax, for visitors of every kind.
//!
//! sqlparser's walk is generic over its visitor: each kind that it is given makes the compiler build the walk through all of
//! the syntax once more, some 700 functions. Here all share one, which was a quarter of the code of this crate.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, VisitMut, VisitorMut};

/// Leads a visitor through `node`.
pub(crate) fn walk_mut(node: &mut impl VisitMut, visitor: &mut dyn VisitorMut<Break = ()>) {
    let _may_break = node.visit(&mut Any(visitor));
}

/// Shows `look` every expression of `node`, until it breaks.
pub(crate) fn each_expr(
    node: &(impl VisitMut + Clone),
    look: &mut dyn FnMut(&Expr) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // The walk that does not change is another one.
    node.clone().visit(&mut Any(&mut Look(look)))
}

struct Look<'a>(&'a mut dyn FnMut(&Expr) -> ControlFlow<()>);

impl VisitorMut for Look<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

struct Any<'a>(&'a mut dyn VisitorMut<Break = ()>);

macro_rules! pass_on {
    ($($hook:ident: $node:ty),* $(,)?) => {
        $(
            fn $hook(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$hook(node)
            }
        )*
    };
}

impl VisitorMut for Any<'_> {
    type Break = ();

    pass_on! {
        pre_visit_query: Query,
        post_visit_query: Query,
        pre_visit_select: Select,
        post_visit_select: Select,
        pre_visit_relation: ObjectName,
        post_visit_relation: ObjectName,
        pre_visit_table_factor: TableFactor,
        post_visit_table_factor: TableFactor,
        pre_visit_expr: Expr,
        post_visit_expr: Expr,
        pre_visit_statement: Statement,
        post_visit_statement: Statement,
        pre_visit_value: ValueWithSpan,
        post_visit_value: ValueWithSpan,
    }
}
