//! The Call: a method, its parameters, its body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One call of one method: plain data, without a live handle, a signature or a secret of ours.
///
/// Everything that runs, shows, counts, stores or replays calls works on this type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}
