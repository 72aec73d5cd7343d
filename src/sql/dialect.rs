//! The dialect of everything we read.
//!
//! sqlparser's generic dialect binds `->` and `->>` more loosely than `=`, so that `region->>'slug' = 'nyc3'` would mean
//! `region->>('slug' = 'nyc3')`, and forgives a comma before FROM, where a column may be missing. This one keeps what of it
//! concerns queries, and mends those two.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, GenericDialect, Precedence};

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkyDialect;

/// Says yes to what the generic dialect says yes to.
macro_rules! as_generic {
    ($($name:ident)*) => {
        $(fn $name(&self) -> bool {
            GenericDialect.$name()
        })*
    };
}

impl Dialect for SkyDialect {
    /// The parser asks for some of the generic dialect's ways by its type.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        GenericDialect.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        GenericDialect.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        GenericDialect.is_identifier_part(c)
    }

    /// As `SQLite` has it: the arrows bind more tightly than arithmetic, and more loosely than `::`.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::PgOther => 45,
            other => GenericDialect.prec_value(other),
        }
    }

    as_generic! {
        allow_extract_custom
        allow_extract_single_quotes
        support_map_literal_syntax
        supports_array_typedef_with_brackets
        supports_bitwise_shift_operators
        supports_comma_separated_trim
        supports_dictionary_syntax
        supports_empty_projections
        supports_explain_with_utility_options
        supports_extract_comma_syntax
        supports_filter_during_aggregation
        supports_from_first_select
        supports_group_by_expr
        supports_group_by_with_modifier
        supports_interval_options
        supports_left_associative_joins_without_parens
        supports_limit_comma
        supports_multiline_comment_hints
        supports_named_fn_args_with_assignment_operator
        supports_nested_comments
        supports_parens_around_table_factor
        supports_select_wildcard_except
        supports_select_wildcard_exclude
        supports_select_wildcard_ilike
        supports_select_wildcard_rename
        supports_select_wildcard_replace
        supports_string_escape_constant
        supports_struct_literal
        supports_try_convert
        supports_unicode_string_literal
        supports_values_as_table_factor
        supports_window_clause_named_window_reference
        supports_window_function_null_treatment_arg
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::Expr;
    use sqlparser::parser::Parser;

    use super::*;

    /// What is done last.
    fn outermost(text: &str) -> String {
        match Parser::new(&SkyDialect).try_with_sql(text).unwrap().parse_expr().unwrap() {
            Expr::BinaryOp { op, .. } => op.to_string(),
            Expr::UnaryOp { op, .. } => op.to_string(),
            Expr::IsNotNull(_) => "IS NOT NULL".to_owned(),
            Expr::Like { .. } => "LIKE".to_owned(),
            Expr::InList { .. } => "IN".to_owned(),
            Expr::Between { .. } => "BETWEEN".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arrows_bind_before_what_compares_and_reckons() {
        for (text, wanted) in [
            ("a->>'b' = 'c'", "="),
            ("'c' <> a->>'b'", "<>"),
            ("a->'b'->>0 IS NOT NULL", "IS NOT NULL"),
            ("a->>'b' LIKE 'c%'", "LIKE"),
            ("a->>'b' BETWEEN 'c' AND 'd'", "BETWEEN"),
            ("a->>'b' IN ('c')", "IN"),
            ("a->>'b' || 'c'", "||"),
            ("1 + a->>'b'", "+"),
            ("NOT a->>'b' = 'c'", "NOT"),
            ("a->>'b' = 'c' AND d", "AND"),
            ("a->'b'::text", "->"),
        ] {
            assert_eq!(outermost(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_comma_wants_a_column() {
        assert!(Parser::parse_sql(&SkyDialect, "SELECT a, FROM t").is_err());
        Parser::parse_sql(&SkyDialect, "SELECT a, \"from\" FROM t").unwrap();
    }
}
