//! Answers that are no answers, and links that lead away.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_404_is_no_row_for_a_key_and_an_error_elsewhere() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/widgets/1" => Reply::json(200, widgets(1)[0].clone()),
        "/widgets/2" => Reply::json(404, json!({"error": "no widget 2"})),
        "/widgets/3" => Reply::text(404, "text/html", "<h1>nginx</h1>"),
        _ => Reply::json(404, json!({"error": "no such path"})),
    })
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let (rows, report) = run(&mut session, "SELECT name FROM acme.shop.widgets WHERE id IN (1, 2)").await.unwrap();
    assert_eq!((rows, report.calls, report.not_found), (1, 2, 1));
    assert_eq!(report.verdict(), skyql::Verdict::Complete);
    // Not the API's own kind of error body: nothing says that it is the object that is missing.
    let error = fails(&mut session, "SELECT name FROM acme.shop.widgets WHERE id = 3").await;
    assert_eq!(
        told_of(&error, &server.url()),
        "api: the API has no such object: 404 Not Found (method: get, request: GET SERVER/widgets/3, status: 404) | this is not how the API says that: is the base URL right? a proxy may have answered"
    );
    let error = fails(&mut session, "SELECT name FROM acme.shop.widgets").await;
    assert_eq!(
        told_of(&error, &server.url()),
        "api: the API has no such object: no such path (method: list, request: GET SERVER/widgets, status: 404)"
    );
    let error = fails(&mut session, "SELECT label FROM acme.shop.parts WHERE widget_id = 9").await;
    assert_eq!(error.message(), "the API has no such object: no such path");
    let mut paths = server.paths();
    paths.sort_unstable();
    assert_eq!(paths, ["/widgets", "/widgets/1", "/widgets/2", "/widgets/3", "/widgets/9/parts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_never_lifts_ends() {
    let clock = Arc::new(Leaping::default());
    let server = Server::start(|seen| match seen.query_value("color").as_deref() {
        Some("hour") => Reply::json(429, json!({"error": "slow down"})).header("Retry-After", "3600"),
        Some("second") => Reply::json(429, json!({"error": "slow down"})).header("Retry-After", "7"),
        _ => Reply::json(429, json!({"error": "slow down"})),
    })
    .await;
    let dir = acme_dir(&server.url(), &usual());
    let engine = Engine::builder().clock(Arc::clone(&clock) as _).providers_dir(dir.path()).build().unwrap();
    let mut session = engine.session();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(
        told_of(&error, &server.url()),
        "rate_limited: the API's rate limit was still in force after 5 attempts: slow down (method: list, request: GET SERVER/widgets, status: 429) | wait and try again, or narrow the query"
    );
    assert_eq!(server.requests().len(), 5);

    let before = clock.waited();
    fails(&mut session, "SELECT id FROM acme.shop.widgets WHERE color = 'second'").await;
    assert_eq!(server.requests().len(), 10);
    let waited = clock.waited().saturating_sub(before);
    assert!(waited >= Duration::from_secs(28), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_allowed_fails_at_once_and_says_how_long() {
    let server = Server::start(|_| Reply::json(429, json!({"error": "slow down"})).header("Retry-After", "3600")).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error:?}");
    let text = told_of(&error, &server.url());
    assert!(text.contains("1 h") || text.contains("3600 s") || text.contains("60 min"), "{text}");
    assert!(text.contains("max_wait"), "{text}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_for_longer_than_allowed_says_how_long() {
    for (header, retries, said) in [
        ("3600", "2", "the API asks to wait 3600 s: try again then, or `SET max_wait = '3600s'` waits for it"),
        (
            "Tue, 14 Nov 2023 23:13:20 GMT",
            "2",
            "the API asks to wait 3600 s: try again then, or `SET max_wait = '3600s'` waits for it",
        ),
        ("1", "0", "the API asks to wait 1 s: try again then"),
    ] {
        let server = Server::start(move |_| {
            let reply = Reply::json(503, json!({"error": "maintenance"})).header("Retry-After", header);
            reply.header("Date", "Tue, 14 Nov 2023 22:13:20 GMT")
        })
        .await;
        let (mut session, _dir) = shop(&server.url(), &usual());
        session.settings_mut().set("retries", retries).unwrap();
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert_eq!((error.message(), error.hint_text()), ("the API answered 503: maintenance", Some(said)), "{header}");
        assert_eq!(server.requests().len(), 1, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_holds_no_rows_and_leads_nowhere_is_named() {
    for (status, said) in [(304, "the API answered 304: Not Modified"), (300, "the API answered 300: Multiple Choices")]
    {
        let server = Server::start(move |_| Reply::empty(status)).await;
        let (mut session, _dir) = shop(&server.url(), &usual());
        assert_eq!(fails(&mut session, "SELECT id FROM acme.shop.widgets").await.message(), said);
    }
    let server = Server::start(move |_| Reply::empty(302).header("location", "http://[")).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.message(), "the API redirects to what is not a URL, which is not followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_headers_than_are_read_are_told_and_not_asked_for_again() {
    let server = Server::start(|_| {
        (0..200).fold(Reply::json(200, json!({"items": []})), |reply, n| reply.header(&format!("x-{n}"), "y"))
    })
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Decode, "the answer has more headers than are read"));
    assert!(error.hint_text().is_some_and(|hint| hint.contains("100 headers")), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_page_fails_the_statement_and_names_itself() {
    let all = list_api(Paging::Page, widgets(9), 2, 2, true);
    let server = Server::start(move |seen| match seen.query_value("page").as_deref() {
        Some("3") => Reply::json(500, json!({"error": "page 3 is broken"})),
        _ => all(seen),
    })
    .await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    run(&mut session, "SET retries = 1").await.unwrap();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "the API answered 500: page 3 is broken");
    assert_eq!(error.context_value("part"), Some("page 3"), "{error}");

    run(&mut session, "SET on_partial = 'warn'").await.unwrap();
    let (rows, report) = run(&mut session, "SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!((rows, report.verdict()), (7, skyql::Verdict::Failed), "{report:?}");
    assert!(report.footer().contains("FAILED"), "{}", report.footer());
    let warning = report.warnings.iter().find(|warning| warning.code == "failed").unwrap();
    assert!(warning.subject.contains('3') && warning.message.contains("page 3 is broken"), "{warning:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_to_another_host_is_not_followed() {
    let other = Server::start(paged(widgets(3), 20, 100, true)).await;
    let elsewhere = format!("{}/widgets?page=2", other.url());
    let port = other.url().rsplit(':').next().unwrap().to_owned();
    for (paging, link) in [
        (Paging::NextUrl, elsewhere.clone()),
        (Paging::NextUrl, format!("//127.0.0.1:{port}/widgets?page=2")),
        (Paging::LinkHeader, elsewhere.clone()),
    ] {
        let next = link.clone();
        let server = Server::start(move |_| {
            let reply = Reply::json(200, json!({"items": widgets(2), "links": {"next": next}}));
            reply.header("link", &format!("<{next}>; rel=\"next\""))
        })
        .await;
        let service = widgets_service(&server.url(), &paging.document(), "$.items");
        let dir = provider_dir("acme", "v1", &[("shop", &service)], "type: bearer\ncredentialsenvvar: ACME_TOKEN");
        let env = Env::empty().with("ACME_TOKEN", "hush-token");
        let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert_eq!(error.kind(), ErrorKind::Api, "{link}: {error:?}");
        assert_eq!(
            error.message(),
            format!("the API's link to the next page was not followed: it leads to another origin, `{}`", other.url())
        );
        assert_eq!(error.hint_text(), Some("no request went there; the provider document or the API must be fixed"));
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(other.requests().len(), 0);
    assert_eq!(other.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let other = Server::start(paged(widgets(3), 20, 100, true)).await;
    for status in [301, 302, 307, 308] {
        let target = format!("{}/widgets?token=secret-of-the-api", other.url());
        let server = Server::start(move |_| Reply::empty(status).header("location", &target)).await;
        let (mut session, _dir) = shop(&server.url(), &usual());
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert_eq!(error.kind(), ErrorKind::Api);
        assert!(error.message().starts_with("the API redirects to `"), "{error}");
        assert!(error.message().contains(&other.url()), "{error}");
        assert_eq!(error.hint_text(), Some("set `--base-url` to where the API really is"));
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_stay_inside_their_path_segment() {
    let server = Server::start(|_| Reply::json(404, json!({"errors": [{"reason": "Not found"}]}))).await;
    let mut session = builder().base_url("linode", &server.url()).build().unwrap().session();
    for value in ["", ".", ".."] {
        let error = fails(&mut session, &format!("SELECT id FROM linode.images.images WHERE id = '{value}'")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{value}: {error:?}");
        assert!(error.message().contains("`imageId`"), "{value}: {error:?}");
    }
    assert_eq!(server.paths(), [""; 0]);
    for (value, path) in [
        ("%2e%2e", "/v4/images/%252e%252e"),
        ("../../account", "/v4/images/..%2F..%2Faccount"),
        ("5?x=1#", "/v4/images/5%3Fx%3D1%23"),
        ("a b;c", "/v4/images/a%20b%3Bc"),
        ("\\..\\", "/v4/images/%5C..%5C"),
    ] {
        let before = server.requests().len();
        let sql = format!("SELECT id FROM linode.images.images WHERE id = '{value}'");
        match run(&mut session, &sql).await {
            Ok((rows, report)) => {
                assert_eq!((rows, report.not_found), (0, 1), "{value}");
                assert_eq!(server.requests()[before..].iter().map(Seen::path_and_query).collect::<Vec<_>>(), [path]);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{value}: {error:?}");
                assert_eq!(server.requests().len(), before, "{value}");
            }
        }
    }
    // The API's version is a part of the path too, and no row or user may leave it.
    for value in ["../x", "", "v4/../..", "v4?x=", "v4#"] {
        let sql = format!("SELECT id FROM linode.images.images WHERE apiVersion = '{value}'");
        let before = server.requests().len();
        let error = fails(&mut session, &sql).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{value}: {error:?}");
        assert_eq!(server.requests().len(), before, "{value}");
    }
}

/// A page of `rows` rows, each of which holds a text of a hundred kilobytes that no query asks for.
fn big_page(rows: u64) -> Reply {
    let filler = "x".repeat(100_000);
    let head = b"{\"total\": ".iter().copied().chain(rows.to_string().bytes()).chain(*b", \"items\": [").collect();
    let body = (1..=rows).map(move |id| {
        let comma = if id == 1 { "" } else { "," };
        format!("{comma}{{\"id\": {id}, \"filler\": \"{filler}\", \"name\": \"widget-{id}\"}}").into_bytes()
    });
    let pieces = std::iter::once(head).chain(body).chain([b"]}".to_vec()]).map(Piece::Data);
    Reply::pieces(200, "application/json", pieces)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_hundred_megabytes_is_read() {
    let server = Server::start(|_| big_page(1000)).await;
    let (mut session, _dir) = shop(&server.url(), &usual());
    let mut result = session.sql("SELECT id, name FROM acme.shop.widgets").await.unwrap();
    let batches = result.read_all().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1000);
    // What is kept of it is what was asked for.
    assert!(batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>() < 1_000_000);
    assert!(result.report().bytes > 100_000_000);
    assert_eq!(result.report().verdict(), skyql::Verdict::Complete);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_breaks_only_itself() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let good = widgets_service(&server.url(), &usual(), "$.items");
    let broken = "openapi: 3.0.3\ninfo:\n  title: 'unclosed\npaths: {}\n";
    let misfit = "openapi: 3.0.3\npaths: [1, 2\n";
    let dir = provider_dir("acme", "v1", &[("shop", &good), ("depot", broken), ("yard", misfit)], "type: null_auth");
    let mut session = builder().providers_dir(dir.path()).build().unwrap().session();
    for service in ["depot", "yard"] {
        let error = fails(&mut session, &format!("SELECT 1 FROM acme.{service}.things")).await;
        assert_eq!(error.kind(), ErrorKind::Provider, "{error:?}");
        let text = told(&error);
        assert!(error.message().starts_with("the document does not parse: "), "{text}");
        let file = error.context_value("file").unwrap_or_default();
        assert!(file.ends_with(&format!("acme/v1/services/{service}.yaml")), "{text}");
        assert!(error.context_value("line").is_some_and(|line| line.parse::<u32>().is_ok()), "{text}");
    }
    let (rows, _) = run(&mut session, "SELECT id FROM acme.shop.widgets").await.unwrap();
    assert_eq!(rows, 3);
    let (rows, _) = run(&mut session, "SHOW SERVICES IN acme").await.unwrap();
    assert_eq!(rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_provider_breaks_only_itself() {
    let dir = provider_dir("broken", "v1", &[], "type: null_auth");
    std::fs::write(dir.path().join("broken/v1/provider.yaml"), "name: broken\nproviderServices: {a: [}\n").unwrap();
    for sandbox in [false, true] {
        let mut builder = builder().providers_dir(dir.path());
        if sandbox {
            builder = builder.sandbox(skyql::SandboxOptions::default());
        }
        let mut session = builder.build().unwrap().session();
        let error = fails(&mut session, "SELECT 1 FROM broken.a.b").await;
        assert_eq!(error.kind(), ErrorKind::Provider, "{error:?}");
        assert!(error.context_value("file").is_some_and(|file| file.ends_with("broken/v1/provider.yaml")), "{error:?}");
        assert_eq!(error.context_value("line"), Some("2"));
        let (rows, _) = run(&mut session, "SHOW SERVICES IN linode").await.unwrap();
        assert_eq!(rows, 21);
        let (rows, report) = run(&mut session, "SHOW PROVIDERS").await.unwrap();
        assert_eq!(rows, 4, "a provider that cannot be read is still listed");
        assert_eq!((report.warnings.len(), report.warnings[0].subject.as_str()), (1, "broken"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadowing_document_may_not_take_the_credential_elsewhere() {
    let server = Server::start(paged(widgets(3), 20, 100, true)).await;
    let service = widgets_service(&server.url(), &usual(), "$.items");
    let auth = "type: bearer\ncredentialsenvvar: LINODE_TOKEN";
    let dir = provider_dir("linode", "v9.9.9", &[("images", &service)], auth);
    let env = Env::empty().with("LINODE_TOKEN", "hush-linode");
    let over = || builder().env(env.clone()).providers_dir(dir.path());
    let sql = "SELECT id FROM linode.images.widgets";

    let error = fails(&mut over().build().unwrap().session(), sql).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert_eq!(error.message(), format!("the credential in `LINODE_TOKEN` may not go to `{}`", server.url()));
    assert!(told(&error).contains("`https://api.linode.com`"), "{error:?}");
    assert!(told(&error).contains("--allow-origin"), "{error:?}");
    assert_eq!(server.connections(), 0);

    let allowed = over().allow_origin("linode", &server.url()).build().unwrap();
    let (rows, _) = run(&mut allowed.session(), sql).await.unwrap();
    assert_eq!(rows, 3);
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer hush-linode"));

    // Another name inside does not help: it is found by its directory, and so is one that calls itself so.
    let documents = dir.path().join("linode/v9.9.9/provider.yaml");
    let text = std::fs::read_to_string(&documents).unwrap();
    std::fs::write(&documents, text.replacen("name: linode", "name: mine", 1)).unwrap();
    for provider in ["linode", "mine"] {
        let sql = sql.replace("linode", provider);
        let error = fails(&mut over().build().unwrap().session(), &sql).await;
        assert_eq!(error.message(), format!("the credential in `LINODE_TOKEN` may not go to `{}`", server.url()));
    }
    assert_eq!(server.requests().len(), 1);

    // Nor does another way to send it than as a credential.
    for url in [format!("{}/{{t}}", server.url()), "https://{t}.evil.example".to_owned()] {
        let variables =
            format!("{url}'\n    variables: {{t: {{x-stackQL-envVar: LINODE_TOKEN}}}}\n    description: 'd");
        let service = widgets_service("SERVER", &usual(), "$.items").replace("SERVER", &variables);
        let hidden = provider_dir("linode", "v9.9.9", &[("images", &service)], "type: null_auth");
        let engine = builder().env(env.clone()).providers_dir(hidden.path()).build().unwrap();
        let mut explained = engine.session().sql(&format!("EXPLAIN {sql}")).await.unwrap();
        let explained = format!("{:?}", explained.read_all().await.unwrap());
        assert!(explained.contains("{t}") && !explained.contains("hush"), "{explained}");
        for sql in [sql, "PLAN EXEC linode.images.widgets.list"] {
            let error = fails(&mut engine.session(), sql).await;
            assert!(error.message().starts_with("a call of `linode` may not go to `"), "{error:?}");
            assert!(!told(&error).contains("hush"), "{error:?}");
        }
    }
    assert_eq!(server.requests().len(), 1);

    // Under a name that is not shipped the same document is the user's own affair.
    let own = provider_dir("mine", "v1", &[("images", &service)], auth);
    let engine = builder().env(env.clone()).providers_dir(own.path()).build().unwrap();
    assert_eq!(run(&mut engine.session(), "SELECT id FROM mine.images.widgets").await.unwrap().0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_may_not_send_anything_over_plain_http_but_to_this_machine() {
    let service = widgets_service("http://shop.example.com", &usual(), "$.items");
    for auth in ["type: null_auth", "type: bearer\ncredentialsenvvar: ACME_TOKEN"] {
        let dir = provider_dir("acme", "v1", &[("shop", &service)], auth);
        let env = Env::empty().with("ACME_TOKEN", "hush-token");
        let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
        let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Auth), "{error:?}");
        assert_eq!(error.hint_text(), Some("use an `https://` URL"));
    }
    let error = builder().base_url("linode", "http://example.com").build().unwrap_err();
    assert_eq!(
        told(&error),
        "invalid_argument: `http://example.com` cannot be the base URL of `linode`: plain HTTP is for this machine only | give an origin or a URL, such as `https://api.example.com` or `http://127.0.0.1:4011`"
    );
    // Requests would go where the mistyped setting should have kept them from.
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        skyql::ConfigFile::read(&path).unwrap()
    };
    for (builder, setting) in [
        (builder().base_url("lindoe", "http://127.0.0.1:1"), "base URL"),
        (builder().allow_origin("lindoe", "http://127.0.0.1:1"), "allowed origin"),
        (builder().config_file(file("[provider.lindoe]\nbase_url = 'http://127.0.0.1:1'")), "base_url"),
        (builder().config_file(file("[provider.lindoe]\nallow_origin = ['http://127.0.0.1:1']")), "allow_origin"),
    ] {
        let error = builder.build().unwrap_err();
        let said = format!("name_not_found: no provider `lindoe` (setting: {setting}) | did you mean `linode`?");
        assert_eq!(told(&error), said);
    }
    assert!(builder().config_file(file("[provider.acme]\nenv = {TOKEN = 'OTHER'}")).build().is_ok());
    for bad in ["example.com", "ftp://example.com", "https://user:hush-pw@example.com", "https://example.com?x=1"] {
        let error = builder().base_url("linode", bad).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}");
        assert!(!told(&error).contains("hush"), "{error}");
    }
}

/// Every way to fail that the tests above know, with a secret in the environment.
#[tokio::test(flavor = "multi_thread")]
async fn no_failure_tells_a_secret() {
    const SECRET: &str = "hush-0123456789abcdef";
    let other = Server::start(paged(widgets(3), 20, 100, true)).await;
    let elsewhere = format!("{}/widgets?page=2", other.url());
    let echo = Server::start(move |seen| {
        let key = seen.query_value("key").or_else(|| seen.header("x-key").map(str::to_owned)).unwrap_or_default();
        let said = format!("bad token {}{key}", seen.header("authorization").unwrap_or_default());
        match seen.query_value("color").as_deref() {
            Some("401") => Reply::json(401, json!({"message": "no"})),
            Some("403") => Reply::json(403, json!({"message": "no"})),
            Some("429") => Reply::json(429, json!({"message": "no"})).header("Retry-After", "3600"),
            Some("500") => Reply::json(500, json!({"message": "no"})),
            Some("html") => Reply::text(200, "text/html", "<html>"),
            Some("broken") => Reply::text(200, "application/json", "{\"items\": ["),
            Some("cut") => Reply::json(200, json!({"items": widgets(3)})).truncated(10),
            Some("drop") => Reply::drop_connection(),
            Some("redirect") => Reply::empty(302).header("location", &elsewhere),
            Some("misfit") => Reply::json(200, json!({"items": [{"id": "x", "name": 5}], "total": 7})),
            Some("echo") => Reply::json(400, json!({"message": said})),
            _ => Reply::json(404, json!({"message": "no"})),
        }
    })
    .await;
    let service = widgets_service(&echo.url(), &usual(), "$.items");
    let places = [
        "type: bearer\ncredentialsenvvar: ACME_TOKEN",
        "type: api_key\ncredentialsenvvar: ACME_TOKEN\nlocation: query\nname: key",
        "type: api_key\ncredentialsenvvar: ACME_TOKEN\nlocation: header\nname: X-Key",
        "type: basic\ncredentialsenvvar: ACME_TOKEN",
    ];
    let cases = ["401", "403", "404", "429", "500", "html", "broken", "cut", "drop", "redirect", "misfit", "echo"];
    for auth in places {
        let dir = provider_dir("acme", "v1", &[("shop", &service)], auth);
        let env = Env::empty().with("ACME_TOKEN", SECRET);
        for case in cases {
            // A fresh ledger: a limit that one case runs into would keep the next from being asked.
            let engine = builder().env(env.clone()).providers_dir(dir.path()).build().unwrap();
            let before = echo.requests().len();
            let mut session = engine.session();
            let sql = format!("SELECT id, name FROM acme.shop.widgets WHERE color = '{case}'");
            let mut said = vec![format!("{engine:?} {session:?}")];
            match session.sql(&sql).await {
                Ok(mut result) => {
                    match result.read_all().await {
                        Ok(batches) => said.push(format!("{batches:?}")),
                        Err(error) => {
                            let source = std::error::Error::source(&error).map(|source| format!("{source:?} {source}"));
                            said.push(format!("{error} {error:?} {:?} {source:?} {}", error.hint_text(), told(&error)));
                        }
                    }
                    said.push(format!("{:?} {}", result.report(), result.report().footer()));
                }
                Err(error) => said.push(format!("{error} {error:?}")),
            }
            assert!(!said.join("\n").contains("hush"), "{auth}, {case}:\n{}", said.join("\n"));
            let seen = echo.requests();
            assert!(seen.len() > before && format!("{:?}", seen.last()).contains("hush"), "{auth}, {case}: not asked");
        }
    }
    assert_eq!(other.connections(), 0);
    // A token that cannot be sent is not shown either.
    let dir = provider_dir("acme", "v1", &[("shop", &service)], places[0]);
    let env = Env::empty().with("ACME_TOKEN", "hush-\n0123");
    let mut session = builder().env(env).providers_dir(dir.path()).build().unwrap().session();
    let error = fails(&mut session, "SELECT id FROM acme.shop.widgets").await;
    assert_eq!(error.message(), "the value of `ACME_TOKEN` cannot be sent in a header");
    assert!(!format!("{error:?} {}", told(&error)).contains("hush"));
}
