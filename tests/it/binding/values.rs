//! Keys, values and where they may stand.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_belongs_to_the_call_that_asked_for_it() {
    let server = server().await;
    let mut db = db(&server);
    // The API finds keys without regard to case, and does not filter by status at all.
    let answer = db.rows("SELECT id FROM acme.depot.boxes WHERE id IN ('A', 'a')").await;
    assert_eq!(answer.rows, [["a"]]);
    let answer = db.rows("SELECT name FROM acme.depot.things WHERE status IN ('new', 'old') ORDER BY name").await;
    assert_eq!(answer.column(0), ["one", "three", "two"]);
    assert_eq!(answer.verdict(), "complete");
    let sql =
        "SELECT v.s, t.name FROM (VALUES ('old'), ('new')) v(s) JOIN acme.depot.things t ON t.status = v.s ORDER BY 2";
    assert_eq!(db.rows(sql).await.rows, [["new", "one"], ["new", "three"], ["old", "two"]]);
    let sql =
        "SELECT v.k, b.id FROM (VALUES ('A'), ('b')) v(k) LEFT JOIN acme.depot.boxes b ON b.box_id = v.k ORDER BY 1";
    let answer = db.rows(sql).await;
    assert_eq!(answer.column(0), ["A", "b"]);
    let mut targets = targets(&server);
    targets.truncate(2);
    targets.sort();
    assert_eq!(targets, ["/boxes/A", "/boxes/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beside_a_parameter_of_the_list_is_looked_for_in_the_list() {
    let server = server().await;
    let mut db = db(&server);
    let answer = db.rows("SELECT id FROM acme.depot.boxes WHERE id = 'b' AND color = 'red'").await;
    assert_eq!(answer.rows, [["b"]]);
    let answer = db.rows("SELECT id FROM acme.depot.boxes WHERE id > 'a' AND label LIKE 'box%'").await;
    assert_eq!(answer.rows, [["b"], ["x/y"]]);
    let answer = db.rows("SELECT id FROM acme.depot.boxes WHERE id = 'a' OR label = 'box b'").await;
    assert_eq!(answer.rows, [["a"], ["b"]]);
    assert_eq!(targets(&server), ["/boxes?color=red", "/boxes", "/boxes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_is_sent_and_a_predicate_of_that_name_is_about_the_rows() {
    let server = server().await;
    let mut db = db(&server);
    let answer = db.rows("SELECT name, type FROM acme.depot.things(type => 'sent') WHERE type = 'T2'").await;
    assert_eq!(answer.rows, [["two", "T2"]]);
    let answer = db.rows("SELECT name FROM acme.depot.things(TYPE => 'sent', shelf => '4') t WHERE t.size > 10").await;
    assert_eq!(answer.rows, [["two"]]);
    let answer = db.rows("SELECT name, kind FROM acme.depot.things(kind => 'a') WHERE kind = 'b'").await;
    assert!(answer.rows.is_empty());
    let answer = db.rows("SELECT things.name FROM acme.depot.things(tags => ['x', 'y']) WHERE things.size = 10").await;
    assert_eq!(answer.rows, [["one"]]);
    assert_eq!(
        targets(&server),
        ["/things?type=sent", "/things?shelf=4&type=sent", "/things?kind=a", "/things?tags=x&tags=y"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_parameter_and_column_means_what_the_document_says() {
    let server = server().await;
    let mut db = db(&server);
    // `column: true`: sent, and the rows are checked as well.
    let answer = db.rows("SELECT name, status FROM acme.depot.things WHERE status = 'new'").await;
    assert_eq!(answer.rows, [["one", "new"], ["three", "new"]]);
    assert_eq!(answer.warned(), Vec::<&str>::new());
    // `column: false`: only sent; the column keeps the API's own values.
    let answer = db.rows("SELECT name, type FROM acme.depot.things WHERE type = 'base'").await;
    assert_eq!(answer.rows, [["one", "T1"], ["two", "T2"], ["three", "T1"]]);
    assert_eq!(answer.warned(), Vec::<&str>::new());
    // Nothing said: only sent, and a difference is pointed out.
    let answer = db.rows("SELECT name, zone FROM acme.depot.things WHERE zone = 'north'").await;
    assert_eq!(answer.rows, [["one", "north"], ["two", "south"], ["three", NULL]]);
    assert_eq!(answer.warned(), ["shadowed"]);
    assert_eq!(answer.report.warnings[0].subject, "acme.depot.things.zone");
    // Also where the query does not read the column.
    let answer = db.rows("SELECT name FROM acme.depot.things WHERE zone = 'north'").await;
    assert_eq!((answer.rows.len(), answer.warned()), (3, vec!["shadowed"]));
    assert_eq!(
        targets(&server),
        ["/things?status=new", "/things?type=base", "/things?zone=north", "/things?zone=north"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_another_thing_as_a_column_takes_values_and_nothing_else() {
    let server = server().await;
    let mut db = db(&server);
    for wrong in [
        "type <> 'T1'",
        "NOT type = 'T1'",
        "type NOT IN ('T1')",
        "type LIKE 'T%'",
        "type BETWEEN 'A' AND 'Z'",
        "type = 'T1' OR name = 'one'",
        "CASE WHEN type = 'T1' THEN true ELSE false END",
        "type IN (SELECT 'T1')",
        "type = (SELECT max(k) FROM (VALUES ('T1')) v(k))",
        "type <> (SELECT max(k) FROM (VALUES ('T1')) v(k))",
        "EXISTS (SELECT 1 FROM (VALUES ('T1')) v(k) WHERE v.k = things.type)",
    ] {
        let error = db.error(&format!("SELECT name FROM acme.depot.things WHERE {wrong}")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}: {error}");
        assert_eq!(
            (error.message(), error.hint_text()),
            (
                "`type` is a parameter of `acme.depot.things`, and the field of that name is another thing",
                Some(
                    "the parameter takes values by `type = …` and `type IN (…)` alone; for the field, put it in an \
                     expression, as in `lower(type) <> …`"
                )
            ),
            "{wrong}"
        );
    }
    let join = "SELECT name FROM acme.depot.things t JOIN (VALUES ('T1')) v(k) ON t.type = v.k";
    assert_eq!(db.error(join).await.kind(), ErrorKind::InvalidArgument);
    assert!(server.requests().is_empty());

    let answer = db.rows("SELECT name FROM acme.depot.things WHERE lower(type) <> 't1' AND type IS NOT NULL").await;
    assert_eq!(answer.rows, [["two"]]);
    let answer = db.rows("SELECT name FROM acme.depot.things(type => 'base') WHERE things.type <> 'T1'").await;
    assert_eq!(answer.rows, [["two"]]);
    // The value that is sent stands for the name.
    let answer = db.rows("SELECT name FROM acme.depot.things WHERE type = 'base' AND type <> 'T1'").await;
    assert_eq!(answer.rows.len(), 3);
    assert_eq!(targets(&server), ["/things", "/things?type=base", "/things?type=base"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_give_no_values_to_a_parameter_that_is_another_thing_than_the_field() {
    let server = server().await;
    let query = "{name: shelf, in: query, schema: {type: integer}}";
    let needed = query.replace("query,", "query, required: true,");
    let depot = DEPOT.replace("SERVER", &server.url()).replace(query, &needed);
    let mut db = Db::new(provider_dir("acme", "v1", &[("depot", &depot)], "type: null_auth"));
    for sql in [
        "SELECT t.name FROM (VALUES (4, 'T1')) v(s, k) JOIN acme.depot.things t ON t.shelf = v.s AND t.type = v.k",
        "SELECT 1 FROM (VALUES (4, 'T1')) v(s, k) WHERE EXISTS \
         (SELECT 1 FROM acme.depot.things t WHERE t.shelf = v.s AND t.type = v.k)",
    ] {
        let error = db.error(sql).await;
        assert_eq!(
            error.message(),
            "`type` is a parameter of `acme.depot.things`, and the field of that name is another thing",
            "{sql}"
        );
    }
    assert!(server.requests().is_empty());
    let sql = "SELECT t.name FROM (VALUES (4)) v(s) JOIN acme.depot.things t ON t.shelf = v.s AND t.type = 'base'";
    assert_eq!(db.rows(sql).await.rows.len(), 3);
    assert_eq!(targets(&server), ["/things?shelf=4&type=base"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_compared_with_a_warning_where_nobody_says_what_the_parameter_means() {
    let server = server().await;
    let answer = db(&server).rows("SELECT name FROM acme.depot.things WHERE zone LIKE 's%' AND status <> 'x'").await;
    assert_eq!(answer.rows, [["two"]]);
    assert_eq!(answer.warned(), ["shadowed"]);
    assert_eq!(answer.report.warnings[0].subject, "acme.depot.things.zone");
    assert_eq!(targets(&server), ["/things"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_variables_have_defaults_choices_and_environment_variables() {
    let server = server().await;
    let with = |env: Env| Db::with(documents(&server), |builder| builder.env(env));
    let mut db = with(Env::empty().with("DEPOT_TENANT", "acme-1"));
    let answer = db.rows("SELECT name FROM acme.zones.zones").await;
    assert_eq!(answer.rows, [["/v4/acme-1/zones"]]);
    let answer = db.rows("SELECT name FROM acme.zones.zones WHERE apiversion = 'v4beta' AND tenant = 't2'").await;
    assert_eq!(answer.rows, [["/v4beta/t2/zones"]]);
    let answer = db.rows("SELECT name, apiVersion FROM acme.zones.zones").await;
    assert_eq!(answer.rows, [["/v4/acme-1/zones", "v4"]]);
    assert_eq!(server.requests().len(), 3);

    let error = db.error("SELECT name FROM acme.zones.zones WHERE apiVersion = 'v5'").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.message(), "`apiVersion` cannot be `v5`");
    assert_eq!(error.hint_text(), Some("it takes `v4`, `v4beta`"));
    for bad in ["..", "a/../b", "a?b", "a#b", "", "a b"] {
        let error = db.error(&format!("SELECT name FROM acme.zones.zones WHERE tenant = '{bad}'")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with("`tenant` cannot be "), "{bad}: {error}");
    }
    let error = with(Env::empty()).error("SELECT name FROM acme.zones.zones").await;
    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert!(format!("{error:?}").contains("DEPOT_TENANT"), "{error:?}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_suggest_the_nearest() {
    let server = server().await;
    let mut db = db(&server);
    for (sql, message, suggestion) in [
        ("SELECT nmae FROM acme.depot.things", "there is no column `nmae`", "name"),
        ("SELECT t.nmae FROM acme.depot.things t", "there is no column `t.nmae`", "name"),
        ("SELECT name FROM acme.depot.things WHERE shelff = 1", "there is no column `shelff`", "shelf"),
        ("SELECT name FROM acme.depot.things(shelff => 1)", "`acme.depot.things` has no parameter `shelff`", "shelf"),
        ("SELECT name FROM acme.depot.thing", "`acme.depot` has no resource `thing`", "things"),
        ("SELECT name FROM acme.depott.things", "`acme` has no service `depott`", "depot"),
        ("SELECT name FROM acmee.depot.things", "no provider `acmee`", "acme"),
    ] {
        let error = db.error(sql).await;
        assert_eq!(error.kind(), ErrorKind::NameNotFound, "{sql}");
        assert_eq!(error.message(), message, "{sql}");
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.contains(&format!("`{suggestion}`")), "{sql}: {hint}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_can_only_be_given_a_value() {
    let hint = "give it a value with `shelf = …` or `shelf IN (…)`; nothing else can be asked of it";
    let message = "`shelf` is a parameter of `acme.depot.things`, not a field of its answers";
    let kind = ErrorKind::InvalidArgument;
    refused(&[
        ("SELECT name FROM acme.depot.things WHERE shelf > 5", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf <> 5", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf NOT IN (5, 6)", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf = 5 OR size = 3", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf IS NULL", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf = size", kind, message, hint),
        ("SELECT name FROM acme.depot.things WHERE shelf + 1 = 2", kind, message, hint),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn further_predicates_on_a_bound_parameter_are_checked() {
    asked(&[
        ("SELECT name FROM acme.depot.things WHERE shelf = 5 AND shelf > 3", &["/things?shelf=5"]),
        (
            "SELECT name FROM acme.depot.things WHERE shelf IN (1, 9) AND shelf < 3",
            &["/things?shelf=1", "/things?shelf=9"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_without_a_value_cannot_be_read() {
    refused(&[(
        "SELECT name, shelf FROM acme.depot.things",
        ErrorKind::InvalidArgument,
        "`shelf` is a parameter of `acme.depot.things`, and no value is bound to it",
        "give it one with `shelf = …` in WHERE, or leave it out of the query",
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_wrong_type_are_refused() {
    let kind = ErrorKind::InvalidArgument;
    refused(&[
        ("SELECT name FROM acme.depot.things(shelf => 'x')", kind, "`shelf` takes a whole number, not `x`", ""),
        (
            "SELECT name FROM acme.depot.things(public => 'perhaps')",
            kind,
            "`public` takes `true` or `false`, not `perhaps`",
            "",
        ),
        ("SELECT name FROM acme.depot.things(shelf => 1.5)", kind, "`shelf` takes a whole number, not `1.5`", ""),
        ("SELECT name FROM acme.depot.things WHERE shelf = 'x'", kind, "`shelf` takes a whole number, not `x`", ""),
        (
            "SELECT name FROM acme.depot.things WHERE public = 'perhaps'",
            kind,
            "`public` takes `true` or `false`, not `perhaps`",
            "",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_lists_what_each_method_needs_and_cannot_take() {
    let kind = ErrorKind::MissingParameter;
    refused(&[
        (
            "SELECT number FROM acme.depot.stock",
            kind,
            "`acme.depot.stock` cannot be read without parameters",
            "`of_shelf` needs `shelf` (integer); `by_color` needs `color` (string); \
             give parameters as `name = value` in WHERE, or by `=` in a join, IN or EXISTS",
        ),
        (
            "SELECT number FROM acme.depot.stock WHERE low AND color = 'red'",
            kind,
            "no method of `acme.depot.stock` can be called with these predicates",
            "`of_shelf` needs `shelf` (integer) and cannot take `color`; `by_color` cannot take `low`; \
             give parameters as `name = value` in WHERE, or by `=` in a join, IN or EXISTS",
        ),
    ])
    .await;
    asked(&[
        ("SELECT number FROM acme.depot.stock WHERE shelf = 3", &["/shelves/3/stock"]),
        ("SELECT number FROM acme.depot.stock WHERE shelf = 3 AND low", &["/shelves/3/stock?low=true"]),
        ("SELECT number FROM acme.depot.stock WHERE color = 'red'", &["/stock?color=red"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_shows_what_every_method_requires_and_hides_other_parameters() {
    let server = server().await;
    let mut db = db(&server);
    for (sql, columns) in [
        ("SELECT * FROM acme.depot.things", vec!["thingId", "name", "type", "status", "zone", "size"]),
        ("SELECT * FROM acme.depot.things WHERE shelf = 5", vec!["thingId", "name", "type", "status", "zone", "size"]),
        ("SELECT * FROM acme.depot.files WHERE dir = 'd' AND file = 'f'", vec!["number", "text", "dir", "file"]),
        (
            "SELECT files.* FROM acme.depot.files WHERE dir = 'd' AND file = 'f' AND depth = 1",
            vec!["number", "text", "dir", "file"],
        ),
        (
            "SELECT f.*, depth FROM acme.depot.files(dir => 'd', file => 'f', depth => 2) f",
            vec!["number", "text", "dir", "file", "depth"],
        ),
        ("SELECT * FROM acme.depot.stock WHERE shelf = 1", vec!["number", "text"]),
        (
            "SELECT * FROM acme.depot.boxes b JOIN acme.depot.stock s ON s.text <> b.id WHERE s.shelf = 1",
            vec!["id", "label", "number", "text"],
        ),
        (
            "SELECT s.*, b.id FROM acme.depot.boxes b, acme.depot.stock s WHERE s.shelf = 1",
            vec!["number", "text", "id"],
        ),
        (
            "SELECT * FROM acme.depot.boxes JOIN (VALUES ('a', 1), ('b', 2)) AS v(id, n) USING (id)",
            vec!["id", "label", "n"],
        ),
        ("SELECT * EXCLUDE (label) FROM acme.depot.boxes", vec!["id"]),
        ("SELECT * FROM (SELECT * FROM acme.depot.boxes) q", vec!["id", "label"]),
    ] {
        assert_eq!(db.rows(sql).await.columns, columns, "{sql}");
    }
    let answer = db.rows("SELECT * FROM acme.depot.files WHERE dir = 'd' AND file IN ('f', 'g') AND number = 1").await;
    assert_eq!(answer.rows, [["1", "first", "d", "f"], ["1", "first", "d", "g"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn path_values_cannot_change_the_path() {
    let server = server().await;
    let mut db = db(&server);
    for bad in ["", ".", ".."] {
        for sql in [
            format!("SELECT * FROM acme.depot.files WHERE dir = 'd' AND file = '{bad}'"),
            format!("SELECT * FROM acme.depot.files WHERE dir = 'd' AND file IN ('good', '{bad}')"),
            format!("SELECT * FROM acme.depot.files(dir => '{bad}', file => 'f')"),
            format!("SELECT f.* FROM acme.depot.files f JOIN (VALUES ('{bad}')) v(k) ON f.file = v.k WHERE dir = 'd'"),
        ] {
            let error = db.error(&sql).await;
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{sql}");
            let wanted = format!("cannot be `{bad}`: it would change the path of the request");
            assert!(error.message().ends_with(&wanted), "{sql}: {error}");
        }
    }
    assert!(server.requests().is_empty());
    for (value, sent) in [
        ("%2e%2e", "%252e%252e"),
        ("../../account", "..%2F..%2Faccount"),
        ("5?x=1#", "5%3Fx%3D1%23"),
        ("a b", "a%20b"),
        ("...", "..."),
        (r"..\\..", r"..%5C%5C.."),
        ("%2F", "%252F"),
        (";a=1", "%3Ba%3D1"),
    ] {
        let before = server.requests().len();
        db.rows(&format!("SELECT * FROM acme.depot.files WHERE dir = 'd' AND file = '{value}'")).await;
        assert_eq!(targets(&server)[before..], [format!("/dirs/d/files/{sent}")], "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_cookies_are_parameters_too() {
    let server = server().await;
    let sql = "SELECT name FROM acme.depot.things WHERE \"X-Trace\" = 'abc' AND session = 's;1' AND size = 10";
    assert_eq!(db(&server).rows(sql).await.rows, [["one"]]);
    let seen = &server.requests()[0];
    assert_eq!(seen.path_and_query(), "/v1/things");
    assert_eq!(seen.header("x-trace"), Some("abc"));
    assert_eq!(seen.header("cookie"), Some("session=s%3B1"));
    let error = db(&server).error("SELECT name FROM acme.depot.things WHERE \"X-Trace\" = 'a\r\nX-Evil: 1'").await;
    assert_eq!(error.message(), "the value of `X-Trace` cannot stand in a header");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_are_written_as_the_document_says() {
    asked(&[
        ("SELECT name FROM acme.depot.things(tags => ['x', 'y z'])", &["/things?tags=x&tags=y%20z"]),
        ("SELECT name FROM acme.depot.things(codes => [1, 2])", &["/things?codes=1,2"]),
        ("SELECT name FROM acme.depot.things WHERE tags = '[\"x\", \"y\"]'", &["/things?tags=x&tags=y"]),
        ("SELECT name FROM acme.depot.things WHERE codes = '[1,2,3]'", &["/things?codes=1,2,3"]),
        ("SELECT name FROM acme.depot.things WHERE tags = 'x'", &["/things?tags=x"]),
        ("SELECT name FROM acme.depot.things WHERE tags IN ('x', 'y')", &["/things?tags=x", "/things?tags=y"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_never_chosen_by_a_row() {
    let server = server().await;
    let text = ZONES
        .replace("SERVER/{apiVersion}/{tenant}", "http://{host}/v1")
        .replace("      apiVersion: {default: v4, enum: [v4, v4beta]}\n", "")
        .replace("tenant: {x-stackQL-envVar: DEPOT_TENANT}", "host: {}");
    let mut db = Db::new(provider_dir("acme", "v1", &[("zones", &text)], "type: null_auth"));
    let host = server.url().replace("http://", "");
    let answer = db.rows(&format!("SELECT name FROM acme.zones.zones WHERE host = '{host}'")).await;
    assert_eq!(answer.rows, [["/v1/zones"]]);
    let sql = format!("SELECT z.name FROM acme.zones.zones z JOIN (VALUES ('{host}')) v(h) ON z.host = v.h");
    let error = db.error(&sql).await;
    assert_eq!(error.kind(), ErrorKind::MissingParameter);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_cannot_be_a_host_is_named() {
    let text = ZONES
        .replace("SERVER/{apiVersion}/{tenant}", "http://{host}/v1")
        .replace("      apiVersion: {default: v4, enum: [v4, v4beta]}\n", "")
        .replace(
            "tenant: {x-stackQL-envVar: DEPOT_TENANT}",
            "host: {default: '{your-host}', x-stackQL-envVar: DEPOT_HOST}",
        );
    let dir = || provider_dir("acme", "v1", &[("zones", &text)], "type: null_auth");
    let error = Db::new(dir()).error("SELECT name FROM acme.zones.zones").await;
    assert_eq!(error.message(), "`host` cannot be `{your-host}`: it is a part of the API's address");
    let env = Env::empty().with("DEPOT_HOST", "s3cret@evil.example");
    let error = Db::with(dir(), |builder| builder.env(env)).error("SELECT name FROM acme.zones.zones").await;
    assert_eq!(error.message(), "`host` cannot be what the environment gives: it is a part of the API's address");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_combinations_are_refused_before_the_first_call() {
    let server = server().await;
    let mut db = db(&server).set("max_calls", "5");
    let sql = "SELECT name FROM acme.depot.things WHERE kind IN ('a', 'b') AND shelf IN (1, 2, 3)";
    let error = db.error(sql).await;
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(error.message(), "the statement needs 6 calls or more, and `max_calls` is 5");
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_over_many_keys_does_not_ask_for_them_all() {
    let server = server().await;
    let keys: Vec<String> = (0..40).map(|n| format!("'k{n}'")).collect();
    let sql = format!("SELECT id FROM acme.depot.boxes WHERE id IN ({}) LIMIT 2", keys.join(", "));
    let answer = db(&server).rows(&sql).await;
    assert_eq!(answer.rows, [["k0"], ["k1"]]);
    server.idle().await;
    assert!(server.requests().len() <= 4, "{:?}", targets(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn subqueries_give_no_constants_to_bind_but_are_answered() {
    let server = server().await;
    let mut db = db(&server);
    let sql = "SELECT name FROM acme.depot.things WHERE size = (SELECT max(size) FROM acme.depot.things)";
    assert_eq!(db.rows(sql).await.rows, [["two"]]);
    let sql =
        "SELECT name FROM acme.depot.things WHERE name NOT IN (SELECT text FROM acme.depot.stock WHERE shelf = 1)";
    assert_eq!(db.rows(sql).await.rows.len(), 3);
    assert!(targets(&server).iter().all(|target| ["/things", "/shelves/1/stock"].contains(&target.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_ctes_pass_predicates_on() {
    let server = server().await;
    let mut db = db(&server);
    let sql =
        "WITH t AS (SELECT name, kind, size FROM acme.depot.things) SELECT name FROM t WHERE kind = 'a' AND size > 10";
    assert_eq!(db.rows(sql).await.rows, [["two"]]);
    db.rows("CREATE VIEW small AS SELECT name, size FROM acme.depot.things WHERE kind = 'v'").await;
    assert_eq!(db.rows("SELECT name FROM small WHERE size = 10").await.rows, [["one"]]);
    assert_eq!(targets(&server), ["/things?kind=a", "/things?kind=v"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_that_lose_something_do_not_narrow_what_is_asked() {
    let server = server().await;
    let mut db = db(&server);
    // `CAST(id AS INT) = 1` also holds for `01`: only the rows can tell.
    let sql = "SELECT id FROM acme.depot.boxes WHERE CAST(id = 'a' AS INT) = 1";
    assert_eq!(db.rows(sql).await.rows, [["a"]]);
    let sql = "SELECT id FROM acme.depot.boxes WHERE CAST(length(id) AS TEXT) = '3'";
    assert_eq!(db.rows(sql).await.rows, [["x/y"]]);
    let sql = "SELECT id FROM acme.depot.boxes WHERE lower(id) = 'b'";
    assert_eq!(db.rows(sql).await.rows, [["b"]]);
    let sql = "SELECT id FROM acme.depot.boxes WHERE TRY_CAST(id AS INT) = 1 OR id = 'b'";
    assert_eq!(db.rows(sql).await.rows, [["b"]]);
    assert_eq!(targets(&server), ["/boxes", "/boxes", "/boxes", "/boxes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_twice_in_one_statement() {
    let server = server().await;
    let sql = "SELECT a.name FROM acme.depot.things a JOIN acme.depot.things b ON a.thingId = b.thingId \
               WHERE a.kind = 'k' AND b.kind = 'k' ORDER BY 1";
    let answer = db(&server).rows(sql).await;
    assert_eq!(answer.column(0), ["one", "three", "two"]);
    assert!(targets(&server).iter().all(|target| target == "/things?kind=k"));
    assert!((1..=2).contains(&server.requests().len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_list_of_values_is_no_value() {
    asked(&[
        ("SELECT text FROM acme.depot.stock WHERE shelf IN (2, NULL)", &["/shelves/2/stock"]),
        ("SELECT text FROM acme.depot.stock WHERE shelf IN (NULL, 2, 3)", &["/shelves/2/stock", "/shelves/3/stock"]),
        (
            "SELECT text FROM acme.depot.stock WHERE shelf IN (2, NULL, 3, 4, NULL)",
            &["/shelves/2/stock", "/shelves/3/stock", "/shelves/4/stock"],
        ),
        (
            "SELECT text FROM acme.depot.stock WHERE (shelf = 2 AND number IN (7, NULL)) OR shelf = NULL",
            &["/shelves/2/stock"],
        ),
        ("SELECT text FROM acme.depot.stock WHERE shelf IN (NULL)", &[]),
        ("SELECT text FROM acme.depot.stock WHERE shelf IN (NULL, NULL, NULL, NULL, NULL)", &[]),
        // Nothing is known to be no value of such a list.
        ("SELECT text FROM acme.depot.stock WHERE shelf NOT IN (2, NULL)", &[]),
        ("SELECT text FROM acme.depot.stock WHERE shelf = 2 AND NOT (number IN (8, NULL))", &[]),
    ])
    .await;
    let server = server().await;
    let mut db = db(&server);
    let answer =
        db.rows("SELECT shelf, number FROM acme.depot.stock WHERE shelf IN (2, NULL) AND number IN (7, NULL)").await;
    assert_eq!(answer.rows, [["2", "7"]]);
    let answer = db.rows("SELECT shelf FROM acme.depot.stock WHERE shelf IN (2, NULL) AND number IN (8, NULL)").await;
    assert!(answer.rows.is_empty());
    for nothing in ["shelf IN (NULL)", "shelf NOT IN (2, NULL)", "shelf = 2 AND NOT (number IN (8, NULL))"] {
        let answer = db.rows(&format!("SELECT shelf FROM acme.depot.stock WHERE {nothing}")).await;
        assert!(answer.rows.is_empty(), "{nothing}: {:?}", answer.rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_compared_by_the_values_that_they_are_of() {
    let two: &[&str] = &["/dirs/d/files/f", "/dirs/e/files/g"];
    asked(&[
        ("SELECT text FROM acme.depot.files WHERE (dir, file) = ('d', 'f')", &two[..1]),
        ("SELECT text FROM acme.depot.files f WHERE (f.dir, f.file) IN (('d', 'f'), ('e', 'g'), ('d', NULL))", two),
        (
            "SELECT text FROM acme.depot.files WHERE ('d', 'f') = (dir, file) AND (number, text) <> (1, 'first')",
            &two[..1],
        ),
        (
            "SELECT text FROM acme.depot.files WHERE dir = ANY (ARRAY['d', 'e']) AND file = 'f' AND dir < 'e'",
            &["/dirs/d/files/f", "/dirs/e/files/f"],
        ),
        (
            "SELECT text FROM acme.depot.stock WHERE (shelf, number) IN (('2', 7), (3, 8))",
            &["/shelves/2/stock", "/shelves/3/stock"],
        ),
    ])
    .await;
    let server = server().await;
    let mut db = db(&server);
    let pairs = "SELECT dir, file, number FROM acme.depot.files WHERE (dir, file, number) IN (('e', 'g', 2), ('d', 'f', 1)) ORDER BY 1";
    assert_eq!(db.rows(pairs).await.rows, [["d", "f", "1"], ["e", "g", "2"]]);
    let others =
        "SELECT number FROM acme.depot.files WHERE (dir, file) = ('d', 'f') AND (number, text) NOT IN ((1, 'first'))";
    assert_eq!(db.rows(others).await.rows, [["2"]]);
    // As many rows as there may be calls.
    let many: Vec<String> = (0..90).map(|n| format!("('d{n}', 'f')")).collect();
    let many = format!("SELECT count(*) FROM acme.depot.files WHERE (dir, file) IN ({})", many.join(", "));
    assert_eq!(db.rows(&many).await.rows, [["180"]]);
}
