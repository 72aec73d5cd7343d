//! How functions are called and what they give, in a line each: for SHOW FUNCTIONS, and for the message where one is
//! called otherwise. `DataFusion` describes its own.

/// Name, how it is called, what it gives.
const DESCRIBED: &[(&str, &str, &str)] = &[
    ("->", "json -> path", "the part of a document there, as JSON"),
    ("->>", "json ->> path", "the value there, as text"),
    ("date", "date(time, modifier, …)", "the day of a point in time, in UTC, as text"),
    ("datetime", "datetime(time, modifier, …)", "a point in time, in UTC, as text"),
    ("format", "format(format, value, …)", "values in a text, as `printf`"),
    (
        "generate_series",
        "generate_series(first, last [, step])",
        "a table of the numbers or times from the first to the last, which is in it",
    ),
    (
        "group_concat",
        "group_concat(value [, separator])",
        "the texts of a group, with a comma or the separator between",
    ),
    ("iif", "iif(condition, value, otherwise)", "the one value where the condition holds, else the other"),
    ("json", "json(text)", "the document without spaces; an error where the text is no JSON"),
    ("json_array", "json_array(value, …)", "an array of the values"),
    (
        "json_array_length",
        "json_array_length(json [, path])",
        "how many elements the array there has; 0 for what is no array",
    ),
    ("json_as_text", "json_as_text(json, key, …)", "what is there, as text"),
    ("json_contains", "json_contains(json, key, …)", "whether something is there"),
    ("json_each", "json_each(json [, path])", "a table of the elements or members of a document"),
    ("json_equal", "json_equal(json, json)", "whether two documents say the same, in whatever order"),
    ("json_extract", "json_extract(json, path, …)", "the value there, as text; with several paths, an array"),
    ("json_from_scalar", "json_from_scalar(value)", "a value as JSON"),
    ("json_get", "json_get(json, key, …)", "what is there, with the type it has in JSON"),
    ("json_get_array", "json_get_array(json, key, …)", "the array there, as a list of JSON texts"),
    ("json_get_bool", "json_get_bool(json, key, …)", "the boolean there"),
    ("json_get_float", "json_get_float(json, key, …)", "the number there"),
    ("json_get_int", "json_get_int(json, key, …)", "the whole number there"),
    ("json_get_json", "json_get_json(json, key, …)", "what is there, as JSON"),
    ("json_get_str", "json_get_str(json, key, …)", "the text there"),
    ("json_group_array", "json_group_array(value)", "the values of a group as an array"),
    ("json_group_object", "json_group_object(name, value)", "the values of a group as an object"),
    ("json_insert", "json_insert(json, path, value, …)", "the document with values where there was none"),
    ("json_keys", "json_keys(json, key, …)", "the names of the members there, as a list"),
    ("json_len", "json_len(json, key, …)", "how many elements or members are there"),
    ("json_length", "json_length(json, key, …)", "how many elements or members are there"),
    ("json_object", "json_object(name, value, …)", "an object of these members"),
    ("json_object_keys", "json_object_keys(json, key, …)", "the names of the members there, as a list"),
    ("json_patch", "json_patch(json, patch)", "the document, merged with the patch as RFC 7396 says"),
    ("json_quote", "json_quote(value)", "a value as JSON"),
    ("json_remove", "json_remove(json, path, …)", "the document without what is there"),
    ("json_replace", "json_replace(json, path, value, …)", "the document with other values where there was one"),
    ("json_set", "json_set(json, path, value, …)", "the document with values there, whether or not there was one"),
    ("json_tree", "json_tree(json [, path])", "a table of everything in a document"),
    (
        "json_type",
        "json_type(json [, path])",
        "`object`, `array`, `text`, `integer`, `real`, `true`, `false` or `null`",
    ),
    ("json_union_to_text", "json_union_to_text(value)", "what `json_get` gives, as text"),
    ("json_valid", "json_valid(text)", "whether it is JSON"),
    ("julianday", "julianday(time, modifier, …)", "a point in time as a Julian day"),
    ("printf", "printf(format, value, …)", "values in a text: `%d`, `%s`, `%.2f`, `%,d` and the like"),
    (
        "range",
        "range(first, end [, step])",
        "a table of the numbers or times from the first to the end, which is not in it",
    ),
    ("regexp_substr", "regexp_substr(text, pattern)", "the part of the text that the pattern matches first"),
    ("scalar_to_json", "scalar_to_json(value)", "a value as JSON"),
    ("strftime", "strftime(format, time, modifier, …)", "a point in time as the format says"),
    ("time", "time(time, modifier, …)", "the time of day of a point in time, in UTC, as text"),
    ("total", "total(number)", "the sum of a group; 0.0 for none"),
    ("typeof", "typeof(value)", "`integer`, `real`, `text`, `boolean`, `blob` or `null`"),
    ("unixepoch", "unixepoch(time, modifier, …)", "a point in time as seconds since 1970"),
];

/// How a function is called, and what it gives.
pub fn described(name: &str) -> Option<(&'static str, &'static str)> {
    DESCRIBED.iter().find(|(known, _, _)| *known == name).map(|(_, usage, gives)| (*usage, *gives))
}

/// How a function of ours is called.
pub(super) fn usage(name: &str) -> &str {
    described(name).map_or(name, |(usage, _)| usage)
}
