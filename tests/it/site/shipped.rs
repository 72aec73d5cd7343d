//! The pages of the providers that are in the binary.

use std::sync::{Arc, LazyLock};

use skyql::provider::{EmbeddedSource, Registry};
use skyql::site::{Site, site};
use skyql::{Engine, Env, SandboxOptions, sql};

use super::{Pages, all, examples, index, text};
use crate::support::query::Db;

fn registry() -> Registry {
    Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())))
}

static SHIPPED: LazyLock<Vec<(&str, Site)>> = LazyLock::new(|| {
    let registry = registry();
    ["linode", "digitalocean", "lunanode"].map(|name| (name, site(&registry, name).unwrap())).into()
});

#[test]
fn every_resource_has_a_page_and_every_link_leads_somewhere() {
    let registry = registry();
    for (name, site) in SHIPPED.iter() {
        assert!(site.unreadable.is_empty(), "{:?}", site.unreadable);
        let pages = Pages::of(&site.files);
        pages.check_links();
        pages.check_shape();
        let entries = index(&site.files);
        let provider = registry.provider(name).unwrap();
        let mut resources = 0;
        for service in provider.services.keys() {
            for resource in registry.service(name, service).unwrap().resources.values() {
                resources += 1;
                let id = format!("{service}.{}", resource.name);
                let entry = entries.iter().find(|entry| entry["id"] == id.as_str()).unwrap();
                let page = &pages.page(entry["href"].as_str().unwrap());
                assert_eq!(text(all(page, "h1")[0]), resource.name);
                assert_eq!(all(page, "section[class=method]").len(), resource.methods.len(), "{id}");
            }
        }
        assert_eq!((site.resources, entries.len()), (resources, resources));
    }
}

#[test]
fn a_page_says_what_a_resource_takes_and_gives() {
    let (_, site) = &SHIPPED[0];
    let pages = Pages::of(&site.files);
    let page = &pages.page("images/images.html");
    let table = text(all(page, "section[aria-labelledby=columns]")[0]);
    let words: Vec<&str> = table.split_whitespace().collect();
    for wanted in ["vendor", "is_public", "boolean", "deprecated", "key"] {
        assert!(words.contains(&wanted), "{wanted}: {table}");
    }
    let method = |name: &str| {
        let place = format!("section[aria-labelledby=method-{name}]");
        text(all(page, &place)[0]).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let list = method("get_images");
    assert!(list.contains("GET https://api.linode.com/{apiVersion}/images"), "{list}");
    assert!(list.contains("page_size integer query optional 100 25..500"), "{list}");
    let create = method("post_image");
    assert!(create.contains("data__disk_id integer body required"), "{create}");
    assert!(
        create.contains("INSERT INTO linode.images.images (data__disk_id) VALUES ( {{ data__disk_id | sql }}"),
        "{create}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_without_a_place_for_a_value_runs_as_it_is() {
    let pages = Pages::of(&SHIPPED[0].1.files);
    let mut db = Db::of(Engine::builder().sandbox(SandboxOptions::default()));
    let mut ran = 0;
    for path in ["images/images.html", "linode/types.html", "domains/domains.html", "volumes/volumes.html"] {
        let page = &pages.page(path);
        for code in all(page, "code").into_iter().filter(|code| text(*code).starts_with("SELECT")) {
            if !text(code).contains("{{") {
                let rows = db.rows(&text(code)).await.rows;
                assert!(!rows.is_empty(), "{}", text(code));
                ran += 1;
            }
        }
    }
    assert!(ran >= 4, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_are_statements_that_our_planner_takes() {
    let mut wrong = Vec::new();
    for (name, site) in SHIPPED.iter() {
        let pages = Pages::of(&site.files);
        // The only part of an address that has no default.
        let env = Env::empty().with("DIGITALOCEAN_AGENT_HOST", "agent.example");
        let builder = Engine::builder().env(env).sandbox(SandboxOptions::default()).no_journal();
        let mut db = Db::of(builder).set("confirm", "never");
        let mut seen = std::collections::BTreeSet::new();
        for (path, page) in &pages.pages() {
            for example in examples(page) {
                if let Err(error) = sql::parse(&example) {
                    wrong.push(format!("{path}: {error}\n{example}"));
                    continue;
                }
                // Planning is slow in a debug build: of each service, each verb once or twice is enough. A file that is
                // sent is looked at, and there is none.
                let service = path.split('/').next().unwrap_or_default().to_owned();
                let verb = example.split_whitespace().next().unwrap_or_default().to_owned();
                let size = if example.len() > 400 { "long" } else { "short" };
                if seen.insert((service, verb, size))
                    && !example.contains("\nFROM 'x'")
                    && let Err(error) = db.run(&format!("EXPLAIN {example}")).await
                {
                    wrong.push(format!("{name} {path}: {error}\n{example}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
