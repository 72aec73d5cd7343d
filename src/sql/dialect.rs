//! The dialect of everything we read.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, GenericDialect, Precedence};

/// sqlparser's generic dialect, which knows `->`, `=>` and both kinds of quotes, with two corrections.
///
/// In the generic one `extra->>'color' = 'red'` means `extra->>('color' = 'red')`, and `extra->>'color' || '!'` means
/// `extra->>('color' || '!')`. As in `SQLite`, `->` and `->>` bind more tightly than all of these; where `PostgreSQL`
/// differs (`1 + extra->>'n'`), it has no answer, as numbers hold no fields.
///
/// And a comma before FROM is a mistake, as in `PostgreSQL`: the column that should follow it would be missing silently.
#[derive(Debug)]
pub(crate) struct SkyDialect;

/// What the generic dialect says yes to.
macro_rules! yes {
    ($($name:ident,)*) => {
        $(
            fn $name(&self) -> bool {
                GenericDialect.$name()
            }
        )*
    };
}

impl Dialect for SkyDialect {
    /// What the parser asks of the generic dialect by its type holds for this one.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::PgOther => GenericDialect.prec_value(Precedence::AtTz) + 1,
            other => GenericDialect.prec_value(other),
        }
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    yes! {
        supports_unicode_string_literal,
        supports_partition_by_after_order_by,
        supports_array_join_syntax,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_connect_by,
        supports_match_recognize,
        supports_pipe_operator,
        supports_start_transaction_modifier,
        supports_window_function_null_treatment_arg,
        supports_dictionary_syntax,
        supports_window_clause_named_window_reference,
        supports_parenthesized_set_variables,
        supports_select_wildcard_except,
        support_map_literal_syntax,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_extract_comma_syntax,
        supports_create_view_comment_syntax,
        supports_parens_around_table_factor,
        supports_values_as_table_factor,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_limit_comma,
        supports_update_order_by,
        supports_from_first_select,
        supports_asc_desc_in_column_definition,
        supports_try_convert,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_struct_literal,
        supports_empty_projections,
        supports_nested_comments,
        supports_multiline_comment_hints,
        supports_user_host_grantee,
        supports_string_escape_constant,
        supports_array_typedef_with_brackets,
        supports_match_against,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_filter_during_aggregation,
        supports_select_wildcard_exclude,
        supports_data_type_signed_suffix,
        supports_interval_options,
        supports_quote_delimited_string,
        supports_select_wildcard_replace,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_optimize_table,
        supports_install,
        supports_detach,
        supports_prewhere,
        supports_with_fill,
        supports_limit_by,
        supports_interpolate,
        supports_settings,
        supports_select_format,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_comma_separated_trim,
        supports_cte_without_as,
        supports_select_item_multi_column_alias,
        supports_xml_expressions,
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
