//! The pages in a real browser, where the environment names one: `SKYQL_BROWSER=/usr/bin/chromium`.

use std::fs;
use std::sync::Arc;

use serde_json::json;
use skyql::provider::{EmbeddedSource, Registry};
use skyql::site::site;
use tempfile::TempDir;

use crate::support::browser::Browser;

#[test]
fn a_reader_finds_a_resource_and_fills_in_an_example() {
    let Some(mut browser) = Browser::start() else {
        eprintln!("skipped: SKYQL_BROWSER names no browser");
        return;
    };
    let dir = TempDir::new().unwrap();
    let registry = Registry::new(Vec::new(), Some(Arc::new(EmbeddedSource::shipped())));
    for (path, bytes) in &site(&registry, "linode").unwrap().files {
        let file = dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    browser.open(&dir.path().join("index.html"));
    browser.picture("provider");

    // `/` goes to the search, and is not written there.
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), "query");
    browser.write("images");
    assert_eq!(browser.value("query.value"), "images");
    assert_eq!(browser.value("query.getAttribute('aria-expanded')"), "true");
    assert_eq!(browser.value("found.querySelector('[aria-selected=true] strong').textContent"), "images.images");
    browser.picture("search");
    browser.press("ArrowDown");
    assert_eq!(browser.value("[...found.children].findIndex((o) => o.ariaSelected === 'true')"), 1);
    browser.press("ArrowUp");
    browser.enter();
    assert_eq!(browser.value("document.querySelector('h1').textContent"), "images");
    assert!(browser.value("location.pathname").as_str().unwrap().ends_with("/images/images.html"));
    browser.picture("resource");

    // A word of a method, and one that nobody knows.
    browser.press("/");
    browser.write("replicate");
    assert_eq!(browser.value("found.querySelector('strong').textContent"), "images.images");
    browser.press("Escape");
    assert_eq!(browser.value("found.hidden && query.value === ''"), true);
    browser.write("<img src=x onerror=alert(1)>");
    assert_eq!(browser.value("document.getElementById('count').textContent"), "Nothing found");
    browser.press("Escape");

    // What is filled in is quoted as its type wants it.
    let example = "document.querySelector('[aria-labelledby=method-put_image] .example')";
    browser.value(&format!("{example}.querySelector('input').focus()"));
    browser.write("it's");
    let filled = browser.value(&format!("{example}.querySelector('code').textContent"));
    assert!(filled.as_str().unwrap().contains("'it''s'"), "{filled}");
    browser.value(&format!("{example}.scrollIntoView()"));
    browser.picture("example");

    // Light and dark are two pictures, both with text that can be read.
    let colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color].join()";
    let dark = |value: &str| json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
    browser.tell("Emulation.setEmulatedMedia", &dark("light"));
    let by_day = browser.value(colours);
    browser.tell("Emulation.setEmulatedMedia", &dark("dark"));
    assert_ne!(browser.value(colours), by_day);
    browser.picture("dark");

    // On a phone nothing is wider than the screen.
    let phone = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true});
    browser.tell("Emulation.setDeviceMetricsOverride", &phone);
    browser.value("scrollTo(0, 0)");
    assert_eq!(browser.value("document.documentElement.scrollWidth <= 390"), true);
    browser.picture("phone");

    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
