//! A service's digest as bytes, of which one resource can be read without the others: a statement needs one of hundreds.
//!
//! The first line says how long the JSON of each resource is; the rest is that JSON, one after the other.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::model::{Resource, Service};

#[derive(Serialize, Deserialize)]
struct Head {
    provider: String,
    name: String,
    /// Lengths in bytes, in the document's order.
    resources: IndexMap<String, usize>,
}

/// The digest of a service, of which nothing but the names of its resources has been read.
pub(crate) struct KeptService {
    provider: String,
    name: String,
    resources: IndexMap<String, Range<usize>>,
    bytes: Vec<u8>,
}

impl KeptService {
    /// The bytes of a digest.
    ///
    /// # Errors
    /// When a part of it is no JSON, such as a number that is none.
    pub(crate) fn write(service: &Service) -> serde_json::Result<Vec<u8>> {
        let mut resources = IndexMap::new();
        let mut rest = Vec::new();
        for (name, resource) in &service.resources {
            let from = rest.len();
            serde_json::to_writer(&mut rest, &**resource)?;
            resources.insert(name.clone(), rest.len() - from);
        }
        let head = Head { provider: service.provider.clone(), name: service.name.clone(), resources };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.append(&mut rest);
        Ok(bytes)
    }

    /// A digest by its bytes; nothing when they are damaged.
    pub(crate) fn read(bytes: Vec<u8>) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let Head { provider, name, resources: lengths } = serde_json::from_slice(bytes.get(..end)?).ok()?;
        let mut resources = IndexMap::with_capacity(lengths.len());
        let mut from = end + 1;
        for (resource, length) in lengths {
            let to = from.checked_add(length)?;
            resources.insert(resource, from..to);
            from = to;
        }
        (from == bytes.len()).then_some(Self { provider, name, resources, bytes })
    }

    /// The names of its resources, in the document's order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.resources.keys().map(String::as_str)
    }

    /// One resource; nothing when it is not there or damaged.
    pub(crate) fn resource(&self, name: &str) -> Option<Resource> {
        serde_json::from_slice(self.bytes.get(self.resources.get(name)?.clone())?).ok()
    }

    /// All of it; nothing when any of it is damaged.
    pub(crate) fn service(&self) -> Option<Service> {
        let all = self.names().map(|name| Some((name.to_owned(), Arc::new(self.resource(name)?))));
        let resources = all.collect::<Option<_>>()?;
        Some(Service { provider: self.provider.clone(), name: self.name.clone(), resources })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let resource = |name: &str| {
            let text = format!(
                r#"{{"id": "a.b.{name}", "name": "{name}", "methods": {{}},
                    "verbs": {{"select": [], "insert": [], "update": [], "replace": [], "delete": []}}}}"#
            );
            (name.to_owned(), Arc::new(serde_json::from_str::<Resource>(&text).unwrap()))
        };
        Service { provider: "a".into(), name: "b".into(), resources: IndexMap::from(["z", "é"].map(resource)) }
    }

    #[test]
    fn one_resource_is_read_without_the_others() {
        let bytes = KeptService::write(&service()).unwrap();
        let kept = KeptService::read(bytes.clone()).unwrap();
        assert_eq!(kept.names().collect::<Vec<_>>(), ["z", "é"]);
        assert_eq!(kept.service().unwrap(), service());
        // The first is damaged, the last is as good as ever.
        let start = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let mut damaged = bytes;
        damaged[start] = b'!';
        let kept = KeptService::read(damaged).unwrap();
        assert!(kept.resource("z").is_none() && kept.service().is_none() && kept.resource("none").is_none());
        assert_eq!(kept.resource("é").unwrap(), *service().resources["é"]);
    }

    #[test]
    fn bytes_that_are_not_whole_are_none() {
        let bytes = KeptService::write(&service()).unwrap();
        for length in 0..bytes.len() {
            assert!(KeptService::read(bytes[..length].to_vec()).is_none(), "{length}");
        }
        for other in [
            &b"\n"[..],
            b"null\n",
            b"{}\n",
            b"{\"provider\":\"a\",\"name\":\"b\",\"resources\":{\"x\":18446744073709551615}}\n",
        ] {
            assert!(KeptService::read(other.to_vec()).is_none());
        }
    }
}
