//! Digests that outlive the process: parsing megabytes of YAML once is enough.
//!
//! Those of the shipped documents are made by `build.rs` with the code of this room, and are in the program; those of
//! other documents are kept in a store ([decision 6](../../docs/decisions/0006-digests-at-build-time.md)).

use std::fmt;

/// Tells apart programs that would read a document differently: a hash over the sources of this room.
const CODE: &str = env!("SKYQL_PROVIDER_CODE");

/// Where digests are kept, by the content they were made from. Losing one costs time and nothing else.
pub trait DigestStore: fmt::Debug + Send + Sync {
    /// What was kept for exactly these parts; nothing when it is damaged or not there.
    fn load(&self, parts: &[&[u8]]) -> Option<Vec<u8>>;

    /// Keeps it, if that can be done.
    fn save(&self, parts: &[&[u8]], digest: &[u8]);
}

/// The digest of what these documents make, a provider or a service; the parts are all that it depends on.
pub(super) fn load_digest(store: &dyn DigestStore, parts: &[&[u8]]) -> Option<Vec<u8>> {
    store.load(&with_code(parts))
}

/// Keeps a digest.
pub(super) fn save_digest(store: &dyn DigestStore, parts: &[&[u8]], digest: serde_json::Result<Vec<u8>>) {
    if let Ok(digest) = digest {
        store.save(&with_code(parts), &digest);
    }
}

fn with_code<'p>(parts: &[&'p [u8]]) -> Vec<&'p [u8]> {
    std::iter::once(CODE.as_bytes()).chain(parts.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use super::super::kept::KeptService;
    use super::super::registry::Registry;
    use super::super::source::{DirectorySource, DocumentSource, EmbeddedSource};
    use super::*;

    #[derive(Debug, Default)]
    struct Memory {
        kept: Mutex<HashMap<Vec<Vec<u8>>, Vec<u8>>>,
        found: Mutex<usize>,
    }

    fn key(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        parts.iter().map(|part| part.to_vec()).collect()
    }

    impl DigestStore for Memory {
        fn load(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
            let found = self.kept.lock().unwrap().get(&key(parts)).cloned();
            *self.found.lock().unwrap() += usize::from(found.is_some());
            found
        }

        fn save(&self, parts: &[&[u8]], digest: &[u8]) {
            self.kept.lock().unwrap().insert(key(parts), digest.to_vec());
        }
    }

    fn registry(source: Arc<dyn DocumentSource>, store: &Arc<Memory>) -> Registry {
        Registry::new(vec![source], None).with_digests(Arc::clone(store) as Arc<dyn DigestStore>)
    }

    #[test]
    fn every_shipped_service_comes_back_as_it_was() {
        let store = Arc::new(Memory::default());
        let shipped = || registry(Arc::new(EmbeddedSource::shipped().documents()), &store);
        let (first, second) = (shipped(), shipped());
        let mut digests = 0;
        for name in first.provider_names() {
            let provider = first.provider(&name).unwrap();
            assert_eq!(second.provider(&name).unwrap(), provider);
            for service in provider.services.keys() {
                let read = first.service(&name, service).unwrap();
                assert_eq!(second.service(&name, service).unwrap(), read, "{name}.{service}");
            }
            digests += 1 + provider.services.len();
        }
        assert_eq!((*store.found.lock().unwrap(), store.kept.lock().unwrap().len()), (digests, digests));
        assert!(digests >= 50);
    }

    /// The same bytes: what `build.rs` makes with other features of the same crates would show here.
    #[test]
    fn the_digests_in_the_program_are_those_that_its_own_code_makes() {
        let shipped = EmbeddedSource::shipped();
        let parsed = Registry::new(vec![Arc::new(shipped.documents())], None);
        for file in shipped.provider_files().unwrap() {
            let name = file.split('/').next().unwrap();
            let provider = parsed.provider(name).unwrap();
            assert_eq!(shipped.digest(&file, None), serde_json::to_vec(&*provider).ok(), "{name}");
            for service in provider.services.keys() {
                let made = KeptService::write(&parsed.service(name, service).unwrap()).ok();
                assert!(made == shipped.digest(&file, Some(service)), "{name}.{service}");
            }
            assert_eq!(shipped.digest(&file, Some("none")), None);
        }
    }

    #[test]
    fn a_damaged_digest_is_made_anew_and_a_changed_document_has_another() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("shop/v1");
        std::fs::create_dir_all(&root).unwrap();
        let provider = "name: shop\nproviderServices:\n  a: {id: a, name: a, service: {$ref: shop/v1/a.yaml}}\n";
        std::fs::write(root.join("provider.yaml"), provider).unwrap();
        let document = |name: &str| {
            let resource = format!("{name}: {{id: shop.a.{name}, methods: {{}}, sqlVerbs: {{}}}}");
            let text = format!("openapi: 3.0.0\npaths: {{}}\ncomponents: {{x-stackQL-resources: {{{resource}}}}}\n");
            std::fs::write(root.join("a.yaml"), text).unwrap();
        };
        let store = Arc::new(Memory::default());
        let names = || -> Vec<String> {
            let registry = registry(Arc::new(DirectorySource::new(directory.path().to_owned())), &store);
            registry.service("shop", "a").unwrap().resources.keys().cloned().collect()
        };
        document("one");
        assert_eq!((names(), names()), (vec!["one".to_owned()], vec!["one".to_owned()]));
        assert_eq!(*store.found.lock().unwrap(), 2);
        document("two");
        assert_eq!(names(), ["two"]);
        for damage in [&b""[..], b"{}", b"null", b"\xff"] {
            store.kept.lock().unwrap().values_mut().for_each(|digest| *digest = damage.to_vec());
            assert_eq!(names(), ["two"], "{damage:?}");
        }
        assert_eq!(names(), ["two"]);
        // The provider's, and one of each document.
        assert_eq!(store.kept.lock().unwrap().len(), 3);
    }
}
