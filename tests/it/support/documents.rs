//! Small provider documents, and the API that they describe: `acme`, which sells widgets made of parts.
//!
//! *Owns*: the documents' text, their place on disk, the rows, and handlers that answer as the documents say.
//! *Does not own*: HTTP itself: see [`super::server`].
//! *Invariants*: the same arguments always give the same text and the same rows.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Reply, Seen};

/// What to add to [`Paging::document`] when the API states its total.
pub(crate) const STATED_TOTAL: &str = "total: {rows: $.total}\n";
/// The same in documents that say that it can be relied on.
pub(crate) const EXACT_TOTAL: &str = "total: {rows: $.total, exact: true}\n";

/// Writes `<dir>/<name>/<version>/{provider.yaml, services/<service>.yaml}`, with one `(name, text)` per service.
/// `auth_yaml` is what stands under `config.auth`; where it is empty, there is no `config`.
pub(crate) fn provider_dir(name: &str, version: &str, services: &[(&str, &str)], auth_yaml: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let documents = dir.path().join(name).join(version);
    fs::create_dir_all(documents.join("services")).unwrap();
    fs::write(documents.join("provider.yaml"), provider_document(name, version, services, auth_yaml)).unwrap();
    for (service, text) in services {
        fs::write(documents.join("services").join(format!("{service}.yaml")), text).unwrap();
    }
    dir
}

/// The provider `acme` with one service `shop`, as [`widgets_service`] writes it, and no authentication.
pub(crate) fn acme_dir(server: &str, pagination_yaml: &str) -> TempDir {
    provider_dir("acme", "v1", &[("shop", &widgets_service(server, pagination_yaml, "$.items"))], "type: null_auth")
}

/// A service with two resources.
///
/// `widgets`: `list` (`GET /widgets`; parameters `page`, `per_page`, `color`, none of which is a column) and `get`
/// (`GET /widgets/{widget_id}`; the key is the column `id`). `parts`: `list` (`GET /widgets/{widget_id}/parts`, one
/// unpaged answer). `server` may have a path; `pagination_yaml` is what stands under the widgets' `config.pagination`
/// (empty: no such block); `item_key` is where the widgets are in a list answer, `$` or a path of plain keys.
pub(crate) fn widgets_service(server: &str, pagination_yaml: &str, item_key: &str) -> String {
    widgets_service_with(server, &["page", "per_page", "color"], pagination_yaml, item_key)
}

/// [`widgets_service`] with other query parameters of the list. `color` and `cursor` are text, all others integers.
pub(crate) fn widgets_service_with(
    server: &str,
    list_parameters: &[&str],
    pagination_yaml: &str,
    item_key: &str,
) -> String {
    let mut parameters = String::new();
    for name in list_parameters {
        let ty = if matches!(*name, "color" | "cursor") { "string" } else { "integer" };
        writeln!(parameters, "- {{name: {name}, in: query, schema: {{type: {ty}}}}}").unwrap();
    }
    if list_parameters.is_empty() {
        parameters.push_str("[]");
    }
    let config = match pagination_yaml.trim() {
        "" => String::new(),
        pagination => format!("config:\n  pagination:\n{}", indented(4, pagination)),
    };
    SERVICE
        .replace("SERVER", server)
        .replace("          PARAMETERS\n", &indented(10, &parameters))
        .replace("          CONFIG\n", &indented(10, &config))
        .replace("LIST_SCHEMA", &list_schema(item_key))
        .replace("ITEM_KEY", item_key)
}

/// Rows 1 to `count` of `widgets`. Every fifth has no size; `extra.color` is red, green or blue in turn.
pub(crate) fn widgets(count: u32) -> Vec<Value> {
    const COLORS: [&str; 3] = ["red", "green", "blue"];
    (1..=count)
        .map(|id| {
            json!({
                "id": id,
                "name": format!("widget-{id:04}"),
                "size": if id % 5 == 0 { Value::Null } else { json!(f64::from(id) * 1.5) },
                "ok": id % 2 == 1,
                "created": format!("2024-{:02}-{:02}T{:02}:30:00Z", 1 + id % 12, 1 + id % 28, id % 24),
                "tags": [format!("t{}", id % 4), "all"],
                "extra": {"color": COLORS[(id % 3) as usize], "owner": {"name": "zoë"}},
            })
        })
        .collect()
}

/// The parts of a widget: none, one or two. Nothing for an id that is no number.
pub(crate) fn parts(widget_id: &str) -> Vec<Value> {
    let id = widget_id.parse::<u64>().unwrap_or(0);
    (1..=id % 3).map(|part| json!({"id": id * 10 + part, "label": format!("part {part} of {id}")})).collect()
}

/// How [`list_api`] pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// A page number from 1 in `page`.
    Page,
    /// A number of rows to skip in `offset`.
    Offset,
    /// A token from `next_cursor`, null at the end, in `cursor`.
    Cursor,
    /// The next page's URL in `links.next`, null at the end.
    NextUrl,
    /// The next page's URL in the `Link` header, absent at the end.
    LinkHeader,
}

impl Paging {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Page, Self::Offset, Self::Cursor, Self::NextUrl, Self::LinkHeader];

    /// What a document says of it under `config.pagination`, page size included and total left out.
    pub(crate) fn document(self) -> String {
        let kind = match self {
            Self::Page => "kind: page\npage: {key: page, location: query, first: 1}",
            Self::Offset => "kind: offset\noffset: {key: offset, location: query}",
            Self::Cursor => "kind: cursor\ncursor: {key: cursor, location: query, from: {path: $.next_cursor}}",
            Self::NextUrl => "kind: next_url\nnext: {path: $.links.next}",
            Self::LinkHeader => "kind: link_header",
        };
        format!("{kind}\npageSize: {{key: per_page, min: 1, max: 100, default: 20}}\n")
    }
}

/// Answers as the API of [`widgets_service`], with [`Paging::Page`].
pub(crate) fn paged(
    rows: Vec<Value>,
    page_size_default: usize,
    cap: usize,
    total: bool,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    list_api(Paging::Page, rows, page_size_default, cap, total)
}

/// Answers as the API of [`widgets_service`], under any path prefix.
///
/// The list is `{"items": […]}`, with `"total"` if so wanted; `per_page` above `cap` is capped without a word, and
/// `color` compares with `extra.color`. The detail is the row with that `id`. Errors are `{"error": text}`: 400 for a
/// paging value that is no number, 404 for an unknown widget or path, 405 for anything but GET.
pub(crate) fn list_api(
    paging: Paging,
    rows: Vec<Value>,
    page_size_default: usize,
    cap: usize,
    total: bool,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| {
        if seen.method != "GET" {
            return problem(405, &format!("{} is not allowed", seen.method));
        }
        let segments: Vec<String> = seen.path.split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [.., "widgets", id, "parts"] => {
                row(&rows, id).map_or_else(|| no_widget(id), |_| Reply::json(200, json!({"items": parts(id)})))
            }
            [.., "widgets", id] => row(&rows, id).map_or_else(|| no_widget(id), |row| Reply::json(200, row.clone())),
            [.., "widgets"] => list(paging, &rows, page_size_default, cap, total, seen)
                .unwrap_or_else(|name| problem(400, &format!("{name} is not a number"))),
            _ => problem(404, "no such path"),
        }
    }
}

/// One page; the error is the name of the parameter that is wrong.
fn list(
    paging: Paging,
    rows: &[Value],
    page_size_default: usize,
    cap: usize,
    total: bool,
    seen: &Seen,
) -> Result<Reply, &'static str> {
    let color = seen.query_value("color");
    let rows: Vec<&Value> =
        rows.iter().filter(|row| color.as_ref().is_none_or(|color| row["extra"]["color"] == **color)).collect();
    let size = number(seen, "per_page", page_size_default, 1)?.min(cap);
    let start = match paging {
        Paging::Page | Paging::NextUrl | Paging::LinkHeader => (number(seen, "page", 1, 1)? - 1).saturating_mul(size),
        Paging::Offset => number(seen, "offset", 0, 0)?,
        Paging::Cursor => match seen.query_value("cursor") {
            Some(token) => token.strip_prefix("after-").and_then(|n| n.parse().ok()).ok_or("cursor")?,
            None => 0,
        },
    };
    let end = start.saturating_add(size).min(rows.len());
    let mut body = json!({"items": rows.get(start..end).unwrap_or_default()});
    if total {
        body["total"] = json!(rows.len());
    }
    let more = end < rows.len();
    match paging {
        Paging::Cursor => body["next_cursor"] = json!(more.then(|| format!("after-{end}"))),
        Paging::NextUrl => {
            body["links"] = json!({"next": more.then(|| next_url(seen, start / size + 2))});
        }
        Paging::LinkHeader if more => {
            let link = format!("<{}>; rel=\"next\"", next_url(seen, start / size + 2));
            return Ok(Reply::json(200, body).header("link", &link));
        }
        Paging::Page | Paging::Offset | Paging::LinkHeader => {}
    }
    Ok(Reply::json(200, body))
}

/// The request's own URL with another page number.
fn next_url(seen: &Seen, page: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(seen.query.as_deref().unwrap_or_default().as_bytes()) {
        if name != "page" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("page", &page.to_string());
    format!("http://{}{}?{}", seen.header("host").unwrap(), seen.path, query.finish())
}

fn number(seen: &Seen, name: &'static str, default: usize, min: usize) -> Result<usize, &'static str> {
    match seen.query_value(name) {
        Some(text) => text.parse().ok().filter(|value| *value >= min).ok_or(name),
        None => Ok(default),
    }
}

fn row<'r>(rows: &'r [Value], id: &str) -> Option<&'r Value> {
    rows.iter().find(|row| row["id"] == *id || row["id"].as_u64().is_some_and(|number| number.to_string() == *id))
}

fn no_widget(id: &str) -> Reply {
    problem(404, &format!("no widget {id}"))
}

fn problem(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"error": message}))
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn provider_document(name: &str, version: &str, services: &[(&str, &str)], auth_yaml: &str) -> String {
    let mut text = format!("id: {name}\nname: {name}\ntitle: {name}\nversion: {version}\nproviderServices:\n");
    for (service, _) in services {
        let entry = format!(
            "{service}:\n  id: {service}:{version}\n  name: {service}\n  title: {service}\n  version: {version}\n  \
             preferred: true\n  service:\n    $ref: {name}/{version}/services/{service}.yaml\n"
        );
        text.push_str(&indented(2, &entry));
    }
    if !auth_yaml.trim().is_empty() {
        text.push_str("config:\n  auth:\n");
        text.push_str(&indented(4, auth_yaml.trim_end()));
    }
    text
}

/// A flow-style schema that has the widgets at `item_key`.
fn list_schema(item_key: &str) -> String {
    let array = "{type: array, items: {$ref: '#/components/schemas/widget'}}".to_owned();
    let keys: Vec<&str> = item_key.trim_start_matches('$').split('.').filter(|key| !key.is_empty()).collect();
    keys.iter().rev().fold(array, |inner, key| format!("{{type: object, properties: {{{key}: {inner}}}}}"))
}

fn indented(spaces: usize, text: &str) -> String {
    let mut block = String::new();
    for line in text.lines() {
        writeln!(block, "{:spaces$}{line}", "").unwrap();
    }
    block
}

const SERVICE: &str = "\
openapi: 3.0.3
info:
  title: Acme shop
  version: v1
servers:
  - url: 'SERVER'
paths:
  /widgets:
    get:
      operationId: list_widgets
      parameters:
          PARAMETERS
      responses:
        '200':
          description: widgets
          content:
            application/json:
              schema: LIST_SCHEMA
  /widgets/{widget_id}:
    get:
      operationId: get_widget
      parameters:
        - {name: widget_id, in: path, required: true, schema: {type: integer}}
      responses:
        '200':
          description: one widget
          content:
            application/json:
              schema: {$ref: '#/components/schemas/widget'}
  /widgets/{widget_id}/parts:
    get:
      operationId: list_parts
      parameters:
        - {name: widget_id, in: path, required: true, schema: {type: integer}}
      responses:
        '200':
          description: the parts of one widget
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/part'}}}}
components:
  schemas:
    widget:
      type: object
      properties:
        id: {type: integer}
        name: {type: string}
        size: {type: number}
        ok: {type: boolean}
        created: {type: string, format: date-time}
        tags: {type: array, items: {type: string}}
        extra: {type: object}
    part:
      type: object
      properties:
        id: {type: integer}
        label: {type: string}
  x-stackQL-resources:
    widgets:
      id: acme.shop.widgets
      name: widgets
      title: Widgets
      keys: {widget_id: id}
      methods:
        list:
          operation: {$ref: '#/paths/~1widgets/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: 'ITEM_KEY'}
          CONFIG
        get:
          operation: {$ref: '#/paths/~1widgets~1{widget_id}/get'}
          response: {mediaType: application/json, openAPIDocKey: '200'}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/widgets/methods/list'}
          - {$ref: '#/components/x-stackQL-resources/widgets/methods/get'}
    parts:
      id: acme.shop.parts
      name: parts
      title: Parts
      methods:
        list:
          operation: {$ref: '#/paths/~1widgets~1{widget_id}~1parts/get'}
          response: {mediaType: application/json, openAPIDocKey: '200', objectKey: $.items}
          config:
            pagination: {kind: none}
      sqlVerbs:
        select:
          - {$ref: '#/components/x-stackQL-resources/parts/methods/list'}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::server::{Server, http_client};

    fn yaml(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    /// Follows a `$ref` within the document.
    fn target<'d>(document: &'d Value, reference: &Value) -> &'d Value {
        document.pointer(reference["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap()
    }

    #[test]
    fn provider_dir_puts_each_service_where_the_provider_document_says() {
        let dir = provider_dir("acme", "v2", &[("shop", "a: 1"), ("depot", "b: 2")], "type: bearer\nprefix: 'T '");
        let provider = yaml(&fs::read_to_string(dir.path().join("acme/v2/provider.yaml")).unwrap());
        assert_eq!(provider["config"]["auth"], json!({"type": "bearer", "prefix": "T "}));
        for (service, text) in [("shop", "a: 1"), ("depot", "b: 2")] {
            let path = provider["providerServices"][service]["service"]["$ref"].as_str().unwrap();
            assert_eq!(fs::read_to_string(dir.path().join(path)).unwrap(), text);
        }
    }

    #[test]
    fn every_reference_of_the_service_leads_somewhere() {
        let document = yaml(&widgets_service("http://127.0.0.1:1/v2", &Paging::Cursor.document(), "$.data.list"));
        assert_eq!(document["servers"][0]["url"], "http://127.0.0.1:1/v2");
        let resources = &document["components"]["x-stackQL-resources"];
        assert_eq!(resources["widgets"]["keys"], json!({"widget_id": "id"}));
        for resource in resources.as_object().unwrap().values() {
            for reference in resource["sqlVerbs"]["select"].as_array().unwrap() {
                let operation = target(&document, &target(&document, reference)["operation"]);
                assert!(operation["operationId"].is_string());
            }
        }
        let list = &resources["widgets"]["methods"]["list"];
        assert_eq!(list["response"]["objectKey"], "$.data.list");
        let operation = target(&document, &list["operation"]);
        let names: Vec<_> = operation["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        assert_eq!(names, ["page", "per_page", "color"]);
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        let items = &schema["properties"]["data"]["properties"]["list"]["items"];
        let columns: Vec<_> = target(&document, items)["properties"].as_object().unwrap().keys().cloned().collect();
        let row: Vec<_> = widgets(1)[0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(columns, row);
    }

    #[test]
    fn parameters_and_pagination_may_be_left_out() {
        let document = yaml(&widgets_service_with("http://x", &[], "", "$"));
        let operation = &document["paths"]["/widgets"]["get"];
        assert_eq!(operation["parameters"], json!([]));
        assert_eq!(operation["responses"]["200"]["content"]["application/json"]["schema"]["type"], "array");
        assert_eq!(document["components"]["x-stackQL-resources"]["widgets"]["methods"]["list"].get("config"), None);
    }

    #[test]
    fn each_way_of_paging_is_written_under_the_list() {
        for paging in Paging::ALL {
            let text = paging.document() + STATED_TOTAL;
            let dir = acme_dir("http://x", &text);
            let document = yaml(&fs::read_to_string(dir.path().join("acme/v1/services/shop.yaml")).unwrap());
            let list = &document["components"]["x-stackQL-resources"]["widgets"]["methods"]["list"];
            assert_eq!(list["config"]["pagination"], yaml(&text), "{paging:?}");
            assert_eq!(list["config"]["pagination"]["total"]["rows"], "$.total");
            assert_eq!(list["config"]["pagination"]["pageSize"]["max"], 100);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_way_of_paging_gives_every_row_once() {
        for paging in Paging::ALL {
            let server = Server::start(list_api(paging, widgets(45), 10, 20, true)).await;
            let client = http_client();
            let (mut next, mut read) = (format!("{}/v2/widgets?per_page=500", server.url()), Vec::new());
            loop {
                let response = client.get(&next).send().await.unwrap();
                let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
                let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
                assert_eq!(body["total"], 45);
                let items = body["items"].as_array().unwrap().clone();
                read.extend(items.iter().cloned());
                let follow =
                    |key, value: String| Some(format!("{}/v2/widgets?per_page=500&{key}={value}", server.url()));
                let following = match paging {
                    _ if items.is_empty() => None,
                    Paging::Page => follow("page", (read.len().div_ceil(20) + 1).to_string()),
                    Paging::Offset => follow("offset", read.len().to_string()),
                    Paging::Cursor => body["next_cursor"].as_str().and_then(|token| follow("cursor", token.to_owned())),
                    Paging::NextUrl => body["links"]["next"].as_str().map(str::to_owned),
                    Paging::LinkHeader => link.map(|link| link[1..link.find('>').unwrap()].to_owned()),
                };
                let Some(following) = following else { break };
                next = following;
            }
            assert_eq!(read, widgets(45), "{paging:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_api_filters_finds_and_refuses() {
        let mut rows = widgets(9);
        rows.push(json!({"id": "a/b", "name": "slash"}));
        let server = Server::start(paged(rows, 5, 5, false)).await;
        let client = http_client();
        let get = async |path: &str| {
            let response = client.get(server.url() + path).send().await.unwrap();
            let status = response.status().as_u16();
            (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
        };
        let (_, reds) = get("/widgets?color=red").await;
        let ids: Vec<_> = reds["items"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, [3, 6, 9]);
        assert_eq!(reds.get("total"), None);
        assert_eq!(get("/widgets/7").await, (200, widgets(7)[6].clone()));
        assert_eq!(get("/widgets/a%2Fb").await.1["name"], "slash");
        assert_eq!(
            get("/widgets/8/parts").await.1,
            json!({"items": [{"id": 81, "label": "part 1 of 8"}, {"id": 82, "label": "part 2 of 8"}]})
        );
        assert_eq!(get("/widgets?page=9").await, (200, json!({"items": []})));
        for (path, status) in [
            ("/widgets?page=0", 400),
            ("/widgets?per_page=x", 400),
            ("/widgets/77", 404),
            ("/widgets/77/parts", 404),
            ("/gadgets", 404),
        ] {
            let (seen, body) = get(path).await;
            assert_eq!(seen, status, "{path}");
            assert!(body["error"].is_string());
        }
        let posted = client.post(server.url() + "/widgets").send().await.unwrap();
        assert_eq!(posted.status(), 405);
    }
}
