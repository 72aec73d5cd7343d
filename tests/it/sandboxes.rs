//! The shipped providers, end to end: SQL, requests over HTTP, the sandbox's answers, rows.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::array_value_to_string;
use serde_json::{Value, json};
use skyql::provider::Location;
use skyql::{Engine, Env, ErrorKind, QueryReport, SandboxOptions, Session, Verdict};

use crate::support::server::{Reply, Server, http_client};

/// One row: its values as text, NULL apart.
type Row = Vec<Option<String>>;

async fn rows(session: &mut Session, sql: &str) -> (Vec<Row>, QueryReport) {
    let mut result = session.sql(sql).await.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    let batches = result.read_all().await.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    (batches.iter().flat_map(texts).collect(), result.report())
}

fn texts(batch: &RecordBatch) -> Vec<Row> {
    let text =
        |column: &Arc<dyn Array>, row| (!column.is_null(row)).then(|| array_value_to_string(column, row).unwrap());
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| text(column, row)).collect()).collect()
}

async fn one(session: &mut Session, sql: &str) -> String {
    let (rows, _) = rows(session, sql).await;
    rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_else(|| panic!("{sql} gives nothing"))
}

fn engine() -> Engine {
    Engine::builder().sandbox(SandboxOptions { seed: 1, ..SandboxOptions::default() }).build().unwrap()
}

/// A recording server in the place of DigitalOcean's API.
async fn digitalocean() -> (Server, Session) {
    let server = Server::start(|seen| {
        let image = json!({"id": 62_137_902, "name": "Nifty New Snapshot", "type": "snapshot", "public": false,
            "created_at": "2020-05-04T22:23:02Z", "size_gigabytes": 2.34, "regions": ["nyc2"], "tags": ["base"]});
        match seen.path.as_str() {
            "/v2/images" => Reply::json(200, json!({"images": [image], "links": {}, "meta": {"total": 1}})),
            _ => Reply::json(200, json!({"image": image})),
        }
    })
    .await;
    let env = Env::empty().with("DIGITALOCEAN_TOKEN", "dop_v1_test");
    let engine = Engine::builder().env(env).base_url("digitalocean", &server.url()).build().unwrap();
    (server, engine.session())
}

const COLUMNS: &str = "id,\nname,\ncreated_at,\ndescription,\ndistribution,\nerror_message,\nmin_disk_size,\npublic,\nregions,\n\
    size_gigabytes,\nslug,\nstatus,\ntags,\ntype";

/// The examples of the reference page for `digitalocean.compute.images`, with its own example values.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_pages_examples_run_as_they_stand() {
    let (server, mut session) = digitalocean().await;
    let get =
        format!("SELECT\n{COLUMNS}\nFROM digitalocean.compute.images\nWHERE image_id = '62137902' -- required;\n");
    let (found, _) = rows(&mut session, &get).await;
    assert_eq!(
        found[0][..3],
        [Some("62137902".into()), Some("Nifty New Snapshot".into()), Some("2020-05-04T22:23:02Z".into())]
    );
    assert_eq!(found[0][13].as_deref(), Some("snapshot"));

    let list = format!(
        "SELECT\n{COLUMNS}\nFROM digitalocean.compute.images\nWHERE type = 'distribution'\nAND private = 'true'\n\
         AND tag_name = 'base'\nAND per_page = '2'\nAND page = '1';"
    );
    let (found, report) = rows(&mut session, &list).await;
    // The parameter `type` is not the column `type`: the row stays.
    assert_eq!((found.len(), report.warnings.len()), (1, 0), "{report:?}");
    assert_eq!(found[0][13].as_deref(), Some("snapshot"));

    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].path_and_query(), "/v2/images/62137902");
    assert_eq!(seen[1].path, "/v2/images");
    let given: Vec<(&str, Option<String>)> =
        ["type", "private", "tag_name", "per_page", "page"].map(|name| (name, seen[1].query_value(name))).into();
    let wanted =
        [("type", "distribution"), ("private", "true"), ("tag_name", "base"), ("per_page", "2"), ("page", "1")];
    assert_eq!(given, wanted.map(|(name, value)| (name, Some(value.to_owned()))));
    assert!(seen.iter().all(|request| request.header("authorization") == Some("Bearer dop_v1_test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn literals_take_the_parameters_type_however_they_are_written() {
    let (server, mut session) = digitalocean().await;
    let forms = ["private = 'true'", "private = true", "private", "'true' = private", "CAST(private AS TEXT) = 'true'"];
    for form in forms {
        rows(&mut session, &format!("SELECT id FROM digitalocean.compute.images WHERE {form}")).await;
    }
    rows(&mut session, "SELECT id FROM digitalocean.compute.images WHERE NOT private").await;
    rows(&mut session, "SELECT id FROM digitalocean.compute.images(type => 'distribution') WHERE type = 'snapshot'")
        .await;
    let seen = server.requests();
    let values: Vec<Option<String>> = seen.iter().map(|request| request.query_value("private")).collect();
    assert_eq!(values[..5], vec![Some("true".to_owned()); 5]);
    assert_eq!(values[5].as_deref(), Some("false"));
    assert_eq!(seen[6].query_values("type"), ["distribution"]);
}

/// A region is a slug where it is given and an object where it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_not_the_column_of_its_name() {
    let mut session = engine().session();
    let slug = one(&mut session, "SELECT region->>'slug' FROM digitalocean.compute.volumes LIMIT 1").await;
    let all = format!("SELECT count(*) FROM digitalocean.compute.volumes WHERE region->>'slug' = '{slug}'");
    let wanted = one(&mut session, &all).await;
    let given = format!("SELECT id, region->>'slug' FROM digitalocean.compute.volumes WHERE region = '{slug}'");
    let (found, report) = rows(&mut session, &given).await;
    assert_eq!(found.len().to_string(), wanted);
    assert!(found.iter().all(|row| row[1].as_ref() == Some(&slug)));
    assert!(report.warnings.is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn linodes_methods_answer_to_the_names_of_both_pages() {
    let mut session = engine().session();
    for (method, names) in [
        ("get_image", vec!["get_image", "getImage", "_getImage", "GETIMAGE"]),
        ("get_images", vec!["get_images", "getImages", "_getImages"]),
        ("post_image", vec!["post_image", "createImage"]),
        ("delete_image", vec!["delete_image", "deleteImage"]),
        ("put_image", vec!["put_image", "updateImage"]),
        ("post_upload_image", vec!["post_upload_image", "post_images_upload"]),
        ("post_replicate_image", vec!["post_replicate_image", "postReplicateImage"]),
    ] {
        let (wanted, _) = rows(&mut session, &format!("DESCRIBE METHOD linode.images.images.{method}")).await;
        for name in names {
            let (found, _) = rows(&mut session, &format!("DESCRIBE METHOD EXTENDED linode.images.images.{name}")).await;
            let found: Vec<Row> = found
                .into_iter()
                .map(|mut row| {
                    row.truncate(4);
                    row
                })
                .collect();
            assert_eq!(found, wanted, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linodes_version_is_a_part_of_the_url() {
    let server = Server::start(|seen| {
        let image = json!({"id": "linode/debian12", "label": "Debian 12"});
        if seen.path.ends_with("/images") {
            Reply::json(200, json!({"data": [image], "page": 1, "pages": 1, "results": 1}))
        } else {
            Reply::json(200, image)
        }
    })
    .await;
    let engine = Engine::builder().base_url("linode", &server.url()).build().unwrap();
    let mut session = engine.session();
    for (sql, path) in [
        ("SELECT label FROM linode.images.images", "/v4/images"),
        ("SELECT label FROM linode.images.images WHERE apiVersion = 'v4beta'", "/v4beta/images"),
        (
            "SELECT label FROM linode.images.images WHERE apiversion = 'v4' AND id = 'linode/debian12'",
            "/v4/images/linode%2Fdebian12",
        ),
        ("SELECT label FROM linode.images.images WHERE id = 'linode/debian12'", "/v4/images/linode%2Fdebian12"),
        ("SELECT label FROM linode.images.images WHERE imageid = 'linode/debian12'", "/v4/images/linode%2Fdebian12"),
    ] {
        let before = server.requests().len();
        let (found, _) = rows(&mut session, sql).await;
        assert_eq!(found, [[Some("Debian 12".to_owned())]], "{sql}");
        assert_eq!(server.paths()[before..], [path], "{sql}");
    }
    // Public images need no token, so none is sent.
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_request_and_a_list_of_keys_is_one_each() {
    let mut session = engine().session();
    let (found, report) =
        rows(&mut session, "SELECT label FROM linode.images.images WHERE id = 'linode/debian12'").await;
    assert_eq!((found, report.calls), (vec![vec![Some("Debian 12".to_owned())]], 1));
    let several =
        "SELECT id FROM linode.images.images WHERE id IN ('linode/debian12', 'linode/debian11', 'no/such') ORDER BY id";
    let (found, report) = rows(&mut session, several).await;
    assert_eq!(found, [[Some("linode/debian11".to_owned())], [Some("linode/debian12".to_owned())]]);
    assert_eq!((report.calls, report.not_found), (3, 1));
    let (mut listed, _) = rows(&mut session, "SELECT * FROM linode.images.images").await;
    listed.retain(|row| row[0].as_deref() == Some("linode/debian12"));
    let (single, _) = rows(&mut session, "SELECT * FROM linode.images.images WHERE id = 'linode/debian12'").await;
    assert_eq!(single, listed, "the object is the row of the list");
}

#[tokio::test(flavor = "multi_thread")]
async fn lunanode_is_signed() {
    let engine = engine();
    let mut session = engine.session();
    let (listed, _) = rows(&mut session, "SELECT image_id, name, region, status FROM lunanode.images.images").await;
    assert!(listed.len() >= 10);
    let id = listed[0][0].clone().unwrap();
    let (found, report) =
        rows(&mut session, &format!("SELECT name, region, checksum FROM lunanode.images.images WHERE image_id = {id}"))
            .await;
    assert_eq!((found.len(), report.calls), (1, 1));
    assert_eq!(found[0][..2], listed[0][1..3]);
    assert!(found[0][2].is_some());

    // Another key is another signature, which the sandbox does not take.
    let urls = engine.serve_sandbox(Some("lunanode"), 0).unwrap();
    let env = Env::empty().with("LUNANODE_API_ID", "0123456789ABCDEF").with("LUNANODE_API_KEY", "ab".repeat(64));
    let stranger = Engine::builder().env(env).base_url("lunanode", &urls[0].1).build().unwrap();
    let error = match stranger.session().sql("SELECT name FROM lunanode.images.images").await {
        Ok(mut result) => result.read_all().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lunanodes_request_is_a_form_that_is_signed() {
    let server = Server::start(|_| Reply::json(200, json!({"success": "yes", "images": []}))).await;
    let env = Env::empty().with("LUNANODE_API_ID", "0123456789ABCDEF").with("LUNANODE_API_KEY", "ab".repeat(64));
    let engine = Engine::builder().env(env).base_url("lunanode", &server.url()).build().unwrap();
    rows(&mut engine.session(), "SELECT name FROM lunanode.images.images").await;
    let seen = server.requests();
    assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].query.as_deref()), (1, "POST", None));
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let request: Value = serde_json::from_str(&seen[0].form_value("req").unwrap()).unwrap();
    assert_eq!(request["api_id"], "0123456789ABCDEF");
    assert_eq!(request["api_partialkey"], "ab".repeat(32));
    let signature = seen[0].form_value("signature").unwrap();
    assert!(signature.len() == 128 && signature.chars().all(|c| c.is_ascii_hexdigit()), "{signature}");
    assert!(seen[0].form_value("nonce").unwrap().parse::<u64>().is_ok());
    // The whole key never goes out.
    assert!(!String::from_utf8_lossy(&seen[0].body).contains(&"ab".repeat(64)));
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_agree_with_what_the_api_says() {
    let engine = engine();
    let mut session = engine.session();
    let url = engine.serve_sandbox(Some("digitalocean"), 0).unwrap().remove(0).1;
    let http = http_client();
    let get = http.get(format!("{url}/v2/images?per_page=1")).bearer_auth("sandbox-digitalocean-token");
    let said: Value = serde_json::from_str(&get.send().await.unwrap().text().await.unwrap()).unwrap();
    let counted = one(&mut session, "SELECT count(*) FROM digitalocean.compute.images").await;
    assert_eq!(said["meta"]["total"].to_string(), counted);
    let refused = http.get(format!("{url}/v2/images")).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pages_and_passing_faults_do_not_change_the_rows() {
    let usual = engine();
    let sql = "SELECT id, label, size FROM linode.images.images ORDER BY id";
    let (wanted, _) = rows(&mut usual.session(), sql).await;
    let faults = skyql::sandbox::Faults { every_nth_500: Some(4), ..skyql::sandbox::Faults::default() };
    let options = SandboxOptions { seed: 1, page_cap: Some(40), faults, ..SandboxOptions::default() };
    let settings = skyql::Settings { retries: 8, ..skyql::Settings::default() };
    let clock = Arc::new(Instantly);
    let engine = Engine::builder().sandbox(options).settings(settings).clock(clock).build().unwrap();
    let (found, report) = rows(&mut engine.session(), sql).await;
    assert_eq!(found, wanted);
    assert!(report.retries >= 2 && report.calls >= 10, "{report:?}");
    assert_eq!(report.verdict(), Verdict::Complete);
}

/// A clock that does not wait.
#[derive(Debug)]
struct Instantly;

#[async_trait::async_trait]
impl skyql::clock::Clock for Instantly {
    fn now(&self) -> std::time::Instant {
        skyql::clock::SystemClock.now()
    }

    fn utc(&self) -> std::time::SystemTime {
        skyql::clock::SystemClock.utc()
    }

    async fn sleep(&self, _: std::time::Duration) {
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// The document's parameter in the body of a signed request is a column like any other.
#[tokio::test(flavor = "multi_thread")]
async fn every_providers_parameters_are_listed() {
    let engine = engine();
    let resource = engine.registry().resource("lunanode", "images", "images").unwrap();
    let details = resource.method("details").unwrap();
    assert_eq!(details.needs().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>(), ["image_id"]);
    assert_eq!(details.parameters[0].location, Location::Body);
    let mut session = engine.session();
    let (listed, _) = rows(&mut session, "SHOW METHODS IN lunanode.images.images").await;
    let names: Vec<&str> = listed.iter().filter_map(|row| row[0].as_deref()).collect();
    for name in ["fetch", "list", "details", "delete", "replicate", "rename", "retrieve"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let batch =
        engine.session().sql("DESCRIBE linode.domains.records").await.unwrap().read_all().await.unwrap().remove(0);
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "id");
}

/// What a key column says stands in the parameter that it reaches, which `*` shows.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_are_reached_through_keys_have_a_value() {
    let mut session = engine().session();
    let balancer = one(&mut session, "SELECT id FROM linode.nodebalancers.node_balancers LIMIT 1").await;
    let sql = format!("SELECT id FROM linode.nodebalancers.configurations WHERE nodeBalancerId = '{balancer}' LIMIT 1");
    let port = one(&mut session, &sql).await;
    let nodes = "linode.nodebalancers.nodes";
    let sql = format!("SELECT id FROM {nodes} WHERE nodeBalancerId = '{balancer}' AND configId = '{port}' LIMIT 1");
    let node = one(&mut session, &sql).await;
    let sql = format!(
        "SELECT \"nodeBalancerId\", \"configId\", id FROM (SELECT * FROM {nodes} \
         WHERE nodebalancer_id = {balancer} AND config_id = {port} AND id = {node})"
    );
    let (found, report) = rows(&mut session, &sql).await;
    assert_eq!(found, [[Some(balancer), Some(port), Some(node)]]);
    assert_eq!(report.calls, 1);
}
