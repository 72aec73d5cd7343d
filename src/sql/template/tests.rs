use serde_json::json;

use super::*;

fn data(values: Value) -> TemplateData {
    let mut data = TemplateData::new(Env::empty().with("REGION", "us-east"));
    data.merge(values).unwrap();
    data
}

fn rendered(template: &str, values: Value) -> String {
    render(template, &data(values)).unwrap_or_else(|error| panic!("{error:?}")).text
}

fn refused(template: &str, values: Value) -> Error {
    render(template, &data(values)).unwrap_err()
}

fn at(line: u64, column: u64) -> Position {
    Position { line, column }
}

#[test]
fn filters_quote_for_the_place_where_a_value_stands() {
    let values = json!({
        "name": "O'Brien; --", "n": -3, "f": 1.5, "yes": true, "none": null, "list": ["a", "b'c", 3],
        "map": {"a": [1, "it's"]}, "column": "a\"b", "columns": ["id", "is_public"],
    });
    for (template, wanted) in [
        ("{{ name }}", "O'Brien; --"),
        ("{{ name | sql }}", "'O''Brien; --'"),
        ("{{ n | sql }} {{ f | sql }} {{ yes | sql }} {{ none | sql }}", "-3 1.5 TRUE NULL"),
        ("IN {{ list | sql }}", "IN ('a', 'b''c', 3)"),
        ("{{ map }} {{ none }}", "{\"a\":[1,\"it's\"]} null"),
        ("{{ map | json }}", "'{\"a\":[1,\"it''s\"]}'"),
        ("{{ map | sql }}", "'{\"a\":[1,\"it''s\"]}'"),
        ("{{ column | ident }}, {{ columns | ident }}", "\"a\"\"b\", \"id\", \"is_public\""),
        ("{{ missing | default('x') | sql }}", "'x'"),
        ("{{ env.REGION }} {{ env.NOSUCH | default('none') }}", "us-east none"),
        ("{{ .map.a }} {{- .n }}", "[1,\"it's\"]-3"),
        ("{% for c in columns %}{{ c }}{% if not loop.last %}, {% endif %}{% endfor %}", "id, is_public"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a\r\n{# note #}b\n", "a\r\nb\n"),
    ] {
        assert_eq!(rendered(template, values.clone()), wanted, "{template}");
    }
    for template in ["{{ [] | sql }}", "{{ 3 | ident }}", "{{ '' | ident }}"] {
        assert_eq!(refused(template, values.clone()).kind(), ErrorKind::InvalidArgument, "{template}");
    }
}

#[test]
fn a_name_without_a_value_is_an_error_at_its_place() {
    let error = refused("SELECT 1;\nSELECT {{ regoin }}", json!({"region": "x"}));
    assert_eq!((error.kind(), error.message()), (ErrorKind::NameNotFound, "`regoin` has no value"));
    assert_eq!(error.position(), Some(at(2, 11)), "{error:?}");
    assert!(error.hint_text().unwrap().contains("did you mean `region`"), "{error:?}");
    for (template, message, hint) in [
        ("{{ map.b.c }}", "`map.b.c` has no value", "has `map`"),
        ("{{ env.NOSUCH }}", "`env.NOSUCH` has no value", "environment variable `NOSUCH`"),
        ("{{ zzz | sql }}", "`zzz` has no value", "--var zzz="),
        ("{% if zzz %}a{% endif %}", "`zzz` has no value", "--var zzz="),
    ] {
        let error = refused(template, json!({"map": {"a": 1}}));
        assert_eq!((error.kind(), error.message()), (ErrorKind::NameNotFound, message), "{template}");
        assert!(error.hint_text().unwrap().contains(hint), "{template}: {error:?}");
        assert!(error.position().is_some(), "{template}");
    }
}

#[test]
fn wrong_templates_say_where() {
    let error = refused("SELECT 1;\n{% if x %}", json!({}));
    assert_eq!((error.kind(), error.position().map(|at| at.line)), (ErrorKind::Syntax, Some(2)), "{error:?}");
    let error = refused("{{ 1 | sqll }}", json!({}));
    assert_eq!(error.kind(), ErrorKind::NameNotFound);
    assert!(error.hint_text().unwrap().contains("`sql`"), "{error:?}");
    let error = refused("ok {{ 'a' + 1 }}", json!({}));
    assert_eq!((error.kind(), error.position().map(|at| at.line)), (ErrorKind::InvalidArgument, Some(1)), "{error:?}");
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let endless = "{% macro m(n) %}{% for i in range(99999) %}{{ m(n) }}{% endfor %}{% endmacro %}{{ m(1) }}";
    assert!(render(endless, &data(json!({}))).is_err());
    let long = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    let error = refused(long, json!({}));
    assert_eq!((error.kind(), error.message()), (ErrorKind::Budget, "the template was stopped after 10 million steps"));
    let wide = "{% set x = 'abcdefghij' * 100000 %}{% for a in range(90000) %}{{ x }}{% endfor %}";
    assert_eq!(refused(wide, json!({})).kind(), ErrorKind::Budget);
}

#[test]
fn blocks_of_data_come_before_what_is_given() {
    let script = "-- data\n<<<json {\"values\": {\"a\": \">>>\", \"b\": 2}}\n>>>\n<<<json\n{\"c\": 3} >>>\nSELECT '{{ .values.a }}', {{ values.b }}, {{ c }}";
    assert!(is_template(script));
    assert_eq!(
        rendered(script, json!({"values": {"b": 5}})).trim_start_matches("-- data").trim(),
        "SELECT '>>>', 5, 3"
    );
    let text = rendered(script, json!({}));
    assert_eq!(text.lines().count(), script.lines().count());
    for (script, kind, place) in [
        ("<<<jsonnet {a: 1} >>> SELECT 1", ErrorKind::Unsupported, at(1, 1)),
        ("\n<<<yaml a: 1 >>>", ErrorKind::Syntax, at(2, 1)),
        ("<<<json\n{\"a\": 1,}\n>>>", ErrorKind::Syntax, at(2, 9)),
        ("<<<json {} SELECT", ErrorKind::Syntax, at(1, 12)),
        ("<<<json [1] >>>", ErrorKind::Syntax, at(1, 1)),
        ("<<<json", ErrorKind::Syntax, at(1, 1)),
    ] {
        let error = refused(script, json!({}));
        assert_eq!((error.kind(), error.position()), (kind, Some(place)), "{script}: {error:?}");
    }
}

#[test]
fn places_lead_back_to_the_template() {
    let template = "-- {{ 'a long text' }}\nSELECT\n{% for i in [1, 2] -%}\n  {{ i }} AS c{{ i }},\n{%- endfor %} {{ name }}{{ name }} FROM tt\n{%- if 1 %}\n  WHERE ö = {{ name }} x{% endif %}\n";
    let done = render(template, &data(json!({"name": "\"some\nname\""}))).unwrap();
    let back = |needle: &str, nth: usize| {
        let byte = done.text.match_indices(needle).nth(nth).unwrap().0;
        done.map.source_position(&done.text, template, Position::of_byte(&done.text, byte)).unwrap()
    };
    assert_eq!(back("SELECT", 0), at(2, 1), "{}", done.text);
    assert_eq!(back("AS c", 0), at(4, 11));
    assert_eq!(back("AS c", 1), at(4, 11));
    assert_eq!(back("name", 0), at(5, 15));
    assert_eq!(back("name", 1), at(5, 25));
    assert_eq!(back("FROM", 0), at(5, 36));
    assert_eq!(back("WHERE", 0), at(7, 3));
    assert_eq!(back(" x", 0), at(7, 23));
    assert_eq!(back("a long", 0), at(1, 4));
}

#[test]
fn marks_change_nothing() {
    for template in [
        "{% filter upper %}abc {{ 'x' }}{% endfilter %}",
        "{% set t %}abc{% endset %}{{ t | length }}",
        "{% macro q(x) %}'{{ x }}'{% endmacro %}{{ q('a') | sql }}",
        "a  {%- if 1 -%}  b  {%- endif -%}  c",
        "\u{f8fe0}{{ 1 }}\u{f8fe1}",
    ] {
        let done = render(template, &data(json!({}))).unwrap();
        assert!(!done.text.contains("\u{f8fe0}0"), "{}", done.text);
        let _any = done.map.source_position(&done.text, template, at(1, 1));
    }
    assert_eq!(rendered("{% set t %}abc{% endset %}{{ t | length }}", json!({})), "3");
}

#[test]
fn templates_are_told_from_sql() {
    for (text, is) in [
        ("SELECT {{ a }}", true),
        ("{% set a = 1 %} SELECT 1", true),
        ("SELECT '{{ a }}'", false),
        ("SELECT $$ {{ a }} $$ -- {{ b }}\n/* {% c %} */", false),
        ("SELECT {'a': {'b': 1}}, \"{{\"", false),
        ("-- note\n  <<<json {} >>> SELECT 1", true),
        ("SELECT 1 <<< 2", false),
        ("SELECT '", false),
    ] {
        assert_eq!(is_template(text), is, "{text}");
    }
}

#[test]
fn all_names_without_a_value_are_told_at_once() {
    let told = |template: &str| -> Vec<String> {
        let errors = render_or_all(template, &data(json!({"map": {"a": 1}, "rows": [{"id": 1}]}))).unwrap_err();
        assert!(errors.iter().all(|error| error.position().is_some()), "{errors:?}");
        errors.iter().map(|error| error.message().to_owned()).collect()
    };
    let missing =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("`{name}` has no value")).collect() };
    assert_eq!(
        told(
            "{{ a }} {{ map.b | sql }} {{ env.NOSUCH }} {{ a }} {% if c is defined %}{{ d }}{% endif %} {{ e | default(1) }} {{ f }}"
        ),
        missing(&["a", "map.b", "env.NOSUCH", "f"])
    );
    assert_eq!(
        told("{% for x in list %}{{ x.id | sql }} {{ y }}{% endfor %}{{ z.a.b | ident }}"),
        missing(&["list", "y", "z.a"])
    );
    assert_eq!(told("{{ n }} {{ n + 1 }} {{ z }}"), missing(&["n", "z"]));
    assert_eq!(told("{% for r in rows %}{{ r.idd }}{% endfor %}"), missing(&["r.idd"]));
}
