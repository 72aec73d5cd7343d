//! The Call: a method, its parameters, its body.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One call of one method: plain data, without a live handle, a signature or a secret of ours.
///
/// Everything that runs, shows, counts, stores or replays calls works on this type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The provider's name.
    pub provider: String,
    /// The service's name.
    pub service: String,
    /// The resource's name.
    pub resource: String,
    /// The method's name.
    pub method: String,
    /// Values by parameter name: path, query, header, cookie and server parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
    /// Values by body field name; a field that is not here is absent from the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub body: BTreeMap<String, Value>,
    /// A body that is no object of fields: a JSON value, or a text where the method's media type is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// Local files whose bytes are sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LocalFile>,
    /// The local file that the answer's bytes go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
}

/// A file of the user's as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalFile {
    /// Where it is; absolute, so that a stored plan means the same file wherever it is applied.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The field of the body that holds it, by its name on the wire; none where the file is the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl LocalFile {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        let name = std::path::Path::new(&self.path).file_name().and_then(std::ffi::OsStr::to_str);
        name.unwrap_or(&self.path)
    }
}

impl fmt::Display for LocalFile {
    /// `<disk.img.gz: 12 bytes, sha256 …>`: what stands for its bytes where a request is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}: {} bytes, sha256 {}>", self.name(), self.bytes, self.sha256)
    }
}
