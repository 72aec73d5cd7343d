use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::provider::model::*;
use crate::provider::source::{DirectorySource, EmbeddedSource};

/// A source in memory that counts how often each file is read.
#[derive(Debug)]
struct Memory {
    label: &'static str,
    files: Vec<(&'static str, String)>,
    reads: AtomicUsize,
}

impl Memory {
    fn new(label: &'static str, files: &[(&'static str, &str)]) -> Arc<Self> {
        let files = files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        Arc::new(Self { label, files, reads: AtomicUsize::new(0) })
    }
}

impl DocumentSource for Memory {
    fn label(&self) -> String {
        self.label.to_owned()
    }

    fn provider_files(&self) -> Result<Vec<String>> {
        if self.label == "broken" {
            return Err(Error::new(ErrorKind::Provider, "cannot list"));
        }
        Ok(self
            .files
            .iter()
            .map(|(path, _)| (*path).to_owned())
            .filter(|path| path.ends_with("provider.yaml"))
            .collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let found = self.files.iter().find(|(known, _)| *known == path);
        if found.is_some() && path.contains("/services/") {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        found
            .map(|(_, text)| text.clone().into_bytes())
            .ok_or_else(|| Error::new(ErrorKind::NameNotFound, format!("no `{path}`")))
    }

    fn display_path(&self, path: &str) -> String {
        format!("{}:{path}", self.label)
    }
}

const SHOP: &str = "name: shop\nproviderServices:\n  orders-v2: {name: orders-v2, service: {$ref: shop/v1/services/orders.yaml}}\n\
    \x20 bad: {service: {$ref: shop/v1/services/bad.yaml}}\n  gone: {service: {$ref: shop/v1/services/gone.yaml}}\n\
    config: {auth: {type: bearer, credentialsenvvar: SHOP_TOKEN}}\n";
const ORDERS: &str = "servers: [{url: 'https://{region}.shop.test:8443/v1', variables: {region: {default: eu, enum: [eu, us]}}}]\n\
    paths: {/orders: {get: {responses: {'200': {content: {application/json: {schema: {type: array, items: {properties: {id: {type: integer}}}}}}}}}}}\n\
    components: {x-stackQL-resources: {Open_Orders: {name: Open_Orders, methods: {list: {operation: {$ref: '#/paths/~1orders/get'}}}, sqlVerbs: {select: [{$ref: '#/components/x-stackQL-resources/Open_Orders/methods/list'}]}}}}\n";

fn shop(label: &'static str) -> Arc<Memory> {
    Memory::new(
        label,
        &[
            ("shop/v1/provider.yaml", SHOP),
            ("shop/v1/services/orders.yaml", ORDERS),
            ("shop/v1/services/bad.yaml", "a: [\n"),
        ],
    )
}

#[test]
fn names_match_without_case_and_separators() {
    let registry = Registry::new(vec![shop("memory")], None);
    assert_eq!(registry.provider_names(), ["shop"]);
    assert_eq!(registry.provider("SHOP").unwrap().name, "shop");
    assert_eq!(registry.service("shop", "Orders_V2").unwrap().name, "orders-v2");
    for name in ["Open_Orders", "open_orders", "openorders", "open-orders"] {
        assert_eq!(registry.resource("Shop", "orders-v2", name).unwrap().name, "Open_Orders");
    }
    for (error, message, hint) in [
        (registry.provider("shpo").unwrap_err(), "no provider `shpo`", "did you mean `shop`?"),
        (registry.provider("zzz").unwrap_err(), "no provider `zzz`", "the providers are `shop`"),
        (registry.service("shop", "order").unwrap_err(), "`shop` has no service `order`", "did you mean `orders-v2`?"),
        (
            registry.resource("shop", "orders-v2", "open_order").unwrap_err(),
            "`shop.orders-v2` has no resource `open_order`",
            "did you mean `Open_Orders`?",
        ),
    ] {
        assert_eq!((error.kind(), error.message(), error.hint_text()), (ErrorKind::NameNotFound, message, Some(hint)));
    }
    assert!(match_name(["a_b", "a-b"].into_iter(), "ab").is_none());
    assert!(match_name(["Name", "name"].into_iter(), "NAME").is_none());
}

#[test]
fn documents_are_parsed_once_and_failures_stay_apart() {
    let source = shop("memory");
    let registry = Registry::new(vec![source.clone()], None);
    registry.provider("shop").unwrap();
    assert_eq!(source.reads.load(Ordering::SeqCst), 0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| registry.service("shop", "orders-v2").unwrap());
        }
    });
    assert_eq!(source.reads.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        let error = registry.service("shop", "bad").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert_eq!(error.context_value("file"), Some("memory:shop/v1/services/bad.yaml"));
        assert_eq!(error.context_value("service"), Some("shop.bad"));
    }
    assert_eq!(source.reads.load(Ordering::SeqCst), 2);
    let error = registry.service("shop", "gone").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameNotFound);
    assert!(registry.service("shop", "orders-v2").is_ok());
}

#[test]
fn earlier_sources_win_and_shadowing_is_told() {
    let mine = Memory::new("mine", &[("shop/v9/provider.yaml", "name: SHOP\ntitle: Mine\n")]);
    let other = Memory::new("other", &[("bank/v1/provider.yaml", "name: bank\n")]);
    let registry = Registry::new(vec![mine, other], Some(shop("shipped")));
    assert_eq!(registry.provider_names(), ["SHOP", "bank"]);
    assert_eq!(registry.provider("shop").unwrap().title, "Mine");
    assert_eq!(registry.source_label("shop").as_deref(), Some("mine"));
    let origins = ["https://eu.shop.test:8443", "https://us.shop.test:8443"].map(str::to_owned).to_vec();
    assert_eq!(registry.is_shadowing("shop"), Some(origins));
    assert_eq!(registry.is_shadowing("bank"), None);
    assert_eq!(registry.is_shadowing("none"), None);
    let registry = Registry::new(Vec::new(), Some(shop("shipped")));
    assert_eq!(registry.is_shadowing("shop"), None);

    // Another name of the document's own changes nothing: SQL finds it by its directory. Nor does a second document of
    // that name, whichever comes first.
    for directory in ["aaa", "zzz"] {
        let decoy = format!("{directory}/v1/provider.yaml");
        let named =
            Memory::new("named", &[("shop/v9/provider.yaml", "name: mine\n"), (decoy.leak() as &str, "name: mine\n")]);
        let registry = Registry::new(vec![named], Some(shop("shipped")));
        assert_eq!(registry.provider("shop").unwrap().name, "mine");
        assert!(registry.is_shadowing("mine").is_some(), "{directory}");
    }
}

#[test]
fn a_directory_name_serves_where_no_name_matches() {
    let source = Memory::new(
        "m",
        &[("google/v1/provider.yaml", "id: g\nname: 'googleapis.com'\n"), ("x/v1/provider.yaml", ": [")],
    );
    let registry = Registry::new(vec![source], None);
    assert_eq!(registry.provider("google").unwrap().name, "googleapis.com");
    assert_eq!(registry.provider("googleapis.com").unwrap().name, "googleapis.com");
    assert_eq!(registry.provider_names(), ["googleapis.com", "x"]);
    assert_eq!(registry.provider("x").unwrap_err().kind(), ErrorKind::Provider);
}

#[test]
fn a_copied_provider_finds_its_services() {
    let source = Memory::new(
        "m",
        &[
            ("copy/v2/provider.yaml", SHOP),
            ("copy/v2/services/orders.yaml", ORDERS),
            ("copy/v2/services/bad.yaml", "a: 1\n"),
        ],
    );
    let registry = Registry::new(vec![source], None);
    assert!(registry.service("shop", "orders-v2").is_ok());
    assert!(registry.service("shop", "bad").unwrap().resources.is_empty());
}

#[test]
fn a_source_that_cannot_be_listed_is_told_when_a_name_is_missing() {
    let registry = Registry::new(vec![Memory::new("broken", &[])], Some(shop("shipped")));
    assert!(registry.provider("shop").is_ok());
    assert_eq!(registry.provider("bank").unwrap_err().message(), "cannot list");
    let registry = Registry::new(vec![Arc::new(DirectorySource::new("/nowhere/at/all".into()))], None);
    assert_eq!(registry.provider("shop").unwrap_err().kind(), ErrorKind::NameNotFound);
}

/// A registry over documents that are not part of the project; `None`, and a line that says so, where they are absent.
fn registry_of(name: &str) -> Option<Registry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Registry::new(vec![Arc::new(DirectorySource::new(path))], None))
}

fn method(registry: &Registry, id: &str) -> Arc<Method> {
    let parts: Vec<&str> = id.split('.').collect();
    let resource = registry.resource(parts[0], parts[1], parts[2]).unwrap();
    Arc::clone(resource.method(parts[3]).unwrap())
}

fn names(resource: &Resource) -> Vec<&str> {
    resource.methods.keys().map(String::as_str).collect()
}

fn place(key: &str) -> TokenPlace {
    TokenPlace { location: Location::Query, key: key.to_owned() }
}

#[test]
fn every_service_of_the_public_registry_loads() {
    for folder in ["stackql-providers", "stackql-providers-seed"] {
        let Some(registry) = registry_of(folder) else { return };
        for provider in registry.provider_names() {
            check_all_services(&registry, &provider, &["k8s.core_v1"]);
        }
    }
}

#[test]
fn every_shipped_service_loads() {
    let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped().documents())));
    for provider in registry.provider_names() {
        check_all_services(&registry, &provider, &[]);
    }
}

#[test]
fn no_shipped_document_is_read_for_a_statement() {
    let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
    for name in registry.provider_names() {
        for service in registry.provider(&name).unwrap().services.keys() {
            registry.service(&name, service).unwrap();
        }
        // A service's document is never parsed without its provider's.
        let (_, loaded) = registry.loaded(&name).unwrap();
        assert!(loaded.text.get().is_none() && loaded.document.get().is_none(), "{name}");
    }
}

/// Loads every service and compares it with its document; `absent` ones have none.
fn check_all_services(registry: &Registry, provider: &str, absent: &[&str]) {
    let (candidate, loaded) = registry.loaded(provider).unwrap();
    assert!(!loaded.provider.services.is_empty(), "{provider}");
    for entry in loaded.provider.services.values() {
        let id = format!("{provider}.{}", entry.name);
        let source = registry.source(candidate).unwrap();
        let read = read_service(source, candidate, &entry.path);
        if absent.contains(&id.as_str()) {
            assert_eq!(registry.service(provider, &entry.name).unwrap_err().kind(), ErrorKind::NameNotFound);
            continue;
        }
        let (path, bytes) = read.unwrap();
        let document = Document::parse(&bytes, &path).unwrap();
        let service = load_service(&loaded.provider, loaded.document(source, candidate).unwrap(), entry, &document);
        check_against_document(&id, &document, &service.unwrap_or_else(|error| panic!("{id}: {error:?}")));
    }
}

/// Counts resources, methods and verb entries in the document itself, and checks what holds for every method.
fn check_against_document(service_id: &str, document: &Document, service: &Service) {
    let written = document.root.at(&["components", "x-stackQL-resources"]);
    let resources: Vec<(&str, &Node)> = written.into_iter().flat_map(Node::entries).collect();
    assert_eq!(service.resources.len(), resources.len(), "{service_id}");
    for (key, node) in resources {
        let resource = &service.resources[node.text_of("name").unwrap_or(key)];
        let methods = node.get("methods").map_or(0, |methods| methods.entries().count());
        assert_eq!(resource.methods.len(), methods, "{service_id}.{key}");
        let selects = node.at(&["sqlVerbs", "select"]).map_or(0, |select| select.items().len());
        assert_eq!(resource.verbs.select.len(), selects);
        for method in resource.methods.values() {
            let id = format!("{}.{}", resource.id, method.name);
            assert!(method.path.starts_with('/') && !method.path.contains('?'), "{id}: {}", method.path);
            let variables = method.path.matches('{').count();
            let placed = method.parameters.iter().filter(|p| p.location == Location::Path).count();
            assert!(placed <= variables && (variables == 0 || placed > 0), "{id}");
            assert!(!method.server.is_empty(), "{id} has no server");
            if method.response.items == ItemShape::List {
                assert!(!method.response.columns.is_empty() || !resource.verbs.select.contains(&method.name), "{id}");
            }
        }
    }
}

#[test]
fn facts_of_linode() {
    let Some(seed) = registry_of("stackql-providers-seed") else { return };
    let list = method(&seed, "linode.images.images.getImages");
    assert_eq!(list.url_template(), "https://api.linode.com/v4/images");
    assert_eq!((list.response.item_path.as_str(), list.response.items), ("$.data", ItemShape::List));
    let both = Total::Both { rows: "$.results".to_owned(), pages: "$.pages".to_owned() };
    let paging = Pagination {
        kind: PageKind::Page { parameter: place("page"), first: 1 },
        size: Some(PageSize { parameter: place("page_size"), min: 25, max: Some(500), default: Some(100) }),
        total: Some(both.clone()),
        declared: false,
        exact: false,
        total_is_guessed: true,
        incomplete: None,
    };
    assert_eq!(list.pagination, paging);
    let columns: Vec<&str> = list.response.columns.iter().map(|column| column.name.as_str()).collect();
    assert!(["id", "label", "is_public", "created"].iter().all(|name| columns.contains(name)), "{columns:?}");
    let detail = method(&seed, "linode.images.images.getImage");
    assert_eq!((detail.response.item_path.as_str(), detail.response.items), ("$.data", ItemShape::Object));
    assert_eq!(detail.response.columns.len(), list.response.columns.len());
    assert_eq!(detail.pagination.kind, PageKind::Single);
    let resource = seed.resource("linode", "images", "images").unwrap();
    assert_eq!(
        names(&resource),
        [
            "getImages",
            "_getImages",
            "createImage",
            "post_images_upload",
            "getImage",
            "_getImage",
            "updateImage",
            "deleteImage"
        ]
    );
    assert_eq!(resource.verbs.select, ["getImages", "getImage"]);
    let keys = resource.keys.clone().unwrap();
    assert_eq!((keys.columns.get("imageId").map(String::as_str), keys.declared), (Some("id"), false));
    let create = method(&seed, "linode.images.images.createImage");
    assert!(create.request.as_ref().unwrap().prefixed);
    assert_eq!(create.effect, Effect::Write);
    let token = "LINODE_TOKEN".to_owned();
    assert_eq!(create.auth, Auth::Bearer { variable: token, prefix: "Bearer ".to_owned(), optional: false });

    let Some(today) = registry_of("stackql-providers") else { return };
    let types = method(&today, "linode.linode.types.list");
    assert_eq!(types.pagination.kind, paging.kind, "no `page` parameter, but an answer with pages");
    let list = method(&today, "linode.images.images.list");
    assert_eq!(list.pagination, Pagination { declared: true, ..paging });
    assert!(!method(&today, "linode.images.images.create").request.as_ref().unwrap().prefixed);
    assert!(today.service("linode", "databases").is_ok(), "integers beyond u64");
}

#[test]
fn facts_of_digitalocean() {
    let Some(seed) = registry_of("stackql-providers-seed") else { return };
    let list = method(&seed, "digitalocean.compute.images.images_list");
    assert_eq!(list.url_template(), "https://api.digitalocean.com/v2/images");
    assert_eq!(list.pagination.kind, PageKind::Page { parameter: place("page"), first: 1 });
    assert_eq!(list.pagination.total, Some(Total::Rows("$.meta.total".to_owned())));
    let size = PageSize { parameter: place("per_page"), min: 1, max: Some(200), default: Some(20) };
    assert_eq!(list.pagination.size, Some(size.clone()));
    assert_eq!(list.response.item_path, "$.images");
    let parameters: Vec<&str> = list.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(parameters, ["type", "private", "tag_name", "per_page", "page"]);
    let resource = seed.resource("digitalocean", "compute", "images").unwrap();
    assert_eq!(resource.verbs.replace, ["images_update"]);
    assert_eq!(resource.keys.as_ref().unwrap().columns["image_id"], "id");

    let Some(today) = registry_of("stackql-providers") else { return };
    let list = method(&today, "digitalocean.compute.images.images_list");
    assert_eq!(list.pagination.kind, PageKind::NextUrl { path: "$.links.pages.next".to_owned() });
    assert_eq!(
        (list.pagination.total.clone(), list.pagination.declared),
        (Some(Total::Rows("$.meta.total".to_owned())), true)
    );
    assert_eq!(list.pagination.size, Some(size));
    let convert = method(&today, "digitalocean.compute.images.convert");
    assert!(convert.query.is_empty() && convert.path == "/v2/images/{image_id}/actions");
    assert_eq!(convert.request.as_ref().unwrap().base, Some(serde_json::json!({"type": "convert"})));
}

#[test]
fn facts_of_other_providers() {
    let Some(registry) = registry_of("stackql-providers") else { return };
    let users = method(&registry, "okta.users.users.list_users");
    assert_eq!(users.pagination.kind, PageKind::LinkHeader);
    assert_eq!((users.response.item_path.as_str(), users.response.items), ("$", ItemShape::List));
    assert_eq!(users.server, "https://{subdomain}.okta.com");
    let subdomain = users.parameter("subdomain").unwrap();
    assert!(subdomain.required && subdomain.default.is_none(), "`my-org` is not a host to send a credential to");
    assert!(matches!(&users.auth, Auth::ApiKey { keys } if keys[0].prefix == "SSWS "));
    assert!(registry.service("okta", "org").is_ok(), "its file is called `Org.yaml`");
    let any = method(&registry, "k8s.core.core.getCoreAPIVersions");
    assert_eq!(any.server, "{protocol}://{cluster_addr}");
    assert_eq!(any.auth, Auth::None);
}
