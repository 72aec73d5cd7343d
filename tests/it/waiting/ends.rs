//! Waiting that does not end well: what the error says, and that the write itself is done.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_state_is_an_error_that_says_why_and_that_the_write_was_done() {
    let failed = json!({"image": {"id": 7, "status": "deleted", "error_message": "the URL gave 404"}});
    let server = answering(
        || Reply::json(202, json!({"image": {"id": 7, "status": "NEW"}})),
        &[(200, json!({"image": {"id": 7, "status": "pending", "error_message": " "}})), (200, failed)],
    )
    .await;
    let text =
        "INSERT /*+ AWAIT */ INTO digitalocean.compute.images (name, url, region) VALUES ('n', 'http://x/i', 'nyc3')";
    let error = db(&server).error(text).await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.message(), "image 7 failed, its state is `deleted`: the URL gave 404");
    assert_eq!(error.context_value("write"), Some("done"));
    assert_eq!(asked(&server), ["POST /v2/images", "GET /v2/images/7", "GET /v2/images/7"]);

    // With RETURNING the row comes first, as it is now.
    let mut db = db(&server);
    let mut result = db.start(&format!("{text} RETURNING id, status")).await.unwrap();
    assert_eq!(crate::support::query::next_texts(&mut result).await, [["7", "deleted"]]);
    assert_eq!(result.read_all().await.unwrap_err().kind(), ErrorKind::Api);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_says_in_which_state_each_object_was() {
    let server = answering(|| image("creating"), &[state("creating")]).await;
    let mut db_ = db(&server).set("await_timeout", "12s").set("await_interval", "5s");
    let error = db_.error(INSERT).await;
    assert_eq!(error.kind(), ErrorKind::Partial);
    assert_eq!(error.message(), "image private/15 was not ready after 12 s, its state is `creating`");
    assert!(error.hint_text().unwrap().contains("the write itself was done"), "{error:?}");
    assert!(error.hint_text().unwrap().contains("await_timeout"), "{error:?}");
    // After 5, 10 and 12 seconds.
    assert_eq!(asked(&server).len(), 4);

    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", _) => Reply::json(200, json!({"id": format!("private/{}", seen.json()["disk_id"])})),
        (_, "/v4/images/private%2F2") => Reply::json(200, json!({"id": "private/2", "status": "available"})),
        (_, "/v4/images/private%2F3") => Reply::json(200, json!({"id": "private/3"})),
        _ => Reply::json(200, json!({"id": "private/1", "status": "creating"})),
    })
    .await;
    let mut several = db(&server).set("await_timeout", "12s");
    let error = several.error("INSERT /*+ AWAIT */ INTO linode.images.images (disk_id) VALUES (1), (2), (3)").await;
    assert_eq!(error.context_value("ready"), Some("1 of 3"));
    assert_eq!(
        error.context_value("not ready"),
        Some("call 1, image private/1: not ready, `creating`; call 3, image private/3: not ready, unknown")
    );
    assert_eq!(asked(&server).iter().filter(|line| line.starts_with("POST")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_down_for_a_while_ends_no_waiting() {
    let down = (503, json!({"errors": [{"reason": "down"}]}));
    let server = answering(|| image("creating"), &[down.clone(), down.clone(), state("available")]).await;
    let answer = db(&server).rows(&format!("{INSERT} RETURNING status")).await;
    assert_eq!(answer.rows, [["available"]]);
    // A question is a read, which is sent again at once.
    assert_eq!((answer.report.calls, answer.report.retries), (4, 2));
    let server = answering(|| image("creating"), &[down.clone(), down.clone(), state("available")]).await;
    let answer = db(&server).set("retries", "0").rows(INSERT).await;
    assert_eq!((answer.report.calls, answer.report.retries), (4, 0));

    let server = answering(|| image("creating"), &[state("creating"), down]).await;
    let error = db(&server).set("retries", "0").set("await_timeout", "15s").error(INSERT).await;
    assert_eq!(error.kind(), ErrorKind::Partial);
    assert!(error.message().contains("`creating`"), "{error}");
    assert!(error.context_value("last answer").unwrap().contains("503"), "{error}");
    assert_eq!(asked(&server).iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_ends_the_waiting_at_once() {
    let errors = |reason: &str| json!({"errors": [{"reason": reason}]});
    for (status, body, kind) in [
        (200, errors("Not now"), ErrorKind::Api),
        (401, errors("Invalid Token"), ErrorKind::Auth),
        (400, errors("no"), ErrorKind::Api),
        (404, errors("Not found"), ErrorKind::Api),
    ] {
        let server = answering(|| image("creating"), &[(status, body)]).await;
        let error = db(&server).error(INSERT).await;
        assert_eq!((error.kind(), error.context_value("write")), (kind, Some("done")), "{error}");
        assert!(error.hint_text().unwrap().contains("the write itself was done"), "{error:?}");
        assert_eq!(asked(&server).len(), 2, "{status}");
    }
    let server = answering(|| Reply::json(200, json!({"label": "without an id"})), &[state("available")]).await;
    let error = db(&server).error(INSERT).await;
    assert_eq!((error.kind(), error.context_value("write")), (ErrorKind::Decode, Some("done")));
    assert!(error.message().contains("does not say which `imageId`"), "{error}");
    assert_eq!(asked(&server), ["POST /v4/images"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_count_as_calls() {
    let server = answering(|| image("creating"), &[state("creating")]).await;
    let error = db(&server).set("max_calls", "4").error(INSERT).await;
    assert_eq!((error.kind(), error.context_value("its state")), (ErrorKind::Budget, Some("`creating`")), "{error}");
    assert!(error.message().contains("stopped after 4 calls"), "{error}");
    assert_eq!(asked(&server).len(), 4);
    // One question at least is needed: that is known before anything is sent.
    let error = db(&server).set("max_calls", "1").error(INSERT).await;
    assert_eq!((error.kind(), asked(&server).len()), (ErrorKind::Budget, 4), "{error}");
    assert!(error.hint_text().unwrap().contains("max_calls = 2"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_failed_is_an_error_at_once() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" if seen.json()["disk_id"] == 2 => Reply::json(400, json!({"errors": [{"reason": "no such disk"}]})),
        "POST" => image("creating"),
        _ => image("available"),
    })
    .await;
    let mut db = db(&server).set("on_row_error", "continue");
    let error = db.error("INSERT /*+ AWAIT */ INTO linode.images.images (disk_id) VALUES (1), (2)").await;
    assert!(error.message().contains("no such disk"), "{error}");
    assert!(!server.requests().iter().any(is_question));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_has_all_of_it_before_the_first_question() {
    let dir = TempDir::new().unwrap();
    let (path, found) = (dir.path().to_owned(), Arc::new(Mutex::new(String::new())));
    let kept = Arc::clone(&found);
    let server = Server::start(move |seen| {
        if is_question(seen) {
            *kept.lock().unwrap() = files_of(&path.join("journal"));
            return Reply::hang();
        }
        image("creating")
    })
    .await;
    let engine = builder(&server)
        .state_dir(dir.path())
        .clock(Arc::new(crate::support::query::ImpatientClock::default()))
        .build()
        .unwrap();
    let mut session = engine.session();
    {
        let waiting = session.sql(INSERT);
        tokio::select! {
            result = waiting => panic!("{result:?}"),
            () = server.received(2) => {}
        }
    }
    // Whoever cancels it cancels the question, and nothing else.
    server.idle().await;
    let journal = found.lock().unwrap().clone();
    assert!(journal.contains("private/15") && journal.contains("1 done (call 1)"), "{journal}");
    assert_eq!(engine.unfinished_writes().unwrap(), Vec::new());
    let mut again = session.sql("SHOW JOURNAL").await.unwrap();
    let rows = texts(&again.read_all().await.unwrap()[0]);
    let id = &rows[0][1];
    let error = session.sql(&format!("RESUME '{id}'")).await.unwrap_err();
    assert!(error.message().contains("has ended"), "{error}");
    assert_eq!(asked(&server).iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_is_not_the_one_that_is_waited_for() {
    let other = json!({"id": "private/16", "label": "other", "status": "available"});
    let server = answering(|| image("creating"), &[(200, other)]).await;
    let mut db_ = db(&server);
    let mut result = db_.start(&format!("{INSERT} RETURNING id, label, status")).await.unwrap();
    // The write is done, and the row is what its own answer said.
    assert_eq!(crate::support::query::next_texts(&mut result).await, [["private/15", "gold", "creating"]]);
    let error = result.read_all().await.unwrap_err();
    assert_eq!(error.message(), "asked about `id` = `private/15`, the API answered about `private/16`");
    assert_eq!((error.kind(), error.context_value("write")), (ErrorKind::Api, Some("done")), "{error}");
    assert_eq!(asked(&server).len(), 2);

    let action = |id: u64, status: &str| json!({"action": {"id": id, "status": status, "type": "transfer"}});
    let server = answering(move || Reply::json(201, action(5, "in-progress")), &[(200, action(6, "completed"))]).await;
    let text = "EXEC /*+ AWAIT */ digitalocean.compute.image_actions.image_actions_post @image_id = 7, @type = 'transfer', @region = 'nyc3'";
    let mut db = db(&server);
    let mut result = db.start(text).await.unwrap();
    let error = result.read_all().await.unwrap_err();
    assert_eq!(error.message(), "asked about `id` = `5`, the API answered about `6`");
}
